//! The transports and the change between them, against the real server behind a gate that lets some
//! through and not others.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { inSeconds, token } from '../sdk/token.mjs';
import { have } from './browser.mjs';
import { client, codeOf, comes, connected, received, stands, subscribe, subscribed, told } from './client.mjs';
import { Gate } from './gate.mjs';
import { Server } from './server.mjs';

const TRANSPORTS = ['websocket', 'sse', 'poll'];
const tokenOf = (user, more) => token({ sub: user, exp: inSeconds(600), ...more });

async function stage(t) {
  const server = await Server.start(t);
  const gate = await Gate.before(t, server.port);
  t.after(() => have());
  return { server, gate };
}

for (const name of TRANSPORTS) {
  test(`${name}: publications come and go, in order, with positions`, async (t) => {
    // What a transport loses or turns round shows in no other test.
    const { server } = await stage(t);
    const made = await connected(t, server.origin, { transports: [name], token: tokenOf('42') });
    assert.equal(made.transport, name);
    const part = await subscribed(made, 'room:弹幕');
    await Promise.all(Array.from({ length: 30 }, (_, n) => part.publish({ n, text: '你好，世界 😀' })));
    await server.publish('room:弹幕', 'of the backend');
    const data = await received(part, 31);
    assert.deepEqual(data.slice(0, 30).map(({ n }) => n), Array.from({ length: 30 }, (_, n) => n));
    assert.equal(data[3].text, '你好，世界 😀');
    assert.equal(data[30], 'of the backend');
    assert.equal(part.position.offset, 31);
    assert.deepEqual(part.told.publication.map(({ offset }) => offset), Array.from({ length: 31 }, (_, n) => n + 1));
    assert.equal(await codeOf(made.publish('closed:x', 1)), 103);
    assert.equal(await codeOf(made.publish('nowhere:x', 1)), 102);
  });

  test(`${name}: who comes with a position is brought what it missed, once`, async (t) => {
    const { server } = await stage(t);
    for (let n = 1; n <= 5; n++) await server.publish('room:a', n);
    const { epoch } = await server.api('history', { channel: 'room:a' });
    const made = await connected(t, server.origin, { transports: [name], token: tokenOf('42') });
    const part = await subscribed(made, 'room:a', { since: { offset: 2, epoch } });
    assert.deepEqual(part.told.subscribed, [{ wasRecovering: true, recovered: true, position: { offset: 2, epoch } }]);
    await server.publish('room:a', 6);
    assert.deepEqual(await received(part, 4), [3, 4, 5, 6]);
    assert.deepEqual(part.told.publication.map(({ recovered }) => recovered), [true, true, true, false]);
    const here = await subscribed(made, 'room:a', { since: { offset: 6, epoch } });
    assert.equal(here.told.subscribed[0].recovered, true);
  });

  test(`${name}: a position that the history does not reach is told as lost`, async (t) => {
    const { server } = await stage(t);
    for (let n = 1; n <= 9; n++) await server.publish('short:a', n);
    const { epoch } = await server.api('history', { channel: 'short:a' });
    const made = await connected(t, server.origin, { transports: [name], token: tokenOf('42') });
    for (const since of [{ offset: 2, epoch }, { offset: 9, epoch: 'another' }]) {
      const part = await subscribed(made, 'short:a', { since });
      assert.deepEqual(part.told.subscribed, [{ wasRecovering: true, recovered: false, position: { offset: 9, epoch } }]);
      part.unsubscribe();
    }
    const part = await subscribed(made, 'short:a', { since: { offset: 8, epoch } });
    assert.equal(part.told.subscribed[0].recovered, true);
    assert.deepEqual(await received(part, 1), [9]);
  });

  test(`${name}: the newest of a cached channel comes to who is new`, async (t) => {
    const { server } = await stage(t);
    await server.publish('newest:a', 'now');
    const made = await connected(t, server.origin, { transports: [name], token: tokenOf('42') });
    const part = await subscribed(made, 'newest:a');
    assert.deepEqual(await received(part, 1), ['now']);
  });

  test(`${name}: one channel that is refused harms no other`, async (t) => {
    // With one request for several channels, one that is refused would refuse all.
    const { server } = await stage(t);
    const made = client(t, server.origin, { transports: [name], token: tokenOf('42') });
    const [good, closed, unknown, other] = ['room:a', 'closed:a', 'nowhere:a', 'room:b'].map((channel) => subscribe(made, channel));
    made.connect();
    await stands(good, 1);
    await stands(other, 1);
    await until('refused', () => closed.told.unsubscribed.length + unknown.told.unsubscribed.length === 2);
    assert.deepEqual([closed, unknown].map((part) => part.told.unsubscribed[0].code), [103, 102]);
    await server.publish('room:b', 1);
    assert.deepEqual(await received(other, 1), [1]);
  });

  test(`${name}: after unsubscribe nothing comes any more, and others go on`, async (t) => {
    const { server } = await stage(t);
    const made = await connected(t, server.origin, { transports: [name], token: tokenOf('42') });
    const [left, stays] = [await subscribed(made, 'room:a'), await subscribed(made, 'room:b')];
    left.unsubscribe();
    await until('the server knows', async () => {
      if (name === 'poll') return true;
      return Object.keys((await server.api('presence', { channel: 'room:a' })).presence).length === 0;
    });
    await server.publish('room:a', 'no');
    await server.publish('room:b', 'yes');
    assert.deepEqual(await received(stays, 1), ['yes']);
    assert.deepEqual(left.told.publication, []);
  });

  test(`${name}: channels of the token are told of by the client`, async (t) => {
    const { server } = await stage(t);
    const made = await connected(t, server.origin, { transports: [name], token: tokenOf('42', { channels: ['given:a', 'given:b'] }) });
    const part = await subscribed(made, 'room:a');
    for (const [channel, data] of [['given:a', 1], ['given:b', 2], ['given:a', 3], ['room:a', 4]]) await server.publish(channel, data);
    await until('all of it', () => made.told.publication.length === 3, 10_000, () => JSON.stringify(made.told.all));
    // Between channels a poll keeps no order.
    const of = (wanted) => made.told.publication.filter(({ channel }) => channel === wanted).map(({ data }) => data);
    assert.deepEqual([of('given:a'), of('given:b')], [[1, 3], [2]]);
    assert.deepEqual(await received(part, 1), [4]);
    await until('subscribed', () => made.told.subscribed.length === 2);
    assert.deepEqual(made.told.subscribed.map(({ channel }) => channel).sort(), ['given:a', 'given:b']);
  });
}

test('a browser without WebSocket takes server-sent events, and one without both polls', async (t) => {
  const { server } = await stage(t);
  have({ websocket: false });
  assert.equal((await connected(t, server.origin, { token: tokenOf('42') })).transport, 'sse');
  have({ websocket: false, sse: false });
  assert.equal((await connected(t, server.origin, { token: tokenOf('42') })).transport, 'poll');
});

test('where a proxy refuses WebSocket, the next transport is taken at once, and remembered', async (t) => {
  // Behind such a proxy each reconnect would else begin with a handshake that cannot succeed.
  const { server, gate } = await stage(t);
  gate.rules = { websocket: 403 };
  const made = await connected(t, gate.origin, { token: tokenOf('42') });
  assert.equal(made.transport, 'sse');
  assert.deepEqual(made.told.state.map(({ retryIn }) => retryIn), [undefined, 0, undefined]);
  const part = await subscribed(made, 'room:a');
  for (let n = 0; n < 3; n++) {
    gate.cut();
    await stands(part, n + 2);
  }
  assert.deepEqual([gate.asked.websocket, gate.asked.poll], [1, 0]);
  await server.publish('room:a', 1);
  assert.deepEqual(await received(part, 1), [1]);
});

test('where a proxy holds back the stream, long polling is taken', async (t) => {
  // Proxies that buffer answer 200 and bring nothing: an open stream proves nothing.
  const { server, gate } = await stage(t);
  gate.rules = { websocket: 'hold', sse: 'hold' };
  const made = client(t, gate.origin, { token: tokenOf('42'), timeout: 700 });
  made.connect();
  await comes(made, 'connected', 5000);
  assert.equal(made.transport, 'poll');
  const part = await subscribed(made, 'room:a');
  await server.publish('room:a', 1);
  assert.deepEqual(await received(part, 1), [1]);
});

test('a WebSocket that opened once is never given up for a fallback', async (t) => {
  // One restart of the server would else turn all its clients into polling ones.
  const { gate } = await stage(t);
  const made = await connected(t, gate.origin, { token: tokenOf('42') });
  gate.rules = { websocket: 503 };
  gate.cut();
  await until('many attempts', () => gate.asked.websocket > 6);
  assert.deepEqual([gate.asked.sse, gate.asked.poll], [0, 0]);
  gate.rules = {};
  await comes(made, 'connected');
  assert.equal(made.transport, 'websocket');
});

test('when nothing works all transports are tried, then a pause is made', async (t) => {
  const { gate } = await stage(t);
  gate.rules = { websocket: 503, sse: 503, poll: 503 };
  gate.header = { 'Retry-After': '2' };
  gate.body = 'refused by the gate\n';
  const made = client(t, gate.origin, { token: tokenOf('42'), minDelay: 50, maxDelay: 1000 });
  made.connect();
  await until('a round', () => made.told.state.length >= 4);
  const delays = made.told.state.map(({ retryIn }) => retryIn);
  assert.deepEqual(delays.slice(0, 3), [undefined, 0, 0]);
  assert.ok(delays[3] >= 1000, `Retry-After counts, up to maxDelay: ${delays}`);
  assert.deepEqual(made.told.state.at(-1).code, 1013);
  assert.match(made.told.state.at(-1).reason, /refused by the gate/);
});

test('a fallback that is remembered and does not work any more is forgotten', async (t) => {
  // Out of the hotel, into a network that lets everything through, or nothing but WebSocket.
  const { server, gate } = await stage(t);
  gate.rules = { websocket: 403, sse: 403 };
  const made = await connected(t, gate.origin, { token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  await server.publish('room:a', 1);
  await received(part, 1);
  gate.rules = { sse: 403, poll: 403, send: 403 };
  gate.cut();
  await server.publish('room:a', 2);
  await until('it is a WebSocket', () => made.transport === 'websocket' && made.state === 'connected', 10_000, () => JSON.stringify(made.told.all));
  await server.publish('room:a', 3);
  assert.deepEqual(await received(part, 3), [1, 2, 3]);
});

test('over changes of transports and cuts nothing is lost and nothing comes twice', async (t) => {
  // The promise of positions: a list without a hole and without a double, however the client was carried.
  const { server, gate } = await stage(t);
  gate.rules = { websocket: 403, sse: 403 };
  const made = await connected(t, gate.origin, { token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  const seen = new Set([made.transport]);
  const rounds = [{ websocket: 403, poll: 403 }, { websocket: 403, sse: 403 }, { websocket: 403, poll: 403 }, { sse: 403, poll: 403 }];
  let last = 0;
  const publish = async (count) => {
    for (let n = 0; n < count; n++) await server.publish('room:a', ++last);
  };
  for (const rules of rounds) {
    const stood = part.told.subscribed.length;
    const publishing = publish(20);
    gate.rules = rules;
    gate.cut();
    await publishing;
    await stands(part, stood + 1);
    await publish(5);
    await received(part, last);
    seen.add(made.transport);
  }
  assert.deepEqual([...seen].sort(), ['poll', 'sse', 'websocket']);
  assert.deepEqual(part.told.publication.map(({ data }) => data), Array.from({ length: last }, (_, n) => n + 1));
  assert.ok(part.told.subscribed.slice(1).every(({ recovered }) => recovered));
});

test('while polling, presence, history, calls and messages to the backend are refused with 108', async (t) => {
  // Each is told at once, so that an app can do without; a promise that hangs is worse than a no.
  const { server } = await stage(t);
  const made = await connected(t, server.origin, { transports: ['poll'], token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  for (const call of [part.presence(), part.history(), made.rpc('m'), made.send('m')]) assert.equal(await codeOf(call), 108);
  assert.equal(made.state, 'connected');
});

test('a channel that needs a token waits out a time of polling, and stands with the next WebSocket', async (t) => {
  // Its token has no way over /poll. To end for good there would take a user out of a private room by a bad minute of the network.
  const { server, gate } = await stage(t);
  gate.rules = { websocket: 403, sse: 403 };
  const made = await connected(t, gate.origin, { token: tokenOf('42') });
  assert.equal(made.transport, 'poll');
  const part = subscribe(made, 'gate:mine', { token: tokenOf('42', { channel: 'gate:mine' }) });
  await until('it is refused for now', () => part.told.error.length > 0);
  assert.equal(part.told.error[0].code, 108);
  gate.rules = { poll: 502 };
  gate.cut();
  await stands(part, 1);
  assert.equal(made.transport, 'websocket');
  await server.publish('gate:mine', 1);
  assert.deepEqual(await received(part, 1), [1]);
  assert.deepEqual(part.told.unsubscribed, []);
});

test('while polling, the word of the server is final, and that of a portal is not', async (t) => {
  // The portal of a hotel answers 403, or 200 with its page; neither ends an app for good, nor counts as connected.
  const { gate } = await stage(t);
  for (const status of [200, 400, 401, 403, 404]) {
    gate.rules = { poll: status };
    const made = client(t, gate.origin, { transports: ['poll'], token: tokenOf('42') });
    made.connect();
    await until('some attempts', () => made.told.state.length > 3);
    assert.equal(made.state, 'connecting', String(status));
    gate.rules = {};
    await comes(made, 'connected');
    made.close();
  }
  gate.rules = { poll: 403 };
  gate.body = 'the user is blocked\n';
  const made = client(t, gate.origin, { transports: ['poll'], token: tokenOf('42') });
  made.connect();
  assert.deepEqual(await told(made, 'close'), { code: 3507, reason: 'the user is blocked' });
});

test('while polling, an expired token is replaced, and nothing is lost over it', async (t) => {
  const { server } = await stage(t);
  let asked = 0;
  const give = async () => token({ sub: '42', exp: inSeconds(asked++ === 0 ? 2 : 600) });
  const made = await connected(t, server.origin, { transports: ['poll'], token: give });
  const part = await subscribed(made, 'room:a');
  await server.publish('room:a', 1);
  // Each publication answers the poll, and the next one brings the old token.
  await until('another token', async () => {
    await server.publish('room:a', asked);
    return asked === 2;
  });
  const stood = await stands(part, 2);
  assert.equal(stood.recovered, true);
  const { offset } = await server.api('history', { channel: 'room:a' });
  await received(part, offset);
  assert.deepEqual(part.told.publication.map((it) => it.offset), Array.from({ length: offset }, (_, n) => n + 1));
  assert.deepEqual(made.told.close, []);
});

test('while polling, a token that does not count is final, as over WebSocket', async (t) => {
  const { server } = await stage(t);
  for (const name of TRANSPORTS) {
    const made = client(t, server.origin, { transports: [name], token: token({ sub: '42' }, 'another secret, as long as the right one is') });
    made.connect();
    const { code } = await told(made, 'close');
    assert.equal(code, 3500, name);
    const old = client(t, server.origin, { transports: [name], token: token({ sub: '42', exp: inSeconds(-60) }) });
    old.connect();
    assert.equal((await told(old, 'close')).code, 109, name);
  }
});

test('while polling, a hanging poll is kept, and a burst comes in few requests', async (t) => {
  // A loop that asks without a pause is a load that grows with every client.
  const { server, gate } = await stage(t);
  const made = await connected(t, gate.origin, { transports: ['poll'], token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  const before = gate.asked.poll;
  await Promise.all(Array.from({ length: 100 }, (_, n) => server.publish('room:a', n)));
  await received(part, 100);
  assert.ok(gate.asked.poll - before <= 40, `${gate.asked.poll - before} polls`);
});

test('over server-sent events a command that is too large is refused, and the rest goes on', async (t) => {
  const { server } = await stage(t);
  const made = await connected(t, server.origin, { transports: ['sse'], token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  assert.equal(await codeOf(part.publish('x'.repeat(70_000))), 107);
  await part.publish('small');
  assert.deepEqual(await received(part, 1), ['small']);
});

test('over server-sent events commands that find no room are sent again, in their order', async (t) => {
  const { server, gate } = await stage(t);
  const made = await connected(t, gate.origin, { transports: ['sse'], token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  gate.rules = { emulation: 503 };
  const before = gate.asked.emulation;
  const sent = [1, 2, 3].map((n) => part.publish(n));
  await until('it was refused', () => gate.asked.emulation > before);
  gate.rules = {};
  await Promise.all(sent);
  assert.deepEqual(await received(part, 3), [1, 2, 3]);
  assert.equal((await server.api('history', { channel: 'room:a', limit: -1 })).publications.length, 3);
});

test('over server-sent events a session that the server does not know any more is made again', async (t) => {
  const { server, gate } = await stage(t);
  const made = await connected(t, gate.origin, { transports: ['sse'], token: tokenOf('42') });
  const part = await subscribed(made, 'room:a');
  gate.rules = { emulation: 404 };
  assert.equal(await codeOf(part.publish(1)), 'closed');
  gate.rules = {};
  await stands(part, 2);
  await part.publish(2);
  assert.deepEqual(await received(part, 1), [2]);
});
