//! The five scenarios that fanfare exists for, each by a client written as its tutorial writes it
//! (scenarios/), without our module and without an SDK: on a phone of these tests, in a real
//! Chromium, on a bare socket, and behind a real nginx. Needs FANFARE_BIN, Chromium, nginx and
//! openssl. Bounds: loopback only; every wait has a deadline.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Proxy } from '../nginx/proxy.mjs';
import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Phone } from './phone/phone.mjs';
import { wx } from './phone/platforms.mjs';
import { Realm } from './phone/realm.mjs';
import { talk } from './scenarios/4-handshake.mjs';
import { launch } from './screen/screen.mjs';
import { Server, SETTINGS } from './server.mjs';
import { show } from './simulator.mjs';

const here = (name) => fileURLToPath(new URL(`scenarios/${name}`, import.meta.url));
const USERS = [{ name: '王芳' }, { name: '李娜' }];
const ATTENDANCE = [{ name: '王芳', day: '2026-11-26' }];
// Tutorials push each 10 s; a test would rather not wait.
const settings = (backend) => `
trusted_proxies = ["127.0.0.1"]
workers = 4
${SETTINGS}
[limits]
message_bytes = "16MiB"
outbox_bytes = "32MiB"

[[push]]
every = "1s"
channel = "barrage"
data = "你好!"

[[raw]]
path = "/wss"
greeting = "连接成功"
on_message = "reply"
reply = "Server: Received({message})"

[[raw]]
path = "/echo"
on_message = "echo"
subprotocols = ["superchat"]

[[raw]]
path = "/danmaku"
on_message = "relay"
channels = ["barrage"]

[[raw]]
path = "/hello"
on_message = "reply"
reply = "hello {message}"

[[raw]]
path = "/rows"
on_message = "hook"
subprotocols = ["superchat", "chat"]

[hooks.message]
url = "${backend}"

[channels]
allow.subscribe = ["anonymous"]
allow.publish = ["anonymous"]
`;

let server;
let browser;
let backend;
let pages;

before(async () => {
  backend = await listen(createServer(rows));
  pages = await listen(
    createServer((request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(readFileSync(here(new URL(request.url, 'http://host').pathname.slice(1))));
    }),
  );
  const all = settings(`${originOf(backend)}/message`);
  [server, browser] = await Promise.all([Server.start('', all), launch()]);
});
after(async () => {
  await removeLeft();
  await browser?.close();
  await server?.remove();
  for (const one of [backend, pages]) {
    one?.closeAllConnections();
    one?.close();
  }
});

async function listen(one) {
  one.listen(0, '127.0.0.1');
  await once(one, 'listening');
  return one;
}

function originOf(one) {
  return `http://127.0.0.1:${one.address().port}`;
}

/** The tutorial's backend: rows for a word, and a database that is sometimes away. */
function rows(request, response) {
  let body = '';
  request.on('data', (piece) => {
    body += piece;
  });
  request.on('end', () => {
    const found = { users: USERS, attendance: ATTENDANCE }[body];
    response.writeHead(found ? 200 : 500, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? 'no database'));
  });
}

/** Runs `steps` on a tutorial's page in Chromium. */
async function withPage(name, query, steps, before = () => {}) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.addInitScript(before);
    const words = new URLSearchParams({ server: server.address, ...query });
    await page.goto(`${originOf(pages)}/${name}?${words}`);
    const logs = () => page.evaluate('logs');
    const logged = (what, condition) => until(what, async () => condition(await logs()), 20_000);
    await steps(page, logs, logged);
  } finally {
    await context.close();
  }
}

// What beginners copy must work as it stands: the older functions, options that mean nothing any
// more, through the nginx.conf that we ship.
test('1. a mini program behind nginx: a greeting, an echo, a close', async () => {
  const proxy = await Proxy.start(server.port);
  const phone = new Phone({ ca: proxy.certificate });
  try {
    const realm = new Realm(phone, { wx: wx(phone) });
    const logs = [];
    realm.require(here('1-echo.js'))(`wss://127.0.0.1:${proxy.httpsPort}/wss`, logs);
    await until(
      'it is closed',
      () => logs.length === 4,
      10_000,
      () => logs.join('\n'),
    );
    assert.deepEqual(logs, [
      'WebSocket 连接已打开',
      '收到服务器内容：连接成功',
      '收到服务器内容：Server: Received(你好，服务器)',
      'WebSocket 已关闭！1000',
    ]);
    await until('it is logged', () =>
      /session ended.*code=1000.*reason=none|session ended.*reason=none.*code=1000/.test(
        server.output,
      ),
    );
  } finally {
    phone.remove();
    await proxy.remove();
  }
});

test('2. every option of wx.connectSocket, and a SocketTask', async () => {
  const phone = new Phone();
  const logs = [];
  new Realm(phone, { wx: wx(phone) }).require(here('2-task.js'))(`${server.address}/echo`, logs);
  await until(
    'it is closed',
    () => logs.at(-1)?.startsWith('close'),
    10_000,
    () => logs.join('\n'),
  );
  assert.deepEqual(
    logs.filter((line) => line !== 'complete'),
    ['success', 'open superchat', '文本', '1,2,253,254', 'close 4000 '],
  );
  assert.equal(phone.connects[0].header['X-Device'], 'phone');
  phone.remove();
});

test('2. a browser’s WebSocket: states, subprotocols, Blob, 10 MB, a clean close', async () => {
  await withPage('2-browser.html', {}, async (page, logs, logged) => {
    await logged('it is closed', (all) => all.some((line) => line.startsWith('close')));
    assert.deepEqual(await logs(), [
      'state 0',
      'open superchat 1',
      'buffered',
      '文本',
      '一个 Blob',
      '10 MB true',
      'state 2',
      'close 4001  true 3',
    ]);
  });
});

// Scenario 3 is the page that tutorials end with. It is on the screen that people judge a push
// server.
test('3. hello, a push by the clock, and bullet comments from phone to phone', async () => {
  const phone = new Phone();
  const toasts = [];
  global.wx = { ...wx(phone), showToast: ({ title }) => toasts.push(title) };
  const app = { url: `${server.address}/hello` };
  global.getApp = () => app;
  const page = show(here('3-page'), 'index');
  const text = (id) => page.querySelector(`#${id}`).dom.textContent;
  const tap = (id) => page.querySelector(`#${id}`).dispatchEvent('tap');
  const write = async (value) => {
    page.querySelector('#box').dispatchEvent('input', { detail: { value } });
    await until('it is written', () => page.data.text === value);
  };
  tap('send');
  await until('it says so', () => toasts.includes('请先连接'));
  tap('connect');
  await until('connected', () => text('state') === '已连接');
  await write('小明');
  tap('send');
  await until('hello', () => text('message') === 'hello 小明');
  tap('close');
  await until('closed', () => text('state') === '未连接');

  app.url = `${server.address}/danmaku`;
  tap('connect');
  await until('connected', () => text('state') === '已连接');
  await until('pushed without being asked', () => toasts.includes('你好!'));
  const other = new Phone();
  const heard = [];
  const task = wx(other).connectSocket({ url: app.url });
  task.onMessage(({ data }) => heard.push(data));
  await new Promise((opened) => {
    task.onOpen(opened);
  });
  await write('前方高能');
  tap('send');
  await until('the other has it', () => heard.includes('前方高能'));
  task.send({ data: '收到' });
  await until('and answers', () => toasts.includes('收到'));
  page.detach();
  phone.remove();
  other.remove();
});

test('4. the handshake by hand, and rows that a backend has', async () => {
  const texts = [];
  let head = null;
  const client = talk(
    server.port,
    '/rows',
    'users',
    (lines) => {
      head = lines;
    },
    (text) => texts.push(text),
  );
  await until('the users', () => texts.length === 2);
  client.send('attendance');
  await until('the attendance', () => texts.length === 3);
  assert.match(head[0], /^HTTP\/1\.1 101 /);
  const field = (name) => head.filter((line) => line.toLowerCase().startsWith(`${name}: `));
  assert.deepEqual(field('sec-websocket-accept'), [
    'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  ]);
  assert.equal(field('sec-websocket-protocol').length, 1);
  assert.deepEqual(
    texts.map((text) => JSON.parse(text)),
    [...USERS, ...ATTENDANCE],
  );
  client.send('fail');
  await until('the end', () => texts.at(-1) === 'close 1011');
  client.end();
});

test('4. a browser’s singleton comes back when send finds it closed', async () => {
  await withPage('4-singleton.html', {}, async (page, logs, logged) => {
    await page.evaluate("Socket.instance.send('users')");
    await logged('the rows', (all) => all.length === 3);
    await page.evaluate("Socket.instance.send('fail')");
    await logged('the end', (all) => all.includes('close 1011'));
    await page.evaluate("Socket.instance.send('attendance')");
    await logged('it is back', (all) => all.length === 6);
    const rowsOf = (all) => all.map((row) => JSON.stringify(row));
    assert.deepEqual(await logs(), [
      'open',
      ...rowsOf(USERS),
      'close 1011',
      'open',
      ...rowsOf(ATTENDANCE),
    ]);
  });
});

test('5. the echo page of the tutorial opens, sends, receives, closes', async () => {
  await withPage('5-echo.html', {}, async (page, logs, logged) => {
    await page.click('#sse');
    await logged('it is closed', (all) => all.length === 3);
    assert.deepEqual(await logs(), ['数据发送中...', '数据已接收: 发送数据', '连接已关闭...']);
  });
});

// Who has no WebSocket must lose nothing and get nothing twice, also when it changes its way or its
// server is away for a moment.
test('5. without WebSocket: events, then long poll, and nothing lost or doubled', async () => {
  const without = () => {
    delete window.WebSocket;
  };
  await withPage(
    '5-old.html',
    { channel: 'room:old' },
    async (page, logs, logged) => {
      assert.equal(await page.evaluate('listen(); way'), 'events');
      await until('it is there', async () => (await page.evaluate('since')) !== '');
      await server.publish('room:old', { n: 1 });
      await page.evaluate('say(2)');
      await logged('both', (all) => all.length === 2);
      await page.evaluate('events.close()');
      await server.publish('room:old', { n: 3 });
      await page.evaluate('change()');
      assert.equal(await page.evaluate('way'), 'poll');
      await logged('what was missed', (all) => all.length === 3);
      await server.publish('room:old', { n: 4 });
      await page.evaluate('say(5)');
      await logged('all', (all) => all.length === 5);
      assert.deepEqual([...(await logs())].sort(), [1, 2, 3, 4, 5]);
    },
    without,
  );
});
