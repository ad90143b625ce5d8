//! The worker of shared connections, as it is committed, with tabs and a server that the test plays, and a clock of its own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

const SCRIPT = readFileSync(new URL('../../clients/browser/fanfare-worker.js', import.meta.url), 'utf8');
const TERMS = { base: 'http://push.example', transports: ['websocket'], minDelay: 500, maxDelay: 2000, timeout: 10000, maxQueue: 100 };
const settle = () => new Promise((next) => { setImmediate(next); });
const plain = (value) => JSON.parse(JSON.stringify(value));

/** A worker that runs. */
class Worker {
  now = 1_000_000;
  sockets = [];
  timers = [];

  constructor() {
    const worker = this;
    class Socket {
      bufferedAmount = 0;
      sent = [];

      constructor() {
        worker.sockets.push(this);
        setImmediate(() => this.onopen?.());
      }

      send(text) { for (const line of text.split('\n')) this.sent.push(JSON.parse(line)); }

      close() { this.isClosed = true; }
    }
    this.self = {};
    vm.runInContext(SCRIPT, vm.createContext({
      self: this.self, WebSocket: Socket, navigator: {}, Date: { now: () => this.now }, atob,
      setInterval: (run) => { this.look = run; }, setTimeout: (run, ms) => this.timers.push({ run, ms }), clearTimeout: () => {},
    }));
  }

  /** A tab that is connected. */
  async tab() {
    const port = { told: [], postMessage: (message) => port.told.push(plain(message)), close() {} };
    this.self.onconnect({ ports: [port] });
    port.say = (message) => port.onmessage({ data: message });
    port.say({ hello: { lock: '' } });
    port.say({ open: { link: 1, terms: TERMS } });
    port.say({ commands: { link: 1, commands: [{ id: 1, connect: {} }] } });
    await settle();
    const [socket] = this.sockets;
    const { id } = socket.sent.find(({ connect }) => connect);
    socket.onmessage({ data: JSON.stringify({ id, connect: { client: 'a', ping: 25, pong: true } }) });
    await settle();
    return port;
  }
}

test('a tab that is silent for a minute is counted out, one that answers is not, and with the last the connection ends', async () => {
  // Without Web Locks nothing tells of a tab that crashed, and its user would stay present for ever.
  const worker = new Worker();
  const [quick, dead] = [await worker.tab(), await worker.tab()];
  assert.equal(worker.sockets.length, 1);
  for (let i = 0; i < 3; i += 1) {
    worker.now += 25_000;
    worker.look();
    assert.deepEqual(quick.told.at(-1), { replies: { link: 1, replies: [{}] } }, 'a ping');
    quick.say({ commands: { link: 1, commands: [{}] } });
  }
  const { length } = dead.told;
  worker.now += 1000;
  worker.look();
  assert.equal(dead.told.length, length, 'it is told nothing any more');
  assert.equal(worker.sockets[0].isClosed, undefined);
  // It was only frozen: what it says is answered by an end, so that it comes back.
  dead.say({ commands: { link: 1, commands: [{ id: 9, ping: {} }] } });
  assert.deepEqual(dead.told.at(-1), { closed: { link: 1, code: 1006, reason: 'the tab was silent' } });
  worker.now += 61_000;
  worker.look();
  assert.equal(worker.sockets[0].isClosed, true);
});

test('a tab’s link that is over tells and is told nothing', async () => {
  const worker = new Worker();
  const port = await worker.tab();
  port.say({ open: { link: 2, terms: TERMS } });
  port.say({ commands: { link: 1, commands: [{ id: 5, publish: { channel: 'a', data: 1 } }] } });
  assert.deepEqual(port.told.at(-1).closed.link, 1);
  assert.equal(worker.sockets[0].sent.filter(({ publish }) => publish).length, 0);
  port.say({ commands: { link: 2, commands: [{ id: 6, connect: {} }] } });
  assert.equal(port.told.at(-1).replies.replies[0].id, 6);
  assert.equal(worker.sockets.length, 1);
});

test('a channel that the server gives is given to every tab, with what it missed of it', async () => {
  const worker = new Worker();
  const first = await worker.tab();
  const [socket] = worker.sockets;
  const push = (what) => socket.onmessage({ data: JSON.stringify({ push: { channel: 'given', ...what } }) });
  push({ subscribe: { recoverable: true, positioned: true, epoch: 'e', offset: 1 } });
  for (const offset of [2, 3]) push({ pub: { data: offset, offset } });
  const pushed = first.told.flatMap(({ replies }) => replies?.replies ?? []).filter((reply) => reply.push).map((reply) => reply.push);
  assert.deepEqual(pushed.map(({ subscribe, pub }) => (subscribe ? subscribe.offset : pub.data)), [1, 2, 3]);
  first.say({ open: { link: 2, terms: TERMS } });
  first.say({ commands: { link: 2, commands: [{ id: 7, connect: { subs: { given: { recover: true, epoch: 'e', offset: 2 } } } }] } });
  const { given } = first.told.at(-1).replies.replies[0].connect.subs;
  assert.equal(given.recovered, true);
  assert.deepEqual(given.publications, [{ data: 3, offset: 3 }]);
});

test('a subscription token that is a text ends its channel once, in every tab, when it has expired', async () => {
  // Nobody can give another one, and asking for it again and again would trouble the tabs for nothing.
  const worker = new Worker();
  const tabs = [await worker.tab(), await worker.tab()];
  const [socket] = worker.sockets;
  const subscribe = (port, id) => port.say({ commands: { link: 1, commands: [{ id, subscribe: { channel: 'a', token: 'text' } }] } });
  const last = (method) => socket.sent.findLast((command) => command[method]);
  const answer = async (id, what) => {
    socket.onmessage({ data: JSON.stringify({ id, ...what }) });
    await settle();
  };
  const pushes = (port) => port.told.flatMap(({ replies }) => replies?.replies ?? []).flatMap(({ push }) => (push ? [push] : []));
  for (const port of tabs) subscribe(port, 2);
  await settle();
  await answer(last('subscribe').id, { subscribe: { expires: true, ttl: 3 } });
  worker.timers.find(({ ms }) => ms === 3000).run();
  const asked = tabs.find((port) => pushes(port).length > 0);
  assert.equal(pushes(asked).at(-1).unsubscribe.code, 2501);
  subscribe(asked, 3);
  await settle();
  for (const port of tabs) assert.deepEqual(pushes(port).at(-1), { channel: 'a', unsubscribe: { code: 109, reason: 'no token: it has expired' } });
  assert.deepEqual(last('unsubscribe').unsubscribe, { channel: 'a' });
});

test('a connection that the server ended for good is woken by no hint of a tab', async () => {
  // It belongs to nobody any more: connected again it would be a session that no tab knows, until the browser is closed.
  const worker = new Worker();
  const port = await worker.tab();
  const [socket] = worker.sockets;
  const { length } = worker.timers;
  socket.onclose({ code: 4500, reason: 'over' });
  assert.deepEqual(port.told.at(-1), { closed: { link: 1, code: 4500, reason: 'over' } });
  for (const hint of ['online', 'shown', 'thawed']) port.say({ hint });
  for (const { run } of worker.timers.slice(length)) run();
  await settle();
  assert.equal(worker.sockets.length, 1);
});

test('the worker says that it lives to each link', async () => {
  const worker = new Worker();
  const port = await worker.tab();
  const before = port.told.filter(({ ready }) => ready).length;
  port.say({ open: { link: 2, terms: TERMS } });
  assert.equal(port.told.filter(({ ready }) => ready).length, before + 1);
});
