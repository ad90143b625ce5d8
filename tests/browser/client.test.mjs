//! The client for browsers in a real Chromium against the real binary: `FANFARE_BIN=… node --test client.test.mjs`.
//! Owned by this folder. Bounds: every wait has a deadline. It must fail, not skip, where Chromium, nginx or the binary is
//! missing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Gate } from '../clients/gate.mjs';
import { Proxy } from '../nginx/proxy.mjs';
import { App, AppPage, startServer } from './app.mjs';
import { endAll, Server, SLOWEST, until } from './server.mjs';
import { launch } from './tab.mjs';

const SHARE = { name: 'app', worker: '/fanfare-worker.js' };

let app;
let browser;
let server;

before(async () => {
  [server, app, browser] = await Promise.all([startServer(), App.start(), launch()]);
});

after(endAll);

async function withContext(steps, options = {}) {
  const context = await browser.newContext(options);
  try {
    await steps(context);
  } finally {
    await context.close();
  }
  await until('nobody is left', async () => (await server.sessions()) === 0, 15_000);
}

/** A page that is connected and in a channel. */
async function inside(context, channel, { at = server, user = 'ann', path = '/', options = {} } = {}) {
  const page = await AppPage.open(context, app, path);
  if (options.share) await page.workerRuns(options.share);
  await page.start(at, user, options);
  await page.connected();
  await page.enter(channel);
  await page.subscribed();
  return page;
}

test('two pages exchange messages, and each call has its result', async () => {
  await withContext(async (context) => {
    const [ann, bo] = [await inside(context, 'room:two'), await inside(context, 'room:two', { user: 'bo' })];
    assert.deepEqual(await ann.call('room', 'publish', { text: '你好 🎺' }), { value: undefined });
    await bo.got({ text: '你好 🎺' });
    await ann.got({ text: '你好 🎺' });
    const { value } = await bo.call('room', 'presence');
    assert.deepEqual(Object.values(value).map(({ user }) => user).sort(), ['ann', 'bo']);
    assert.equal((await bo.call('client', 'rpc', 'nothing')).error.code, 108);
    assert.equal(await bo.transport(), 'websocket');
  });
});

test('a server that is drained or killed is come back to, with all that was said meanwhile', async () => {
  await withContext(async (context) => {
    const page = await inside(context, 'room:restart');
    for (const [number, signal] of [[1, 'SIGTERM'], [2, 'SIGKILL']]) {
      await server.end(signal);
      await page.until('the loss', ({ states }) => states.at(-1).state === 'connecting');
      await server.again();
      await page.connected();
      await page.subscribed(number + 1);
      await server.publish('room:restart', signal);
      // Before the next kill: what the server has not sent yet dies with it.
      await page.got(...['SIGTERM', 'SIGKILL'].slice(0, number));
    }
    // The history died with the server: that is told, not passed over.
    assert.deepEqual((await page.told()).subscribed.map(({ recovered }) => recovered), [false, false, false]);
    assert.deepEqual((await page.told()).closes, []);
  });
});

test('a proxy that cuts idle connections loses and doubles nothing', async () => {
  // A real nginx whose read timeout is below the server's ping: every session ends with 1006, again and again.
  const proxy = await Proxy.start(server.port, { 'read-timeout': 'proxy_read_timeout 1s;' });
  try {
    await withContext(async (context) => {
      const at = `https://127.0.0.1:${proxy.httpsPort}`;
      const page = await inside(context, 'room:cut', { at });
      const losses = ({ states }) => states.filter(({ state, code }) => state === 'connecting' && code === 1006).length;
      await server.publish('room:cut', 0);
      for (let cut = 1; cut <= 3; cut += 1) {
        await page.until(`cut ${cut}`, (told) => losses(told) >= cut);
        await server.publish('room:cut', cut);
      }
      await page.got(0, 1, 2, 3);
    }, { ignoreHTTPSErrors: true });
  } finally {
    await proxy.remove();
  }
});

test('offline makes attempts rare, and online ends the wait at once', async () => {
  await withContext(async (context) => {
    const page = await inside(context, 'room:offline', { options: { maxDelay: 600_000 } });
    await context.setOffline(true);
    await server.api('disconnect', { user: 'ann', disconnect: { code: 3001, reason: 'gone' } });
    await page.until('a rare attempt', ({ states }) => states.at(-1).retryIn === 600_000);
    await server.publish('room:offline', 'a', 'b');
    await context.setOffline(false);
    await page.got('a', 'b');
    assert.equal((await page.told()).subscribed.at(-1).recovered, true);
  });
});

for (const [what, rule] of [['refused', 403], ['swallowed', 'hold']]) {
  test(`where a WebSocket is ${what} on the way, events and then polls take its place, and all comes once`, async (t) => {
    const gate = await Gate.before(t, server.port);
    await withContext(async (context) => {
      gate.rules = { websocket: rule };
      // For an attempt in all; one by events that takes longer gives way to polls.
      const options = { timeout: SLOWEST * 4000 };
      const page = await inside(context, `room:${what}`, { at: gate, options });
      assert.equal(await page.transport(), 'sse');
      await server.publish(`room:${what}`, 1, 2);
      await page.got(1, 2);
      assert.deepEqual(await page.call('room', 'publish', 3), { value: undefined });
      await page.got(1, 2, 3);
      // And now no stream either: what is said during the switch is not lost by it.
      gate.rules = { websocket: rule, sse: rule };
      gate.cut();
      await server.publish(`room:${what}`, 4);
      await until('polls', async () => (await page.transport()) === 'poll' && (await page.state()) === 'connected', 30_000);
      await server.publish(`room:${what}`, 5);
      await page.got(1, 2, 3, 4, 5);
      assert.equal((await page.call('room', 'presence')).error.code, 108);
    });
  });
}

test('a browser that has no WebSocket listens to events', async () => {
  await withContext(async (context) => {
    await context.addInitScript(() => { delete window.WebSocket; });
    const page = await inside(context, 'room:events');
    assert.equal(await page.transport(), 'sse');
    await server.publish('room:events', 1);
    await page.got(1);
  });
});

test('the classic script works by XMLHttpRequest alone', async () => {
  await withContext(async (context) => {
    await context.addInitScript(() => { delete window.WebSocket; delete window.EventSource; });
    const page = await inside(context, 'room:classic', { path: '/classic' });
    assert.equal(await page.transport(), 'poll');
    await server.publish('room:classic', 1, 2);
    await page.got(1, 2);
    assert.deepEqual(await page.call('room', 'publish', 3), { value: undefined });
    await page.got(1, 2, 3);
    await page.page.evaluate(() => window.client.close());
  });
});

test('a page whose origin is not allowed is told what to look after', async (t) => {
  // A browser tells a page no more than that there is no answer, and the setting is the server's.
  const strict = await Server.start((port) => `listen = ["127.0.0.1:${port}"]`);
  t.after(() => strict.remove());
  await withContext(async (context) => {
    const page = await AppPage.open(context, app);
    await page.start(strict, '');
    await page.until('every transport', ({ states }) => states.length >= 4);
    const reasons = (await page.told()).states.map(({ reason }) => reason);
    assert.match(reasons[1], /^no WebSocket to ws:/);
    assert.match(reasons[3], /client\.origins does not name this page.*\/poll$/);
    assert.deepEqual((await page.told()).closes, []);
  });
});

test('tabs that share go on together where no WebSocket gets through', async (t) => {
  const gate = await Gate.before(t, server.port);
  await withContext(async (context) => {
    gate.rules = { websocket: 403 };
    const options = { share: SHARE };
    const one = await inside(context, 'room:both', { at: gate, options });
    const two = await inside(context, 'room:both', { at: gate, options });
    assert.equal(await one.transport(), 'sse');
    assert.equal(await two.transport(), 'sse');
    assert.equal(await server.sessions(), 1);
    await server.publish('room:both', 1);
    gate.cut();
    await server.publish('room:both', 2);
    await one.got(1, 2);
    await two.got(1, 2);
  });
});
