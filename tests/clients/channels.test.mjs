//! Subscriptions: what is sent, what is told, positions over reconnects, and what the server gives
//! and takes; against a server that the test plays and a clock that the test moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { client, subscribe } from './client.mjs';
import { begin, FakeSocket, pass, settle } from './fake.mjs';

const ORIGIN = 'https://push.example.com';

function start(t, options = {}) {
  begin(t);
  const made = client(t, ORIGIN, { minDelay: 500, maxDelay: 20000, transports: ['websocket'], ...options });
  made.connect();
  return made;
}

/** Drops the connection and lets the next one be there. */
async function again(made, result) {
  FakeSocket.last.drop();
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.welcome(result);
}

const pub = (channel, data, offset) => ({ push: { channel, pub: { data, ...(offset ? { offset } : {}) } } });

test('subscribes go out in one message with the connect command', async (t) => {
  // Each round trip on a phone is a third of a second in which messages are missed.
  const made = start(t);
  for (const name of ['a', 'b', 'c']) made.subscribe(name);
  FakeSocket.last.accept();
  assert.equal(FakeSocket.last.messages, 1);
  assert.deepEqual(FakeSocket.last.sent.map((command) => Object.keys(command)[1]), ['connect', 'subscribe', 'subscribe', 'subscribe']);
});

test('many subscribes stay below the size that the server takes in one message', async (t) => {
  // Beyond 64 KiB it closes with 1009, which is final.
  const made = start(t);
  for (let n = 0; n < 128; n++) made.subscribe(`${'弹'.repeat(80)}${n}`, { data: 'x'.repeat(200) });
  const sizes = [];
  const { send } = FakeSocket.prototype;
  t.after(() => { FakeSocket.prototype.send = send; });
  FakeSocket.prototype.send = function keep(text) { sizes.push(Buffer.byteLength(text)); send.call(this, text); };
  FakeSocket.last.accept();
  assert.equal(FakeSocket.last.sent.length, 129);
  assert.ok(sizes.length > 1 && sizes.every((size) => size <= 65536), sizes.join());
});

test('publications reach the subscription with offset, epoch and info, and move its position', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, recoverable: true, offset: 4, epoch: 'e' });
  assert.deepEqual(part.told.subscribed, [{ wasRecovering: false, recovered: false, position: { offset: 4, epoch: 'e' } }]);
  FakeSocket.last.say({ push: { channel: 'a', pub: { data: 'x', offset: 5, info: { user: 'u', client: 'c' }, tags: { k: 'v' } } } });
  assert.deepEqual(part.told.publication, [
    { data: 'x', offset: 5, epoch: 'e', info: { user: 'u', client: 'c' }, tags: { k: 'v' }, recovered: false }]);
  assert.deepEqual(part.position, { offset: 5, epoch: 'e' });
});

test('after a reconnect it goes on from its position, and what was missed is told as recovered', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, recoverable: true, offset: 4, epoch: 'e' });
  FakeSocket.last.say(pub('a', 5, 5));
  await again(made);
  const { recover, offset, epoch } = FakeSocket.last.command('subscribe').subscribe;
  assert.deepEqual({ recover, offset, epoch }, { recover: true, offset: 5, epoch: 'e' });
  FakeSocket.last.reply('subscribe', {
    positioned: true, recoverable: true, offset: 5, epoch: 'e', recovered: true, was_recovering: true,
    publications: [{ data: 6, offset: 6 }, { data: 7, offset: 7 }],
  });
  assert.deepEqual(part.told.subscribed[1], { wasRecovering: true, recovered: true, position: { offset: 5, epoch: 'e' } });
  assert.deepEqual(part.told.publication.map(({ data, recovered }) => [data, recovered]), [[5, false], [6, true], [7, true]]);
  assert.deepEqual(part.position, { offset: 7, epoch: 'e' });
  FakeSocket.last.say(pub('a', 8, 8));
  assert.equal(part.told.publication.at(-1).data, 8);
});

test('what came already does not come again, live or recovered', async (t) => {
  // A like that is counted twice, a comment that flies twice: apps do not look at offsets.
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 4, epoch: 'e' });
  FakeSocket.last.say(pub('a', 4, 4), pub('a', 5, 5), pub('a', 5, 5));
  await again(made);
  // A channel that keeps its newest brings it to everyone, also to who has it.
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 5, epoch: 'e', recovered: true, was_recovering: true, publications: [{ data: 5, offset: 5 }] });
  assert.deepEqual(part.told.publication.map(({ data }) => data), [5]);
});

test('the newest publication of a cached channel comes to who is new', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 5, epoch: 'e', publications: [{ data: 5, offset: 5 }] });
  assert.deepEqual(part.told.publication.map(({ data }) => data), [5]);
});

test('history that is lost is told: recovered is false, and it goes on from where the channel is', async (t) => {
  // Without a word the app shows a list with a hole.
  const made = start(t);
  const part = subscribe(made, 'a', { since: { offset: 40, epoch: 'old' } });
  assert.deepEqual(part.position, { offset: 40, epoch: 'old' });
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.last.command('subscribe').subscribe.offset, 40);
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 2, epoch: 'new', was_recovering: true });
  assert.deepEqual(part.told.subscribed, [{ wasRecovering: true, recovered: false, position: { offset: 2, epoch: 'new' } }]);
  FakeSocket.last.say(pub('a', 3, 3));
  assert.deepEqual(part.position, { offset: 3, epoch: 'new' });
});

test('a channel without a history has no position, and its publications come as they are', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', {});
  FakeSocket.last.say(pub('a', 1), pub('a', 1));
  assert.equal(part.position, null);
  assert.deepEqual(part.told.publication, [{ data: 1, recovered: false }, { data: 1, recovered: false }]);
  await again(made);
  assert.equal('recover' in FakeSocket.last.command('subscribe').subscribe, false);
});

test('several parts of one channel share a subscription, and it ends with the last of them', async (t) => {
  // Two pages of a mini program show the same room; the one that closes must not silence the other.
  const made = start(t);
  const first = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 1, epoch: 'e' });
  const [second, here, elsewhere] = [subscribe(made, 'a'), subscribe(made, 'a', { since: { offset: 1, epoch: 'e' } }),
    subscribe(made, 'a', { since: { offset: 0, epoch: 'e' } })];
  await settle();
  const position = { offset: 1, epoch: 'e' };
  assert.deepEqual(second.told.subscribed, [{ wasRecovering: false, recovered: false, position }]);
  assert.deepEqual(here.told.subscribed, [{ wasRecovering: true, recovered: true, position }]);
  assert.deepEqual(elsewhere.told.subscribed, [{ wasRecovering: true, recovered: false, position }]);
  assert.equal(FakeSocket.last.sent.filter((command) => command.subscribe).length, 1);
  FakeSocket.last.say(pub('a', 2, 2));
  first.unsubscribe();
  first.unsubscribe();
  FakeSocket.last.say(pub('a', 3, 3));
  assert.deepEqual(first.told.publication.map(({ data }) => data), [2]);
  assert.deepEqual(first.told.unsubscribed, [{ code: 0, reason: 'unsubscribed' }]);
  assert.deepEqual(first.position, { offset: 2, epoch: 'e' }, 'where it was, for a later since');
  assert.deepEqual(second.told.publication.map(({ data }) => data), [2, 3]);
  for (const part of [second, here]) part.unsubscribe();
  assert.equal(FakeSocket.last.command('unsubscribe'), undefined);
  elsewhere.unsubscribe();
  assert.deepEqual(FakeSocket.last.command('unsubscribe').unsubscribe, { channel: 'a' });
  await again(made);
  assert.equal(FakeSocket.last.command('subscribe'), undefined);
});

test('who leaves and comes back gets nothing of the old subscription', async (t) => {
  const made = start(t);
  const old = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', {});
  old.unsubscribe();
  const part = subscribe(made, 'a');
  FakeSocket.last.say(pub('a', 'late'));
  FakeSocket.last.reply('subscribe', {});
  FakeSocket.last.say(pub('a', 'new'));
  assert.deepEqual(part.told.publication.map(({ data }) => data), ['new']);
  assert.deepEqual(old.told.publication, []);
});

test('who leaves before the answer leaves on the wire too', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  const part = subscribe(made, 'a');
  part.unsubscribe();
  assert.ok(FakeSocket.last.command('unsubscribe'));
  FakeSocket.last.refuse('subscribe', 103);
  assert.deepEqual(part.told.error, []);
  assert.deepEqual(part.told.all.map(([event]) => event), ['unsubscribed']);
});

test('joins and leaves are told', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.last.command('subscribe').subscribe.join_leave, true);
  FakeSocket.last.reply('subscribe', {});
  const info = { user: 'u', client: 'c', conn_info: { name: 'Anna' } };
  FakeSocket.last.say({ push: { channel: 'a', join: { info } } }, { push: { channel: 'a', leave: { info } } });
  assert.deepEqual([part.told.join, part.told.leave], [[info], [info]]);
});

test('an unsubscribe of 2500 and more subscribes again from where it was; one below is the end', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 4, epoch: 'e' });
  FakeSocket.last.say({ push: { channel: 'a', unsubscribe: { code: 2500, reason: 'insufficient state' } } });
  assert.equal(FakeSocket.last.command('subscribe').subscribe.offset, 4);
  assert.deepEqual(part.told.unsubscribed, []);
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 9, epoch: 'e', was_recovering: true });
  assert.equal(part.told.subscribed[1].recovered, false);
  FakeSocket.last.say({ push: { channel: 'a', unsubscribe: { code: 2000, reason: 'server unsubscribe' } } });
  assert.deepEqual(part.told.unsubscribed, [{ code: 2000, reason: 'server unsubscribe' }]);
  const { length } = FakeSocket.last.sent;
  part.unsubscribe();
  assert.equal(FakeSocket.last.sent.length, length, 'there is nothing to leave');
});

test('a subscription that is refused is told and ends; one that is refused for now is tried again', async (t) => {
  const made = start(t);
  const [refused, later] = [subscribe(made, 'a'), subscribe(made, 'b')];
  FakeSocket.last.welcome();
  const ids = Object.fromEntries(FakeSocket.last.sent.filter((it) => it.subscribe).map((it) => [it.subscribe.channel, it.id]));
  FakeSocket.last.say({ id: ids.a, error: { code: 103, message: 'permission denied' } });
  assert.deepEqual(refused.told.all, [['error', { code: 103, message: 'permission denied' }], ['unsubscribed', { code: 103, reason: 'permission denied' }]]);
  FakeSocket.last.say({ id: ids.b, error: { code: 100, message: 'internal', temporary: true } });
  assert.equal(later.told.error.length, 1);
  await pass(1000);
  assert.equal(FakeSocket.last.command('subscribe').subscribe.channel, 'b');
  FakeSocket.last.reply('subscribe', {});
  assert.equal(later.told.subscribed.length, 1);
  assert.equal(made.state, 'connected');
});

test('a subscribe that is not answered means that the line is dead', async (t) => {
  const made = start(t, { timeout: 3000 });
  FakeSocket.last.welcome({ ping: 0 });
  const part = subscribe(made, 'a');
  await pass(3000);
  assert.equal(made.state, 'connecting');
  await pass(made.told.state.at(-1).retryIn);
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', {});
  assert.equal(part.told.subscribed.length, 1);
});

// ---- subscription tokens ----

test('a subscription token is given, replaced on 109, and renewed before it ends', async (t) => {
  let asked = 0;
  const made = start(t);
  FakeSocket.last.welcome({ ping: 0 });
  const part = subscribe(made, 'a', { token: async (channel) => `${channel}${++asked}`, data: { x: 1 } });
  await settle();
  const { token, data } = FakeSocket.last.command('subscribe').subscribe;
  assert.deepEqual([token, data], ['a1', { x: 1 }]);
  FakeSocket.last.refuse('subscribe', 109, 'token expired');
  await pass(1000);
  assert.equal(FakeSocket.last.command('subscribe').subscribe.token, 'a2');
  FakeSocket.last.reply('subscribe', { expires: true, ttl: 60 });
  await pass(60_000);
  assert.deepEqual(FakeSocket.last.command('sub_refresh').sub_refresh, { channel: 'a', token: 'a3' });
  FakeSocket.last.reply('sub_refresh', { expires: true, ttl: 60 });
  FakeSocket.last.say({ push: { channel: 'a', unsubscribe: { code: 2501, reason: 'subscription expired' } } });
  await settle();
  assert.equal(FakeSocket.last.command('subscribe').subscribe.token, 'a4');
  assert.deepEqual(part.told.unsubscribed, []);
});

test('an expired subscription token that is a text ends the subscription', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  const part = subscribe(made, 'a', { token: 'old' });
  FakeSocket.last.refuse('subscribe', 109, 'token expired');
  assert.equal(part.told.unsubscribed[0].code, 109);
  assert.equal(made.state, 'connected');
});

// ---- what the server gives ----

test('channels that the server gives are told of by the client, and recovered over reconnects', async (t) => {
  // A personal channel is nothing that the app asks for, so nothing of the app holds it.
  const made = start(t);
  FakeSocket.last.welcome({ subs: { '#42': { positioned: true, recoverable: true, offset: 1, epoch: 'e' } } });
  FakeSocket.last.say(pub('#42', 'hi', 2), { push: { channel: '#42', join: { info: { user: 'u', client: 'c' } } } });
  assert.deepEqual(made.told.subscribed, [{ channel: '#42', wasRecovering: false, recovered: false, position: { offset: 1, epoch: 'e' } }]);
  assert.deepEqual(made.told.publication, [{ channel: '#42', data: 'hi', offset: 2, epoch: 'e', recovered: false }]);
  assert.deepEqual(made.told.join, [{ channel: '#42', user: 'u', client: 'c' }]);
  await again(made, { subs: { '#42': { positioned: true, offset: 2, epoch: 'e', recovered: true, was_recovering: true, publications: [{ data: 'more', offset: 3 }] } } });
  assert.deepEqual(FakeSocket.last.command('connect').connect.subs, { '#42': { recover: true, offset: 2, epoch: 'e' } });
  assert.equal(FakeSocket.last.command('subscribe'), undefined);
  assert.equal(made.told.publication.at(-1).data, 'more');
  await again(made, {});
  assert.deepEqual(made.told.unsubscribed.map(({ channel, code }) => [channel, code]), [['#42', 2000]]);
});

test('the app may take part in a channel that the server gives, and keeps it when the server does not any more', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome({ subs: { news: { positioned: true, offset: 1, epoch: 'e' } } });
  const part = subscribe(made, 'news');
  await settle();
  assert.equal(part.told.subscribed.length, 1);
  assert.equal(FakeSocket.last.command('subscribe'), undefined, 'it would be an error (105)');
  FakeSocket.last.say(pub('news', 'a', 2));
  assert.equal(part.told.publication[0].data, 'a');
  await again(made, {});
  assert.equal(FakeSocket.last.command('subscribe').subscribe.offset, 2);
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 2, epoch: 'e', recovered: true, was_recovering: true });
  part.unsubscribe();
  assert.ok(FakeSocket.last.command('unsubscribe'));
});

test('who asks for a channel that the server gives with the answer is in it once', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'news');
  FakeSocket.last.welcome({ subs: { news: { positioned: true, offset: 1, epoch: 'e' } } });
  FakeSocket.last.refuse('subscribe', 105, 'already subscribed');
  FakeSocket.last.say(pub('news', 'a', 2));
  assert.deepEqual(part.told.all.map(([event]) => event), ['subscribed', 'publication']);
});

test('the server subscribes and unsubscribes while connected', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  FakeSocket.last.say({ push: { channel: 'x', subscribe: { positioned: true, offset: 3, epoch: 'e', data: { a: 1 } } } }, pub('x', 1, 4));
  assert.deepEqual(made.told.subscribed[0].data, { a: 1 });
  assert.equal(made.told.publication.length, 1);
  FakeSocket.last.say({ push: { channel: 'x', unsubscribe: { code: 2000, reason: 'bye' } } }, pub('x', 2, 5));
  assert.deepEqual(made.told.unsubscribed, [{ channel: 'x', code: 2000, reason: 'bye' }]);
  assert.equal(made.told.publication.length, 1);
});

test('positions outlive close and connect', async (t) => {
  const made = start(t);
  const part = subscribe(made, 'a');
  FakeSocket.last.welcome();
  FakeSocket.last.reply('subscribe', { positioned: true, offset: 4, epoch: 'e' });
  made.close();
  made.connect();
  FakeSocket.last.accept();
  assert.equal(FakeSocket.last.command('subscribe').subscribe.offset, 4);
  assert.deepEqual(part.told.unsubscribed, []);
});

test('names that are of every object are names like others', async (t) => {
  const made = start(t);
  FakeSocket.last.welcome();
  for (const name of ['__proto__', 'constructor', 'hasOwnProperty', '弹幕']) {
    const part = subscribe(made, name);
    FakeSocket.last.reply('subscribe', {});
    FakeSocket.last.say(pub(name, name));
    assert.deepEqual(part.told.publication.map(({ data }) => data), [name]);
  }
  assert.throws(() => made.subscribe(''), /a channel has a name/);
});
