//! The failures of failures.test.mjs for a mini program that polls by the phone's `request`, as far
//! as away.test.mjs does not have them: a code for good, a proxy, a refusal, a token that expires,
//! a history that is lost. Against the real server. Needs FANFARE_BIN. Bounds: loopback only; every
//! wait has a deadline.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Line, response } from './line.mjs';
import { Mini } from './mini.mjs';
import { Server } from './server.mjs';
import { inSeconds, token } from './token.mjs';

after(removeLeft);

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await server?.remove();
});

const POLL = { transports: ['poll'] };
const words = (mini) => () => mini.words;

describe('a mini program that polls', { concurrency: true }, () => {
  // What the server says over HTTP is a status and a sentence. A client that asks on with a token
  // that is none asks for ever.
  test('3. a code that says not to come back', async () => {
    const mini = new Mini('wx', server.origin, { ...POLL, token: 'no token at all' });
    mini.client.connect();
    const { code } = await mini.closed();
    assert.ok(code >= 3500 && code < 4000, `code ${code}`);
    const { length } = mini.phone.requests;
    mini.phone.network(true);
    assert.equal(mini.client.state, 'disconnected');
    assert.equal(mini.phone.requests.length, length);
    assert.equal(mini.told.close.length, 1);
    mini.remove();
  });

  // A poll hangs for 25 s, which is longer than some proxies wait. What came meanwhile must be
  // asked for again, from where the last answer ended.
  test('4. a proxy cuts the poll', async () => {
    const line = await Line.before(server.port, { idleMs: 300 });
    const mini = await Mini.open('wx', line.origin, POLL);
    const listened = mini.subscribe('room:poll-proxy');
    await listened.subscribed();
    const losses = () => mini.told.state.filter(({ retryIn }) => retryIn >= 0).length;
    for (let n = 1; n <= 3; n += 1) {
      const before = losses();
      await until('it is cut', () => losses() > before, 10_000, words(mini));
      await server.publish('room:poll-proxy', n);
      await listened.received(n);
    }
    assert.deepEqual(listened.values, [1, 2, 3]);
    assert.deepEqual(mini.told.close, []);
    mini.remove();
    await line.remove();
  });

  for (const status of [403, 429, 503]) {
    // The page of a proxy is no word of the server's. To stay away for it would leave the phone
    // without a connection until the app is started anew.
    test(`5. it is refused on the way with ${status}`, async () => {
      const line = await Line.before(server.port);
      line.refusal = response(status);
      const mini = new Mini('wx', line.origin, POLL);
      mini.client.connect();
      const waits = () => mini.told.state.filter(({ retryIn }) => retryIn >= 0);
      await until('three attempts', () => waits().length >= 3, 10_000, words(mini));
      assert.deepEqual(mini.told.close, []);
      line.refusal = null;
      await mini.connected();
      mini.remove();
      await line.remove();
    });
  }

  // A poll carries its token with each request. One that has run out must be asked for anew,
  // without a gap in what comes.
  test('9. the token expires', async () => {
    const ends = [inSeconds(2), inSeconds(600)];
    let asked = 0;
    const give = () => token({ sub: 'ann', exp: ends[Math.min(asked++, 1)] });
    const mini = await Mini.open('wx', server.origin, { ...POLL, token: give });
    const listened = mini.subscribe('room:poll-token');
    await listened.subscribed();
    await server.publish('room:poll-token', 1);
    await until('it has run out', () => Date.now() / 1000 > ends[0] + 1);
    await server.publish('room:poll-token', 2);
    await listened.received(2);
    await until('asked again', () => asked === 2, 10_000, words(mini));
    await server.publish('room:poll-token', 3);
    await listened.received(3);
    assert.deepEqual(listened.values, [1, 2, 3]);
    assert.deepEqual(mini.told.close, []);
    mini.remove();
  });

  // More was published than the history holds, while the phone had the app put away. That must be
  // told, or the page has a hole that nobody knows of.
  test('10. the history does not reach back far enough', async () => {
    const mini = await Mini.open('wx', server.origin, POLL);
    const listened = mini.subscribe('short:poll');
    await listened.subscribed();
    await server.publish('short:poll', 1);
    await listened.received(1);
    mini.phone.hide();
    mini.phone.interrupt();
    for (const n of [2, 3, 4, 5]) await server.publish('short:poll', n);
    mini.phone.show();
    await listened.subscribed(2);
    const { wasRecovering, recovered, position } = listened.told.subscribed[1];
    assert.deepEqual([wasRecovering, recovered, position.offset], [true, false, 5]);
    await server.publish('short:poll', 6);
    await until('it goes on', () => listened.values.at(-1) === 6, 10_000, words(mini));
    mini.remove();
  });
});
