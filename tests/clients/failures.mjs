//! The ten failures that a client meets, over each transport, against the real server: killed,
//! drained, a final code, a proxy that cuts, a refused handshake, a half-open line, offline and
//! online, `interrupted`, an expired token, a history that is lost. Each says how long the client
//! was without a connection. Each transport has a file of its own, so that they run beside each
//! other: most of it is waiting for delays as they really are.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { inSeconds, token } from '../sdk/token.mjs';
import { sockets, tell } from './browser.mjs';
import { client, comes, connected, received, stands, subscribed } from './client.mjs';
import { Gate } from './gate.mjs';
import { Server } from './server.mjs';

const tokenOf = (user) => token({ sub: user, exp: inSeconds(600) });
/** The defaults of the module. */
const RULES = { minDelay: 500, maxDelay: 20000 };

/** Registers the tests over one transport. */
export function failuresOver(name) {
  /** A server behind a gate, a client, and a subscription that has had one publication. */
  async function stage(t, options = {}, channel = 'room:a') {
    const server = await Server.start(t);
    const gate = await Gate.before(t, server.port);
    const made = await connected(t, gate.origin, { transports: [name], token: tokenOf('42'), ...RULES, ...options });
    const part = await subscribed(made, channel);
    await server.publish(channel, 'before');
    await received(part, 1);
    let lost = 0;
    made.on('state', ({ state }) => {
      if (state === 'connecting') lost ||= Date.now();
      if (state === 'connected') t.diagnostic(`${name}: ${Date.now() - lost} ms without a connection`);
    });
    return { server, gate, made, part };
  }

  test(`${name}: the server is killed and started again`, async (t) => {
    // A new process knows no positions of the old one; a client that is not told goes on with a hole.
    const { server, made, part } = await stage(t);
    await server.kill();
    await until('it is noticed', () => made.state === 'connecting');
    await server.start();
    assert.deepEqual((await stands(part, 2)).wasRecovering, true);
    assert.equal(part.told.subscribed[1].recovered, false);
    await server.publish('room:a', 'after');
    assert.deepEqual(await received(part, 2), ['before', 'after']);
    assert.deepEqual(made.told.close, []);
  });

  test(`${name}: the server is drained and another one comes`, async (t) => {
    // A deploy is the commonest end of all; it says 3001 or 1012, and means "come back".
    const { server, made, part } = await stage(t);
    await server.drain();
    await until('it is noticed', () => made.state === 'connecting');
    await server.start();
    await stands(part, 2);
    await server.publish('room:a', 'after');
    assert.deepEqual(await received(part, 2), ['before', 'after']);
  });

  test(`${name}: the server ends it for good`, async (t) => {
    // Who was thrown out and comes back at once was not thrown out.
    const { server, gate, made } = await stage(t);
    // Between two polls there is no session that it could reach.
    const { code, reason } = await until('close', async () => {
      await server.api('disconnect', { user: '42', disconnect: { code: 4501, reason: 'thrown out' } });
      return made.told.close[0];
    });
    assert.deepEqual([code, reason], [name === 'poll' ? 3507 : 4501, 'thrown out']);
    assert.equal(made.state, 'disconnected');
    const asked = JSON.stringify(gate.asked);
    tell('online');
    await server.publish('room:a', 'after');
    assert.equal(JSON.stringify(gate.asked), asked);
    assert.equal(made.told.close.length, 1);
  });

  test(`${name}: a proxy cuts the line`, async (t) => {
    // nginx does after proxy_read_timeout; there is no Close frame then, only 1006.
    const { server, gate, made, part } = await stage(t);
    // Between two polls there is no line that it could cut.
    await until('it is noticed', () => {
      gate.cut();
      return made.state === 'connecting';
    });
    await server.publish('room:a', 'meanwhile');
    assert.deepEqual(await received(part, 2), ['before', 'meanwhile']);
    assert.equal(part.told.subscribed[1].recovered, true);
    assert.equal(made.told.state.find(({ retryIn }) => retryIn !== undefined).code, 1006);
  });

  for (const status of [403, 429, 503]) {
    test(`${name}: the handshake is refused with ${status}`, async (t) => {
      // A browser is not told the status; a firewall of today is open tomorrow, so it goes on trying, ever more rarely.
      const server = await Server.start(t);
      const gate = await Gate.before(t, server.port);
      gate.rules = { [name]: status };
      const made = client(t, gate.origin, { transports: [name], token: tokenOf('42'), minDelay: 10, maxDelay: 100 });
      made.connect();
      await until('three attempts', () => gate.asked[name] >= 3);
      assert.deepEqual(made.told.close, []);
      assert.ok(made.told.state.slice(1).every(({ state, retryIn }) => state === 'connecting' && retryIn > 0));
      gate.rules = {};
      await comes(made, 'connected');
    });
  }

  test(`${name}: the line is half open`, async (t) => {
    // Nothing comes and nothing is closed: after a change of networks both ends believe in the other for minutes.
    const { server, gate, part } = await stage(t);
    gate.swallow();
    const changed = Date.now();
    await server.publish('room:a', 'meanwhile');
    tell('online');
    assert.deepEqual(await received(part, 2), ['before', 'meanwhile']);
    t.diagnostic(`${name}: ${Date.now() - changed} ms from the change of networks until it hears again`);
    // A poll that may be dead is asked again, which is no other connection.
    if (name !== 'poll') assert.equal(part.told.subscribed[1].recovered, true);
  });

  test(`${name}: offline, and online again`, async (t) => {
    const { server, gate, made, part } = await stage(t);
    tell('offline');
    gate.rules = { [name]: 503 };
    gate.cut();
    await until('it waits', () => made.told.state.at(-1).retryIn >= 20_000);
    await server.publish('room:a', 'meanwhile');
    gate.rules = {};
    tell('online');
    assert.deepEqual(await received(part, 2), ['before', 'meanwhile']);
  });

  if (name === 'websocket') {
    test(`${name}: the platform closes with 1000, interrupted`, async (t) => {
      // WeChat does when an app goes to the background. It is no word of the user's.
      const { server, made, part } = await stage(t);
      sockets.at(-1).close(1000, 'interrupted');
      // What is published before that may still come by the old socket.
      await until('it is noticed', () => made.state === 'connecting');
      assert.equal(made.told.state.at(-1).code, 1000);
      await server.publish('room:a', 'meanwhile');
      assert.deepEqual(await received(part, 2), ['before', 'meanwhile']);
      assert.equal(part.told.subscribed[1].recovered, true);
      assert.deepEqual(made.told.close, []);
    });
  }

  test(`${name}: the token has expired while the client was away`, async (t) => {
    const ends = [inSeconds(1), inSeconds(600)];
    let asked = 0;
    const { server, gate, made, part } = await stage(t, { token: async () => token({ sub: '42', exp: ends[asked++] }) });
    gate.rules = { [name]: 502 };
    gate.cut();
    await until('it has expired', () => Date.now() / 1000 > ends[0] + 1);
    gate.rules = {};
    await server.publish('room:a', 'meanwhile');
    assert.deepEqual(await received(part, 2), ['before', 'meanwhile']);
    assert.equal(asked, 2);
    assert.deepEqual(made.told.close, []);
  });

  test(`${name}: more is missed than the history keeps`, async (t) => {
    const { server, gate, made, part } = await stage(t, {}, 'short:a');
    gate.rules = { [name]: 502 };
    gate.cut();
    await until('it is noticed', () => made.state === 'connecting');
    for (let n = 0; n < 9; n++) await server.publish('short:a', n);
    gate.rules = {};
    const { wasRecovering, recovered, position } = await stands(part, 2);
    assert.deepEqual([wasRecovering, recovered, position.offset], [true, false, 10]);
    await server.publish('short:a', 'after');
    assert.deepEqual(await received(part, 2), ['before', 'after']);
  });
}
