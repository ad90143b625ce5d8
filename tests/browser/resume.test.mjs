//! The console by the product's own client, in each transport, and what it shows of a cut and a recovery; the danmaku screen;
//! what axe says of each view. Owned by this folder; one server that keeps history, and one browser.
//! Bounds: every wait has a deadline. It must fail, not skip, where Chromium or the binary is missing.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { endAll, keeping, Server } from './server.mjs';
import { launch, withTabs } from './tab.mjs';

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

let server;
let browser;

const tabs = (options, steps) => withTabs(browser, server, options, steps);

before(async () => {
  [server, browser] = await Promise.all([Server.start(keeping), launch()]);
});

after(endAll);

/** Cuts Ann's line, lets Bo say two things, and restores it once a witness has heard them: before, they may be on their way. */
async function missTwo(ann, bo, name, witness) {
  await ann.page.click('#cut');
  await ann.state('cut');
  await ann.heard(/^Line cut at .*\d+@/, { direction: 'info' });
  for (const text of [`${name} one`, `${name} two`]) {
    await bo.send(text);
    await witness.heard(text);
  }
  await ann.page.click('#connect');
  await ann.state('open', 15_000);
}

// A recovery that nobody can see is one that nobody trusts. The line is cut on purpose, and what came back is counted.
for (const transport of ['client', 'sse', 'poll']) {
  test(`by ${transport} two pages talk in a channel, and what a cut line missed is shown as recovered`, async () => {
    await tabs([{}, {}], async (ann, bo) => {
      const channel = `room-${transport}`;
      await ann.connectBy(transport, channel);
      await bo.connectBy('client', channel);
      await bo.send('{"text":"你好"}');
      await ann.heard('{"text":"你好"}');
      await ann.send('hello');
      await bo.heard('hello');
      // A publisher has its own back.
      await ann.heard('hello');
      await ann.until('the position', async () => /^2@/.test(await ann.text('position')));
      await missTwo(ann, bo, transport, bo);
      await ann.heard(`${transport} two`);
      await ann.until('the word', async () => /^2 missed, all brought back/.test(await ann.text('recovery')), 15_000);
      assert.match(await ann.text('position'), /^4@/);
      assert.equal(await ann.page.locator('.entry:has(.badge) .body').count(), 2);
    });
  });
}

// `since` belongs to channels that are named, in their order; one that is out of place brings another channel's past.
test('a raw WebSocket with envelopes goes on behind its position after a cut', async () => {
  // A relay does not send back to the sender, so that a third one hears what was said.
  await tabs([{}, {}, {}], async (ann, bo, witness) => {
    await ann.openOptions();
    await ann.page.check('#envelope');
    for (const tab of [ann, bo, witness]) {
      await tab.page.fill('#channel', 'raw-room');
      await tab.connect();
    }
    await bo.send('zero');
    await ann.heard(/"data":"zero"/);
    await missTwo(ann, bo, 'raw', witness);
    await ann.heard(/"data":"raw two"/);
    await ann.heard(/^Back in raw-room: 2 missed, all brought back/, { direction: 'info' });
    await ann.until('the word', async () => /missed, all brought back/.test(await ann.text('recovery')));
  });
});

// What a transport cannot do must be said before it is tried, or in the log when it was.
test('a channel with no name, binary, and a refused channel are each told', async () => {
  await tabs([{}], async (tab) => {
    await tab.choose('transport-client');
    await tab.page.fill('#channel', '');
    await tab.page.click('#connect');
    await tab.until('the word', async () => /^Name a channel first/.test(await tab.text('notice')));
    await tab.connectBy('client', 'told');
    await tab.choose('mode-hex');
    await tab.send('00');
    await tab.until('the word', async () => /^Binary goes only by a raw WebSocket/.test(await tab.text('notice')));
    await tab.page.click('#disconnect');
    await tab.state('idle');
    await tab.page.fill('#channel', '$mine');
    await tab.page.click('#connect');
    await tab.heard(/\$mine.*10\d/, { direction: 'info' });
  });
});

// A screen that joins by itself lets a link use its visitor's connection. What others say there is text of strangers.
test('a danmaku screen is shared by all who join it, and joins nobody by itself', async () => {
  const hostile = '<img src=x onerror="window.ran=true"><b>x</b>';
  await tabs([{ hash: '#danmaku' }, { hash: '#danmaku', locale: 'zh-CN' }], async (ann, bo) => {
    for (const tab of [ann, bo]) {
      await tab.page.click('#danmaku-join');
      await tab.until('joined', async () => /good/.test(await tab.page.getAttribute('#danmaku-state', 'class')));
    }
    assert.equal(await bo.text('danmaku-state'), '已加入');
    // What flies is gone after nine seconds, so that it is kept as it comes.
    for (const tab of [ann, bo]) {
      await tab.page.evaluate(() => {
        window.flown = [];
        new MutationObserver((all) => all.forEach(({ addedNodes }) => addedNodes.forEach((one) => window.flown.push([one.className, one.textContent, one.childElementCount]))))
          .observe(document.getElementById('stage'), { childList: true });
      });
    }
    for (const text of ['弹幕来了', hostile]) {
      await ann.page.fill('#danmaku-text', text);
      await ann.page.press('#danmaku-text', 'Enter');
      for (const tab of [ann, bo]) {
        const flown = await tab.until(text, async () => (await tab.page.evaluate(() => window.flown)).find(([, one]) => one === text));
        assert.match(flown[0], /\bflying\b/);
        assert.equal(flown[2], 0, 'no element in it');
      }
    }
    assert.equal(await bo.page.locator('#stage img, #stage b').count(), 0);
    assert.equal(await bo.page.evaluate(() => window.ran), undefined);
    await ann.page.click('#go-console');
    assert.ok(await ann.page.isVisible('#console'));
    assert.equal(await ann.page.locator('.flying').count(), 0);
  });
});

// Channels and data of the client protocol, and whatever a link fills in, come from somebody else too.
test('markup in a channel, in its data, in a name and in a link stays text', async () => {
  const hostile = '<img src=x onerror="window.ran=true"><b>x</b>';
  const channel = `c${hostile.replace(/\s/g, '/')}`;
  const link = new URLSearchParams({ url: `ws://h/${hostile}`, channel, protocol: hostile });
  await tabs([{ hash: `#${link}` }, {}], async (ann, bo) => {
    assert.equal(await ann.page.inputValue('#protocol'), hostile);
    assert.match(await ann.page.inputValue('#url'), /<img src=x|%3Cimg/);
    for (const tab of [ann, bo]) {
      await tab.choose('transport-client');
      await tab.page.fill('#url', server.origin);
      await tab.page.fill('#channel', channel);
      await tab.page.click('#connect');
      await tab.until('subscribed', async () => (await tab.bodies('info')).some((text) => text.startsWith(`Subscribed to ${channel}`)));
    }
    await bo.page.fill('#message', JSON.stringify({ [hostile]: hostile }));
    await bo.page.press('#message', 'Enter');
    await ann.heard(JSON.stringify({ [hostile]: hostile }));
    assert.ok((await ann.text('log')).includes(`${channel} #1`), 'its place');
    for (const tab of [ann, bo]) {
      assert.equal(await tab.page.locator('img, b, body script').count(), 0);
      assert.equal(await tab.page.evaluate(() => window.ran), undefined);
    }
  });
});

/** What axe finds wrong. */
async function judged(tab, what) {
  await tab.page.evaluate(AXE);
  const found = await tab.page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).slice(0, 4).join(', ')}`);
  });
  assert.deepEqual(found, [], what);
}

// Colours, names and roles are what nobody who sees the page misses. Each view is judged, light and dark, wide and narrow.
test('axe has nothing to say of the first view, a talk, an error, a dialog and the danmaku screen', async () => {
  const looks = [{}, { locale: 'zh-CN', colorScheme: 'dark' }, { width: 360, height: 740, colorScheme: 'dark' }];
  await tabs(looks, async (...all) => {
    for (const tab of all) {
      await judged(tab, 'the first view');
      await tab.connect('/echo');
      await tab.send('{"a":1}');
      await tab.heard('{"a":1}');
      await tab.page.locator('.entry[data-direction="in"]').first().click();
      await tab.until('the inspector', () => tab.page.isVisible('#inspector'));
      await judged(tab, 'a talk');
      await tab.page.click('#inspector-close');
      await tab.page.click('#disconnect');
      await tab.state('idle');
      if (await tab.page.isVisible('#settings-toggle')) await tab.page.click('#settings-toggle');
    }
    const [desktop, chinese, phone] = all;
    for (const tab of [desktop, chinese]) {
      await tab.page.fill('#url', `${server.address}/nowhere`);
      await tab.page.click('#connect');
      await tab.until('the finding', () => tab.page.isVisible('#finding'));
      await tab.page.click('#finding summary');
      await judged(tab, 'an error');
      await tab.page.click('#snippets');
      await judged(tab, 'a dialog');
      await tab.page.keyboard.press('Escape');
    }
    await judged(phone, 'the form on a phone');
    await desktop.page.click('#go-danmaku');
    await judged(desktop, 'the danmaku screen');
  });
});
