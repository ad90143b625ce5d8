//! A tab that shares a connection, against a SharedWorker that the test plays and a clock that the test moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hide } from './browser.mjs';
import { client } from './client.mjs';
import { begin, FakeSocket, pass, settle } from './fake.mjs';

const ORIGIN = 'https://push.example.com';
const SHARE = { name: 'ann', worker: '/fanfare-worker.js' };

/** Workers that were started or joined, in order; the test plays them. */
class FakeWorker {
  static all = [];
  static get last() { return FakeWorker.all.at(-1); }
  said = [];
  isDead = false;

  constructor(address, name) {
    Object.assign(this, { address, name });
    this.port = { postMessage: (message) => this.said.push(message), close: () => { this.isClosed = true; }, onmessage: null };
    FakeWorker.all.push(this);
  }

  tell(message) { if (!this.isDead) this.port.onmessage({ data: message }); }

  /** Answers the newest link as a worker that is connected does. */
  welcome() {
    const { link } = this.said.findLast(({ open }) => open).open;
    this.tell({ ready: true });
    const { id } = this.said.findLast(({ commands }) => commands?.link === link).commands.commands[0];
    this.tell({ replies: { link, replies: [{ id, connect: { client: 'shared', ping: 25, pong: true, subs: {} } }] } });
  }
}

function start(t, options = {}) {
  begin(t);
  FakeWorker.all = [];
  globalThis.SharedWorker = FakeWorker;
  t.after(() => { delete globalThis.SharedWorker; });
  const made = client(t, ORIGIN, { minDelay: 500, maxDelay: 20000, share: SHARE, ...options });
  made.connect();
  return made;
}

test('a worker that died is noticed, and another one is started', async (t) => {
  // The process of a worker crashes, or is ended to save memory, and a port of it says nothing: a tab that goes on asking it
  // stays without a connection until it is loaded anew.
  const made = start(t);
  FakeWorker.last.welcome();
  assert.equal(made.state, 'connected');
  FakeWorker.last.isDead = true;
  hide(false);
  await pass(4000);
  await pass(0);
  assert.equal(made.state, 'connecting', 'a probe was not answered');
  await pass(3000);
  await pass(1000);
  assert.equal(FakeWorker.all.length, 2);
  FakeWorker.last.welcome();
  assert.equal(made.state, 'connected');
  assert.equal(FakeSocket.all.length, 0, 'no connection of its own');
});

test('a worker that never answers is given up for a connection of the tab’s own', async (t) => {
  const made = start(t);
  await pass(3000);
  await pass(0);
  assert.equal(FakeWorker.all.length, 1);
  assert.ok(FakeWorker.last.isClosed);
  FakeSocket.last.welcome();
  assert.equal(made.state, 'connected');
  assert.equal(made.transport, 'websocket');
});

test('a worker that waits for the network is waited for', async (t) => {
  // It lives and says so; without a server a connection of the tab's own would not stand either.
  const made = start(t);
  for (let n = 0; n < 5; n++) {
    FakeWorker.last.tell({ ready: true });
    await pass(10_000);
    await pass(made.told.state.at(-1).retryIn ?? 0);
  }
  assert.equal(FakeWorker.all.length, 1);
  FakeWorker.last.welcome();
  await settle();
  assert.equal(made.state, 'connected');
  assert.equal(FakeSocket.all.length, 0);
});

test('the address of the worker reaches the browser as it was given', async (t) => {
  // A page that demands trusted types refuses a text; made a text on the way, its TrustedScriptURL counts for nothing.
  const trusted = { toString: () => '/fanfare-worker.js', toJSON: () => '/fanfare-worker.js' };
  start(t, { share: { name: 'ann', worker: trusted } });
  assert.equal(FakeWorker.last.address, trusted);
  assert.equal(FakeWorker.last.name, 'ann');
});
