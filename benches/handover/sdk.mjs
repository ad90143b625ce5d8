//! Clients of the official SDK for `run`: so many in one process, each in a channel of its own share and in the one of all.
//!
//!     node sdk.mjs PORT FIRST COUNT CHANNELS
//!
//! Prints `{"joined": N}` once all are subscribed, and for each line that it is sent what every client has had so far. Owned by `run`,
//! at whose end it ends. Bounds: one number a publication that a client got.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// What the rig has installed.
const require = createRequire(new URL('../../tests/rig/package.json', import.meta.url));
const { Centrifuge } = require('centrifuge');
const WebSocket = require('ws');

const ALL = 'all';
const [port, first, count, channels] = process.argv.slice(2).map(Number);

/** What all of them note. */
const noted = { notRecovered: 0, ended: 0, opened: 0, longestAway: 0 };
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

/** One client, with all that it got, by channel and in order. */
function start(index) {
  const seen = { [`c${index % channels}`]: [], [ALL]: [] };
  // As the SDK has it: nothing but the address and the socket is told.
  const sdk = new Centrifuge(`ws://127.0.0.1:${port}/connection/websocket`, { websocket: WebSocket });
  let away = null;
  sdk.on('connecting', () => { away ??= performance.now(); });
  sdk.on('connected', () => {
    noted.opened += 1;
    // The first time is the start of the bench.
    if (isJoined) noted.longestAway = Math.max(noted.longestAway, performance.now() - away);
    away = null;
  });
  // It is told not to come back, which nobody does here.
  sdk.on('disconnected', () => { noted.ended += 1; });
  const joined = Object.keys(seen).map((channel) => new Promise((next) => {
    const subscription = sdk.newSubscription(channel);
    subscription.on('publication', ({ data }) => seen[channel].push(data));
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      if (wasRecovering && !recovered) noted.notRecovered += 1;
      next();
    });
    subscription.on('unsubscribed', () => { noted.ended += 1; });
    subscription.subscribe();
  }));
  sdk.connect();
  return { seen, joined: Promise.all(joined) };
}

let isJoined = false;
const clients = Array.from({ length: count }, (_, index) => start(first + index));
await Promise.all(clients.map(({ joined }) => joined));
isJoined = true;
say({ joined: count });
for await (const _ of createInterface({ input: process.stdin })) say({ ...noted, seen: clients.map(({ seen }) => seen) });
process.exit(0);
