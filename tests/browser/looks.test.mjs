//! What a demanding eye found wrong with the console once, each as something that can be measured. Owned by this folder; one
//! server and one browser for all tests. Bounds: every wait has a deadline. What only an eye sees is in the screenshots.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { endAll, keeping, Server } from './server.mjs';
import { launch, withTabs } from './tab.mjs';

let server;
let browser;

const tabs = (options, steps) => withTabs(browser, server, options, steps);
const both = [{}, { locale: 'zh-CN' }];

before(async () => {
  [server, browser] = await Promise.all([Server.start((port) => `${keeping(port)}\n[admin]\nkey = "a key of the tests of looks"\n`), launch()]);
});

after(endAll);

/** Keeps what the server sends from a page until `release()`, so that what the first message ends is seen before it does. */
function withheld() {
  const kept = [];
  let isKept = true;
  return {
    before: (page) => page.routeWebSocket(/\/ws$/, (socket) => {
      socket.connectToServer().onMessage((message) => {
        if (isKept) kept.push(() => socket.send(message));
        else socket.send(message);
      });
    }),
    release: () => {
      isKept = false;
      for (const send of kept.splice(0)) send();
    },
  };
}

// The first view was a blank log, and nothing said what to do. A visitor who has to guess leaves.
test('the first view says what to do, and leads to a second window, the push, the echo and the documents', async () => {
  const lines = both.map(withheld);
  await tabs(both.map((one, index) => ({ ...one, before: lines[index].before })), async (...all) => {
    for (const [index, tab] of all.entries()) {
      await tab.until('the push', () => tab.page.isVisible('.guide-push'));
      assert.equal(await tab.page.locator('#guide .steps li').count(), 3);
      assert.equal(await tab.page.getAttribute('#guide .steps a', 'target'), '_blank');
      assert.match(await tab.text('guide'), /\/echo/);
      assert.ok((await tab.page.locator('#guide .guide-read a').count()) >= 5);
      await tab.page.click('#guide .steps .btn');
      await tab.state('open');
      await tab.until('the first step is done', async () => (await tab.page.locator('#guide .steps .done').count()) === 1);
      lines[index].release();
      await tab.heard(/^push \d+$/);
      await tab.until('messages take its place', () => tab.page.isHidden('#guide'));
    }
  });
});

// A jargon word led the page, and the column below jumped with each state. A control that moves is pressed wrongly.
test('a state is a word, and nothing moves when it changes', async () => {
  await tabs(both, async (english, chinese) => {
    assert.equal(await english.text('state'), 'Not connected');
    assert.equal(await chinese.text('state'), '未连接');
    for (const tab of [english, chinese]) {
      const places = () => tab.page.evaluate(() => ['transport', 'url', 'channel', 'log-bar', 'composer']
        .map((id) => [id, Math.round(document.getElementById(id).getBoundingClientRect().top)].join(' ')));
      const seen = [await places()];
      await tab.page.click('#connect');
      seen.push(await places());
      await tab.state('open');
      seen.push(await places());
      await tab.page.click('#cut');
      await tab.state('cut');
      seen.push(await places());
      for (const one of seen) assert.deepEqual(one, seen[0]);
      assert.doesNotMatch(await tab.page.innerText('.side-head'), /readyState|CLOSED|OPEN/);
    }
  });
});

// From 1,400 px on the logo stood elsewhere than what is below it.
test('the logo stands above what is below it at every width, and no list is the system’s own', async () => {
  await tabs([{ width: 1280 }, { width: 1440 }, { width: 1920, height: 1080 }], async (...all) => {
    for (const tab of all) {
      const lefts = await tab.page.evaluate(() => ['.brand', '.state-line', '#transport', '#url']
        .map((one) => document.querySelector(one).getBoundingClientRect().left));
      assert.equal(new Set(lefts).size, 1, lefts.join());
      assert.equal(await tab.page.locator('select').count(), 0);
    }
  });
});

// Who reads one language meets a word of the other as a mistake.
test('every text has both languages, and says where events and polls do not reach', async () => {
  await tabs(both, async (english, chinese) => {
    const same = await english.page.evaluate(async () => {
      const files = await Promise.all(['words', 'words-console', 'words-found', 'admin-words'].map((name) => import(`./static/${name}.js`)));
      return files.flatMap(({ words }) => Object.entries(words)).filter(([, [, text]]) => !/[\u4e00-\u9fff]/.test(text))
        .map(([key, [, text]]) => `${key}: ${text}`);
    });
    const known = [
      'by-blank-needed: news chat', 'close-title: {code} {name}：{meaning}', 'cpu: CPU', 'doc-hooks: Hook', 'form-base64: Base64',
      'form-hex: Hex', 'form-json: JSON', 'hook: Hook', 'kind-json: JSON',
      'median: 50 %', 'other-language: English', 'p99: 99 %', 'position-idle: –', 'recovered-idle: –', 'snippet-browser: JavaScript',
      'user-agent: User-Agent', 'view-hooks: Hook',
    ];
    assert.deepEqual(same.sort(), known.sort());
    for (const transport of ['sse', 'poll']) {
      for (const tab of [english, chinese]) await tab.choose(`transport-${transport}`);
      assert.match(await english.text('transport-hint'), /reaches only its own server/);
      assert.match(await chinese.text('transport-hint'), /只能连接本页所在的服务器/);
    }
  });
});

// A burst and a trickle look the same without the time between their messages.
test('a message tells how long it came after the one before', async () => {
  await tabs([{}], async (tab) => {
    await tab.connect('/echo');
    for (const text of ['one', 'two']) {
      await tab.send(text);
      await tab.heard(text);
    }
    const told = await tab.page.locator('#log .entry[data-direction="in"] .delta').allTextContents();
    assert.equal(told.length, 2);
    for (const text of told) assert.match(text, /^\+[\d.]+ (ms|s)$/);
  });
});

// Three files carry the same head, for nothing puts them together. A change in one alone is a page that looks like no other.
test('the three pages have one head, but for their title and their own sheets and script', async () => {
  const heads = await Promise.all(['/', '/static/doc.html', '/admin'].map(async (path) => {
    const page = await (await fetch(`${server.origin}${path}`)).text();
    const lines = page.slice(page.indexOf('<head>'), page.indexOf('</head>')).split('\n').map((line) => line.trim().replace('static/', ''));
    return lines.filter((line) => !/^<title>|^<script type="module"|(console|log|danmaku|admin|admin-chart|doc)\.css/.test(line));
  }));
  const [console_, ...others] = heads.map((lines) => lines.map((line) => line.replace(', interactive-widget=resizes-content', '')));
  assert.ok(console_.length >= 9, console_.join('\n'));
  for (const other of others) assert.deepEqual(other, console_);
});
