//! The clients of `fire.mjs`, one process's share: each behind a proxy that cuts it at random, each counting what it gets.
//! Started by it and told by messages: `fire` begins the cuts, `{ last }` ends them and says what must have come. Bounds: those
//! of `fire.mjs`, and an end when its parent is gone.

import { until } from '../nginx/until.mjs';
import { Cut } from './cut.mjs';
import { Poller } from './fire-poll.mjs';
import { Streamer } from './fire-sse.mjs';
import { SdkListener } from './fire-sdk.mjs';

const SETTLE_MAX_MS = 60_000;
// How long a connection is left alone, and how long it is gone.
const UP_MS = [500, 6000];
const DOWN_MS = [1000, 5000];

/** Numbers from a seed, so that a run can be repeated (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What one client got of the numbers 1, 2, 3 …, and in which order. */
class Tally {
  deliveries = 0;
  doubled = 0;
  out_of_order = 0;
  recoveries = 0;
  unrecovered = 0;
  next = 1;
  missing = new Set();

  take(number) {
    this.deliveries += 1;
    if (number === this.next) {
      this.next += 1;
    } else if (number > this.next) {
      while (this.next < number) this.missing.add(this.next++);
      this.next += 1;
    } else if (this.missing.delete(number)) {
      this.out_of_order += 1;
    } else {
      this.doubled += 1;
    }
  }

  /** Whether it came back with everything that it missed. */
  back(recovered) { this[recovered ? 'recoveries' : 'unrecovered'] += 1; }

  lost(last) { return this.missing.size + Math.max(0, last - this.next + 1); }
}

const LISTENERS = {
  websocket: (...words) => new SdkListener({ transport: 'websocket', binary: false }, ...words),
  protobuf: (...words) => new SdkListener({ transport: 'websocket', binary: true }, ...words),
  http_stream: (...words) => new SdkListener({ transport: 'http_stream', binary: false }, ...words),
  sse: (...words) => new Streamer(...words),
  poll: (...words) => new Poller(...words),
};

async function main() {
  const { mode, clients, port, channel, seed } = JSON.parse(process.argv[2]);
  process.on('disconnect', () => process.exit(1));
  const told = {};
  process.on('message', (message) => { if (message === 'fire') told.fire = true; else told.last = message.last; });

  const draw = random(seed);
  const between = ([from, to]) => from + draw() * (to - from);
  const all = [];
  for (let index = 0; index < clients; index += 1) {
    const cut = await Cut.before(port);
    const tally = new Tally();
    all.push({ cut, tally, listener: LISTENERS[mode](cut.origin, channel, tally) });
  }
  await until('all clients listen', () => all.every(({ listener }) => listener.ready), 25_000);
  process.send({ ready: true });

  await until('the word', () => told.fire, 60_000);
  let over = false;
  const timers = new Set();
  const after = (ms, what) => {
    const timer = setTimeout(() => { timers.delete(timer); what(); }, ms);
    timers.add(timer);
  };
  const up = (cut) => after(between(UP_MS), () => { cut.cut(); down(cut); });
  const down = (cut) => after(between(DOWN_MS), () => { cut.mend(); if (!over) up(cut); });
  for (const { cut } of all) up(cut);

  await until('the end', () => told.last, 3_600_000);
  over = true;
  for (const timer of timers) clearTimeout(timer);
  for (const { cut } of all) cut.mend();
  const done = () => all.every(({ tally }) => tally.next > told.last);
  await until('everything came', done, SETTLE_MAX_MS).catch(() => {});

  const sum = (what) => all.reduce((total, one) => total + what(one), 0);
  const figures = { cuts: sum(({ cut }) => cut.cuts), lost: sum(({ tally }) => tally.lost(told.last)) };
  for (const name of ['deliveries', 'doubled', 'out_of_order', 'recoveries', 'unrecovered']) {
    figures[name] = sum(({ tally }) => tally[name]);
  }
  process.send({ figures });
}

await main();
