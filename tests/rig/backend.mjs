//! The backend that a node asks and tells, and what it makes of the events: within the life of one process they are what
//! happened. Owned by `main.mjs`. Bounds: the sessions of the life.

import { createHmac } from 'node:crypto';
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
  events = 0;
  last = '';

  constructor(verdict, name) { Object.assign(this, { verdict, name }); }

  #fault(text) { this.verdict.fault({ rule: 'events', text: `life ${this.name}: ${text}` }); }

  take(body) {
    // The same batch again: its answer was lost.
    if (body === this.last) return;
    this.last = body;
    for (const event of JSON.parse(body).events) {
      this.events += 1;
      this[event.type]?.(event);
    }
  }

  connected({ client }) {
    if (this.sessions.has(client) || this.gone.has(client)) this.#fault(`${client} connected twice`);
    this.sessions.set(client, new Set());
  }

  disconnected({ client }) {
    const channels = this.sessions.get(client);
    if (!channels) this.#fault(`${client} disconnected, and never connected or twice`);
    else if (channels.size > 0) this.#fault(`${client} disconnected, and is still in ${[...channels].join(' ')}`);
    this.sessions.delete(client);
    this.gone.add(client);
  }

  subscribed({ client, channel }) {
    const channels = this.sessions.get(client);
    if (!channels) this.#fault(`${client} subscribed to ${channel}, and is not connected`);
    else if (channels.has(channel)) this.#fault(`${client} subscribed twice to ${channel}`);
    channels?.add(channel);
  }

  unsubscribed({ client, channel }) {
    if (!this.sessions.get(client)?.delete(channel)) this.#fault(`${client} unsubscribed from ${channel}, where it was not`);
  }

  channel_occupied({ channel }) {
    if (this.occupied.has(channel)) this.#fault(`${channel} was occupied twice`);
    this.occupied.add(channel);
  }

  channel_vacated({ channel }) {
    if (!this.occupied.delete(channel)) this.#fault(`${channel} was vacated, and was not occupied`);
  }
}

/** The backend of one node. */
export class Backend {
  /** `ok`, `slow` or `broken`. */
  mode = 'ok';
  calls = 0;
  #lives = new Map();
  #ofSocket = new WeakMap();

  constructor(verdict) { this.verdict = verdict; }

  async start() {
    this.server = createServer((request, response) => { this.#answer(request, response); }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.server.on('connection', (socket) => this.#ofSocket.set(socket, this.life));
    this.port = this.server.address().port;
  }

  /** What is told from now on by new connections is of this life. */
  begin(life) {
    this.life = life;
    this.#lives.set(life, new Life(this.verdict, life));
  }

  get current() { return this.#lives.get(this.life); }

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
    if (request.url === '/events') this.#lives.get(this.#ofSocket.get(request.socket))?.take(body);
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
