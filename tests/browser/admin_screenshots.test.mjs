//! The pictures of the administrator's page for the documents, each in both languages: `UPDATE_SCREENSHOTS=1 node --test
//! admin_screenshots.test.mjs` renews those in docs/ (a minute of traffic for the charts). Owned by this folder. Bounds: without
//! the variable it looks whether they are there, and are small.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Admin } from './admin.mjs';
import { endAll, Server } from './server.mjs';
import { launch, Tab } from './tab.mjs';

const BYTES_MAX = 200_000;
const KEY = 'a key for pictures';
const LANGUAGES = { en: 'en-US', zh: 'zh-CN' };
const PICTURES = {
  overview: { width: 1280, height: 900, hash: '#overview' },
  wide: { width: 1920, height: 1080, hash: '#overview', colorScheme: 'dark' },
  sessions: { width: 1280, height: 800, hash: '#sessions' },
  phone: { width: 360, height: 740, hash: '#overview', hasTouch: true, isMobile: true, colorScheme: 'dark' },
};
const TRAFFIC_MS = 65_000;
const SESSIONS = 24;

const file = (name, language) => fileURLToPath(new URL(`../../docs/admin-${name}-${language}.png`, import.meta.url));

const settings = (port) => `listen = ["127.0.0.1:${port}"]
node = "demo"
workers = 2
[admin]
key = "${KEY}"
[channels]
history_size = 100
presence = true
allow.subscribe = ["client", "anonymous"]
[[raw]]
path = "/ws"
on_message = "relay"
[[raw]]
path = "/echo"
on_message = "echo"
[[push]]
every = "10s"
channel = "room-1"
data = "push {seq}"
`;

/** Sessions in rooms, and publications whose rate rises and falls, while `steps` run. */
async function withTraffic(browser, server, steps) {
  const crowd = await Tab.open(browser, server);
  await crowd.page.evaluate(([address, count]) => {
    window.sockets = Array.from({ length: count }, (_, at) => new WebSocket(at % 6 === 5 ? `${address}/echo` : `${address}/ws?channel=room-${at % 4}`));
  }, [server.address, SESSIONS]);
  const began = Date.now();
  const timer = setInterval(() => {
    const rate = 2 + Math.round(2 * Math.sin((Date.now() - began) / 6000));
    for (let at = 0; at < rate; at += 1) publish(server, `room-${at % 4}`);
  }, 100);
  try {
    await steps();
  } finally {
    clearInterval(timer);
    await crowd.close();
  }
}

function publish(server, channel) {
  return fetch(`${server.origin}/api/publish`, {
    method: 'POST', headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ channel, data: { text: '弹幕 hello', at: Date.now() } }),
  }).catch(() => {});
}

if (process.env.UPDATE_SCREENSHOTS === '1') {
  let server;
  let browser;

  before(async () => {
    [server, browser] = await Promise.all([Server.start(settings), launch()]);
  });

  after(endAll);

  test('the pictures are renewed', async () => {
    await withTraffic(browser, server, async () => {
      const tabs = [];
      for (const [language, locale] of Object.entries(LANGUAGES)) {
        for (const [name, { hash, ...look }] of Object.entries(PICTURES)) {
          const tab = await Admin.open(browser, server, { locale, hash, ...look });
          await tab.login(KEY);
          tabs.push({ tab, path: file(name, language) });
          if (hash !== '#overview') continue;
          await tab.page.locator('input[name=window][value="1"]').check();
        }
      }
      await new Promise((next) => { setTimeout(next, TRAFFIC_MS); });
      for (const { tab, path } of tabs) {
        await tab.page.screenshot({ path });
        await tab.close();
      }
    });
  });
}

test('each picture of the documents is there, in both languages, and small', () => {
  for (const name of Object.keys(PICTURES)) {
    for (const language of Object.keys(LANGUAGES)) {
      const { size } = statSync(file(name, language));
      assert.ok(size > 5000 && size < BYTES_MAX, `${name}-${language}: ${size} bytes`);
    }
  }
});
