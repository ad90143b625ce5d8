//! The built clients/miniprogram/fanfare.js on every platform of these tests, against the real
//! server. Needs FANFARE_BIN. Bounds: loopback only; every wait has a deadline.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Mini } from './mini.mjs';
import { Phone } from './phone/phone.mjs';
import { PLATFORMS } from './phone/platforms.mjs';
import { Realm } from './phone/realm.mjs';
import { Server } from './server.mjs';

after(removeLeft);

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await server?.remove();
});

for (const platform of Object.keys(PLATFORMS)) {
  describe(platform, { concurrency: true }, () => {
    const channel = (name) => `room:${name}-${platform}`;

    // Each platform tells opens, messages and ends in its own way. What works on WeChat alone is
    // found out on the phone of another company, by people who cannot see why.
    test('messages go both ways, unchanged, and the header reaches the server', async () => {
      const header = { 'X-Device': `phone of ${platform}` };
      const mini = await Mini.open(platform, server.origin, { header });
      const listened = mini.subscribe(channel('both'));
      await listened.subscribed();
      const texts = ['弹幕:你好!🎺', '"quoted"\n', 'x'.repeat(20_000)];
      for (const text of texts) await listened.subscription.publish({ text });
      await server.publish(channel('both'), { from: '后台' });
      await listened.received(4);
      assert.deepEqual(listened.values, [...texts.map((text) => ({ text })), { from: '后台' }]);
      assert.equal(mini.client.transport, 'websocket');
      assert.equal(mini.phone.connects[0].header['X-Device'], `phone of ${platform}`);
      mini.remove();
    });

    // Five sockets at most: whoever forgets an old one has none left after five reconnections, and
    // on iOS an old one keeps new ones from connecting. So there must never be two.
    test('however often it reconnects, there is one socket at a time', async () => {
      const mini = await Mini.open(platform, server.origin);
      const listened = mini.subscribe(channel('cap'));
      for (let times = 1; times <= 8; times++) {
        await listened.subscribed(times);
        if (times % 2) mini.phone.interrupt({ suspend: false });
        else for (const socket of [...mini.phone.sockets]) socket.drop();
        await server.publish(channel('cap'), times);
        mini.phone.show();
      }
      await listened.received(8);
      assert.deepEqual(listened.values, [1, 2, 3, 4, 5, 6, 7, 8]);
      assert.equal(mini.phone.socketsMax, 1);
      mini.remove();
      await until('no socket is left', () => mini.phone.sockets.size === 0);
      assert.equal(mini.phone.listeners, 0);
    });

    // A code of 3500 and more means: do not come back. Douyin may give it as text, and a client
    // that compares text with numbers would come back for ever.
    test('a final close code is obeyed, as a number', async () => {
      const mini = await Mini.open(platform, server.origin);
      await mini.subscribe(channel('final')).subscribed();
      const clients = await server.api('presence', { channel: channel('final') });
      const [client] = Object.keys(clients.presence);
      const asked = { user: '', client, disconnect: { code: 4500, reason: '再见' } };
      await server.api('disconnect', asked);
      assert.deepEqual(await mini.closed(), { code: 4500, reason: '再见' });
      assert.equal(mini.client.state, 'disconnected');
      assert.equal(mini.phone.connects.length, 1);
      mini.remove();
    });

    // Where sockets never open (no socket domain is listed, a proxy without upgrades), it polls by
    // the platform's `request`. Nothing may be lost or doubled by the change.
    test('where no socket opens it polls, and gets and sends all the same', async () => {
      const mini = await Mini.open(platform, server.origin, { phone: { domains: { socket: [] } } });
      assert.equal(mini.client.transport, 'poll');
      const listened = mini.subscribe(channel('poll'));
      await listened.subscribed();
      for (const n of [1, 2, 3]) await server.publish(channel('poll'), { n, text: '你好' });
      await listened.subscription.publish({ n: 4, text: '弹幕' });
      await listened.received(4);
      assert.deepEqual(
        listened.values.map(({ n }) => n),
        [1, 2, 3, 4],
      );
      await assert.rejects(listened.subscription.presence(), { code: 108 });
      mini.remove();
    });

    // A domain that is not listed is the first thing that goes wrong on a phone. "status 0" names
    // nothing that could be mended.
    test('a request that the platform refuses is told in its words', async () => {
      const phone = { domains: { request: [] } };
      const mini = new Mini(platform, server.origin, { phone, transports: ['poll'] });
      mini.client.connect();
      await until('a second attempt', () => mini.told.state.length >= 3);
      for (const { reason } of mini.told.state.slice(1)) assert.match(reason, /domain|not in/);
      mini.remove();
    });
  });
}

// WeChat's SDK for web pages is a `wx` without connectSocket, uni-app is a second name beside the
// platform's own, and some platforms have `wx` as a second name. The wrong one would be called.
test('the platform is found by its function connectSocket, its own name first', async () => {
  const cases = [
    [{ wx: { config() {} }, uni: 'uni' }, 'uni'],
    [{ wx: 'wx', uni: 'wx' }, 'wx'],
    [{ wx: 'qq', qq: 'qq' }, 'qq'],
    [{ my: 'my', wx: { config() {} } }, 'my'],
    [{ tt: 'tt', wx: 'wx' }, 'tt'],
  ];
  for (const [names, expected] of cases) {
    const phones = {};
    const globals = Object.fromEntries(
      Object.entries(names).map(([name, platform]) => {
        if (typeof platform !== 'string') return [name, platform];
        phones[name] = new Phone();
        return [name, PLATFORMS[platform](phones[name])];
      }),
    );
    const realm = new Realm(new Phone(), globals);
    const Fanfare = realm.require(
      new URL('../../clients/miniprogram/fanfare.js', import.meta.url).pathname,
    );
    const client = new Fanfare(server.origin);
    client.connect();
    await until(`${expected} is called`, () => phones[expected].connects.length > 0);
    const called = Object.keys(phones).filter((name) => phones[name].connects.length > 0);
    assert.deepEqual(called, [expected]);
    client.close();
    for (const phone of Object.values(phones)) phone.remove();
  }
});

test('without a mini program around it, it says what to give', () => {
  const realm = new Realm(new Phone(), { wx: { config() {} } });
  const Fanfare = realm.require(
    new URL('../../clients/miniprogram/fanfare.js', import.meta.url).pathname,
  );
  assert.throws(() => new Fanfare('http://127.0.0.1'), /option "wx"/);
  assert.throws(() => new Fanfare('http://127.0.0.1', { wx: {} }), /connectSocket/);
});
