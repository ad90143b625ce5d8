//! The thread of the clients that stay: every kind, spread over the channels, each behind one of the doors (ports of the fault
//! proxy, or the node's own). Told what to do by messages of `main.mjs`. Bounds: the clients that were asked for.

import { parentPort, workerData } from 'node:worker_threads';

import { Ledger } from '../book/ledger.mjs';
import { Random } from '../random.mjs';
import { tokenOf } from '../token.mjs';
import { Poller } from './poll.mjs';
import { SdkListener } from './sdk.mjs';
import { Streamer } from './sse.mjs';
import { BareSocket, EnvelopeSocket } from './websocket.mjs';

/** Kinds, and how many of a hundred are of it. */
const KINDS = [
  [12, 'sdk json', (...words) => sdk('websocket', false, ...words)],
  [8, 'sdk protobuf', (...words) => sdk('websocket', true, ...words)],
  [5, 'sdk http_stream', (...words) => sdk('http_stream', false, ...words)],
  [5, 'sdk sse', (...words) => sdk('sse', false, ...words)],
  [25, 'websocket', (...words) => new EnvelopeSocket(...words)],
  [10, 'bare', (...words) => new BareSocket(...words)],
  [20, 'sse', (...words) => new Streamer(...words)],
  [15, 'poll', (...words) => new Poller(...words)],
];

function sdk(transport, binary, context, name, port, channels) {
  return new SdkListener(context, name, port, channels, { transport, binary, token: tokenOf(name) });
}

const { seed, clients, doors, channels, wide } = workerData;
const random = new Random(seed, 'residents');
const ledger = new Ledger((message) => parentPort.postMessage(message));
const all = [];

function kindOf(index) {
  let share = (index * 37) % 100;
  return KINDS.find(([percent]) => (share -= percent) < 0);
}

function open() {
  for (let index = 0; index < clients; index += 1) {
    const [, kind, make] = kindOf(index);
    // Each channel has listeners; beside its own each client has another, and half of them the wide one.
    const own = [channels[index % channels.length], channels[random.below(channels.length)]];
    if (index % 2 === 0) own.push(wide);
    const name = `${kind.replace(' ', '-')}-${index}`;
    const into = kind === 'bare' ? own.slice(0, 1) : [...new Set(own)];
    const client = make({ ledger, random }, name, doors[index % doors.length], into);
    client.channels = into;
    all.push(client);
  }
}

/** Who is not where the channels are. */
function behind(tops) {
  const late = [];
  for (const { name, logs, ready } of all) {
    if (!ready) late.push({ client: name, text: 'is not connected and subscribed' });
    for (const log of logs.values()) {
      const top = tops[log.channel];
      if (top && (log.epoch !== top.epoch || log.offset !== top.offset)) {
        late.push({ client: name, channel: log.channel, epoch: log.epoch, text: `is at ${log.offset}@${log.epoch}, the channel at ${top.offset}@${top.epoch}` });
      }
    }
  }
  return late;
}

/** How many of them are in each channel. */
function members() {
  const count = {};
  for (const client of all) for (const channel of client.channels) count[channel] = (count[channel] ?? 0) + 1;
  return count;
}

const ORDERS = {
  behind: ({ tops }) => ({ late: behind(tops), sessions: all.length, members: members() }),
  sleep: ({ share, ms, seed: drawn }) => {
    const able = all.filter((client) => client.sleep);
    const chance = new Random(drawn);
    const chosen = able.filter(() => chance.percent(share));
    for (const client of chosen) client.sleep(ms);
    return { clients: chosen.length };
  },
  figures: () => ({ deliveries: ledger.deliveries, recovered: ledger.recovered }),
  stop: () => {
    for (const client of all) client.stop();
    ledger.flush();
    return {};
  },
};

parentPort.on('message', ({ id, order, ...words }) => {
  parentPort.postMessage({ what: 'answer', id, answer: ORDERS[order](words) });
});
open();
