//! Recovery under fire: clients whose connections are killed at random for 1 to 5 s, again and again, while publications go
//! out. At the end every client must have had every publication once and in order.
//!
//!     node fire.mjs [--mode websocket|protobuf|http_stream|sse|poll] [--clients 30] [--seconds 10] [--rate 200]
//!                   [--workers 2] [--seed N]
//!
//! The first three modes are the official SDK (JSON, Protobuf, HTTP streaming); `sse` and `poll` are plain clients of /sse and
//! /poll. Each client has a TCP proxy of its own, which cuts it. Prints one JSON line of figures; the exit status is 0 only when
//! nothing was lost, doubled or out of order and there were cuts. Bounds: loopback only; the time given and SETTLE_MAX_MS. It
//! owns its server and its workers and ends them.

import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';

import { until } from '../nginx/until.mjs';
import { Client } from './client.mjs';
import { Fanfare } from './server.mjs';

const READY_MAX_MS = 30_000;
const SETTLE_MAX_MS = 60_000;
/** How often the publisher looks what is due. */
const TICK_MS = 10;
const CHANNEL = 'fire:a';

// A history of 40 s at full rate, for cuts of 5 s that may follow one another closely; outboxes that hold a recovery of all of it.
const SETTINGS = `
[limits]
outbox_bytes = "64MiB"
shard_queue_bytes = "256MiB"

[log]
filter = "warn"

[[namespace]]
name = "fire"
history_size = 20000
recovery = true
allow.subscribe = ["anonymous"]
allow.publish = ["anonymous"]
`;

function options() {
  const { values } = parseArgs({ options: {
    mode: { type: 'string', default: 'websocket' }, clients: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '10' }, rate: { type: 'string', default: '200' },
    workers: { type: 'string', default: '2' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  } });
  const number = (name) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number above 0`);
    return value;
  };
  return {
    mode: values.mode, clients: number('clients'), seconds: number('seconds'), rate: number('rate'),
    workers: Math.min(number('workers'), number('clients')), seed: number('seed'),
  };
}

/** A process with its share of the clients, and what it said last. */
class Worker {
  #said = {};
  #failure = null;

  constructor(words) {
    this.child = fork(new URL('fire-clients.mjs', import.meta.url), [JSON.stringify(words)]);
    this.child.on('message', (message) => Object.assign(this.#said, message));
    this.child.on('exit', (code) => { if (!this.#said.figures) this.#failure = new Error(`a worker ended with ${code}`); });
    this.child.on('error', (error) => { this.#failure = error; });
  }

  said(what, deadlineMs) {
    return until(`a worker says ${what}`, () => {
      if (this.#failure) throw this.#failure;
      return this.#said[what];
    }, deadlineMs);
  }

  tell(message) { this.child.send(message); }
}

/** Publishes `rate` a second for so many seconds; answers how many. A refused publication ends the run. */
async function publish(publisher, { rate, seconds }) {
  const started = performance.now();
  const last = rate * seconds;
  let sent = 0;
  let answered = 0;
  let failure = null;
  while (answered < last) {
    if (failure) throw failure;
    const due = Math.min(last, Math.floor(((performance.now() - started) / 1000) * rate));
    publisher.sdk.startBatching();
    while (sent < due) {
      sent += 1;
      publisher.publish(CHANNEL, { n: sent, text: 'a publication under fire 你好' })
        .then(() => { answered += 1; }, (error) => { failure = new Error(`refused: ${error.code} ${error.message}`); });
    }
    publisher.sdk.stopBatching();
    await new Promise((next) => { setTimeout(next, TICK_MS); });
  }
  return { last, seconds: (performance.now() - started) / 1000 };
}

async function main() {
  const chosen = options();
  const fanfare = await Fanfare.start(SETTINGS);
  const workers = [];
  let publisher;
  let good = false;
  try {
    for (let index = 0; index < chosen.workers; index += 1) {
      const upTo = (count) => Math.floor((count * chosen.clients) / chosen.workers);
      const [clients, seed] = [upTo(index + 1) - upTo(index), chosen.seed * 1000 + index];
      workers.push(new Worker({ mode: chosen.mode, clients, port: fanfare.port, channel: CHANNEL, seed }));
    }
    await Promise.all(workers.map((worker) => worker.said('ready', READY_MAX_MS)));
    publisher = await Client.open({ transport: 'websocket', binary: false }, fanfare.origin, { timeout: 30_000 });
    for (const worker of workers) worker.tell('fire');
    const { last, seconds } = await publish(publisher, chosen);
    const silent = performance.now();
    for (const worker of workers) worker.tell({ last });
    const all = await Promise.all(workers.map((worker) => worker.said('figures', SETTLE_MAX_MS + 10_000)));
    const figures = Object.fromEntries(Object.keys(all[0]).map((key) => [key, all.reduce((sum, one) => sum + one[key], 0)]));
    fanfare.mustRun();
    good = figures.lost + figures.doubled + figures.out_of_order + figures.unrecovered === 0
      && figures.cuts > 0 && figures.recoveries > 0 && figures.deliveries === last * chosen.clients;
    process.stdout.write(`${JSON.stringify({
      mode: chosen.mode, clients: chosen.clients, publications: last, seconds: Number(seconds.toFixed(1)), ...figures,
      settled_ms: Math.round(performance.now() - silent), seed: chosen.seed, good,
    })}\n`);
  } finally {
    publisher?.close();
    for (const { child } of workers) child.kill('SIGKILL');
    if (!good) process.stderr.write(`${fanfare.output}\n`);
    await fanfare.remove();
  }
  process.exit(good ? 0 : 1);
}

await main();
