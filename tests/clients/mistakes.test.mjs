//! What people get wrong when they first write with the client, each of which was met by somebody
//! who followed the documentation: it must be said where it was written, in words that name it, and
//! must harm nothing beside it. Without a network, but for the last ones.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inSeconds, token } from '../sdk/token.mjs';
import { client, codeOf, connected, Fanfare, received, subscribe, subscribed } from './client.mjs';
import { begin, FakeRequest, FakeSocket, pass, settle } from './fake.mjs';
import { Server } from './server.mjs';

const ORIGIN = 'https://push.example.com';
const CYCLE = {};
CYCLE.self = CYCLE;
const BOOM = { toJSON() { throw new Error('boom'); } };
const UNSAYABLE = { 'a cycle': CYCLE, 'a BigInt': 10n, 'an object that throws': BOOM, nothing: undefined, 'a function': () => 1, 'a symbol': Symbol('s') };

function start(t, options = {}) {
  begin(t);
  const made = client(t, ORIGIN, { minDelay: 500, maxDelay: 20000, transports: ['websocket'], ...options });
  made.connect();
  return made;
}

test('data that JSON cannot say is rejected at once, before and after the connection is there, and harms no other call', async (t) => {
  // Written into the queue, one such object broke the connection when it came, and every call beside it.
  const made = start(t);
  for (const when of ['while connecting', 'connected']) {
    const other = codeOf(made.publish('a', when));
    for (const [what, data] of Object.entries(UNSAYABLE)) {
      assert.equal(await codeOf(made.publish('a', data)), 107, `${when}: ${what}`);
      assert.equal(await codeOf(made.send(data)), 107, `${when}: ${what}`);
      if (data !== undefined) assert.equal(await codeOf(made.rpc('m', data)), 107, `${when}: ${what}`);
      assert.equal(await codeOf(made.subscribe('a').publish(data)), 107, `${when}: ${what}`);
    }
    if (when === 'while connecting') FakeSocket.last.welcome();
    await settle();
    FakeSocket.last.reply('publish');
    assert.equal(await other, 0);
    assert.equal(made.state, 'connected');
  }
  assert.equal(FakeSocket.all.length, 1);
  await assert.rejects(made.publish('a', CYCLE), { code: 107, message: /JSON.*circular/s });
  assert.equal(FakeSocket.last.sent.filter(({ publish }) => publish).length, 2);
});

test('what is sent is what was given at the time of the call', async (t) => {
  // Games keep one object and change it at each move: while connecting, every call was the last one.
  const made = start(t);
  const move = { x: 1 };
  for (const x of [1, 2, 3]) {
    move.x = x;
    codeOf(made.publish('a', move));
  }
  FakeSocket.last.welcome();
  const sent = FakeSocket.last.sent.flatMap(({ publish }) => (publish ? [publish.data.x] : []));
  assert.deepEqual(sent, [1, 2, 3]);
});

test('data of the connection and of a subscription that JSON cannot say is refused where it is written', (t) => {
  // It would throw out of a timer at every attempt.
  const made = start(t);
  for (const data of [CYCLE, 10n, () => 1]) {
    assert.throws(() => new Fanfare(ORIGIN, { data }));
    assert.throws(() => made.subscribe('a', { data }));
  }
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.last.command('subscribe'), undefined, 'nothing of it is left behind');
  made.subscribe('a');
  assert.ok(FakeSocket.last.command('subscribe'));
});

test('what is no token is not sent: the end would be for good', async (t) => {
  // A backend that is down for a minute answers with a page, and 3500 would end the app for ever.
  const wrong = ['<html>502 Bad Gateway</html>', '{"token":"a.b.c"}', 'Bearer a.b.c', 'not logged in', { token: 'a.b.c' }];
  for (const answer of wrong) {
    await t.test(JSON.stringify(answer), async (u) => {
      const made = start(u, { token: () => answer });
      await settle();
      assert.equal(FakeSocket.all.length, 0);
      assert.equal(made.state, 'connecting');
      const [{ code, message }] = made.told.error;
      assert.equal(code, 109);
      assert.ok(message.includes(String(answer).slice(0, 12)), message);
    });
  }
});

test('a token has no blanks around it, given as a text or by a function', async (t) => {
  // `fanfare token` ends its line, and so does the file that it is kept in.
  for (const given of [' a.b.c\n', async () => ' a.b.c\n']) {
    await t.test(typeof given, async (u) => {
      start(u, { token: given });
      await settle();
      FakeSocket.last.accept();
      assert.equal(FakeSocket.last.command('connect').connect.token, 'a.b.c');
    });
  }
});

test('a Promise or an object in place of a token is refused where it is written', (t) => {
  // `token: getToken()` connected without any, and the server said that none came.
  const made = start(t);
  for (const wrong of [Promise.resolve('t'), { token: 't' }, 42]) {
    assert.throws(() => new Fanfare(ORIGIN, { token: wrong }), /token is a text or a function/);
    assert.throws(() => made.subscribe('a', { token: wrong }), /token is a text or a function/);
  }
  for (const none of [undefined, null, '']) new Fanfare(ORIGIN, { token: none });
});

test('a token that does not come is named in the reason', async (t) => {
  const made = start(t, { timeout: 1000, token: () => new Promise(() => {}) });
  await pass(1000);
  assert.equal(made.told.state.at(-1).reason, 'no connection within 1000 ms: no token');
});

test('a position that is a text is refused where it is written', (t) => {
  // "[object Object]" out of localStorage was taken for the beginning of everything.
  const made = start(t);
  for (const since of ['17@k3v0c2m8', '[object Object]', 17, {}]) {
    assert.throws(() => made.subscribe('a', { since }), /since must be \{offset, epoch\}/);
    assert.throws(() => made.subscribe('b').history({ since }), /since must be \{offset, epoch\}/);
  }
  made.subscribe('a', { since: null });
});

test('a listener that is no function is refused where it is written', (t) => {
  const made = start(t);
  for (const wrong of [undefined, null, 'show', {}]) {
    assert.throws(() => made.on('state', wrong), /state: no function/);
    assert.throws(() => made.subscribe('a').on('publication', wrong), /publication: no function/);
  }
});

test('the address that an SDK takes is taken too, and what is none is refused in the same words everywhere', (t) => {
  // Who comes from the centrifuge SDK has it in the settings of the app.
  begin(t);
  for (const tail of ['', '/', '//', '/connection/websocket', '/connection/websocket/', '/connection/websocket?a=b']) {
    for (const base of ['wss://push.example.com', 'wss://push.example.com/under']) {
      client(t, base + tail, { transports: ['websocket'] }).connect();
      assert.equal(FakeSocket.last.url, `${base}/connection/websocket`);
    }
  }
  for (const wrong of [undefined, null, 'push.example.com', { url: ORIGIN }]) {
    assert.throws(() => client(t, wrong), /begins with https:\/\//);
  }
  globalThis.location = { origin: 'https://app.example.com', protocol: 'https:' };
  t.after(() => { delete globalThis.location; });
  assert.throws(() => client(t, undefined), /begins with https:\/\//);
});

test('a single transport may stand without a list', (t) => {
  begin(t);
  const made = client(t, ORIGIN, { transports: 'websocket' });
  made.connect();
  assert.equal(made.transport, 'websocket');
  assert.throws(() => client(t, ORIGIN, { transports: 'ws' }), /none of these transports is here: ws/);
});

test('share without a name or a worker is refused where it is written', () => {
  // It asked for a script called "undefined", and went on alone without a word.
  for (const share of [true, { name: 'user-7' }, { worker: '/fanfare-worker.js' }, '/fanfare-worker.js']) {
    assert.throws(() => new Fanfare(ORIGIN, { share }), /share must be \{name, worker\}/);
  }
});

test('where no answer comes the reason says from where, and what to look after', async (t) => {
  // "status 0" is all that a developer saw whose page client.origins does not name.
  begin(t, { websocket: false });
  const made = client(t, ORIGIN, { transports: ['poll'] });
  made.connect();
  FakeRequest.last.respond(0);
  assert.match(made.told.state.at(-1).reason, /client\.origins.*https:\/\/push\.example\.com\/poll$/);
});

test('a WebSocket that does not open says so, since browsers do not', (t) => {
  const made = start(t);
  FakeSocket.last.drop();
  assert.equal(made.told.state.at(-1).reason, `no WebSocket to ${ORIGIN.replace('http', 'ws')}/connection/websocket`);
  assert.equal(made.told.state.at(-1).code, 1006);
});

test('where the platform throws, as Node does that has no XMLHttpRequest, that is the reason', async (t) => {
  // The error came out of connect(), or out of a timer, and the client stood still.
  begin(t, { websocket: false });
  delete globalThis.XMLHttpRequest;
  const made = client(t, ORIGIN, { minDelay: 500 });
  made.connect();
  await settle();
  assert.match(made.told.state.at(-1).reason, /XMLHttpRequest is not defined/);
  assert.ok(made.told.state.at(-1).retryIn >= 500);
  globalThis.EventSource = class { constructor() { throw new SyntaxError('an invalid URL'); } };
  const other = client(t, ORIGIN, { transports: ['sse'] });
  other.connect();
  await settle();
  assert.match(other.told.state.at(-1).reason, /stream of events/);
  const third = client(t, ORIGIN, { transports: ['sse'] });
  third.connect();
  third.close();
  await settle();
  assert.equal(third.told.state.at(-1).reason, 'closed by the app');
});

for (const name of ['websocket', 'sse', 'poll']) {
  test(`${name}: what cannot be sent is refused alike, and the real server hears nothing of it`, async (t) => {
    // Polling published an empty text in its place.
    const server = await Server.start(t);
    const made = await connected(t, server.origin, { transports: [name], token: token({ sub: '42', exp: inSeconds(600) }) });
    const part = await subscribed(made, 'room:a');
    for (const data of Object.values(UNSAYABLE)) assert.equal(await codeOf(part.publish(data)), 107);
    for (const data of [null, '', 0, false, [], { text: '你好' }]) await part.publish(data);
    assert.deepEqual(await received(part, 6), [null, '', 0, false, [], { text: '你好' }]);
    const late = client(t, server.origin, { transports: [name], token: token({ sub: '42', exp: inSeconds(600) }) });
    const again = subscribe(late, 'room:a', { since: { offset: 0, epoch: part.position.epoch } });
    late.connect();
    assert.equal(await codeOf(again.publish(CYCLE)), 107);
    assert.equal((await received(again, 6)).length, 6);
  });
}
