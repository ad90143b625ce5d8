//! The example's page, its files unmodified, under miniprogram-simulate, on a phone of these tests
//! and against the real server: what is tapped, written and shown. Needs FANFARE_BIN. Bounds:
//! loopback only; one page at a time; every wait has a deadline.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { until } from '../nginx/until.mjs';
import { Danmaku, EXAMPLE } from './danmaku.mjs';
import { removeLeft } from './left.mjs';
import { Line, response } from './line.mjs';
import { Mini } from './mini.mjs';
import { Server } from './server.mjs';

// Before the tests put settings of their own in its place.
const { channel: CHANNEL } = createRequire(import.meta.url)(`${EXAMPLE}/config.js`);

let server;
before(async () => {
  server = await Server.start();
});
after(removeLeft);

/** Runs `steps` with the page, and closes it. */
async function withPage(channel, options, steps, origin = server.origin) {
  const page = Danmaku.open(origin, channel, options);
  try {
    await steps(page);
  } finally {
    page.close();
  }
}

// The page is what people copy. Each thing that it shows must work when it is tapped, and what one
// writes must reach the other.
test('connect, write, send, and be heard by another; the other is heard', async () => {
  await withPage('room:page', {}, async (page) => {
    assert.equal(page.text('state'), '未连接');
    await page.connect();
    await page.until('the words', () => page.text('state') === '已连接 · WebSocket');
    const other = await Mini.open('wx', server.origin);
    const listened = other.subscribe('room:page');
    await listened.subscribed();
    await page.until('two members', () => page.text('members') === '2 人在线');
    await page.say('弹幕:你好!🎺');
    await page.heard('弹幕:你好!🎺');
    await listened.received(1);
    assert.deepEqual(listened.values, [{ name: '听众7', text: '弹幕:你好!🎺' }]);
    assert.equal(page.data.text, '');
    assert.deepEqual(page.toasts, [], 'no toast for what one says oneself');
    await listened.subscription.publish({ name: '阿青', text: '前排' });
    const line = await page.heard('前排');
    assert.equal(line.name, '阿青');
    assert.equal(page.text('last'), '前排');
    assert.ok(page.data.flying.some(({ text }) => text === '前排'));
    assert.deepEqual(page.toasts, ['前排']);
    await server.publish('room:page', '10 秒一次的推送');
    assert.equal((await page.heard('10 秒一次的推送')).name, '服务器');
    other.remove();
    await page.until('one member', () => page.data.members === 1);
  });
});

// Scenario 3: who sends without a connection must be told so, and must not lose what was written.
test('sending while not connected says to connect first', async () => {
  await withPage('room:first', {}, async (page) => {
    await page.say('太早了');
    assert.deepEqual(page.toasts, ['请先连接']);
    assert.equal(page.data.text, '太早了');
    assert.equal(page.phone.connects.length, 0);
    await page.connect();
    page.tap('send');
    await page.heard('太早了');
  });
});

test('disconnect is for good, and connect brings it back', async () => {
  await withPage('room:off', {}, async (page) => {
    await page.connect();
    page.tap('disconnect');
    await page.state('disconnected');
    assert.equal(page.text('state'), '未连接');
    assert.equal(page.data.hint, '已断开');
    assert.equal(page.data.members, 0);
    await until('the socket is gone', () => page.phone.sockets.size === 0);
    page.phone.network(true);
    assert.equal(page.phone.connects.length, 1);
    await page.connect();
    assert.equal(page.phone.connects.length, 2);
  });
});

// Headers are what a phone can send and a browser cannot; tokens of a login go there. They must be
// there at each attempt, not only the first.
test('the header is sent at each connection', async () => {
  await withPage('room:header', { header: { 'X-Login': 'ann' } }, async (page) => {
    await page.connect();
    for (const socket of [...page.phone.sockets]) socket.drop();
    await page.until('connected again', () => page.phone.connects.length === 2);
    await page.state('connected');
    assert.deepEqual(
      page.phone.connects.map(({ header }) => header['X-Login']),
      ['ann', 'ann'],
    );
  });
});

// While the app is away everything stops. Shown again, it must have what was said meanwhile, in
// order and once, and must not let it all fly over the screen as if it were new.
test('put away and shown again: what was said meanwhile is there', async () => {
  await withPage('room:away', {}, async (page) => {
    await page.connect();
    await page.say('走之前');
    await page.heard('走之前');
    page.phone.interrupt();
    for (const text of ['一', '二', '三'])
      await server.publish('room:away', { name: '阿青', text });
    page.phone.show();
    await page.heard('三');
    assert.deepEqual(
      page.data.lines.map(({ text }) => text),
      ['走之前', '一', '二', '三'],
    );
    assert.ok(!page.data.flying.some(({ text }) => text === '二'));
    await page.state('connected');
    assert.equal(page.phone.socketsMax, 1);
  });
});

test('a change of the network is survived, and the way back is counted down', async () => {
  const line = await Line.before(server.port);
  const options = { minDelay: 2600, maxDelay: 3000 };
  await withPage(
    'room:network',
    options,
    async (page) => {
      await page.connect();
      line.refusal = response(503);
      line.cut();
      await page.until('the countdown', () => /^[23] 秒后重连$/.test(page.text('state')));
      assert.match(page.data.hint, /网络断了/);
      await page.until('it goes down', () => /^1 秒后重连$/.test(page.text('state')));
      line.refusal = null;
      page.phone.network(true, '4g');
      await page.state('connected');
      await page.say('换网了');
      await page.heard('换网了');
    },
    line.origin,
  );
  await line.remove();
});

// Five sockets at most, and every page that forgets one brings the end nearer. Twelve cuts must
// leave one.
test('twelve cuts, and never a second socket', async () => {
  await withPage('room:twelve', {}, async (page) => {
    await page.connect();
    for (let times = 2; times <= 13; times++) {
      for (const socket of [...page.phone.sockets]) socket.drop();
      await page.until('connected again', () => page.phone.connects.length === times);
      await page.state('connected');
    }
    assert.equal(page.phone.socketsMax, 1);
    await page.say('还在');
    await page.heard('还在');
  });
});

for (const failure of ['error', 'close', 'both']) {
  test(`a connection that fails by ${failure} is waited for, and then it is there`, async () => {
    const line = await Line.before(server.port);
    line.refusal = response(503);
    await withPage(
      'room:fails',
      { phone: { failure } },
      async (page) => {
        page.tap('connect');
        await page.until('several attempts', () => page.phone.connects.length >= 2);
        assert.equal(page.data.state, 'connecting');
        line.refusal = null;
        await page.state('connected');
        await page.say(failure);
        await page.heard(failure);
      },
      line.origin,
    );
    await line.remove();
  });
}

// What the platform refuses is the developer's to mend: the page must show its words, not be
// silent.
test('an address that is not listed is told in the platform’s words', async () => {
  const phone = { domains: { socket: [], request: [] } };
  await withPage('room:listed', { phone }, async (page) => {
    page.tap('connect');
    await page.until('the words', () => /url not in domain list/.test(page.data.hint));
  });
});

// A message that could not be sent goes back into the box. To lose what somebody wrote is worse
// than to make them tap again.
test('what could not be sent is given back', async () => {
  const line = await Line.before(server.port);
  await withPage(
    'room:back',
    { timeout: 300 },
    async (page) => {
      await page.connect();
      line.silence();
      await page.say('会丢吗');
      await page.until('it is back', () => page.data.text === '会丢吗' && page.toasts.length > 0);
      assert.match(page.toasts[0], /服务器没有回答|没有发出去/);
    },
    line.origin,
  );
  await line.remove();
});

// The example says that it needs no settings. So the demonstration's must let it do everything, on
// the channel that its config.js names, and the server's own page must be heard there.
test('the demonstration serves the example as it is, and its page is in the same channel', async () => {
  const demo = execFileSync(process.env.FANFARE_BIN, ['config', '--demo'])
    .toString()
    .replace(/^listen = .*$/m, '')
    .replace('every = "10s"', 'every = "1s"');
  const demonstration = await Server.start('', demo);
  try {
    await withPage(
      CHANNEL,
      {},
      async (page) => {
        await page.connect();
        await page.until('a push by the clock', () =>
          page.data.lines.some(({ text }) => text.startsWith('你好!')),
        );
        await page.until('itself among the members', () => page.data.members === 1);
        await page.say('弹幕');
        await page.heard('弹幕');
        const browser = new WebSocket(`${demonstration.address}/ws`);
        await once(browser, 'open');
        const heard = [];
        browser.on('message', (data) => heard.push(data.toString()));
        browser.send('来自网页');
        assert.equal((await page.heard('来自网页')).name, '服务器');
        await page.say('听到了');
        await until('the web page hears', () => heard.some((text) => text.includes('听到了')));
        browser.terminate();
      },
      demonstration.origin,
    );
  } finally {
    await demonstration.remove();
  }
});

// A page that is left must leave its channel, or it hears on in the dark, and a second visit hears
// everything twice.
test('leaving the page unsubscribes it, and the connection stays for others', async () => {
  const page = Danmaku.open(server.origin, 'room:left');
  await page.connect();
  const other = await Mini.open('wx', server.origin);
  const listened = other.subscribe('room:left');
  await page.until('two members', () => page.data.members === 2);
  page.page.instance.onUnload();
  await until('it has left', () => listened.told.leave.length === 1);
  assert.equal(page.app.fanfare.state, 'connected');
  assert.equal(page.phone.sockets.size, 1);
  other.remove();
  page.close();
});
