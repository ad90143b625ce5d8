//! clients/miniprogram/websocket-shim.js: as a WebSocket of the standard, and under the official
//! centrifuge package, in a realm that has what a phone has and nothing else. Needs FANFARE_BIN.
//! Bounds: loopback only; every wait has a deadline.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Phone } from './phone/phone.mjs';
import { PLATFORMS } from './phone/platforms.mjs';
import { Realm } from './phone/realm.mjs';
import { Server } from './server.mjs';

const SHIM = fileURLToPath(new URL('../../clients/miniprogram/websocket-shim.js', import.meta.url));
const { resolve } = createRequire(import.meta.url);
const SDKS = { JSON: resolve('centrifuge'), Protobuf: resolve('centrifuge/build/protobuf') };
const RAW = `
[[raw]]
path = "/echo"
on_message = "echo"
subprotocols = ["superchat", "chat"]

[[raw]]
path = "/greet"
greeting = "你好"
on_message = "ignore"
`;

after(removeLeft);

/** A phone with the shim loaded; `taro` is no global, and is named by `use`. */
function mini(platform, options) {
  const phone = new Phone(options);
  const api = PLATFORMS[platform](phone);
  const realm = new Realm(phone, platform === 'taro' ? {} : { [platform]: api });
  const WebSocket = realm.require(SHIM);
  if (platform === 'taro') WebSocket.use(api);
  return { phone, api, realm, WebSocket };
}

/** A socket and what it told. */
function open(WebSocket, url, protocols) {
  const socket = new WebSocket(url, protocols);
  const told = [];
  for (const name of ['open', 'message', 'error', 'close']) {
    socket[`on${name}`] = (event) => told.push(event);
  }
  const seen = (type) =>
    until(
      type,
      () => told.find((event) => event.type === type),
      10_000,
      () => {
        return JSON.stringify(told.map(({ type: name, code, reason }) => ({ name, code, reason })));
      },
    );
  return { socket, told, seen };
}

describe('the WebSocket class for mini programs', { concurrency: true }, () => {
  let server;
  before(async () => {
    server = await Server.start(RAW);
  });
  after(async () => {
    await server?.remove();
  });

  // The realm is what makes the other tests mean something. If it had TextDecoder or a WebSocket of
  // its own, they would pass with a shim that no phone can run.
  test('the realm of these tests has what a phone has, and no more', () => {
    const { realm, phone } = mini('wx');
    const names = [
      'TextEncoder',
      'TextDecoder',
      'WebSocket',
      'URL',
      'fetch',
      'Buffer',
      'window',
      'document',
      'process',
      'EventTarget',
      'DOMException',
      'Blob',
      'atob',
      'global',
      'self',
    ];
    assert.deepEqual(
      names.filter((name) => realm.run(`typeof ${name}`) !== 'undefined'),
      [],
    );
    assert.equal(new ArrayBuffer(1) instanceof realm.run('ArrayBuffer'), false);
    phone.remove();
  });

  for (const platform of Object.keys(PLATFORMS)) {
    // Each platform has its own oddity, and a class that works on WeChat alone is found out on the
    // phone of another company. Text and bytes must come back as they went on every one.
    test(`${platform}: text and bytes come back, and a close is told once`, async () => {
      const { WebSocket, phone } = mini(platform);
      const { socket, told, seen } = open(WebSocket, `${server.address}/echo`, [
        'chat',
        'superchat',
      ]);
      assert.equal(socket.readyState, WebSocket.CONNECTING);
      await seen('open');
      assert.equal(socket.readyState, 1);
      assert.equal(socket.protocol, 'chat');
      const texts = ['弹幕:你好!🎺', '', 'x'.repeat(20_000)];
      for (const text of texts) socket.send(text);
      const bytes = Uint8Array.from({ length: 700 }, (_, at) => (at * 7) & 255);
      // A view into a larger buffer: what lies around it must stay here.
      socket.send(new Uint8Array(bytes.buffer, 100, 300));
      assert.ok(socket.bufferedAmount > 20_000);
      const messages = () => told.filter(({ type }) => type === 'message').map(({ data }) => data);
      await until('all came back', () => messages().length === 4);
      assert.deepEqual(messages().slice(0, 3), texts);
      assert.deepEqual(new Uint8Array(messages()[3]), bytes.slice(100, 400));
      await until('all has left', () => socket.bufferedAmount === 0);
      socket.close(4001, '再见');
      assert.equal(socket.readyState, 2);
      const { code, reason, wasClean } = await seen('close');
      assert.deepEqual({ code, reason, wasClean }, { code: 4001, reason: '再见', wasClean: true });
      await until('the platform has its socket back', () => phone.sockets.size === 0);
      assert.equal(told.filter(({ type }) => type === 'close').length, 1);
      phone.remove();
    });

    // A failure comes as an error, a close, both, or a failed call, and a library that waits for
    // `close` hangs for ever where only an error was told. It must be one error and one close.
    test(`${platform}: a connection that fails ends in one error and one close`, async () => {
      for (const url of [`${server.address}/nothing-here`, 'ws://127.0.0.1:9']) {
        const { WebSocket, phone } = mini(platform);
        const { told, seen } = open(WebSocket, url);
        const { code, wasClean } = await seen('close');
        assert.deepEqual({ code, wasClean }, { code: 1006, wasClean: false });
        assert.deepEqual(
          told.map(({ type }) => type),
          ['error', 'close'],
        );
        phone.remove();
      }
    });
  }

  // A close that comes while the socket opens is passed over by some platforms. The socket would
  // then stay open with nobody who knows it, and be one of the five for ever.
  test('a socket that is closed while it opens goes once it is open', async () => {
    const { WebSocket, phone } = mini('wx');
    const { socket, told, seen } = open(WebSocket, `${server.address}/greet`);
    socket.close();
    await seen('close');
    assert.deepEqual(
      told.map(({ type, code }) => [type, code]),
      [
        ['error', undefined],
        ['close', 1006],
      ],
    );
    await until('the platform has its socket back', () => phone.sockets.size === 0);
    assert.equal(told.length, 2);
    phone.remove();
  });

  // Libraries test for these errors and values, as the standard has them. A platform fails on an
  // unescaped address with words that name no reason, so it is escaped here.
  test('it checks and answers as the standard has it', async () => {
    const { WebSocket, phone } = mini('wx');
    const fails = (name, make) => assert.throws(make, { name });
    fails('SyntaxError', () => new WebSocket('/relative'));
    fails('SyntaxError', () => new WebSocket('ws://host/#part'));
    fails('SyntaxError', () => new WebSocket('ws://host/', ['a', 'a']));
    fails('SyntaxError', () => new WebSocket('ws://host/', 'a b'));
    const address = `${server.origin}/greet?channel=room:弹幕&x=a|b`;
    const { socket, told, seen } = open(WebSocket, address);
    assert.equal(socket.url, `${server.address}/greet?channel=room:%E5%BC%B9%E5%B9%95&x=a%7Cb`);
    fails('InvalidStateError', () => socket.send('too early'));
    fails('InvalidAccessError', () => socket.close(1001));
    fails('SyntaxError', () => socket.close(4000, '长'.repeat(42)));
    assert.deepEqual([socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED], [0, 1, 2, 3]);
    const heard = [];
    const once = () => heard.push('once');
    socket.addEventListener('message', once, { once: true });
    socket.addEventListener('message', { handleEvent: ({ data }) => heard.push(data) });
    const removed = () => heard.push('removed');
    socket.addEventListener('message', removed);
    socket.removeEventListener('message', removed);
    await seen('message');
    socket.dispatchEvent({ type: 'message', data: 'again' });
    assert.deepEqual(heard, ['once', '你好', 'again']);
    socket.binaryType = 'blob';
    assert.equal(socket.binaryType, 'arraybuffer');
    socket.close();
    assert.equal((await seen('close')).code, 1005);
    socket.send('too late');
    assert.equal(socket.bufferedAmount, 8);
    assert.ok(told.every(({ target }) => target === socket));
    phone.remove();
  });

  // Headers have no place in the standard constructor, and phones can send them. What `use` is
  // given must reach the handshake, of every socket from then on.
  test('headers that `use` is given go with the handshake', async () => {
    const { WebSocket, phone, api } = mini('wx');
    WebSocket.use(api, { header: { 'X-Device': 'phone-7' } });
    const { seen, socket } = open(WebSocket, `${server.address}/echo`);
    await seen('open');
    assert.equal(phone.connects[0].header['X-Device'], 'phone-7');
    assert.throws(() => WebSocket.use({}), /connectSocket/);
    socket.close();
    phone.remove();
  });

  // 1000 `interrupted` is how WeChat ends a socket of an app that was put away. It must come as a
  // close like any other, so that the library above reconnects.
  test('an app that is put away has its sockets closed with 1000', async () => {
    const { WebSocket, phone } = mini('wx');
    const { seen } = open(WebSocket, `${server.address}/echo`);
    await seen('open');
    phone.interrupt({ suspend: false });
    const { code, reason, wasClean } = await seen('close');
    assert.deepEqual(
      { code, reason, wasClean },
      { code: 1000, reason: 'interrupted', wasClean: true },
    );
    phone.remove();
  });

  for (const [form, file] of Object.entries(SDKS)) {
    for (const platform of ['wx', 'my', 'uni', 'taro']) {
      // The official SDK is written for browsers, and mini program support was declined there. With
      // this class it must do all that does not need TextEncoder, in both protocols.
      test(`centrifuge over ${platform}, ${form}: publish, recover, presence, history`, async () => {
        const { realm, WebSocket, phone } = mini(platform);
        const { Centrifuge } = realm.require(file);
        const channel = `room:sdk-${form}-${platform}`;
        const pack = (value) => (form === 'JSON' ? value : bytesOf(realm, value));
        // What comes is of the realm, whose objects are no equals of ours.
        const textOf = (data) => {
          return form === 'JSON' ? JSON.stringify(data) : Buffer.from(data).toString();
        };
        const read = (data) => JSON.parse(textOf(data));
        const format = form === 'JSON' ? '' : '?format=protobuf';
        const client = new Centrifuge(`${server.address}/connection/websocket${format}`, {
          websocket: WebSocket,
          minReconnectDelay: 20,
          maxReconnectDelay: 100,
        });
        const got = [];
        const subscribed = [];
        const subscription = client.newSubscription(channel);
        subscription.on('publication', ({ data }) => got.push(read(data)));
        subscription.on('subscribed', (told) => subscribed.push(told));
        subscription.subscribe();
        client.connect();
        await until('subscribed', () => subscribed.length === 1);
        await subscription.publish(pack({ text: '弹幕 🎺' }));
        await until('the publication', () => got.length === 1);
        const { clients } = await subscription.presence();
        assert.equal(Object.keys(clients).length, 1);
        // The app is put away, something is said, the app comes back.
        phone.interrupt();
        await server.publish(channel, { text: 'meanwhile' });
        phone.show();
        await until('recovered', () => subscribed.length === 2 && got.length === 2);
        assert.equal(subscribed[1].recovered, true);
        assert.deepEqual(got, [{ text: '弹幕 🎺' }, { text: 'meanwhile' }]);
        const { publications } = await subscription.history({ limit: 10 });
        assert.deepEqual(
          [...publications].map(({ data }) => read(data)),
          got,
        );
        assert.equal(phone.socketsMax, 1);
        client.disconnect();
        phone.remove();
      });
    }
  }

  // The README says that delta in JSON needs what phones do not have, and that nothing else does.
  // With the two brought along it works; if it ever does without, the README is wrong.
  test('centrifuge, JSON: only delta asks for TextEncoder and TextDecoder', async () => {
    const phone = new Phone();
    const asked = new Set();
    const watched = (Real) =>
      class extends Real {
        constructor() {
          super();
          asked.add(Real.name);
        }
      };
    const realm = new Realm(phone, {
      wx: PLATFORMS.wx(phone),
      TextEncoder: watched(TextEncoder),
      TextDecoder: watched(TextDecoder),
    });
    const websocket = realm.require(SHIM);
    const { Centrifuge } = realm.require(SDKS.JSON);
    const client = new Centrifuge(`${server.address}/connection/websocket`, { websocket });
    const got = [];
    const subscription = client.newSubscription('delta:x', { delta: 'fossil' });
    subscription.on('publication', ({ data }) => got.push(data.n));
    subscription.subscribe();
    client.connect();
    await until('subscribed', () => subscription.state === 'subscribed');
    assert.deepEqual([...asked], []);
    for (const n of [1, 2]) {
      await server.publish('delta:x', { long: 'the same text '.repeat(20), n });
    }
    await until('both came', () => got.length === 2);
    assert.deepEqual([...asked].sort(), ['TextDecoder', 'TextEncoder']);
    client.disconnect();
    phone.remove();
  });
});

function bytesOf(realm, value) {
  return realm.run(`new Uint8Array(${JSON.stringify([...Buffer.from(JSON.stringify(value))])})`);
}
