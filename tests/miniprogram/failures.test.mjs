//! The ten failures that a connection of a mini program has to live with, and how it is told of
//! each, with the built clients/miniprogram/fanfare.js against the real server. Needs FANFARE_BIN.
//! Bounds: loopback only; some 20 s, most of it waiting; every wait has a deadline.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Line, response } from './line.mjs';
import { Mini } from './mini.mjs';
import { Server } from './server.mjs';
import { inSeconds, token } from './token.mjs';

after(removeLeft);

/** What a phone may do when a connection fails: an error, a close, both, or a failed call alone. */
const FAILURES = ['error', 'close', 'both', 'fail'];

const HEARTBEAT = `
[heartbeat]
ping_interval = "3s"
pong_timeout = "2500ms"
`;

/** The states with a code, as `[state, code]`. */
const codes = ({ told }) => told.state.map(({ state, code }) => [state, code]);
/** Asserts that what came is 1 to `count`, in order, each once. */
const isWhole = (listened, count) => {
  assert.deepEqual(
    listened.values,
    Array.from({ length: count }, (_, index) => index + 1),
  );
};

describe('a server of its own for each', { concurrency: true }, () => {
  // 1. A process that is killed says nothing. The client must come back by itself, and must say
  // that the history it would go on from is gone, since the new process has none.
  test('1. the server is killed', async (t) => {
    const server = await Server.start();
    const mini = await Mini.open('wx', server.origin);
    const listened = mini.subscribe('room:killed');
    await listened.subscribed();
    await server.publish('room:killed', 1);
    await listened.received(1);
    await server.end('SIGKILL');
    await until('told', () =>
      codes(mini).some(([state, code]) => state === 'connecting' && code === 1006),
    );
    const died = Date.now();
    await server.again();
    const ready = Date.now();
    await listened.subscribed(2);
    t.diagnostic(`away ${Date.now() - died} ms, ${Date.now() - ready} ms of it after it was ready`);
    const { wasRecovering, recovered } = listened.told.subscribed[1];
    assert.deepEqual({ wasRecovering, recovered }, { wasRecovering: true, recovered: false });
    await server.publish('room:killed', 2);
    await listened.received(2);
    assert.deepEqual(mini.told.close, []);
    mini.remove();
    await server.remove();
  });

  // 2. A server that goes in good order says so by a code. To take it for the end would leave every
  // client dead after each deploy.
  test('2. the server is drained', async (t) => {
    const server = await Server.start();
    const mini = await Mini.open('wx', server.origin);
    const listened = mini.subscribe('room:drained');
    await listened.subscribed();
    const began = Date.now();
    await server.end('SIGTERM');
    await until('told', () =>
      codes(mini).some(([state]) => state === 'connecting' && mini.told.state.length > 2),
    );
    const { code } = mini.told.state.at(2);
    assert.ok([3001, 1012].includes(code), `code ${code}`);
    await server.again();
    const ready = Date.now();
    await listened.subscribed(2);
    t.diagnostic(
      `away ${Date.now() - began} ms, ${Date.now() - ready} ms of it after it was ready`,
    );
    assert.deepEqual(mini.told.close, []);
    mini.remove();
    await server.remove();
  });
});

describe('one server for all', { concurrency: true }, () => {
  let server;
  before(async () => {
    server = await Server.start(HEARTBEAT);
  });
  after(async () => {
    await server?.remove();
  });

  // 3. A token that is none is as bad at the next attempt. A client that goes on asks a thousand
  // servers a thousand times for nothing.
  test('3. a code that says not to come back', async () => {
    const mini = new Mini('wx', server.origin, { token: 'no token at all' });
    mini.client.connect();
    const { code } = await mini.closed();
    assert.ok(code >= 3500 && code < 4000, `code ${code}`);
    assert.equal(mini.client.state, 'disconnected');
    assert.equal(mini.phone.connects.length, 1);
    assert.equal(mini.told.close.length, 1);
    mini.remove();
  });

  // 4. A proxy shuts what is quiet for longer than its timeout, without a Close frame. It must be
  // survived, and nothing of what came meanwhile lost.
  test('4. a proxy shuts the connection', async () => {
    const line = await Line.before(server.port, { idleMs: 400 });
    const mini = await Mini.open('wx', line.origin);
    const listened = mini.subscribe('room:proxy');
    for (let n = 1; n <= 3; n++) {
      await listened.subscribed(n);
      await until('it is shut', () => mini.client.state === 'connecting' || mini.connects > n);
      await server.publish('room:proxy', n);
      await listened.received(n);
    }
    isWhole(listened, 3);
    assert.equal(mini.phone.socketsMax, 1);
    mini.remove();
    await line.remove();
  });

  for (const failure of FAILURES) {
    // 5. A handshake that is refused is told in one of four ways, and never with its status. None
    // of them may hang, none may count twice, and a busy server's refusal is no reason to stay
    // away.
    test(`5. the handshake is refused, told by ${failure}`, async () => {
      const line = await Line.before(server.port);
      // `fail` alone is what an address that is not listed brings, in place of a handshake.
      const phone = failure === 'fail' ? { failure, domains: { socket: [] } } : { failure };
      const mini = new Mini('wx', line.origin, { phone, transports: ['websocket'] });
      for (const refusal of [response(403), response(429, ['Retry-After: 0']), response(503)]) {
        line.refusal = refusal;
        const { length } = mini.told.state;
        // Once connecting, this does nothing.
        mini.client.connect();
        await until('two attempts failed', () => {
          return mini.told.state.slice(length).filter(({ retryIn }) => retryIn >= 0).length >= 2;
        });
      }
      const waits = mini.told.state.filter(({ retryIn }) => retryIn >= 0);
      assert.ok(waits.every(({ retryIn, code }) => retryIn <= 200 && code === 1006));
      assert.ok(mini.phone.connects.length <= waits.length + 1, 'one failure is one attempt');
      line.refusal = null;
      mini.phone.domains = {};
      await mini.connected();
      assert.equal(mini.phone.socketsMax, 1);
      assert.deepEqual(mini.told.close, []);
      mini.remove();
      await line.remove();
    });
  }

  // 5. Once a WebSocket has worked, a refusal is a passing thing. To fall back to polling for it
  // would keep a whole town on polling after one busy minute.
  test('5. a refusal after a connection that worked is no reason to poll', async () => {
    const line = await Line.before(server.port);
    const mini = await Mini.open('wx', line.origin);
    line.refusal = response(503, ['Retry-After: 0']);
    line.cut();
    await until('refused twice', () => mini.phone.connects.length >= 3);
    line.refusal = null;
    await mini.connected(2);
    assert.equal(mini.client.transport, 'websocket');
    mini.remove();
    await line.remove();
  });

  // 6. A line that died in a tunnel says nothing to either side. Only that the server's pings stay
  // away gives it away, and pings a mini program cannot see: they are messages here.
  test('6. the line is half open: the silence is noticed', async (t) => {
    const line = await Line.before(server.port);
    const mini = await Mini.open('wx', line.origin);
    const listened = mini.subscribe('room:half');
    await listened.subscribed();
    line.silence();
    const began = Date.now();
    await server.publish('room:half', 1);
    await until(
      'a new connection',
      () => mini.connects === 2,
      20_000,
      () => mini.words,
    );
    t.diagnostic(`noticed and back after ${Date.now() - began} ms, pings each 3 s`);
    await listened.received(1);
    isWhole(listened, 1);
    assert.equal(mini.phone.socketsMax, 1);
    mini.remove();
    await line.remove();
  });

  // 6. From Wi-Fi to mobile data the old socket dies without a word, and the phone tells only of
  // the change. It must be asked at once whether the line lives, not after half a minute.
  test('6. the network changes under an open socket: it is probed at once', async (t) => {
    const line = await Line.before(server.port);
    const mini = await Mini.open('wx', line.origin);
    const listened = mini.subscribe('room:change');
    await listened.subscribed();
    line.silence();
    // What is on its way still arrives, and would be taken for an answer.
    const [socket] = mini.phone.sockets;
    await until('nothing is on its way', () => socket.bytesRead === line.written);
    const began = Date.now();
    mini.phone.network(true, '4g');
    await server.publish('room:change', 1);
    await until(
      'a new connection',
      () => mini.connects === 2,
      8000,
      () => mini.words,
    );
    t.diagnostic(`back ${Date.now() - began} ms after the change`);
    await listened.received(1);
    isWhole(listened, 1);
    mini.remove();
    await line.remove();
  });

  // 7. Without a network each attempt fails at once and empties the battery. They must become rare,
  // and the first must come when the phone says that there is a network again.
  test('7. offline, and online again', async (t) => {
    const line = await Line.before(server.port);
    const mini = await Mini.open('wx', line.origin, { maxDelay: 20_000 });
    const listened = mini.subscribe('room:offline');
    await listened.subscribed();
    mini.phone.network(false);
    line.refusal = response(503);
    line.cut();
    await until(
      'it waits',
      () => mini.told.state.at(-1).retryIn >= 15_000,
      10_000,
      () => mini.words,
    );
    const attempts = mini.phone.connects.length;
    await server.publish('room:offline', 1);
    line.refusal = null;
    const began = Date.now();
    mini.phone.network(true, 'wifi');
    await listened.received(1);
    t.diagnostic(`back ${Date.now() - began} ms after the network`);
    assert.equal(mini.phone.connects.length, attempts + 1);
    isWhole(listened, 1);
    mini.remove();
    await line.remove();
  });

  // 8. WeChat closes with 1000 `interrupted` when the app goes to the background. Whoever takes
  // 1000 for the user's wish is disconnected for ever after the first phone call.
  test('8. interrupted: 1000 means come back', async (t) => {
    const mini = await Mini.open('wx', server.origin);
    const listened = mini.subscribe('room:interrupted');
    await listened.subscribed();
    mini.phone.interrupt();
    await server.publish('room:interrupted', 1);
    const began = Date.now();
    mini.phone.show();
    await listened.received(1);
    t.diagnostic(`back ${Date.now() - began} ms after it was shown`);
    assert.ok(codes(mini).some(([state, code]) => state === 'connecting' && code === 1000));
    assert.deepEqual(mini.told.close, []);
    isWhole(listened, 1);
    mini.remove();
  });

  // 8. While it is hidden every call fails, so attempts are for nothing; and on iOS a socket that
  // was left open keeps new ones from connecting. It must close in time, wait, and be back at once.
  test('8. put away for longer than the grace, it closes in time and is back at once', async (t) => {
    const mini = await Mini.open('wx', server.origin);
    const listened = mini.subscribe('room:away');
    await listened.subscribed();
    mini.phone.hide();
    await until('it has closed by itself', () => mini.phone.sockets.size === 0, 4900);
    assert.equal(mini.phone.suspended, false, 'before the phone did');
    await until('the phone has stopped it', () => mini.phone.suspended, 6000);
    const attempts = mini.phone.connects.length;
    await server.publish('room:away', 1);
    const began = Date.now();
    mini.phone.show();
    await listened.received(1);
    t.diagnostic(`back ${Date.now() - began} ms after it was shown`);
    assert.equal(mini.phone.connects.length, attempts + 1, 'no attempt while it was away');
    isWhole(listened, 1);
    mini.remove();
  });

  // 8. A look at another app for two seconds costs nothing, so it must not cost the connection.
  test('8. put away for a moment, it keeps its connection', async () => {
    const mini = await Mini.open('wx', server.origin);
    const listened = mini.subscribe('room:moment');
    await listened.subscribed();
    mini.phone.hide();
    await server.publish('room:moment', 1);
    await listened.received(1);
    mini.phone.show();
    await server.publish('room:moment', 2);
    await listened.received(2);
    assert.equal(mini.connects, 1);
    assert.equal(mini.phone.connects.length, 1);
    mini.remove();
  });

  // 9. A token that runs out must be renewed before its end, and one that is too old when it
  // arrives must be asked for anew. Both without a gap, and without asking without end.
  test('9. the token expires', async () => {
    let asked = 0;
    const fresh = () => token({ sub: 'ann', exp: inSeconds(asked > 2 ? 600 : 2) });
    const give = () => {
      asked += 1;
      return asked === 1 ? token({ sub: 'ann', exp: inSeconds(-60) }) : fresh();
    };
    const mini = await Mini.open('wx', server.origin, { token: give });
    const listened = mini.subscribe('room:token');
    await listened.subscribed();
    assert.equal(asked, 2);
    await until(
      'it is renewed',
      () => asked >= 3,
      10_000,
      () => mini.words,
    );
    await server.publish('room:token', 1);
    await listened.received(1);
    assert.equal(mini.connects, 1);
    assert.deepEqual(mini.told.close, []);
    mini.remove();
  });

  // 10. More was published than the history holds. To go on in silence would leave the page with a
  // hole that nobody knows of: it must be told to load anew.
  test('10. the history does not reach back far enough', async () => {
    const mini = await Mini.open('wx', server.origin);
    const listened = mini.subscribe('short:lost');
    await listened.subscribed();
    await server.publish('short:lost', 1);
    await listened.received(1);
    mini.phone.interrupt();
    for (const n of [2, 3, 4, 5]) await server.publish('short:lost', n);
    mini.phone.show();
    await listened.subscribed(2);
    const { wasRecovering, recovered, position } = listened.told.subscribed[1];
    assert.deepEqual({ wasRecovering, recovered }, { wasRecovering: true, recovered: false });
    assert.equal(position.offset, 5);
    await server.publish('short:lost', 6);
    await until('it goes on', () => listened.values.at(-1) === 6);
    mini.remove();
  });

  // An address that is not listed, or a sixth socket, is a mistake of the developer's. What the
  // phone says about it must reach the developer, word for word.
  test('what the phone refuses is told in its own words', async () => {
    const mini = new Mini('wx', server.origin, { phone: { domains: { socket: [], request: [] } } });
    mini.client.connect();
    await until('told', () =>
      mini.told.state.some(({ reason }) => /url not in domain list/.test(reason)),
    );
    mini.remove();
    const full = new Mini('wx', server.origin, {
      phone: { socketLimit: 0 },
      transports: ['websocket'],
    });
    full.client.connect();
    await until('told', () =>
      full.told.state.some(({ reason }) => /exceed max concurrent/.test(reason)),
    );
    full.remove();
  });
});
