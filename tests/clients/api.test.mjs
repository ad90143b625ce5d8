//! The list of what the module offers, word by word, in each packaging: options and their defaults,
//! methods, events with their fields, what calls are rejected with, states. By the types, which must
//! name these and no others, and by what the built files do. Without a network.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { codeOf, Fanfare } from './client.mjs';
import { begin, FakeSocket, pass, settle } from './fake.mjs';

const CLIENTS = fileURLToPath(new URL('../../clients/', import.meta.url));
const require = createRequire(join(CLIENTS, 'package.json'));
const ts = require('typescript');

/** A mini program's `wx` over the fake socket. */
const wx = {
  connectSocket({ url, header }) {
    const socket = new FakeSocket(url);
    socket.header = header;
    return {
      onOpen(listener) { socket.onopen = () => listener({ header: {} }); },
      onMessage(listener) { socket.onmessage = ({ data }) => listener({ data }); },
      onClose(listener) { socket.onclose = ({ code, reason }) => listener({ code, reason }); },
      onError() {},
      send({ data, success }) { socket.send(data); success({}); },
      close({ code, reason }) { socket.close(code, reason); },
    };
  },
  request() {},
};

const PACKAGINGS = {
  'browser/fanfare.mjs': { Made: Fanfare, ways: ['websocket', 'sse', 'poll'] },
  'browser/fanfare.js': { Made: require('./browser/fanfare.js'), ways: ['websocket', 'sse', 'poll'] },
  'miniprogram/fanfare.js': { Made: require('./miniprogram/fanfare.js'), ways: ['websocket', 'poll'], more: { wx } },
};

/** What the types must say, of the names `F.…`. */
const LIST = `
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
export const list: true[] = [
  is<Same<keyof F.Options, 'token' | 'data' | 'header' | 'wx' | 'transports' | 'minDelay' | 'maxDelay' | 'timeout' | 'maxQueue' | 'share'>>(),
  is<Same<F.Options['token'], string | (() => string | Promise<string>) | undefined>>(),
  is<Same<F.Options['header'], { [name: string]: string } | undefined>>(),
  is<Same<F.Options['transports'], ('websocket' | 'sse' | 'poll')[] | undefined>>(),
  is<Same<F.Options['minDelay' | 'maxDelay' | 'timeout' | 'maxQueue'], number | undefined>>(),
  is<Same<F.Options['share'], false | { name: string; worker: F.WorkerAddress } | undefined>>(),
  is<Same<keyof Client, 'state' | 'transport' | 'connect' | 'close' | 'on' | 'off' | 'subscribe' | 'publish' | 'rpc' | 'send'>>(),
  is<Same<Client['state'], 'disconnected' | 'connecting' | 'connected'>>(),
  is<Same<Client['transport'], 'websocket' | 'sse' | 'poll' | null>>(),
  is<Same<ReturnType<Client['on']>, () => void>>(),
  is<Same<ReturnType<Client['publish']>, Promise<void>>>(),
  is<Same<ReturnType<Client['rpc']>, Promise<any>>>(),
  is<Same<ReturnType<Client['send']>, Promise<void>>>(),
  is<Same<ReturnType<Client['subscribe']>, F.Subscription>>(),
  is<Same<keyof F.FanfareEvents, 'state' | 'close' | 'error' | 'message' | 'subscribed' | 'publication' | 'join' | 'leave' | 'unsubscribed'>>(),
  is<Same<keyof F.StateEvent, 'state' | 'code' | 'reason' | 'retryIn'>>(),
  is<Same<keyof F.CloseEvent, 'code' | 'reason'>>(),
  is<Same<F.CloseEvent['code'], number>>(),
  is<Same<F.FanfareEvents['message'], { data: any }>>(),
  is<Same<F.FanfareEvents['error'], F.FanfareError>>(),
  is<Same<keyof F.FanfareError, 'code' | 'message'>>(),
  is<Same<F.FanfareError['code'], number | 'queue_full' | 'timeout' | 'closed'>>(),
  is<Same<keyof F.SubscribeOptions, 'since' | 'token' | 'data'>>(),
  is<Same<F.Position, { offset: number; epoch: string }>>(),
  is<Same<keyof F.Subscription, 'channel' | 'position' | 'on' | 'off' | 'publish' | 'presence' | 'history' | 'unsubscribe'>>(),
  is<Same<F.Subscription['position'], F.Position | null>>(),
  is<Same<keyof F.HistoryOptions, 'limit' | 'since' | 'reverse'>>(),
  is<Same<keyof F.SubscriptionEvents, 'publication' | 'subscribed' | 'join' | 'leave' | 'unsubscribed' | 'error'>>(),
  is<Same<keyof F.Publication, 'data' | 'offset' | 'epoch' | 'info' | 'tags' | 'recovered'>>(),
  is<Same<keyof F.Subscribed, 'wasRecovering' | 'recovered' | 'position' | 'data'>>(),
  is<Same<keyof F.Unsubscribed, 'code' | 'reason'>>(),
];
function is<T extends true>(): T { return true as T; }
`;

test('the types of each packaging name all that is offered, and nothing else', (t) => {
  // A name that is in one packaging alone, or that the documents forgot, is found out by users.
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-list-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const check = (list) => {
    const files = Object.keys(PACKAGINGS).map((file, at) => {
      const path = join(folder, `list${at}.${file.endsWith('.mjs') ? 'mts' : 'cts'}`);
      const from = join(CLIENTS, file);
      const head = file.endsWith('.mjs')
        ? `import Fanfare, * as F from '${from}';\ntype Client = Fanfare;\n`
        : `import F = require('${from}');\ntype Client = F;\n`;
      writeFileSync(path, head + list);
      return path;
    });
    const options = {
      noEmit: true, strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, types: [],
      moduleResolution: ts.ModuleResolutionKind.NodeNext, skipDefaultLibCheck: true, lib: ['lib.es2022.d.ts'],
    };
    const found = ts.getPreEmitDiagnostics(ts.createProgram(files, options));
    return ts.formatDiagnostics(found, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => folder, getNewLine: () => '\n' });
  };
  assert.equal(check(LIST), '');
  // The comparison can fail: a field that is missing is named in each of the three.
  const words = check(LIST.replace(" | 'retryIn'", ''));
  assert.deepEqual([...new Set(words.match(/list\d/g))], ['list0', 'list1', 'list2'], words);
});

/** What is told from now on, as `[event, fields]`. */
function listened(emitter, events, all = []) {
  for (const event of events) emitter.on(event, (fields) => all.push([event, fields]));
  return all;
}

/** What was told since the last look. */
const news = (all) => JSON.parse(JSON.stringify(all.splice(0)));

for (const [file, { Made, ways, more }] of Object.entries(PACKAGINGS)) {
  const make = (t, options) => {
    const made = new Made('https://push.example.com', { ...more, ...options });
    t.after(() => made.close());
    return made;
  };
  /** A client that is made, and a list of what it tells. */
  const start = (t, options = {}) => {
    begin(t);
    const made = make(t, { transports: ['websocket'], ...options });
    return { made, all: listened(made, ['state', 'close', 'error', 'message', 'subscribed', 'publication', 'join', 'leave', 'unsubscribed']) };
  };

  test(`${file}: states, and the fields of each event of a client`, async (t) => {
    // People write by the list of fields: one that is called otherwise is undefined on their page.
    const { made, all } = start(t, { token: 'a.b.c', data: { room: 7 }, header: { 'X-A': '1' } });
    Math.random = () => 0;
    assert.deepEqual([made.state, made.transport], ['disconnected', null]);
    made.connect();
    await settle();
    assert.deepEqual([made.state, made.transport], ['connecting', 'websocket']);
    assert.deepEqual(news(all), [['state', { state: 'connecting', code: 0, reason: 'connect' }]]);
    assert.equal(FakeSocket.last.url, 'wss://push.example.com/connection/websocket');
    FakeSocket.last.welcome({ subs: { given: { recoverable: true, offset: 3, epoch: 'e', data: 'd' } } });
    const { connect } = FakeSocket.last.command('connect');
    assert.deepEqual([connect.token, connect.data], ['a.b.c', { room: 7 }]);
    // Where the handshake can carry them, they go there.
    assert.deepEqual(FakeSocket.last.header ?? connect.headers, { 'X-A': '1' });
    assert.deepEqual([made.state, made.transport], ['connected', 'websocket']);
    const place = { channel: 'given', wasRecovering: false, recovered: false, position: { offset: 3, epoch: 'e' }, data: 'd' };
    assert.deepEqual(news(all), [['state', { state: 'connected', code: 0, reason: 'connected' }], ['subscribed', place]]);
    const info = { user: 'u', client: 'c' };
    FakeSocket.last.say(
      { push: { message: { data: 'you alone' } } },
      { push: { channel: 'given', pub: { data: 1, offset: 4, info, tags: { a: 'b' } } } },
      { push: { channel: 'given', join: { info } } }, { push: { channel: 'given', leave: { info } } },
      { push: { channel: 'given', unsubscribe: { code: 2000, reason: 'out' } } },
    );
    assert.deepEqual(news(all), [
      ['message', { data: 'you alone' }],
      ['publication', { channel: 'given', data: 1, recovered: false, offset: 4, epoch: 'e', info, tags: { a: 'b' } }],
      ['join', { channel: 'given', ...info }], ['leave', { channel: 'given', ...info }],
      ['unsubscribed', { channel: 'given', code: 2000, reason: 'out' }],
    ]);
    FakeSocket.last.drop(1000, 'interrupted');
    await pass(0);
    assert.deepEqual(news(all), [['state', { state: 'connecting', code: 1000, reason: 'interrupted', retryIn: 500 }]]);
    await pass(500);
    FakeSocket.last.accept();
    FakeSocket.last.refuse('connect', 100, 'internal', { temporary: true });
    const [[event, { code, message }], state] = news(all);
    assert.deepEqual([event, code, message], ['error', 100, 'internal']);
    assert.deepEqual(state, ['state', { state: 'connecting', code: 100, reason: 'internal', retryIn: 500 }]);
    made.close();
    assert.deepEqual([made.state, made.transport], ['disconnected', null]);
    assert.deepEqual(news(all), [['state', { state: 'disconnected', code: 1000, reason: 'closed by the app' }], ['close', { code: 1000, reason: 'closed by the app' }]]);
  });

  test(`${file}: a subscription, its events and its calls`, async (t) => {
    // The same for what stands on a channel: a page shows what it reads from these.
    const { made } = start(t);
    made.connect();
    await settle();
    const part = made.subscribe('room', { since: { offset: 1, epoch: 'e' } });
    const all = listened(part, ['publication', 'subscribed', 'join', 'leave', 'unsubscribed', 'error']);
    assert.deepEqual([part.channel, part.position], ['room', { offset: 1, epoch: 'e' }]);
    FakeSocket.last.welcome();
    FakeSocket.last.reply('subscribe', { recoverable: true, was_recovering: true, recovered: true, offset: 2, epoch: 'e', publications: [{ data: 'missed', offset: 2 }] });
    const info = { user: 'u', client: 'c', conn_info: 1, chan_info: 2 };
    FakeSocket.last.say({ push: { channel: 'room', pub: { data: 'live', offset: 3, info } } }, { push: { channel: 'room', join: { info } } }, { push: { channel: 'room', leave: { info } } });
    assert.deepEqual(news(all), [
      ['subscribed', { wasRecovering: true, recovered: true, position: { offset: 2, epoch: 'e' } }],
      ['publication', { data: 'missed', recovered: true, offset: 2, epoch: 'e' }],
      ['publication', { data: 'live', recovered: false, offset: 3, epoch: 'e', info }],
      ['join', info], ['leave', info],
    ]);
    assert.deepEqual(part.position, { offset: 3, epoch: 'e' });
    const results = [part.publish('x'), part.presence(), part.history({ limit: 1, since: { offset: 1, epoch: 'e' }, reverse: true })];
    assert.deepEqual(FakeSocket.last.command('history').history, { channel: 'room', limit: 1, since: { offset: 1, epoch: 'e' }, reverse: true });
    FakeSocket.last.reply('publish');
    FakeSocket.last.reply('presence', { presence: { c: info } });
    FakeSocket.last.reply('history', { publications: [{ data: 'live', offset: 3, info }], offset: 3, epoch: 'e' });
    const [published, presence, history] = await Promise.all(results);
    assert.equal(published, undefined);
    assert.deepEqual(presence, { c: info });
    assert.deepEqual(history, { publications: [{ data: 'live', recovered: false, offset: 3, epoch: 'e', info }], position: { offset: 3, epoch: 'e' } });
    part.unsubscribe();
    assert.deepEqual(news(all), [['unsubscribed', { code: 0, reason: 'unsubscribed' }]]);
    const refused = made.subscribe('secret');
    listened(refused, ['subscribed', 'unsubscribed', 'error'], all);
    await settle();
    FakeSocket.last.refuse('subscribe', 103, 'permission denied');
    assert.deepEqual(news(all), [['error', { code: 103, message: 'permission denied' }], ['unsubscribed', { code: 103, reason: 'permission denied' }]]);
  });

  test(`${file}: the defaults of the options, and the codes that calls are rejected with`, async (t) => {
    // A default that is not the documented one shows as a phone that is hammered, or a button that stays grey.
    const { made, all } = start(t);
    Math.random = () => 0.999999;
    assert.equal(await codeOf(made.publish('a', 1)), 'closed', 'before connect');
    made.connect();
    await settle();
    const waiting = Array.from({ length: 100 }, () => codeOf(made.rpc('m')));
    await assert.rejects(made.publish('a', 1), { code: 'queue_full', message: /100 calls/ });
    await pass(9999);
    assert.equal(news(all).length, 1, 'timeout');
    await pass(1);
    assert.ok((await Promise.all(waiting)).every((code) => code === 'timeout'));
    const delays = [];
    for (;;) {
      const [, { reason, retryIn }] = news(all).at(-1);
      delays.push(retryIn);
      if (delays.length === 1) assert.match(reason, /no connection within 10000 ms/);
      if (delays.length === 7) break;
      // The last time it is as short as it can be.
      if (delays.length === 6) Math.random = () => 0;
      await pass(retryIn);
      FakeSocket.last.drop();
      await pass(0);
    }
    assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16000, 20000, 500], 'minDelay and maxDelay');
    await pass(500);
    FakeSocket.last.welcome();
    const refused = codeOf(made.publish('a', 1));
    await settle();
    FakeSocket.last.refuse('publish', 103, 'permission denied');
    assert.equal(await refused, 103);
    const lost = codeOf(made.publish('a', 1));
    FakeSocket.last.drop();
    await pass(0);
    assert.equal(await lost, 'closed');
  });

  test(`${file}: on answers what stops it, off stops it too, and connect and close may be called again`, async (t) => {
    // Pages come and go over one client: a listener that stays writes into a page that is gone.
    const { made, all } = start(t);
    const heard = [];
    const one = () => heard.push('one');
    const other = () => heard.push('other');
    const stop = made.on('state', one);
    made.on('state', other);
    made.connect();
    assert.deepEqual(heard, ['one', 'other']);
    stop();
    made.off('state', other);
    made.close();
    made.connect();
    made.connect();
    made.close();
    made.close();
    assert.deepEqual(heard, ['one', 'other']);
    assert.deepEqual(news(all).map(([event, { state }]) => state ?? event), ['connecting', 'disconnected', 'close', 'connecting', 'disconnected', 'close']);
  });

  test(`${file}: the transports that it has, and the one that it tries first`, (t) => {
    // A packaging that lost a transport works at the developer's desk, and nowhere behind a proxy.
    const { made } = start(t, { transports: undefined });
    globalThis.EventSource = class { close() {} };
    made.connect();
    assert.equal(made.transport, ways[0]);
    for (const way of ['websocket', 'sse', 'poll']) {
      if (!ways.includes(way)) {
        assert.throws(() => make(t, { transports: [way] }), /none of these transports is here/);
        continue;
      }
      const alone = make(t, { transports: [way] });
      alone.connect();
      assert.equal(alone.transport, way);
    }
  });
}
