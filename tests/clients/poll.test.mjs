//! Long polling as the client does it, request by request: against answers that the test gives and
//! a clock that the test moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tell } from './browser.mjs';
import { client, codeOf, subscribe } from './client.mjs';
import { begin, FakeRequest, pass, settle } from './fake.mjs';

const ORIGIN = 'https://push.example.com';
const answer = (since, messages = [], recovered = true) => JSON.stringify({ messages, since, recovered });

/** The fields of a request's form. */
const fields = (request) => [...new URLSearchParams(request.body)].map(([name, value]) => `${name}=${value}`);

/** A client whose server was reached; `channels` are joined, at position 1 of epoch e. */
async function start(t, channels = [], options = {}) {
  begin(t, { websocket: false });
  const made = client(t, ORIGIN, { minDelay: 500, maxDelay: 20000, transports: ['poll'], ...options });
  const parts = channels.map((channel) => subscribe(made, channel));
  made.connect();
  FakeRequest.last.respond(400, 'name at least one channel: ?channel=…\n');
  assert.equal(made.state, 'connected');
  if (parts.length > 0) {
    FakeRequest.last.respond(200, answer(channels.map(() => '1@e').join()));
    await settle();
  }
  return { made, parts };
}

test('one request asks whether the server is there, one joins all channels, one hangs', async (t) => {
  const { parts } = await start(t, ['a', '弹幕'], { token: 'jwt' });
  const [reached, joined, hanging] = FakeRequest.all;
  assert.deepEqual(fields(reached), ['token=jwt']);
  assert.deepEqual(fields(joined), ['channel=a', 'channel=弹幕', 'token=jwt']);
  assert.deepEqual(fields(hanging), ['channel=a', 'channel=弹幕', 'since=1@e,1@e', 'token=jwt']);
  assert.equal(hanging.header['Content-Type'], 'application/x-www-form-urlencoded', 'which needs no preflight');
  assert.deepEqual(parts.map((part) => part.position), [{ offset: 1, epoch: 'e' }, { offset: 1, epoch: 'e' }]);
});

test('an answer is dealt with, and the next poll begins behind it, at once', async (t) => {
  const { parts: [a, b] } = await start(t, ['a', 'b']);
  FakeRequest.last.respond(200, answer('3@e,1@e', [{ channel: 'a', offset: 2, data: 'x' }, { channel: 'a', offset: 3, data: { y: 1 } }]));
  assert.deepEqual(a.told.publication, [
    { data: 'x', offset: 2, epoch: 'e', recovered: false }, { data: { y: 1 }, offset: 3, epoch: 'e', recovered: false }]);
  assert.deepEqual(b.told.publication, []);
  assert.ok(fields(FakeRequest.last).includes('since=3@e,1@e'));
});

test('who published, and the tags, come by polling as they come over a WebSocket', async (t) => {
  // A chat that fell back to polling would show every message without its author. Bytes have both too.
  const { parts: [a] } = await start(t, ['a']);
  const beside = { info: { user: 'anna', client: 'c1' }, tags: { lang: 'zh' } };
  FakeRequest.last.respond(200, answer('3@e', [{ channel: 'a', offset: 2, data: 'x', ...beside }, { channel: 'a', offset: 3, b64data: 'AAE=', ...beside }]));
  assert.deepEqual(a.told.publication, [
    { data: 'x', offset: 2, epoch: 'e', recovered: false, ...beside }, { data: 'AAE=', offset: 3, epoch: 'e', recovered: false, ...beside }]);
});

test('what was lost is told of the channel that lost it, and of no other', async (t) => {
  // The server has one word for all channels of a poll; who takes it for all reloads everything for nothing.
  const { parts: [a, b] } = await start(t, ['a', 'b']);
  FakeRequest.last.respond(200, answer('9@e,2@e', [{ channel: 'b', offset: 2, data: 'kept' }], false));
  assert.deepEqual(b.told.publication.map(({ data }) => data), ['kept']);
  const join = FakeRequest.all.find((request) => request.body === 'channel=a' && !request.answer);
  join.respond(200, answer('9@e'));
  assert.ok(FakeRequest.all.some((request) => fields(request).includes('since=1@e')), 'it asks for what it missed');
  FakeRequest.all.find((request) => fields(request).join() === 'channel=a,since=1@e').respond(200, answer('9@e', [], false));
  assert.deepEqual(a.told.subscribed.at(-1), { wasRecovering: true, recovered: false, position: { offset: 9, epoch: 'e' } });
  assert.equal(b.told.subscribed.length, 1);
  assert.deepEqual(fields(FakeRequest.last), ['channel=b', 'channel=a', 'since=2@e,9@e']);
});

test('a channel that is refused meanwhile ends with the reason, and the others go on', async (t) => {
  const { made, parts: [a, b] } = await start(t, ['a', 'b']);
  FakeRequest.last.respond(403, 'permission denied: a\n');
  FakeRequest.all.find((request) => request.body === 'channel=a' && !request.answer).respond(403, 'permission denied: a\n');
  assert.deepEqual(a.told.unsubscribed, [{ code: 103, reason: 'permission denied: a' }]);
  assert.equal(made.state, 'connected');
  assert.deepEqual(fields(FakeRequest.all.findLast((request) => request.body.includes('since'))), ['channel=b', 'since=1@e']);
  assert.deepEqual(b.told.unsubscribed, []);
});

test('answers without anything that come at once are followed by a pause', async (t) => {
  // A server that drains answers every poll at once; a loop without a pause would ask a thousand times a second.
  await start(t, ['a']);
  const before = FakeRequest.all.length;
  for (let n = 0; n < 5; n++) {
    FakeRequest.last.respond(200, answer('1@e'));
    await pass(1000);
  }
  assert.equal(FakeRequest.all.length, before + 5);
  FakeRequest.last.respond(200, answer('1@e'));
  await pass(999);
  assert.equal(FakeRequest.all.length, before + 5);
});

test('a change of channels takes the place of the poll that hangs', async (t) => {
  const { made, parts: [a] } = await start(t, ['a']);
  const hanging = FakeRequest.last;
  subscribe(made, 'b');
  FakeRequest.last.respond(200, answer('7@f'));
  assert.ok(hanging.aborted);
  assert.deepEqual(fields(FakeRequest.last), ['channel=a', 'channel=b', 'since=1@e,7@f']);
  a.unsubscribe();
  assert.deepEqual(fields(FakeRequest.last), ['channel=b', 'since=7@f']);
  assert.equal(FakeRequest.all.filter((request) => !request.answer && !request.aborted).length, 1);
});

test('a poll without an answer is given up after a minute, and the client comes back from where it was', async (t) => {
  const { made, parts: [a] } = await start(t, ['a']);
  assert.equal(FakeRequest.last.timeout, 60_000);
  FakeRequest.last.respond(0);
  assert.equal(made.state, 'connecting');
  await pass(made.told.state.at(-1).retryIn);
  FakeRequest.last.respond(400, 'name at least one channel\n');
  FakeRequest.last.respond(200, answer('1@e'));
  assert.deepEqual(a.told.subscribed.at(-1), { wasRecovering: true, recovered: true, position: { offset: 1, epoch: 'e' } });
});

test('a probe begins the hanging poll anew, and asks the server for a sign', async (t) => {
  const { made } = await start(t, ['a']);
  const hanging = FakeRequest.last;
  tell('online');
  assert.ok(hanging.aborted);
  const sign = FakeRequest.all.findLast((request) => request.body === '');
  await pass(3999);
  sign.respond(400, 'name at least one channel\n');
  await pass(10_000);
  assert.equal(made.state, 'connected');
  tell('online');
  await pass(4000);
  assert.equal(made.state, 'connecting');
});

test('publishing is a request of its own, with the token in a header and not in an address', async (t) => {
  // Addresses are in every log between here and there.
  const { made } = await start(t, [], { token: 'jwt' });
  const results = [made.publish('a b', { x: 1 }), codeOf(made.publish('c', 2)), codeOf(made.publish('d', 3))];
  await settle();
  const send = FakeRequest.last;
  assert.equal(send.url, `${ORIGIN}/send?channel=a%20b`);
  assert.equal(send.header.Authorization, 'Bearer jwt');
  assert.equal(send.body, '{"x":1}');
  send.respond(200, '{"offset":1,"epoch":"e"}');
  FakeRequest.last.respond(403, 'permission denied: c\n');
  FakeRequest.last.respond(429, 'too many requests\n', { 'Retry-After': '1' });
  assert.deepEqual(await Promise.all(results), [undefined, 103, 111]);
  assert.equal(made.state, 'connected');
});

test('a channel that keeps nothing has no position, and is no loss', async (t) => {
  const { made, parts: [a] } = await start(t);
  assert.equal(a, undefined);
  const part = subscribe(made, 'plain');
  FakeRequest.last.respond(200, answer('-'));
  assert.deepEqual(part.told.subscribed, [{ wasRecovering: false, recovered: false, position: null }]);
  FakeRequest.last.respond(200, answer('-', [{ channel: 'plain', b64data: 'AAE=' }], false));
  assert.deepEqual(part.told.publication, [{ data: 'AAE=', recovered: false }]);
  assert.equal(part.told.subscribed.length, 1);
});

test('close gives up everything that is under way', async (t) => {
  const { made } = await start(t, ['a']);
  subscribe(made, 'b');
  const lost = codeOf(made.publish('a', 1));
  made.close();
  assert.equal(await lost, 'closed');
  const { length } = FakeRequest.all;
  await pass(120_000);
  assert.equal(FakeRequest.all.length, length);
  assert.ok(FakeRequest.all.every((request) => request.answer || request.aborted));
});

test('a refusal without the server’s own sentence is a gateway’s, and final for nobody', async (t) => {
  // Gateways refuse with an empty body or with JSON; an app behind one of them would be over for good after one bad minute.
  for (const [status, body] of [[403, ''], [401, '{"message":"Forbidden"}'], [403, '<html>no</html>'], [400, ''], [404, '{}']]) {
    await t.test(`${status} ${body}`, async (t) => {
      begin(t, { websocket: false });
      const made = client(t, ORIGIN, { minDelay: 500, maxDelay: 20000, transports: ['poll'] });
      made.connect();
      FakeRequest.last.respond(status, body);
      assert.equal(made.state, 'connecting');
      assert.deepEqual(made.told.close, []);
      assert.equal(made.told.state.at(-1).code, 1006);
    });
  }
});

test('a channel that needs a token is not lost for good by polling: it waits for a transport that takes one', async (t) => {
  // One bad minute of WebSocket would else take a user out of a private room until the app is started anew.
  const { made } = await start(t);
  const part = subscribe(made, 'private', { token: 'jwt' });
  const plain = subscribe(made, 'closed');
  const join = (channel) => FakeRequest.all.findLast((request) => request.body === `channel=${channel}` && !request.answer);
  await settle();
  join('private').respond(403, 'permission denied: private\n');
  await settle();
  join('closed').respond(403, 'permission denied: closed\n');
  assert.deepEqual(plain.told.unsubscribed.map(({ code }) => code), [103], 'without a token it is final');
  assert.deepEqual(part.told.unsubscribed, []);
  assert.deepEqual(part.told.error.map(({ code }) => code), [108]);
  await pass(20_000);
  join('private').respond(403, 'permission denied: private\n');
  assert.equal(part.told.error.length, 2, 'it is tried again');
});
