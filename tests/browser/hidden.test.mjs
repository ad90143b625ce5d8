//! The client in pages that are hidden, or kept in the back/forward cache, in a Chromium without a driver's flags:
//! `FANFARE_BIN=… node --test hidden.test.mjs`. Owned by this folder. Bounds: every wait has a deadline. Each test first makes
//! sure that the page is what it is about, since a driver would have it otherwise.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { App, startServer } from './app.mjs';
import { RawBrowser } from './raw.mjs';
import { endAll, until } from './server.mjs';

const SHARE = { share: { name: 'app', worker: '/fanfare-worker.js' } };

let app;
let browser;
let server;

before(async () => {
  [server, app, browser] = await Promise.all([startServer(), App.start(), RawBrowser.start()]);
});

after(endAll);

const told = (tab) => tab.evaluate('window.told');
const sessions = (count) => until(`${count} sessions`, async () => (await server.sessions()) === count, 15_000);
const got = (tab, ...all) => until(`got ${all}`, async () => {
  const now = (await told(tab)).got;
  assert.ok(now.length <= all.length, `got ${now}`);
  return now.length === all.length && (assert.deepEqual(now, all), true);
}, 20_000);

/** Waits for a page that is on its way: what is asked meanwhile may get lost with the one before. */
const there = (what, tab, expression) => until(what, () => tab.evaluate(expression).catch(() => false));

/** A tab that is connected and in a channel. */
async function inside(channel, options = {}) {
  const tab = await browser.open(`${app.origin}/`);
  await there('the page', tab, 'typeof window.enter === "function"');
  await tab.evaluate(`window.start(${JSON.stringify(server.origin)}, 'ann', ${JSON.stringify(options)})`);
  await until('connected', () => tab.evaluate('client.state === "connected"'));
  await tab.evaluate(`window.enter(${JSON.stringify(channel)})`);
  await until('subscribed', async () => (await told(tab)).subscribed.length === 1);
  return tab;
}

/** Another tab in front. */
async function hide(tab) {
  const other = await browser.open(`${app.origin}/elsewhere`);
  await other.front();
  await until('the page is hidden', () => tab.evaluate('document.hidden'));
  return other;
}

test('a hidden tab gets everything, comes back to a new server by itself, and keeps its connection when it is shown', async () => {
  const tab = await inside('room:hidden');
  const other = await hide(tab);
  assert.equal(await tab.evaluate('document.hidden'), true);
  await server.publish('room:hidden', 1, 2);
  await got(tab, 1, 2);
  await server.end('SIGKILL');
  await until('the loss', async () => (await told(tab)).states.at(-1).state === 'connecting');
  await server.again();
  await until('subscribed again', async () => (await told(tab)).subscribed.length === 2, 20_000);
  await server.publish('room:hidden', 3);
  await got(tab, 1, 2, 3);
  assert.equal(await tab.evaluate('document.hidden'), true);
  const { length } = (await told(tab)).states;
  await tab.front();
  await until('the page is shown', () => tab.evaluate('!document.hidden'));
  await server.publish('room:hidden', 4);
  await got(tab, 1, 2, 3, 4);
  assert.equal((await told(tab)).states.length, length, 'the look after the connection found it alive');
  await tab.close();
  await other.close();
  await sessions(0);
});

// Kept, it is shown a second time; otherwise it is another page that came by the same history.
const IS_BACK = 'window.told?.shows.length > 1 || (window.told?.shows.length > 0 && performance.getEntriesByType("navigation")[0].type === "back_forward")';

/** Leaves the page and comes back to it, by its history; false where the browser crashed it on the way. */
async function isBack(tab, channel) {
  await tab.send('Page.navigate', { url: `${app.origin}/elsewhere` });
  await there('the page left', tab, 'document.title === "elsewhere"');
  // It closed on its way out; with a connection it would not be kept.
  await sessions(0);
  await server.publish(channel, 2, 3);
  // The answer may get lost with the page that it is asked of.
  tab.evaluate('history.back()').catch(() => {});
  await until('the app is back', async () => tab.hasCrashed || tab.evaluate(IS_BACK).catch(() => false));
  return !tab.hasCrashed;
}

// Chromium 156 crashes about one in fifty kept pages with a SharedWorker as it shows them again, on a busy machine: a message of
// its own is "rejected by interface blink.mojom.Widget". It loads them anew then.
const TRIES = 3;

for (const [what, options] of [['of its own', {}], ['that tabs share', SHARE]]) {
  test(`a page with a connection ${what} is kept in the back/forward cache, and has what it missed when it is back`, async (t) => {
    let tab;
    let channel;
    for (let tries = 1; ; tries += 1) {
      channel = `room:kept-${Object.keys(options).length}-${tries}`;
      tab = await inside(channel, options);
      await server.publish(channel, 1);
      await got(tab, 1);
      if (await isBack(tab, channel)) break;
      t.diagnostic('Chromium crashed the page');
      assert.ok(tries < TRIES, `Chromium crashed ${TRIES} pages`);
      await tab.close();
    }
    const whyNot = await tab.evaluate('JSON.stringify(performance.getEntriesByType("navigation")[0].notRestoredReasons)');
    // One that was not kept is shown for the first time.
    assert.deepEqual((await told(tab)).shows, [false, true], `pageshow.persisted; not kept for ${whyNot}`);
    await got(tab, 1, 2, 3);
    assert.equal((await told(tab)).subscribed.at(-1).recovered, true);
    await server.publish(channel, 4);
    await got(tab, 1, 2, 3, 4);
    await tab.close();
    await sessions(0);
  });
}
