//! The pictures of the console for the documents, each in both languages: `UPDATE_SCREENSHOTS=1 node --test screenshots.test.mjs`
//! renews those in docs/. Owned by this folder. Bounds: without the variable it looks whether they are there, and are small.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { endAll, Server } from './server.mjs';
import { launch, Tab } from './tab.mjs';

const BYTES_MAX = 200_000;
const LANGUAGES = { en: 'en-US', zh: 'zh-CN' };
const PICTURES = {
  first: { width: 1280, height: 800 },
  talk: { width: 1280, height: 800 },
  error: { width: 1280, height: 800, colorScheme: 'dark' },
  wide: { width: 1920, height: 1080, colorScheme: 'dark' },
  phone: { width: 360, height: 740, hasTouch: true, isMobile: true },
  danmaku: { width: 1280, height: 640 },
};

const file = (name, language) => fileURLToPath(new URL(`../../docs/console-${name}-${language}.png`, import.meta.url));

const settings = (port) => `listen = ["127.0.0.1:${port}"]
node = "demo"
[page]
danmaku = "danmaku"
[channels]
history_size = 100
recovery = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
[[raw]]
path = "/ws"
on_message = "relay"
default_channels = ["demo"]
[[raw]]
path = "/echo"
on_message = "echo"
[[push]]
every = "10s"
channel = "demo"
data = "你好! It is {time}, {sessions} connected, push number {seq}."
`;

/** A talk of two, with what a log has: texts, JSON, bytes, both ways. */
async function talk(tab, server, locale) {
  const other = await Tab.open(tab.context.browser(), server, { locale });
  for (const one of [tab, other]) await one.connect();
  await other.send(locale === 'zh-CN' ? '弹幕：你好！' : 'anyone here?');
  await tab.heard(/./);
  await tab.send(locale === 'zh-CN' ? '你好，欢迎' : 'hello, and welcome');
  await tab.heardOut(/./);
  await other.send('{"user":"小明","text":"你好，fanfare","likes":[1,2,3]}');
  await tab.heard(/小明/);
  await tab.choose('mode-hex');
  await tab.send('00 01 02 03 de ad be ef 68 65 6c 6c 6f 20 77 6f 72 6c 64');
  await tab.choose('mode-text');
  await tab.heardOut(/^0000/);
  await tab.heard(/push number/, { deadlineMs: 15_000 });
  await tab.send(locale === 'zh-CN' ? '推送到了！' : 'there is the push');
  await tab.heardOut(/推送到了|there is/);
  return other;
}

const STEPS = {
  first: async () => {},
  talk: async (tab, server, locale) => {
    const other = await talk(tab, server, locale);
    await tab.choose('form-json');
    return other;
  },
  error: async (tab, server) => {
    await tab.page.fill('#url', `${server.address}/wss`);
    await tab.page.click('#connect');
    await tab.until('the finding', () => tab.page.isVisible('#finding'));
    await tab.page.click('#finding summary');
  },
  wide: async (tab, server, locale) => {
    const other = await talk(tab, server, locale);
    await tab.page.locator('.entry:has-text("小明")').first().click();
    return other;
  },
  phone: (tab, server, locale) => talk(tab, server, locale),
  danmaku: async (tab) => {
    await tab.page.click('#go-danmaku');
    await tab.page.click('#danmaku-join');
    await tab.until('joined', async () => /good/.test(await tab.page.getAttribute('#danmaku-state', 'class')));
    for (const text of ['弹幕来了！', 'hello from the left', '666', '前排围观', 'what a view', '你好，fanfare']) {
      await tab.page.fill('#danmaku-text', text);
      await tab.page.press('#danmaku-text', 'Enter');
      await tab.until('it flies', async () => (await tab.page.locator('.flying').allTextContents()).includes(text));
    }
    await tab.page.waitForFunction(() => document.querySelector('.flying').getBoundingClientRect().left < innerWidth * 0.4);
  },
};

if (process.env.UPDATE_SCREENSHOTS === '1') {
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([Server.start(settings), launch()]);
  });
  after(endAll);
  for (const [name, looks] of Object.entries(PICTURES)) {
    test(`pictures for the documents: ${name}`, async () => {
      for (const [language, locale] of Object.entries(LANGUAGES)) {
        const tab = await Tab.open(browser, server, { locale, ...looks });
        await tab.until('the status', () => tab.page.isVisible('.guide-push'));
        const other = await STEPS[name](tab, server, locale);
        // Nothing blinks, and no word lies over it.
        await tab.page.evaluate(() => document.activeElement?.blur());
        await tab.until('no word', async () => !(await tab.page.isVisible('#notice').catch(() => false)));
        await tab.page.screenshot({ path: file(name, language) });
        tab.complaints.length = 0;
        await tab.close();
        await other?.close();
      }
    });
  }
}

test('each picture of the console is there, in both languages, and small', () => {
  for (const name of Object.keys(PICTURES)) {
    for (const language of Object.keys(LANGUAGES)) assert.ok(statSync(file(name, language)).size < BYTES_MAX, `${name} ${language}`);
  }
});
