//! Calls and their results, tokens, and what refuses a connection: against a server that the test
//! plays and a clock that the test moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tell } from './browser.mjs';
import { client, codeOf } from './client.mjs';
import { begin, FakeSocket, pass, settle } from './fake.mjs';

const ORIGIN = 'https://push.example.com';

function start(t, options = {}) {
  begin(t);
  const made = client(t, ORIGIN, { minDelay: 500, maxDelay: 20000, transports: ['websocket'], ...options });
  made.connect();
  return made;
}

test('calls made while connecting wait, and go out in order once there is a connection', async (t) => {
  // Pages send when the user presses, not when the network is ready; what is lost or turned round then is a bug of ours.
  const made = start(t);
  const results = [made.publish('a', 1), made.rpc('m', { x: 1 }), made.publish('a', 2)];
  FakeSocket.last.welcome();
  await settle();
  assert.deepEqual(FakeSocket.last.sent.slice(1).map(({ id, ...command }) => command), [
    { publish: { channel: 'a', data: 1 } }, { rpc: { method: 'm', data: { x: 1 } } }, { publish: { channel: 'a', data: 2 } }]);
  for (const { id, rpc } of FakeSocket.last.sent.slice(1)) FakeSocket.last.say(rpc ? { id, rpc: { data: 'y' } } : { id, publish: {} });
  assert.deepEqual(await Promise.all(results), [undefined, 'y', undefined]);
});

test('the queue holds maxQueue calls; the next is rejected with queue_full, and one that leaves makes room', async (t) => {
  // An app that is offline for an hour would else fill the memory of the phone.
  const made = start(t, { maxQueue: 3 });
  const waiting = [1, 2, 3].map((n) => codeOf(made.publish('a', n)));
  assert.equal(await codeOf(made.publish('a', 4)), 'queue_full');
  FakeSocket.last.welcome();
  const burst = Array.from({ length: 200 }, (_, n) => codeOf(made.publish('a', n)));
  await settle();
  assert.equal(FakeSocket.last.sent.filter(({ publish }) => publish).length, 203, 'what is sent does not wait');
  for (const { id, publish } of FakeSocket.last.sent) if (publish) FakeSocket.last.say({ id, publish: {} });
  assert.ok((await Promise.all([...waiting, ...burst])).every((code) => code === 0));
});

test('where the platform does not get rid of what is sent, calls wait in the queue, and its bound holds', async (t) => {
  // WebSocket.send never says no: on a slow line the browser gathers megabytes that nobody sees.
  const made = start(t, { maxQueue: 2 });
  const socket = FakeSocket.last;
  socket.welcome();
  socket.bufferedAmount = 300 * 1024;
  const held = [made.publish('a', 1), made.publish('a', 2)];
  assert.equal(await codeOf(made.publish('a', 3)), 'queue_full');
  assert.equal(socket.command('publish'), undefined);
  socket.bufferedAmount = 0;
  await pass(100);
  assert.equal(socket.sent.filter(({ publish }) => publish).length, 2);
  for (const { id, publish } of socket.sent) if (publish) socket.say({ id, publish: {} });
  await Promise.all(held);
});

test('a close while the platform holds back leaves no timer behind', async (t) => {
  // A timer that outlives its client keeps a page's memory, and a program from its end.
  const made = start(t);
  FakeSocket.last.welcome();
  FakeSocket.last.bufferedAmount = 300 * 1024;
  const held = codeOf(made.publish('a', 1));
  const timers = new Set();
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  globalThis.setTimeout = (run, ms) => {
    const timer = set(run, ms);
    timers.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    timers.delete(timer);
    clear(timer);
  };
  try {
    const other = codeOf(made.publish('a', 2));
    assert.ok(timers.size >= 2, 'its own, and the look at the link');
    made.close();
    assert.equal(timers.size, 0);
    assert.deepEqual([await held, await other], ['closed', 'closed']);
  } finally {
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }
});

test('a call without an answer is rejected with timeout, sent or not, and its late answer is passed over', async (t) => {
  // A promise that never settles is a button that stays grey.
  const made = start(t, { timeout: 2000 });
  const unsent = codeOf(made.publish('a', 1));
  await pass(1999);
  FakeSocket.last.welcome();
  await pass(1);
  assert.equal(await unsent, 'timeout');
  const sent = codeOf(made.rpc('m'));
  const { id } = FakeSocket.last.command('rpc');
  await pass(2000);
  assert.equal(await sent, 'timeout');
  FakeSocket.last.say({ id, rpc: { data: 1 } });
  assert.equal(made.state, 'connected');
});

test('a call that was sent is rejected with closed when the connection is lost; one that waits goes on waiting', async (t) => {
  // Sent and unanswered may have been done: to send it again by ourselves could do it twice.
  const made = start(t);
  FakeSocket.last.welcome();
  const sent = codeOf(made.publish('a', 1));
  FakeSocket.last.drop();
  assert.equal(await sent, 'closed');
  const waiting = made.publish('a', 2);
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.command('publish').publish.data, 2);
  assert.equal(FakeSocket.last.sent.filter(({ publish }) => publish).length, 1, 'the first is not sent again');
  FakeSocket.last.reply('publish');
  await waiting;
});

test('without a connection, and at its end, calls are rejected with closed', async (t) => {
  const made = start(t);
  const waiting = codeOf(made.publish('a', 1));
  made.close();
  assert.equal(await waiting, 'closed');
  for (const call of [() => made.publish('a', 1), () => made.rpc('m'), () => made.send(1),
    () => made.subscribe('a').presence(), () => made.subscribe('a').history(), () => made.subscribe('a').publish(1)]) {
    assert.equal(await codeOf(call()), 'closed');
  }
});

test("the server's error is what a call is rejected with", async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  const call = made.rpc('m');
  FakeSocket.last.refuse('rpc', 108, 'not available');
  await assert.rejects(call, (error) => {
    assert.deepEqual(error, { code: 108, message: 'not available' });
    return true;
  });
});

test('send has no reply on the wire, and its result is that it was sent', async (t) => {
  const made = start(t);
  const waiting = made.send({ a: 1 });
  FakeSocket.last.welcome();
  await waiting;
  assert.deepEqual(FakeSocket.last.sent.at(-1), { send: { data: { a: 1 } } }, 'without an id');
});

test('history and presence are what the server said, in the types that are promised', async (t) => {
  const made = start(t);
  const part = made.subscribe('a');
  FakeSocket.last.welcome();
  const history = part.history({ limit: 2, since: { offset: 4, epoch: 'e', more: 1 }, reverse: true });
  const asked = FakeSocket.last.command('history').history;
  assert.deepEqual(asked, { channel: 'a', limit: 2, since: { offset: 4, epoch: 'e' }, reverse: true });
  FakeSocket.last.reply('history', { publications: [{ data: 1, offset: 3, info: { user: 'u', client: 'c' }, tags: { a: 'b' } }], offset: 9, epoch: 'e' });
  assert.deepEqual(await history, {
    publications: [{ data: 1, offset: 3, epoch: 'e', info: { user: 'u', client: 'c' }, tags: { a: 'b' }, recovered: false }],
    position: { offset: 9, epoch: 'e' },
  });
  const all = part.history();
  assert.equal(FakeSocket.last.command('history').history.limit, -1, 'all that the server gives');
  FakeSocket.last.reply('history', {});
  assert.deepEqual(await all, { publications: [], position: { offset: 0, epoch: '' } });
  const presence = part.presence();
  FakeSocket.last.reply('presence', { presence: { c: { user: 'u', client: 'c' } } });
  assert.deepEqual(await presence, { c: { user: 'u', client: 'c' } });
});

// ---- tokens ----

test('a token function is asked before the first connection, and not again while its token counts', async (t) => {
  // A restart of the server would else send every client to the backend at the same moment.
  let asked = 0;
  const made = start(t, { token: async () => `t${++asked}` });
  assert.equal(FakeSocket.all.length, 0);
  await settle();
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.last.command('connect').connect.token, 't1');
  FakeSocket.last.drop(1012);
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.accept();
  assert.equal(FakeSocket.last.command('connect').connect.token, 't1');
});

test('an expired token is replaced: on 109 at once, on 3005 with the next attempt', async (t) => {
  // The commonest reason that apps stay dead: the token of the page is an hour old.
  let asked = 0;
  const made = start(t, { token: () => `t${++asked}` });
  await settle();
  FakeSocket.last.welcome();
  FakeSocket.last.drop(3005, 'expired');
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.accept();
  assert.equal(FakeSocket.last.command('connect').connect.token, 't2');
  FakeSocket.last.drop();
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.accept();
  FakeSocket.last.refuse('connect', 109, 'token expired');
  assert.equal(made.told.state.at(-1).retryIn, 0);
  await pass(0);
  FakeSocket.last.accept();
  assert.equal(FakeSocket.last.command('connect').connect.token, 't3');
  // A fresh one that is refused again is no reason to hurry: a clock is wrong somewhere.
  FakeSocket.last.refuse('connect', 109, 'token expired');
  assert.ok(made.told.state.at(-1).retryIn >= 500);
  assert.deepEqual(made.told.close, []);
});

test('an expired token that is a text ends the connection with 109', async (t) => {
  const made = start(t, { token: 'old' });
  FakeSocket.last.accept();
  FakeSocket.last.refuse('connect', 109, 'token expired');
  assert.deepEqual(made.told.close, [{ code: 109, reason: 'token expired' }]);
});

test('a token is renewed when it ends, over the connection that stands', async (t) => {
  // Without that each connection breaks at the end of its token.
  let asked = 0;
  const made = start(t, { token: async () => `t${++asked}` });
  await settle();
  FakeSocket.last.welcome({ expires: true, ttl: 60, ping: 0 });
  await pass(59_999);
  assert.equal(FakeSocket.last.command('refresh'), undefined);
  await pass(1);
  assert.equal(FakeSocket.last.command('refresh').refresh.token, 't2');
  FakeSocket.last.reply('refresh', { expires: true, ttl: 30 });
  await pass(30_000);
  assert.equal(FakeSocket.last.command('refresh').refresh.token, 't3');
  // A passing refusal is tried again.
  FakeSocket.last.refuse('refresh', 100, 'internal', { temporary: true });
  await pass(10_000);
  assert.equal(FakeSocket.last.command('refresh').refresh.token, 't4');
  FakeSocket.last.refuse('refresh', 103, 'blocked');
  assert.deepEqual(made.told.close, [{ code: 103, reason: 'blocked' }]);
});

test('a token that ends as it is made is renewed once a second, not without a pause', async (t) => {
  // A backend whose clock is behind, or a token for no time at all, would be asked as fast as the network goes, by every client.
  let asked = 0;
  const made = start(t, { token: async () => `t${++asked}` });
  await settle();
  FakeSocket.last.welcome({ expires: true, ttl: 0, ping: 0 });
  for (let n = 0; n < 20; n++) {
    await pass(100);
    if (FakeSocket.last.command('refresh')) FakeSocket.last.reply('refresh', { expires: true, ttl: 0 });
  }
  assert.equal(asked, 3);
  assert.equal(made.state, 'connected');
});

test('connect() asks for a token anew, that of a subscription too', async (t) => {
  // After a logout somebody else logs in, and after 3500 the old token is why it ended: with it the client would never get in again.
  let user = 'ann';
  const made = start(t, { token: async () => user });
  const part = made.subscribe('a', { token: async (channel) => `${user}.${channel}` });
  await settle();
  await settle();
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.last.command('connect').connect.token, 'ann');
  assert.equal(FakeSocket.last.command('subscribe').subscribe.token, 'ann.a');
  FakeSocket.last.drop(3500, 'invalid token');
  assert.equal(made.state, 'disconnected');
  user = 'bo';
  made.connect();
  await settle();
  await settle();
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.last.command('connect').connect.token, 'bo');
  assert.equal(FakeSocket.last.command('subscribe').subscribe.token, 'bo.a');
  assert.equal(part.channel, 'a');
});

test('a token that ends in a year is not renewed at once', async (t) => {
  // Timers hold 31 bits of milliseconds, and run at once beyond.
  const made = start(t, { token: async () => 't' });
  await settle();
  FakeSocket.last.welcome({ expires: true, ttl: 31_536_000, ping: 0 });
  await pass(1000);
  assert.equal(FakeSocket.last.command('refresh'), undefined);
  assert.equal(made.state, 'connected');
});

test('a token function that fails is told as an error, and asked again with the next attempt', async (t) => {
  let asked = 0;
  const made = start(t, { token: () => { asked += 1; if (asked === 1) throw new Error('no backend'); return Promise.resolve('t'); } });
  await settle();
  assert.match(made.told.error[0].message, /no backend/);
  assert.equal(made.state, 'connecting');
  await pass(made.told.state.at(-1).retryIn);
  assert.equal(FakeSocket.all.length, 1);
});

test('a token function that never answers does not hold the client for ever', async (t) => {
  const made = start(t, { timeout: 1000, token: () => new Promise(() => {}) });
  await pass(1000);
  assert.match(made.told.state.at(-1).reason, /no connection/);
  assert.ok(made.told.state.at(-1).retryIn > 0);
});

test('a token that comes after close opens nothing', async (t) => {
  let give;
  const made = start(t, { token: () => new Promise((resolve) => { give = resolve; }) });
  made.close();
  give('t');
  await settle();
  assert.equal(FakeSocket.all.length, 0);
});

test('an empty token connects without one', async (t) => {
  start(t, { token: async () => '' });
  await settle();
  FakeSocket.last.accept();
  assert.equal('token' in FakeSocket.last.command('connect').connect, false);
});

test('a refused connect is final, unless it passes', async (t) => {
  const made = start(t);
  FakeSocket.last.accept();
  FakeSocket.last.refuse('connect', 100, 'internal', { temporary: true });
  assert.deepEqual(made.told.error, [{ code: 100, message: 'internal', temporary: true }]);
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.accept();
  FakeSocket.last.refuse('connect', 103, 'permission denied');
  assert.deepEqual(made.told.close, [{ code: 103, reason: 'permission denied' }]);
  assert.equal(FakeSocket.open.length, 0);
});

test('a disconnect push ends as its code says', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  FakeSocket.last.say({ push: { disconnect: { code: 3001, reason: 'shutdown' } } });
  assert.equal(made.state, 'connecting');
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.welcome();
  FakeSocket.last.say({ push: { disconnect: { code: 3503, reason: 'kicked' } } });
  assert.deepEqual(made.told.close, [{ code: 3503, reason: 'kicked' }]);
});

test('calls that wait while the page is frozen have their result after it', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  tell('pagehide', { persisted: true });
  const call = made.publish('a', 1);
  tell('pageshow', { persisted: true });
  await pass(0);
  FakeSocket.last.welcome();
  FakeSocket.last.reply('publish');
  await call;
});
