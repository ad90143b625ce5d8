//! The thread of the sessions that come and go: into rooms that announce joins and leaves, and through every plain way in. Told what
//! to do by messages of `main.mjs`. Bounds: `rate` sessions a second, OPEN_MAX at a time.

import { get } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

import { Ledger } from '../book/ledger.mjs';
import { Random } from '../random.mjs';
import { tokenOf } from '../token.mjs';
import { Frames } from './frames.mjs';
import { Session } from './protocol.mjs';
import { Watcher } from './watcher.mjs';

const TICK_MS = 20;
const OPEN_MAX = 1000;
const STAY_MS = [20, 900];
const BORN_MAX = 100_000;

const { seed, port, doors, rooms, channels, watchers } = workerData;
const random = new Random(seed, 'churn');
const ledger = new Ledger((message) => parentPort.postMessage(message));
Object.assign(ledger, { joins: 0, leaves: 0 });
const figures = { opened: 0, entered: 0, refused: 0 };
/** When each session began to enter, by its id. */
const born = new Map();
const open = new Set();
let rate = 0;
let owed = 0;
let watching = [];

/** Each takes `done` for when it is over. */
const VISITS = [
  [80, visitRooms], [8, visitRaw], [6, visitEvents], [6, visitPoll],
];

async function visitRooms(done) {
  const began = performance.now();
  const session = new Session(random.percent(80) ? port : random.of(doors), { onEnd: done });
  open.add(session);
  const into = [random.of(rooms), random.of(rooms)];
  const granted = await session.enter([...new Set(into)], random.percent(20) ? { token: tokenOf(`visitor-${random.below(50)}`) } : {});
  if (!granted) {
    figures.refused += 1;
    session.close();
    return;
  }
  figures.entered += 1;
  born.set(session.id, began);
  if (born.size > BORN_MAX) born.delete(born.keys().next().value);
  setTimeout(() => leave(session), random.between(...STAY_MS));
}

function leave(session) {
  const way = random.next();
  if (way < 0.1) session.ask([{ unsubscribe: { channel: random.of(rooms) } }]).then(() => session.close());
  else if (way < 0.6) session.close();
  else if (way < 0.8) session.frames.destroy();
  else if (way < 0.9) session.frames.reset();
  // Its Close is awaited by the node, and never comes.
  else session.frames.socket.end();
  setTimeout(() => session.frames.destroy(), 3000);
}

function visitRaw(done) {
  const query = new URLSearchParams({ channel: random.of(channels), since: String(random.below(5)), envelope: '1' });
  const frames = new Frames(port, `/raw?${query}`, {
    onOpen: () => { figures.entered += 1; setTimeout(() => frames.close(), random.between(...STAY_MS)); },
    onText: () => {},
    onEnd: done,
  });
  setTimeout(() => frames.destroy(), 5000);
}

function visitPath(path, done) {
  const request = get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
    figures.entered += 1;
    response.on('error', () => {}).resume();
    setTimeout(() => request.destroy(), random.between(...STAY_MS));
  });
  request.on('error', () => {}).on('close', done);
  setTimeout(() => request.destroy(), 5000);
}

function visitEvents(done) { visitPath(`/sse?${new URLSearchParams({ channel: random.of(channels) })}`, done); }

function visitPoll(done) { visitPath(`/poll?${new URLSearchParams({ channel: random.of(channels), since: String(random.below(3)) })}`, done); }

function visit() {
  let share = random.next() * 100;
  const [, go] = VISITS.find(([percent]) => (share -= percent) < 0);
  figures.opened += 1;
  const mark = {};
  open.add(mark);
  go((_, session) => { open.delete(mark); if (session) open.delete(session); });
}

setInterval(() => {
  owed = Math.min(owed + (rate * TICK_MS) / 1000, 50);
  for (; owed >= 1 && open.size < 2 * OPEN_MAX; owed -= 1) visit();
}, TICK_MS);

const ORDERS = {
  watch: () => {
    watching = Array.from({ length: watchers }, (_, index) => {
      const mine = rooms.filter((_room, at) => at % watchers === index || (at + 1) % watchers === index);
      return new Watcher({ ledger, born }, `watcher-${index}`, port, mine);
    });
    return {};
  },
  rate: (words) => { rate = words.rate; return {}; },
  figures: () => ({ ...figures, joins: ledger.joins, leaves: ledger.leaves, deliveries: 0 }),
  /** How many are still there; `ids` are those of the watchers. */
  quiet: () => ({ open: open.size, ready: watching.every(({ ready }) => ready), ids: watching.map(({ session, rooms: mine }) => ({ id: session.id, rooms: mine })) }),
  compare: ({ present }) => {
    for (const [room, ids] of Object.entries(present)) {
      for (const watcher of watching) if (watcher.rounds.has(room)) watcher.compare(room, new Set(ids));
    }
    return {};
  },
  judge: ({ isVoid }) => {
    for (const watcher of watching) watcher.judge(isVoid);
    return {};
  },
  stop: () => {
    rate = 0;
    for (const watcher of watching) watcher.stop();
    return {};
  },
};

parentPort.on('message', ({ id, order, ...words }) => {
  parentPort.postMessage({ what: 'answer', id, answer: ORDERS[order](words) });
});
