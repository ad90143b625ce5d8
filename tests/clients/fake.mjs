//! A browser without a network, for tests in which time counts: a `WebSocket` whose other end is the
//! test, an `XMLHttpRequest` whose answers the test gives, and Node's mocked clock. Owned by the
//! test that calls `begin`; its `t.after` puts everything back.

import { mock } from 'node:test';

import { page } from './browser.mjs';

/** A WebSocket; the test plays the server. */
export class FakeSocket {
  /** Every socket of the test, in order. */
  static all = [];
  static get last() { return FakeSocket.all.at(-1); }
  static get open() { return FakeSocket.all.filter((socket) => socket.readyState < 2); }

  readyState = 0;
  bufferedAmount = 0;
  /** Commands that came, one by one. */
  sent = [];
  /** How many messages they came in. */
  messages = 0;

  constructor(url) {
    this.url = url;
    this.at = Date.now();
    FakeSocket.all.push(this);
  }

  send(text) {
    this.messages += 1;
    this.sent.push(...text.split('\n').map((line) => JSON.parse(line)));
  }

  close(code, reason) {
    this.readyState = 3;
    this.closed = { code, reason };
  }

  // ---- the server's side ----

  accept() {
    this.readyState = 1;
    this.onopen?.({});
  }

  say(...replies) {
    this.onmessage?.({ data: replies.map((reply) => JSON.stringify(reply)).join('\n') });
  }

  drop(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** Takes the handshake and the connect command, and every subscribe behind it. */
  welcome(result = {}) {
    this.accept();
    this.reply('connect', { client: 'c', ping: 25, pong: true, ...result });
  }

  /** The newest command of a method. */
  command(method) { return this.sent.findLast((command) => command[method] !== undefined); }

  /** Answers the newest command of a method. */
  reply(method, result = {}) { this.say({ id: this.command(method).id, [method]: result }); }

  refuse(method, code, message = 'no', more = {}) {
    this.say({ id: this.command(method).id, error: { code, message, ...more } });
  }
}

/** An XMLHttpRequest; the test gives the answer. */
export class FakeRequest {
  static all = [];
  static get last() { return FakeRequest.all.at(-1); }
  readyState = 0;
  header = {};

  constructor() { FakeRequest.all.push(this); }
  open(method, url) { Object.assign(this, { method, url, path: new URL(url).pathname }); }
  setRequestHeader(name, value) { this.header[name] = value; }
  getResponseHeader(name) { return this.answer[name] ?? null; }
  send(body) { this.body = body; }
  abort() { this.aborted = true; }

  respond(status, text = '', header = {}) {
    Object.assign(this, { readyState: 4, status, responseText: text, answer: header });
    this.onreadystatechange();
  }
}

/** Begins a test without a network or a clock of its own. */
export function begin(t, { websocket = true } = {}) {
  const { WebSocket, EventSource, XMLHttpRequest } = globalThis;
  const { random } = Math;
  FakeSocket.all = [];
  FakeRequest.all = [];
  globalThis.WebSocket = websocket ? FakeSocket : undefined;
  globalThis.EventSource = undefined;
  globalThis.XMLHttpRequest = FakeRequest;
  page.hidden = false;
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_000 });
  t.after(() => {
    mock.timers.reset();
    Math.random = random;
    Object.assign(globalThis, { WebSocket, EventSource, XMLHttpRequest });
  });
}

/** Lets promises that are settled tell so. */
export const settle = () => new Promise((next) => { setImmediate(next); });

/** Lets time pass. */
export async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

/** Lets the clock go on while no timer runs, as on a page that is throttled or frozen. */
export function sleep(ms) { mock.timers.setTime(Date.now() + ms); }
