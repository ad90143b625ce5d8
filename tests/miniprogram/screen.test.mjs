//! The example on a screen: its files unmodified, run by WeChat's own component framework in a real
//! Chromium, tapped and written on, against the real server. Needs FANFARE_BIN and Chromium
//! (CHROMIUM). With UPDATE_SCREENSHOTS=1 it renews the pictures in docs/. Bounds: loopback only;
//! every wait has a deadline. It must fail, not skip, where Chromium is missing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { host } from './screen/host.mjs';
import { launch, Screen } from './screen/screen.mjs';
import { Server } from './server.mjs';

const EXAMPLE = fileURLToPath(new URL('../../clients/miniprogram/example', import.meta.url));
const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
// What a browser says of its own about a server that is away.
const NO_SERVER = /Failed to load resource|WebSocket connection to/;

let server;
let browser;

before(async () => {
  // One after the other: what is there when the next one fails is ended below.
  browser = await launch();
  server = await Server.start();
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** Runs `steps` with screens of these options, all in one channel. */
async function withScreens(channel, options, steps, expected) {
  const hosted = await host(EXAMPLE, { server: server.origin, channel });
  const screens = [];
  try {
    for (const one of options) screens.push(await Screen.open(browser, hosted, one));
    await steps(...screens);
    for (const screen of screens) await screen.close(expected);
  } finally {
    for (const screen of screens) await screen.context.close();
    hosted.close();
  }
}

// jsdom has no layout, no touch and no keyboard: a page that works there may be dead under a
// finger. Here it is tapped, written on in Chinese, and looked at.
test('two phones talk: taps, Chinese, a bullet comment that flies, a toast', async () => {
  const phones = [{ nickname: '阿青' }, { nickname: '小北' }];
  await withScreens('room:screen', phones, async (ann, bo) => {
    await ann.tap('send');
    await ann.toast('请先连接');
    await ann.connect();
    await bo.connect();
    await ann.shows('members', '2 人在线');
    for (const screen of [ann, bo]) await screen.keepBullets();
    await ann.say('弹幕飞过来了 🎺');
    await bo.heard('弹幕飞过来了 🎺');
    await bo.toast('弹幕飞过来了 🎺');
    await bo.shows('last', '弹幕飞过来了 🎺');
    await bo.until('it flies to the left', async () => {
      const { places } = await bo.bullets();
      return places.some((place) => place < places[0] - 20);
    });
    await ann.until('its own is marked', async () => (await ann.bullets()).own === 1);
    assert.equal(await ann.page.locator('[id$="--box"] input').inputValue(), '');
    // By the keyboard's own key.
    await bo.write('收到!');
    await bo.page.keyboard.press('Enter');
    await ann.heard('收到!');
    // Colours come from the styles, so these are in force.
    const dot = await ann.page
      .locator('.state.connected .dot')
      .evaluate((one) => getComputedStyle(one).backgroundColor);
    assert.equal(dot, 'rgb(69, 200, 164)');
    await ann.tap('disconnect');
    await ann.shows('state', '未连接');
    await bo.shows('members', '1 人在线');
  });
});

test('a restart of the server is counted down and survived', async () => {
  await withScreens(
    'room:restart',
    [{}],
    async (ann) => {
      await ann.connect();
      await server.end('SIGKILL');
      await ann.shows('state', /^(\d 秒后重连|连接中)$/);
      await server.again();
      await ann.shows('state', '已连接 · WebSocket');
      await ann.say('又见面了');
      await ann.heard('又见面了');
    },
    NO_SERVER,
  );
});

test('interrupted by the background, it is back when it is shown', async () => {
  await withScreens('room:background', [{}], async (ann) => {
    await ann.connect();
    await ann.page.evaluate(() => {
      window.phone.tell('hide');
      window.phone.tell('interrupted');
    });
    await ann.shows('state', /秒后重连|连接中/);
    await server.publish('room:background', { name: '后台', text: '你不在时说的' });
    await ann.page.evaluate(() => window.phone.tell('show'));
    await ann.heard('你不在时说的');
  });
});

// Long texts and small phones are what break a layout. Nothing may stick out or lie over the box.
test('long texts and a small phone leave the page whole', async () => {
  const phones = [{ width: 320, height: 568, nickname: '名字特别特别特别长的一位听众' }, {}];
  await withScreens('room:layout', phones, async (small, other) => {
    await small.connect();
    await other.connect();
    for (const text of ['长'.repeat(90), 'unbreakable'.repeat(9), '短']) await small.say(text);
    await other.heard('短');
    for (const screen of [small, other]) {
      await screen.heard('短');
      // The newest line is in sight, once the list has moved.
      await screen.until('the newest line is in sight', async () => {
        const last = await screen.page.locator('.line').last().boundingBox();
        const list = await screen.page.locator('.list').boundingBox();
        return last.y + last.height <= list.y + list.height + 2;
      });
      const size = await screen.page.evaluate(() => {
        const inside = (one) => one.getBoundingClientRect();
        const list = document.querySelector('.list');
        return {
          wide: document.documentElement.scrollWidth - window.innerWidth,
          listWide: list.scrollWidth - list.clientWidth,
          below: inside(document.querySelector('.composer')).bottom - window.innerHeight,
          overlap: inside(list).bottom - inside(document.querySelector('.composer')).top,
          listHigh: list.clientHeight,
        };
      });
      assert.ok(
        size.wide <= 0 && size.listWide <= 0 && size.below <= 0 && size.overlap <= 1,
        JSON.stringify(size),
      );
      assert.ok(size.listHigh >= 100, JSON.stringify(size));
    }
  });
});

// Not a test: the pictures wait between the comments, so that these do not fly in one heap.
if (process.env.UPDATE_SCREENSHOTS === '1') {
  test('pictures for the documentation', async () => {
    const names = ['听众 233', '阿青', '小满', 'Mira'];
    const phones = names.map((nickname) => ({ nickname }));
    await withScreens(
      'room:picture',
      phones,
      async (me, ann, man, mira) => {
        for (const screen of [me, ann, man, mira]) await screen.connect();
        await me.shows('members', '4 人在线');
        const said = [
          [ann, '开场了开场了'],
          [man, '这首歌我等了一整年'],
          [mira, 'hello from Mira'],
          [ann, '灯光好美'],
          [man, '前排占座'],
          [me, '弹幕飞过来了'],
          [ann, '再来一首！'],
        ];
        for (const [who, text] of said) {
          await who.say(text);
          await me.heard(text);
          await me.page.waitForTimeout(600);
        }
        await me.page.locator('#toast[hidden]').waitFor({ state: 'attached' });
        await me.page.screenshot({ path: `${DOCS}/miniprogram.png` });
        await server.end('SIGKILL');
        await me.shows('state', /^[2-9] 秒后重连$/);
        await me.page.screenshot({ path: `${DOCS}/miniprogram-reconnect.png` });
      },
      NO_SERVER,
    );
  });
}
