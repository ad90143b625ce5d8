//! The backend that a node asks and tells, and what it makes of the events: each process that served has a life of its own in them,
//! which begins with `node_started`, and within it they are what happened. Owned by `main.mjs`. Bounds: the sessions and batches of the lives.

import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { HOOK_SECRET } from './token.mjs';

const SLOW_MS = 2500;

/** What the events of one process said. */
class Life {
  /** Session to the channels that it is in. */
  sessions = new Map();
  gone = new Set();
  occupied = new Set();
  /** Hashes of the batches that were taken. */
  taken = new Set();
  /** Another process began, and it was not said that this one goes on: nothing more may come of it. */
  isOver = false;

  constructor(verdict, name) { Object.assign(this, { verdict, name }); }

  fault(text) { this.verdict.fault({ rule: 'events', text: `life ${this.name}: ${text}` }); }

  connected({ client }) {
    if (this.sessions.has(client) || this.gone.has(client)) this.fault(`${client} connected twice`);
    this.sessions.set(client, new Set());
  }

  disconnected({ client }) {
    const channels = this.sessions.get(client);
    if (!channels) this.fault(`${client} disconnected, and never connected or twice`);
    else if (channels.size > 0) this.fault(`${client} disconnected, and is still in ${[...channels].join(' ')}`);
    this.sessions.delete(client);
    this.gone.add(client);
  }

  subscribed({ client, channel }) {
    const channels = this.sessions.get(client);
    if (!channels) this.fault(`${client} subscribed to ${channel}, and is not connected`);
    else if (channels.has(channel)) this.fault(`${client} subscribed twice to ${channel}`);
    channels?.add(channel);
  }

  unsubscribed({ client, channel }) {
    if (!this.sessions.get(client)?.delete(channel)) this.fault(`${client} unsubscribed from ${channel}, where it was not`);
  }

  channel_occupied({ channel }) {
    if (this.occupied.has(channel)) this.fault(`${channel} was occupied twice`);
    this.occupied.add(channel);
  }

  channel_vacated({ channel }) {
    if (!this.occupied.delete(channel)) this.fault(`${channel} was vacated, and was not occupied`);
  }
}

/** The backend of one node. */
export class Backend {
  /** `ok`, `slow` or `broken`. */
  mode = 'ok';
  calls = 0;
  /** By the ids of the processes. */
  #lives = new Map();

  constructor(verdict) { this.verdict = verdict; }

  async start() {
    this.server = createServer((request, response) => { this.#answer(request, response); }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
  }

  /** How many processes said that they began. */
  get lives() { return this.#lives.size; }

  /** What is known of the process of this id. */
  life(node) { return this.#lives.get(node) ?? new Life(this.verdict, `${node}, which never said that it began`); }

  #take(body) {
    const { events } = JSON.parse(body);
    const [{ node }] = events;
    const isKnown = this.#lives.has(node);
    if (!isKnown && events[0].type === 'node_started') this.#begin(events[0]);
    const life = this.life(node);
    // The same batch again: its answer was lost, or what had been held up on its way came after it was sent anew.
    const hash = createHash('sha256').update(body).digest('base64');
    if (life.taken.has(hash)) return;
    life.taken.add(hash);
    if (!this.#lives.has(node)) life.fault(`tells of ${events[0].type} first`);
    if (life.isOver) life.fault(`tells of ${events[0].type}, and another process began without it`);
    events.forEach((event, index) => {
      if (event.node !== node) life.fault(`has an event of ${event.node} in a batch of its own`);
      if (event.type === 'node_started' && (isKnown || index > 0)) life.fault('began twice');
      life[event.type]?.(event);
    });
  }

  #begin({ node, handover }) {
    // What a backend does: who was there in an earlier life is gone, unless that one goes on and tells of its end itself.
    if (!handover) for (const life of this.#lives.values()) life.isOver = true;
    this.#lives.set(node, new Life(this.verdict, node));
  }

  async #answer(request, response) {
    const pieces = [];
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      return;
    }
    const body = Buffer.concat(pieces).toString();
    this.calls += 1;
    const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(request.headers['x-fanfare-signature']) ?? [];
    const expected = createHmac('sha256', HOOK_SECRET).update(`${time}.`).update(body).digest('hex');
    if (signature !== expected) this.verdict.fault({ rule: 'events', text: `a call of ${request.url} is not signed as it should be` });
    if (this.mode === 'broken') {
      response.writeHead(500).end();
      return;
    }
    let answer = {};
    if (request.url === '/events') this.#take(body);
    else answer = { result: { data: JSON.parse(body).data } };
    if (this.mode === 'slow') await new Promise((next) => { setTimeout(next, SLOW_MS); });
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(answer));
  }

  remove() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
