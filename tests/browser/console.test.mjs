//! The console's log, form and links in a real Chromium: many rows, the keyboard, a phone, hostile texts, secrets.
//! Owned by this folder; one server and one browser for all tests, a fresh browser context for each page.
//! Bounds: every wait has a deadline. It must fail, not skip, where Chromium or the binary is missing.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Proxy, Pump } from './peers.mjs';
import { endAll, Server } from './server.mjs';
import { launch, withTabs } from './tab.mjs';

const MANY = 10_000;
const HOSTILE = '<img src=x onerror="window.ran=true"><script>window.ran=true</script><b>bold</b>';

let server;
let browser;
let pump;

const tabs = (options, steps) => withTabs(browser, server, options, steps);

before(async () => {
  [server, browser, pump] = await Promise.all([Server.start(), launch(), Pump.start()]);
});

after(endAll);

/** The texts of the rows that are in the page, from top to bottom. */
const rows = (tab) => tab.page.locator('#log .entry[data-direction="in"] .body').allTextContents();

/** Whether they are numbered one after the other. */
function inOrder(texts) {
  const numbers = texts.map((text) => Number(text.slice(1)));
  return numbers.every((number, at) => at === 0 || number === numbers[at - 1] + 1);
}

// A row for each message made a page of 10,000 elements that nobody could scroll. Rows are made where one looks.
test('10,000 messages are kept in order, with few row elements, wherever one looks', async () => {
  await tabs([{}], async (tab) => {
    await tab.connect(`${pump.address}/?count=${MANY}`);
    await tab.until('all of them', async () => Number(await tab.text('count-in')) === MANY, 20_000);
    await tab.heard(`m${MANY - 1}`);
    const isBounded = async () => (await tab.page.locator('#log .entry').count()) <= 300;
    assert.ok(await isBounded());
    assert.ok(inOrder(await rows(tab)));
    for (const share of [0, 0.37, 0.8]) {
      await tab.page.evaluate((part) => { const log = document.getElementById('log'); log.scrollTop = log.scrollHeight * part; }, share);
      const wanted = Math.floor(share * MANY);
      await tab.until(`rows about ${wanted}`, async () => (await rows(tab)).some((text) => Math.abs(Number(text.slice(1)) - wanted) < 200));
      assert.ok(inOrder(await rows(tab)), `in order at ${share}`);
      assert.ok(await isBounded());
    }
    await tab.page.click('#jump');
    await tab.heard(`m${MANY - 1}`);
    await tab.page.fill('#search', 'm999');
    await tab.until('what matches', async () => (await rows(tab)).length === 11);
    const [file] = await Promise.all([tab.page.waitForEvent('download'), tab.logMenu('export')]);
    const pieces = [];
    for await (const piece of await file.createReadStream()) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).toString().trimEnd().split('\n').length, 11, 'what is shown is exported');
  });
});

// What comes between the mouse going down and up moves the rows, and a change of the width makes them anew: the click is told of
// what lies around both.
test('a click chooses the row that the mouse went down on, though rows go past or are made anew before it goes up', async () => {
  const goPast = async (tab) => {
    await tab.send('later');
    await tab.heard('later');
  };
  const areMadeAnew = async (tab) => {
    const old = await tab.page.locator('#log .entry').last().elementHandle();
    await tab.page.setViewportSize({ width: 1180, height: 900 });
    await tab.until('the rows are made anew', () => old.evaluate((row) => !row.isConnected));
  };
  for (const change of [goPast, areMadeAnew]) {
    await tabs([{}], async (tab) => {
      const { mouse } = tab.page;
      await tab.connect('/echo');
      for (let number = 0; number < 30; number += 1) await tab.send(`m${number}`);
      await tab.heard('m29');
      const { x, y, height } = await tab.page.locator('#log .entry:has-text("m29")').last().boundingBox();
      await mouse.move(x + 40, y + height / 2);
      await mouse.down();
      await change(tab);
      await mouse.up();
      await tab.until('it is chosen', async () => (await tab.page.isVisible('#inspector')) && (await tab.text('inspector-body')) === 'm29');
    });
  }
});

// A list whose rows are made and dropped loses the focus with them. It stays on the list, which names its chosen row.
test('the keyboard alone connects, talks, looks into a message and disconnects', async () => {
  await tabs([{}], async (tab) => {
    const { keyboard } = tab.page;
    const focused = () => tab.page.evaluate(() => document.activeElement?.id ?? '');
    const tabTo = async (id) => {
      for (let i = 0; i < 60 && (await focused()) !== id; i += 1) await keyboard.press('Tab');
      assert.equal(await focused(), id);
    };
    await tabTo('connect');
    await keyboard.press('Enter');
    await tab.state('open');
    await tab.until('the focus is not lost', async () => (await focused()) === 'disconnect');
    await tabTo('transport-raw');
    await tabTo('message');
    await keyboard.type('typed');
    await keyboard.press('Enter');
    await tab.until('it is sent', async () => (await tab.bodies('out')).includes('typed'));
    for (let i = 0; i < 20 && (await focused()) !== 'log'; i += 1) await keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'log');
    await keyboard.press('Home');
    await keyboard.press('End');
    await tab.until('the newest is chosen', async () => tab.page.isVisible('#inspector'));
    const chosen = await tab.page.getAttribute('#log', 'aria-activedescendant');
    assert.equal(await tab.page.getAttribute(`#${chosen}`, 'aria-selected'), 'true');
    await keyboard.press('Enter');
    assert.equal(await focused(), 'inspector-body');
    await keyboard.press('Escape');
    assert.equal(await focused(), 'log');
    assert.equal(await tab.page.isVisible('#inspector'), false);
    await keyboard.press('Shift+Tab');
    await tabTo('language');
    await tabTo('disconnect');
    await keyboard.press('Enter');
    await tab.state('idle');
  });
});

// The log began 700 px down, behind the form, and the box to write in was nowhere. A phone shows what a chat shows.
test('on a phone the composer is fixed under the log, and the form opens over it', async () => {
  await tabs([{ width: 360, height: 740, hasTouch: true }], async (tab) => {
    await tab.connect('/echo');
    for (let i = 0; i < 30; i += 1) await tab.send(`line ${i}`);
    await tab.heard('line 29');
    const box = (id) => tab.page.locator(`#${id}`).boundingBox();
    const [log, composer] = [await box('log'), await box('composer')];
    assert.equal(Math.round(composer.y + composer.height), 740);
    assert.ok(Math.abs(log.y + log.height - composer.y) <= 1, 'nothing stands between');
    assert.ok(log.height > 400, `the log has ${log.height} px`);
    await tab.page.click('#settings-toggle');
    assert.ok(await tab.page.isVisible('#url'));
    await tab.page.click('#settings-toggle');
    assert.equal(await tab.page.isVisible('#url'), false);
    const [content] = await tab.page.evaluate(() => [document.documentElement.scrollWidth]);
    assert.ok(content <= 360);
  });
});

// A reason, a body of an error, a channel's name: each is somebody else's text, and each is shown.
test('markup stays text in everything that a peer can set', async () => {
  const before = async (page) => {
    await page.routeWebSocket(/\/closing$/, (socket) => {
      // A code after which the page stays away: behind another one the finding goes with the next connection.
      socket.onMessage(() => socket.close({ code: 4500, reason: HOSTILE.slice(0, 120) }));
    });
    await page.route('**/status', async (route) => {
      const answer = await (await route.fetch()).json();
      const raw = [{ path: '/ws', on_message: 'relay' }, { path: `/${HOSTILE}`, on_message: 'echo' }];
      const pushes = [{ channel: HOSTILE, every_seconds: 1, next_in_seconds: 1 }];
      await route.fulfill({ json: { ...answer, node: HOSTILE, version: HOSTILE, pushes, ways: { raw, client: {} }, page: { danmaku: '', admin: false } } });
    });
    await page.route('**/broken', (route) => route.fulfill({ status: 400, body: HOSTILE }));
    await page.route('**/diag', (route) => route.fulfill({
      json: { http_version: HOSTILE, headers: { host: HOSTILE }, problems: [HOSTILE], address: { peer: HOSTILE, resolved: HOSTILE } },
    }));
  };
  await tabs([{ before }, {}], async (tab, peer) => {
    await tab.until('the status', async () => (await tab.text('status')).includes(HOSTILE));
    await tab.page.fill('#channel', `a${HOSTILE.replace(/[\s,]/g, '')}`);
    await peer.page.fill('#channel', `a${HOSTILE.replace(/[\s,]/g, '')}`);
    await tab.connect();
    await peer.connect();
    await peer.send(HOSTILE);
    await tab.heard(HOSTILE);
    await peer.send(JSON.stringify({ [HOSTILE]: HOSTILE }));
    await tab.choose('form-json');
    await tab.page.locator('.entry[data-direction="in"]:has-text("<b>bold</b>")').last().click();
    await tab.until('the inspector', async () => (await tab.text('inspector-body')).includes('<b>bold</b>'));
    await tab.page.click('#disconnect');
    await tab.state('idle');
    await tab.page.fill('#channel', '');
    await tab.connect('/closing');
    await tab.send('end');
    await tab.until('the reason', async () => (await tab.text('finding')).includes('onerror'));
    await tab.state('idle');
    await tab.page.fill('#url', `${server.address}/broken`);
    await tab.page.click('#connect');
    await tab.until('the answer of the endpoint', async () => (await tab.text('finding')).includes(`answered 400: ${HOSTILE}`));
    assert.equal(await tab.page.locator('img, b, body script').count(), 0);
    assert.equal(await tab.page.evaluate(() => window.ran), undefined);
  });
});

// A link that connects lets anybody use a visitor's browser and network; one with a token gives it to whoever sees the address.
test('a link fills the form, connects to nothing, and never holds a token', async () => {
  const link = `#url=${encodeURIComponent('wss://a.example/live?token=hush1&x=1')}&channel=x%2Cy&protocol=chat%2C%20token.hush2&envelope=1&token=hush3&message=hush4`;
  const dialled = [];
  const opened = (hash) => ({ hash, before: (page) => page.on('websocket', (socket) => dialled.push(socket.url())) });
  await tabs([opened(link), opened(`${link}&transport=client`), opened('#danmaku')], async (...all) => {
    for (const tab of all.slice(0, 2)) {
      assert.equal(await tab.page.inputValue('#url'), 'wss://a.example/live?x=1');
      assert.equal(await tab.page.inputValue('#channel'), 'x,y');
      assert.equal(await tab.page.inputValue('#token'), '');
      assert.equal(await tab.page.inputValue('#message'), '');
    }
    await Promise.all(all.map((tab) => tab.heardStatusAgain()));
    for (const tab of all) {
      assert.equal(await tab.page.getAttribute('#state', 'data-state'), 'idle');
      const asked = tab.requests.map((url) => url.replace(/#.*/, ''));
      assert.ok(asked.every((url) => !/hush|\/connection\/|\/(sse|poll|send|emulation)\b/.test(url)), asked.join());
    }
    assert.deepEqual(dialled, []);
  });
});

// Links, snippets and logs are pasted into chats and issues. What only its owner may know must not be in them.
test('no token or key leaves by a link, a snippet or the log', async () => {
  await tabs([{ permissions: ['clipboard-read', 'clipboard-write'] }], async (tab) => {
    await tab.openOptions();
    await tab.page.fill('#url', `${server.address.replace('//', '//user:hush0@')}/echo?token=hush1&api_key=hush2&x=1`);
    await tab.page.fill('#protocol', 'chat, token.hush3');
    await tab.page.fill('#token', 'hush4');
    await tab.page.click('#share');
    await tab.until('the word', async () => /^Link copied/.test(await tab.text('notice')));
    const link = await tab.page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /x%3D1.*protocol=chat/);
    await tab.page.click('#snippets');
    for (const kind of ['wscat', 'websocat', 'curl', 'wx', 'browser']) {
      await tab.choose(`snippet-${kind}`);
      const text = await tab.text('snippet');
      assert.match(text, /token=TOKEN/, kind);
      assert.doesNotMatch(link + text, /hush/, kind);
    }
    await tab.page.keyboard.press('Escape');
    await tab.page.click('#connect');
    await tab.heard(/^Connecting to .*\/echo\?x=1/, { direction: 'info' });
    const kept = await tab.page.evaluate(() => JSON.stringify(localStorage) + document.getElementById('log').textContent + location.href);
    assert.doesNotMatch(kept, /hush/);
    await tab.page.evaluate(() => document.getElementById('disconnect').click());
  });
});

// Quotes, dollars, backslashes and lines of others are pasted into a shell: there they must be what they are here.
test('copied shell lines say in a real shell what the form says', async () => {
  await tabs([{}], async (tab) => {
    const nasty = 'it\'s $(echo bad) `id` "x" \\ !! * ~ 弹幕\n-second line; exit 3 & # no';
    const name = "o'clock$HOME";
    const found = await tab.page.evaluate(async ([message, protocol]) => {
      const { snippet } = await import('./static/snippet.js');
      const raw = { transport: 'raw', url: "ws://h/a'b?x=$(id)&y=`id`&channel=[1-3]", protocols: [protocol] };
      const sse = { transport: 'sse', base: "http://h/p'q", url: '', protocols: [], channels: ['a b', "c'$d"] };
      return [snippet('wscat', raw, message), snippet('websocat', raw, message), snippet('curl', raw), snippet('curl', sse)];
    }, [nasty, name]);
    const run = (line) => execFileSync('/bin/sh', ['-c', `npx() { printf '%s\\0' "$@"; }\nwebsocat() { cat; printf '\\0'; printf '%s\\0' "$@"; }\ncurl() { printf '%s\\0' "$@"; }\n${line}`], { encoding: 'utf8' }).split('\0').slice(0, -1);
    const url = "ws://h/a'b?x=$(id)&y=`id`&channel=[1-3]";
    assert.deepEqual(run(found[0]), ['wscat', '-c', url, '-s', name, '-x', nasty, '-w', '60']);
    assert.deepEqual(run(found[1]), [`${nasty}\n`, '-n', '--protocol', name, url]);
    const curled = run(found[2]);
    assert.equal(curled[4], 'http://h/a%27b?x=$(id)&y=`id`&channel=[1-3]'.replace('%27', "'"));
    assert.ok(curled.includes(`Sec-WebSocket-Protocol: ${name}`));
    assert.deepEqual(run(found[3]), ['-N', '-g', "http://h/p'q/sse?channel=a+b&channel=c%27%24d"]);
  });
});

// Trying again every few seconds what can only fail fills the log and hides the reason. It stops, and keeps the reason.
test('a refusal that will not change is not tried again, and the finding offers the way out', async () => {
  await tabs([{}], async (tab) => {
    await tab.page.fill('#url', `${server.address}/nowhere`);
    await tab.page.click('#connect');
    await tab.heard(/^Not tried again/, { direction: 'info' });
    await tab.state('idle');
    assert.match(await tab.text('finding'), /^There is no \/nowhere/);
    // The page came by http, so the same host speaks no TLS there.
    await tab.page.fill('#url', `${server.address.replace('ws:', 'wss:')}/echo`);
    assert.match(await tab.text('url-hint'), /hardly answers wss/);
    await tab.page.click('#connect');
    await tab.until('the finding', async () => /speaks plain ws, not wss/.test(await tab.text('finding')));
    await tab.page.click('#finding .btn:has-text("Use ws://")');
    await tab.state('open');
    assert.equal(await tab.page.isVisible('#finding'), false);
  });
});

// Who was away for a moment was taken to be away for good: the page tried for ever what the server would have refused at once.
for (const [what, answer, told] of [
  ['nobody answered', (route) => route.abort(), /^Nothing answers at/],
  ['the proxy answered', (route) => route.fulfill({ status: 502, body: 'Bad Gateway' }), /^The proxy answers, but the server behind it does not/],
]) {
  test(`where ${what} it is asked again at the next failure, and the finding is the one of then`, async () => {
    let asked = 0;
    const before = (page) => page.route('**/nowhere', (route) => {
      asked += 1;
      return asked === 1 ? answer(route) : route.continue();
    });
    await tabs([{ before }], async (tab) => {
      await tab.keepFindings();
      await tab.page.fill('#url', `${server.address}/nowhere`);
      await tab.page.click('#connect');
      await tab.heard(/^Not tried again/, { direction: 'info' });
      await tab.found(told);
      assert.match(await tab.text('finding'), /^There is no \/nowhere/);
      assert.equal(asked, 2);
    });
  });
}

// The form offered /ws also where there is none, so that the first thing a visitor saw was an error.
test('the endpoints are those of the server, and one of them is in the form', async () => {
  const offer = (raw, client = {}) => ({
    before: (page) => page.route('**/status', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), ways: { raw, client } } })),
  });
  const other = [{ path: '/chat', on_message: 'hook' }, { path: '/mirror', on_message: 'echo' }];
  await tabs([offer(other), offer([])], async (some, none) => {
    assert.equal(await some.page.inputValue('#url'), `${server.address}/chat`);
    assert.match(await some.text('guide'), /\/mirror answers whatever you send/);
    await some.page.click('#endpoints .chip >> nth=1');
    assert.equal(await some.page.inputValue('#url'), `${server.address}/mirror`);
    assert.ok(await none.page.isChecked('#transport-client'), 'without a raw endpoint the client protocol is offered');
  });
});

// A browser says 1006 whatever the proxy did. The page asks the server, and names what did not arrive.
test('a proxy that does not pass the upgrade is named, with the lines that it lacks', async () => {
  const proxy = await Proxy.start(server);
  try {
    proxy.passesUpgrade = false;
    proxy.host = 'inner.example:9';
    await withTabs(browser, proxy, [{ locale: 'zh-CN' }, {}], async (chinese, english) => {
      for (const tab of [chinese, english]) await tab.page.click('#connect');
      await english.until('the finding', async () => /^The proxy does not pass the upgrade on/.test(await english.text('finding')));
      assert.match(await english.text('finding'), /proxy_set_header Upgrade \$http_upgrade;/);
      assert.match(await english.text('finding'), /sees inner\.example:9 instead of 127\.0\.0\.1/);
      await chinese.until('the finding', async () => /^代理没有传递 Upgrade/.test(await chinese.text('finding')));
      await english.state('idle');
      proxy.passesUpgrade = true;
      await english.page.click('#connect');
      await english.state('open');
      assert.equal(await english.page.isVisible('#finding'), false);
    });
  } finally {
    await proxy.stop();
  }
});

// A finding that stays after success, or that the next try overwrites, is worse than none.
test('a cut at the proxy is told, survived, and forgotten once it is over, below a path too', async () => {
  const proxy = await Proxy.start(server, '/push');
  try {
    await withTabs(browser, proxy, [{}], async (tab) => {
      assert.equal(await tab.page.inputValue('#url'), `${proxy.address}/ws`);
      assert.ok(tab.requests.every((url) => url.startsWith(`${proxy.origin}/`) || url.startsWith('data:')), tab.requests.join());
      await tab.connect();
      // It gives way to what the next try meets, half a second later.
      await tab.keepFindings();
      proxy.isUp = false;
      proxy.cut();
      await tab.found(/^1006 abnormal closure/);
      await tab.heard(/^Closed after .*: 1006/, { direction: 'info' });
      proxy.isUp = true;
      await tab.state('open', 30_000);
      assert.equal(await tab.page.isVisible('#finding'), false);
      await tab.page.click('#disconnect');
      await tab.state('idle');
      proxy.isUp = false;
      await tab.page.click('#connect');
      await tab.until('the proxy answers alone', async () => /^The proxy answers, but the server behind it does not/.test(await tab.text('finding')));
      await tab.state('waiting');
      proxy.isUp = true;
      await tab.state('open', 30_000);
      assert.equal(await tab.page.isVisible('#finding'), false);
    });
  } finally {
    await proxy.stop();
  }
});
