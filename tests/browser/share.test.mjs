//! Tabs that share a connection, in a real Chromium against the real binary: `FANFARE_BIN=… node --test share.test.mjs`.
//! Owned by this folder. Bounds: every wait has a deadline. It must fail, not skip, where Chromium or the binary is missing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { App, AppPage, startServer } from './app.mjs';
import { endAll, until } from './server.mjs';
import { launch } from './tab.mjs';

const SHARE = { name: 'app', worker: '/fanfare-worker.js' };

let app;
let browser;
let server;

before(async () => {
  [server, app, browser] = await Promise.all([startServer(), App.start(), launch()]);
});

after(endAll);

/** Runs `steps` with a browser context of its own; nobody is left on the server behind it. */
async function withContext(steps) {
  const context = await browser.newContext();
  try {
    await steps(context);
  } finally {
    await context.close();
    app.missing = [];
  }
  await sessions(0);
}

const sessions = (count) => until(`${count} sessions`, async () => (await server.sessions()) === count, 15_000);

/** How often a page lost its connection. The first one may take several tries, where its token is over before a slow page comes. */
async function losses(page) {
  const { states } = await page.told();
  return states.slice(states.findIndex(({ state }) => state === 'connected')).filter(({ state }) => state !== 'connected');
}

/** A page with a client that shares, connected; `hasWorker` is false where there is none to share by. */
async function tab(context, user, { hasWorker = true, ...options } = {}) {
  const page = await AppPage.open(context, app);
  if (hasWorker) await page.workerRuns(SHARE);
  await page.start(server, user, { share: SHARE, ...options });
  await page.connected();
  return page;
}

test('tabs of one user share one connection, and each gets everything once', async () => {
  await withContext(async (context) => {
    const [one, two] = [await tab(context, 'ann'), await tab(context, 'ann')];
    assert.equal(await server.sessions(), 1);
    assert.equal(await one.transport(), 'websocket');
    for (const page of [one, two]) {
      await page.enter('room:shared');
      await page.subscribed();
    }
    await server.publish('room:shared', 'a', 'b');
    await one.got('a', 'b');
    await two.got('a', 'b');
    // Calls of each tab have their own results.
    assert.deepEqual(await one.call('room', 'publish', 'c'), { value: undefined });
    const { value } = await two.call('room', 'presence');
    assert.deepEqual(Object.values(value).map(({ user }) => user), ['ann']);
    const { error } = await two.call('client', 'publish', 'nowhere:x', 1);
    assert.equal(error.code, 102);
    const history = await two.call('room', 'history', { limit: 2 });
    assert.deepEqual(history.value.publications.map(({ data }) => data), ['a', 'b']);
    await two.got('a', 'b', 'c');
    await one.got('a', 'b', 'c');
    assert.deepEqual(await one.position(), await two.position());
    assert.equal(await server.sessions(), 1);
  });
});

test('a tab leaves its channel and closes without disturbing the other; the last one ends the connection', async () => {
  await withContext(async (context) => {
    const [one, two] = [await tab(context, 'ann'), await tab(context, 'ann')];
    for (const page of [one, two]) {
      await page.enter('room:leaving');
      await page.subscribed();
    }
    await one.page.evaluate(() => window.room.unsubscribe());
    await server.publish('room:leaving', 1);
    await two.got(1);
    assert.deepEqual((await one.told()).got, []);
    await one.page.evaluate(() => window.client.close());
    assert.deepEqual((await one.told()).closes, [{ code: 1000, reason: 'closed by the app' }]);
    assert.equal(await two.state(), 'connected');
    assert.equal(await server.sessions(), 1);
    await two.page.evaluate(() => window.client.close());
    await sessions(0);
    // And again.
    await one.page.evaluate(() => window.client.connect());
    await one.connected();
  });
});

test('another user’s token gets a connection of its own, under the same name', async () => {
  await withContext(async (context) => {
    const [ann, bo] = [await tab(context, 'ann'), await tab(context, 'bo')];
    assert.equal(await server.sessions(), 2);
    for (const page of [ann, bo]) {
      await page.enter('room:two');
      await page.subscribed();
    }
    const { value } = await bo.call('room', 'presence');
    assert.deepEqual(Object.values(value).map(({ user }) => user).sort(), ['ann', 'bo']);
    await server.api('disconnect', { user: 'ann', disconnect: { code: 4500, reason: 'banned' } });
    await ann.until('the end', ({ closes }) => closes.length === 1);
    assert.deepEqual((await ann.told()).closes, [{ code: 4500, reason: 'banned' }]);
    assert.equal(await bo.state(), 'connected');
  });
});

test('a tab that comes late has what follows its own place, from the worker or from the server', async () => {
  // One connection has one place in a channel; tabs have as many as there are tabs.
  await withContext(async (context) => {
    const [one, two] = [await tab(context, 'ann'), await tab(context, 'ann')];
    await one.enter('room:places');
    await one.subscribed();
    const start = await one.position();
    await server.publish('room:places', 1, 2, 3);
    await one.got(1, 2, 3);
    await two.enter('room:places', { ...start, offset: start.offset + 1 });
    await two.got(2, 3);
    assert.equal((await two.told()).subscribed[0].recovered, true);
    // Before anything that the worker has seen: only the server knows.
    const three = await tab(context, 'ann');
    await server.publish('room:before', 'x', 'y');
    await one.enter('room:before');
    await one.subscribed(2);
    await server.publish('room:before', 'z');
    await one.got(1, 2, 3, 'z');
    const place = await one.position();
    await three.enter('room:before', { ...place, offset: 0 });
    await three.got('x', 'y', 'z');
    assert.equal((await three.told()).subscribed[0].recovered, true);
    await three.page.evaluate(() => { window.told.got = []; });
    await three.enter('room:places', { epoch: 'another', offset: 1 });
    await three.subscribed(2);
    assert.equal((await three.told()).subscribed[1].recovered, false);
    await server.publish('room:before', 'more');
    await three.got('more');
    await one.got(1, 2, 3, 'z', 'more');
    assert.equal((await one.told()).subscribed.length, 2, 'the first tab is not told of the others’ places');
    assert.equal(await server.sessions(), 1);
  });
});

test('a killed server is told to every tab, and nothing is lost or doubled behind it', async () => {
  await withContext(async (context) => {
    const tabs = [await tab(context, 'ann'), await tab(context, 'ann')];
    for (const page of tabs) {
      await page.enter('room:restart');
      await page.subscribed();
    }
    for (const [signal, code, word] of [['SIGTERM', 3001, 'drained'], ['SIGKILL', 1006, 'killed']]) {
      await server.end(signal);
      for (const page of tabs) await page.until('the loss', ({ states }) => states.some((one) => one.state === 'connecting' && one.code === code));
      assert.notEqual(await tabs[0].state(), 'connected');
      await server.again();
      for (const page of tabs) await page.connected();
      await sessions(1);
      await tabs[0].subscribed(signal === 'SIGTERM' ? 2 : 3);
      await tabs[1].subscribed(signal === 'SIGTERM' ? 2 : 3);
      await server.publish('room:restart', word);
      // Before the next kill: what the server has not sent yet dies with it.
      for (const page of tabs) await page.got(...(word === 'killed' ? ['drained', 'killed'] : ['drained']));
    }
  });
});

test('one tab is asked for a token when one is due, and a hidden death of the tab harms nobody', async () => {
  await withContext(async (context) => {
    const [one, two] = [await tab(context, 'ann', { ttl: 3 }), await tab(context, 'ann', { ttl: 3 })];
    const asked = async () => (await one.told()).tokens + (await two.told()).tokens;
    const first = await asked();
    await until('a renewal', async () => (await asked()) >= first + 2, 20_000);
    assert.deepEqual(await losses(one), []);
    assert.equal(await server.sessions(), 1);
    // The tab that is asked goes without a word; its lock says so.
    await two.page.close();
    const before = (await one.told()).tokens;
    await one.until('the other one is asked', ({ tokens }) => tokens > before);
    assert.equal(await one.state(), 'connected');
  });
});

test('a channel that needs a token has one for all tabs, and a tab is asked again when it is due', async () => {
  await withContext(async (context) => {
    const [one, two] = [await tab(context, 'ann'), await tab(context, 'ann')];
    for (const page of [one, two]) {
      await page.enter('gate:tokens', undefined, true);
      await page.subscribed();
    }
    const asked = async () => (await one.told()).channelTokens + (await two.told()).channelTokens;
    // A token of three seconds may be over before a slow page has used it, which is told; a renewal has longer.
    const faults = async () => (await Promise.all([one, two].map((page) => page.told()))).flatMap(({ ends, errors }) => [...ends, ...errors]);
    const [first, before] = [await asked(), await faults()];
    await until('a renewal', async () => (await asked()) >= first + 2, 20_000);
    await server.publish('gate:tokens', 1, 2);
    await one.got(1, 2);
    await two.got(1, 2);
    assert.deepEqual(await faults(), before);
    // One without a token comes into the subscription that stands, as another part of the same page would; another user does not.
    const stranger = await tab(context, 'bo');
    await stranger.enter('gate:tokens');
    await stranger.until('the end', ({ ends }) => ends.length === 1);
    assert.equal((await stranger.told()).ends[0].code, 103);
  });
});

test('a tab that answers for another user moves to a connection of that user', async () => {
  // Somebody logs out and in again in one tab: what the first user may see must not reach the second, nor the other way round.
  await withContext(async (context) => {
    const [one, two] = [await tab(context, 'ann', { ttl: 3 }), await tab(context, 'ann', { ttl: 3 })];
    await two.page.evaluate(() => { window.user = 'bo'; });
    await sessions(2);
    await two.connected();
    await two.enter('room:moved');
    await two.subscribed();
    const { value } = await two.call('room', 'presence');
    assert.deepEqual(Object.values(value).map(({ user }) => user), ['bo']);
    await one.enter('room:moved');
    await one.subscribed();
    const both = await one.call('room', 'presence');
    assert.deepEqual(Object.values(both.value).map(({ user }) => user).sort(), ['ann', 'bo']);
    assert.deepEqual(await losses(one), []);
  });
});

test('where the worker is missing, or there are none, each tab has a connection of its own', async () => {
  await withContext(async (context) => {
    app.missing = ['fanfare-worker.js'];
    const alone = { hasWorker: false };
    const [one, two] = [await tab(context, 'ann', alone), await tab(context, 'ann', alone)];
    assert.equal(await server.sessions(), 2);
    assert.equal(await one.transport(), 'websocket');
    await two.enter('room:alone');
    await two.subscribed();
    await server.publish('room:alone', 1);
    await two.got(1);
  });
  await withContext(async (context) => {
    await context.addInitScript(() => { delete window.SharedWorker; });
    await tab(context, 'ann', { hasWorker: false });
    await tab(context, 'ann', { hasWorker: false });
    assert.equal(await server.sessions(), 2);
  });
});

test('what cannot be sent, and what is no token, is refused in a tab that shares as in one that does not', async () => {
  // To the worker it goes by structured cloning, which takes cycles and throws at functions: errors of another kind, or none.
  await withContext(async (context) => {
    const page = await tab(context, 'ann');
    await page.enter('room:wrong');
    await page.subscribed();
    const codes = await page.page.evaluate(async () => {
      const cycle = {};
      cycle.self = cycle;
      return Promise.all([() => 1, cycle, 10n, undefined].map((data) => window.room.publish(data).then(() => 0, ({ code }) => code)));
    });
    assert.deepEqual(codes, [107, 107, 107, 107]);
    assert.deepEqual(await page.call('room', 'publish', 'right'), { value: undefined });
    await page.got('right');
    assert.deepEqual(await page.page.evaluate(() => [true, { name: 'a' }].map((share) => {
      try { return new window.Fanfare('', { share }).state; } catch (error) { return error.message; }
    })), ['share must be {name, worker}', 'share must be {name, worker}']);
  });
  await withContext(async (context) => {
    const page = await AppPage.open(context, app);
    // The backend is down at first, behind a proxy that answers with its page.
    await page.page.evaluate(() => {
      const { fetch } = window;
      let asked = 0;
      window.fetch = (...words) => ((asked += 1) > 1 ? fetch(...words) : Promise.resolve(new Response('<html>502</html>')));
    });
    await page.start(server, 'ann', { share: SHARE });
    await page.connected();
    const { errors, closes } = await page.told();
    assert.deepEqual([errors.map(({ message }) => message), closes], [['no token: not <html>502</html>'], []]);
  });
});

test('without locks, as on a page without TLS, a tab that says goodbye is counted out all the same', async () => {
  await withContext(async (context) => {
    await context.addInitScript(() => { Object.defineProperty(navigator, 'locks', { value: undefined }); });
    const one = await tab(context, 'ann');
    await tab(context, 'bo');
    assert.equal(await server.sessions(), 2);
    await one.page.goto(`${app.origin}/elsewhere`);
    await sessions(1);
  });
});
