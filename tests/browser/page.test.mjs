//! The page in a real Chromium against the real binary: `FANFARE_BIN=… node --test page.test.mjs`.
//! Owned by this folder; one server and one browser for all tests, a fresh browser context for each page.
//! Bounds: every wait has a deadline. It must fail, not skip, where Chromium or the binary is missing.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { endAll, Server } from './server.mjs';
import { launch, withTabs as tabsOf } from './tab.mjs';

const ROOT = new URL('../../', import.meta.url);

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(endAll);

const withTabs = (options, steps) => tabsOf(browser, server, options, steps);

test('the page comes from the binary alone, under a strict policy that is in force', async () => {
  const answer = await fetch(`${server.origin}/`);
  const policy = answer.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.match(policy, /require-trusted-types-for 'script'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  await withTabs([{}], async (tab) => {
    const foreign = tab.requests.filter((url) => !url.startsWith(server.origin) && !url.startsWith('data:'));
    assert.deepEqual(foreign, []);
    assert.equal(await tab.page.inputValue('#url'), `${server.address}/ws`);
    // Markup and inline script are what an attacker would get in; the browser must refuse both, or our own checks prove nothing.
    const refused = await tab.page.evaluate(() => {
      const tries = [
        () => { document.createElement('script').textContent = 'window.ran = true'; },
        () => { document.body.insertAdjacentHTML('beforeend', '<img src=x>'); },
      ];
      // An address is no markup, so this one is the policy's own.
      const link = document.createElement('a');
      link.href = 'javascript:window.ran = true';
      document.body.append(link);
      link.click();
      return tries.map((one) => { try { one(); return 'taken'; } catch (error) { return error.name; } });
    });
    assert.deepEqual(refused, ['TypeError', 'TypeError']);
    // Each of them, in whatever order: an address is followed later, and one that is noticed late is a complaint of the page's.
    for (const what of [/TrustedScript/, /TrustedHTML/, /JavaScript URL/i]) {
      await tab.until(`${what} is noticed`, () => tab.complaints.some((text) => what.test(text)));
    }
    assert.equal(await tab.page.evaluate(() => window.ran), undefined);
    assert.equal(tab.complaints.splice(0).length, 3);
  });
});

test('two pages exchange messages, and both count them', async () => {
  await withTabs([{}, { locale: 'zh-CN' }], async (ann, bo) => {
    await ann.connect();
    await bo.connect();
    await ann.send('hello from Ann');
    await bo.heard('hello from Ann');
    await bo.send('弹幕:你好!🎺');
    await ann.heard('弹幕:你好!🎺');
    await ann.until('the count of what left', async () => (await ann.text('count-out')) === '1');
    await ann.until('the count of arrivals', async () => Number(await ann.text('count-in')) >= 1);
    assert.ok(!(await ann.bodies('in')).includes('hello from Ann'), 'a relay does not send back to the sender');
  });
});

test('a channel of its own reaches only those who named it', async () => {
  await withTabs([{}, {}], async (ann, bo) => {
    for (const tab of [ann, bo]) {
      await tab.page.fill('#channel', 'lobby, kitchen');
      await tab.openOptions();
      await tab.page.fill('#protocol', 'chat');
      await tab.connect();
      await tab.heard(/chat/, { direction: 'info' });
      await tab.heard(/channel=lobby&channel=kitchen/, { direction: 'info' });
    }
    await ann.send('in the lobby');
    await bo.heard('in the lobby');
  });
});

// Names were visible ASCII only, and a comma of any width parted them: 弹幕 ended with 1006, dialog#42,567 was two.
test('names of any script are channels, and a refused one is told with its reason', async () => {
  await withTabs([{}, {}], async (ann, bo) => {
    for (const tab of [ann, bo]) {
      await tab.page.fill('#channel', '弹幕 直播间：1');
      await tab.connect();
      await tab.heard(/channel=弹幕&channel=直播间：1/, { direction: 'info' });
      assert.match(await tab.text('channel-hint'), /full-width ：/);
    }
    await ann.send('你好');
    await bo.heard('你好');
  });
  await withTabs([{}], async (tab) => {
    await tab.page.fill('#channel', '$all');
    await tab.page.click('#connect');
    await tab.heard(/3501.*the server's own/, { direction: 'info' });
  });
});

test('a timed push arrives unasked', async () => {
  await withTabs([{}], async (tab) => {
    await tab.connect();
    await tab.heard(/^push \d+$/);
  });
});

test('hostile text from a peer stays text', async () => {
  const hostile = '<img src=x onerror="window.ran=true"><script>window.ran=true</script>';
  await withTabs([{}, {}], async (ann, bo) => {
    await ann.connect();
    await bo.connect();
    await ann.send(hostile);
    await bo.heard(hostile);
    assert.equal(await bo.page.locator('#log img, #log script').count(), 0);
    assert.equal(await bo.page.evaluate(() => window.ran), undefined);
  });
});

test('sending while not connected says to connect first, in the page’s language', async () => {
  await withTabs([{}, { locale: 'zh-CN' }], async (english, chinese) => {
    await english.send('nobody hears this');
    await english.until('the notice', async () => (await english.text('notice')) === 'Connect first');
    await chinese.send('没有人听见');
    await chinese.until('the notice', async () => (await chinese.text('notice')) === '请先连接');
    assert.equal(await english.text('count-out'), '0');
    assert.equal(await english.page.inputValue('#message'), 'nobody hears this', 'the text is kept');
  });
});

test('binary goes out as hex, Base64 and as a file, and comes back as it was', async () => {
  await withTabs([{}], async (tab) => {
    await tab.connect('/echo');
    await tab.choose('mode-hex');
    await tab.send('00 ff de:ad 0xBE');
    await tab.heard(/^0000 {2}00 ff de ad be /);
    await tab.choose('mode-base64');
    await tab.send('AQIDBA==');
    await tab.heard(/^0000 {2}01 02 03 04 /);
    await tab.page.setInputFiles('#file', { name: 'tone.bin', mimeType: 'application/octet-stream', buffer: Buffer.from('tadaa') });
    await tab.heard(/74 61 64 61 61 .*tadaa$/);
    await tab.choose('mode-hex');
    await tab.send('0g');
    await tab.until('the complaint', async () => /^Not hex/.test(await tab.text('notice')));
    const kinds = await tab.page.locator('#log .entry[data-direction="in"]').evaluateAll((all) => all.map((one) => one.dataset.kind));
    assert.deepEqual(kinds, ['binary', 'binary', 'binary']);
  });
});

test('each README shows the page in its own language', () => {
  // Who reads Chinese and sees an English page takes it for one that knows no Chinese.
  const pictures = (name) => [...readFileSync(new URL(name, ROOT), 'utf8').matchAll(/\((docs\/(?:console|admin)[^)]*\.png)\)/g)].map(([, path]) => path);
  const [english, chinese] = [pictures('README.md'), pictures('README.zh-CN.md')];
  assert.ok(english.length >= 3, english.join());
  assert.ok(english.every((path) => path.endsWith('-en.png')), english.join());
  assert.deepEqual(chinese, english.map((path) => path.replace('-en.png', '-zh.png')));
});

test('the theme is the system’s and goes with it until one is chosen, which is remembered', async () => {
  // Who sits in the dark is blinded by a page that is light until its script has run.
  await withTabs([{ colorScheme: 'dark' }], async (tab) => {
    const scheme = () => tab.page.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
    assert.equal(await scheme(), 'dark');
    await tab.page.emulateMedia({ colorScheme: 'light' });
    await tab.until('light with the system', async () => (await scheme()) === 'light');
    await tab.page.click('#theme');
    await tab.page.click('#theme');
    await tab.until('dark by choice', async () => (await scheme()) === 'dark');
    await tab.page.reload();
    await tab.started();
    assert.equal(await scheme(), 'dark');
    await tab.page.click('#theme');
    await tab.until('the system’s again', async () => (await scheme()) === 'light');
  });
});

test('the language follows the browser, can be changed, and is remembered', async () => {
  await withTabs([{ locale: 'zh-CN' }, { locale: 'de-DE' }], async (chinese, other) => {
    assert.equal(await chinese.text('connect'), '连接');
    assert.equal(await chinese.page.getAttribute('html', 'lang'), 'zh-CN');
    assert.equal(await other.text('connect'), 'Connect');
    await chinese.connect('/echo');
    await chinese.heard(/^已连接/, { direction: 'info' });
    await chinese.page.click('#language');
    assert.equal(await chinese.text('state'), 'Connected');
    await chinese.heard(/^Connected in/, { direction: 'info' });
    await chinese.page.reload();
    await chinese.until('the choice is remembered', async () => (await chinese.text('connect')) === 'Connect');
    assert.equal(await chinese.text('language'), '中文');
    assert.equal(await chinese.page.getAttribute('html', 'lang'), 'en');
  });
});

test('a phone’s screen needs no sideways scrolling, in both languages', async () => {
  for (const locale of ['en-US', 'zh-CN']) {
    await withTabs([{ locale, width: 360, height: 740 }], async (tab) => {
      await tab.page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
      await tab.connect('/echo');
      await tab.send('x'.repeat(3000));
      await tab.heard('x'.repeat(3000));
      await tab.choose('mode-hex');
      await tab.send('00'.repeat(64));
      await tab.heard(/^0000 /);
      await tab.page.click('#disconnect');
      await tab.state('idle');
      const [content, screen] = await tab.page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      assert.equal(screen, 360);
      assert.ok(content <= screen, `${content} px of content on ${screen} px (${locale})`);
    });
  }
});

test('the log can be searched, filtered, indented, paused and cleared', async () => {
  await withTabs([{}], async (tab) => {
    const entries = () => tab.page.locator('#log .entry').count();
    await tab.connect('/echo');
    await tab.send('{"a":[1,2]}');
    await tab.heard('{"a":[1,2]}');
    await tab.send('plain');
    await tab.heard('plain');
    await tab.choose('form-json');
    await tab.heard('{\n  "a": [\n    1,\n    2\n  ]\n}');
    await tab.choose('direction-out');
    // The log is drawn anew with the next frame.
    const drawn = (number) => tab.until(`${number} entries`, async () => (await entries()) === number);
    await drawn(2);
    assert.deepEqual(await tab.bodies('in'), []);
    await tab.page.fill('#search', 'PLAIN');
    await drawn(1);
    await tab.page.fill('#search', '');
    await tab.choose('direction-all');
    await tab.until('all again', async () => (await entries()) > 2);
    await tab.page.click('#pause');
    const before = await entries();
    await tab.send('held');
    await tab.until('both ways are held', async () => /2 held/.test(await tab.text('pause')));
    assert.equal(await entries(), before);
    await tab.page.click('#pause');
    await tab.heard('held');
    const [file] = await Promise.all([tab.page.waitForEvent('download'), tab.logMenu('export')]);
    const chunks = [];
    for await (const chunk of await file.createReadStream()) chunks.push(chunk);
    assert.match(file.suggestedFilename(), /\.jsonl$/);
    const rows = Buffer.concat(chunks).toString().trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.ok(rows.some((row) => row.direction === 'in' && row.text === 'held' && row.bytes === 4));
    await tab.logMenu('clear');
    await drawn(0);
  });
});

test('the round trip is measured by an echo where there is one, else by HTTP, and says which', async () => {
  await withTabs([{}], async (tab) => {
    // The page gives a probe three seconds; where a busy machine takes longer it says so, and one asks again. So one does where
    // the page moved under the pointer, and nothing was asked.
    const measured = async (what, figure) => {
      await tab.page.click('#round-trip');
      await tab.until(what, async () => {
        const isOver = await tab.page.isEnabled('#round-trip');
        const isThere = figure.test(await tab.text('round-trip-result'));
        if (isOver && !isThere) await tab.page.click('#round-trip');
        return isThere;
      });
    };
    await measured('a figure by HTTP', /^HTTP GET of health.* median \d+\.\d ms/);
    await tab.connect('/echo');
    await measured('a figure by echo', /^WebSocket echo.* median \d+\.\d ms/);
  });
});

test('the status strip shows what the server says', async () => {
  await withTabs([{}], async (tab) => {
    await tab.connect();
    await tab.until('at least this session', async () => /sessions[1-9]/.test(await tab.text('status')));
    assert.match(await tab.text('status'), /version\d+\.\d+/);
  });
});

test('a failed handshake is explained from what the server answers to plain HTTP', async () => {
  await withTabs([{}], async (tab) => {
    await tab.page.uncheck('#reconnect');
    await tab.page.fill('#url', `${server.address}/nowhere`);
    await tab.page.click('#connect');
    await tab.until('the explanation', async () => /^There is no \/nowhere on this server/.test(await tab.text('finding')));
    await tab.heard(/^The handshake failed: 1006/, { direction: 'info' });
    assert.match(await tab.text('finding'), /answered 404/);
    assert.equal(await tab.page.getAttribute('#state', 'data-state'), 'idle');
  });
});

test('disconnecting sends the chosen code and reason, and does not reconnect', async () => {
  await withTabs([{}], async (tab) => {
    await tab.connect();
    await tab.openOptions();
    await tab.page.fill('#close-code', '4001');
    await tab.page.fill('#close-reason', 'lunch');
    await tab.page.click('#disconnect');
    await tab.state('idle');
    await tab.heard(/^Disconnecting with 4001 .*lunch$/, { direction: 'info' });
    await tab.heard(/^Closed cleanly after .*: 4001 closed by the application/, { direction: 'info' });
    assert.equal(await tab.page.isVisible('#finding'), false, 'what one did oneself is no finding');
    await tab.page.locator('.entry[data-event="closed-clean"]').click();
    assert.match(await tab.text('inspector-body'), /4001 .*\n\nA code of the application’s own/s);
  });
});

test('a code that asks clients to stay away is obeyed; another is not taken for it', async () => {
  // The server has no reason to send these here, so the browser's socket is answered by the test itself.
  const answering = (code) => ({
    before: (page) => page.routeWebSocket(/\/closing$/, (socket) => {
      socket.onMessage(() => socket.close({ code, reason: 'as told' }));
    }),
  });
  await withTabs([answering(3503), answering(4500), answering(3000)], async (...tabs) => {
    for (const tab of tabs) {
      await tab.connect('/closing');
      await tab.send('goodbye');
    }
    const [kicked, banned, moved] = tabs;
    await kicked.until('the end', async () => /3503 .*not to reconnect/.test(await kicked.text('finding')));
    await banned.until('the end', async () => /4500 .*not to reconnect/.test(await banned.text('finding')));
    for (const tab of [kicked, banned]) assert.equal(await tab.page.getAttribute('#state', 'data-state'), 'idle');
    await moved.until('the second try', async () => Number(await moved.text('count-reconnects')) >= 1, 15_000);
  });
});

test('a server restart is shown and survived: an orderly one (1012), then a killed one (1006)', async () => {
  await withTabs([{}, { locale: 'zh-CN' }], async (tab, other) => {
    await tab.connect();
    await other.connect();
    for (const [signal, code] of [['SIGTERM', 1012], ['SIGKILL', 1006]]) {
      const reconnects = Number(await tab.text('count-reconnects'));
      // A loss without a word has a finding that gives way to what the next try meets, however slow this test looks.
      await tab.keepFindings();
      await server.end(signal);
      await tab.heard(new RegExp(`^Closed (cleanly )?after .*: ${code} `), { direction: 'info' });
      await tab.until('the countdown', async () => /^in \d+\.\d s$/.test(await tab.text('countdown')));
      await tab.found(new RegExp(`^${code} `));
      if (code === 1012) {
        // By the second one the first has been looked into.
        await tab.until('two tries in vain', async () => (await tab.bodies('info')).filter((text) => /^The handshake failed/.test(text)).length >= 2);
        assert.match(await tab.text('finding'), /^1012 /, 'what the server said stays');
      }
      await server.again();
      // The longest wait between two tries is 20 s.
      await tab.state('open', 30_000);
      await other.state('open', 30_000);
      // A try while the server is still starting counts too.
      await tab.until('the count of tries', async () => Number(await tab.text('count-reconnects')) > reconnects);
      assert.equal(await tab.page.isVisible('#finding'), false, 'a finding goes when it is over');
      await tab.logMenu('clear');
      await tab.heard(/^push \d+$/);
      await other.send(`back after ${code}`);
      await tab.heard(`back after ${code}`);
    }
  });
});

test('messages can be repeated, recalled and kept', async () => {
  await withTabs([{}], async (tab) => {
    await tab.connect('/echo');
    await tab.page.fill('#message', 'tick');
    await tab.page.click('#repeat summary');
    await tab.page.fill('#repeat-every', '100');
    await tab.page.click('#repeat-start');
    await tab.until('three of them are back', async () => (await tab.bodies('in')).filter((body) => body === 'tick').length >= 3);
    await tab.page.click('#repeat-stop');
    await tab.send('first\nsecond line');
    await tab.heard('first\nsecond line');
    await tab.page.press('#message', 'ArrowUp');
    assert.equal(await tab.page.inputValue('#message'), 'first\nsecond line');
    await tab.page.click('#shelf summary');
    await tab.page.click('#save');
    await tab.page.reload();
    await tab.page.click('#shelf summary');
    await tab.page.click('#saved .menu-item');
    assert.equal(await tab.page.inputValue('#message'), 'first\nsecond line');
  });
});

// A document that is renamed would leave a link to nothing on the first view, which nobody presses again.
test('every document is read from the binary, in its languages, and links only to what is there', async () => {
  await withTabs([{}], async (tab) => {
    const { page } = tab;
    await page.goto(`${server.origin}/static/doc.html`);
    const names = async () => page.locator('#contents > li > a').evaluateAll((all) => all.map((one) => one.getAttribute('href').slice(1)));
    const files = readdirSync(new URL('../../docs/', import.meta.url)).filter((name) => name.endsWith('.md') && name !== 'architecture.md').map((name) => name.slice(0, -3));
    await tab.until('the contents', async () => (await names()).length > 5);
    const english = await names();
    await page.click('#language');
    await tab.until('the Chinese ones', async () => (await names()).includes('README.zh-CN'));
    const all = [...new Set([...english, ...(await names())])];
    assert.deepEqual(all.filter((name) => !name.startsWith('README')).sort(), files.sort());
    for (const name of all) {
      await page.evaluate((hash) => { location.hash = hash; }, name);
      // The contents are drawn behind the document: what they have as the one of now is there.
      await tab.until(name, async () => page.evaluate(([file, lang]) => document.querySelectorAll('#document h1').length === 1
        && document.querySelector('#contents [aria-current]').getAttribute('href') === `#${file}`
        && document.getElementById('document').lang === lang, [name, name.endsWith('.zh-CN') ? 'zh-CN' : 'en']));
      const found = await page.evaluate(() => ({
        marks: [...document.querySelectorAll('#document > :not(pre)')].map((one) => one.innerText).join('\n').match(/^#{1,4} .*|!\w|\]\(.*\)|^\|.*\|$/gm),
        links: [...document.querySelectorAll('#document a')].map((one) => one.getAttribute('href')),
      }));
      assert.equal(found.marks, null, name);
      const broken = found.links.filter((href) => href.startsWith('#') && ![...all].includes(decodeURIComponent(href.slice(1).split('/')[0])));
      assert.deepEqual(broken, [], name);
    }
  });
});

test('what a failed handshake is put down to', async () => {
  await withTabs([{}], async (tab) => {
    const found = await tab.page.evaluate(async () => {
      const { conclude } = await import('./static/diagnose.js');
      const keys = (endpoint, diag = null, protocols = []) => conclude({ endpoint, diag, protocols, path: '/ws', host: 'h', origin: 'o' }).map((one) => one.key);
      const behind = { http_version: 'HTTP/1.0', headers: { 'X-Forwarded-For': '192.0.2.1' }, problems: ['no Upgrade'] };
      return {
        dead: keys(null),
        proxy: keys({ status: 400, body: 'x' }, behind),
        direct: keys({ status: 426, body: '' }, { headers: {} }, ['chat']),
        plain: keys({ status: 426, body: '' }, { headers: {} }),
        others: [403, 404, 429, 502, 503, 504].map((status) => keys({ status, body: '' })[0]),
      };
    });
    assert.deepEqual(found.dead, ['found-unreachable']);
    assert.deepEqual(found.proxy, ['found-upgrade', 'found-endpoint', 'found-http10', 'found-problem']);
    assert.deepEqual(found.direct, ['found-protocol', 'found-endpoint']);
    assert.deepEqual(found.plain, ['found-origin', 'found-endpoint']);
    assert.deepEqual(found.others, ['found-403', 'found-404', 'found-429', 'found-502', 'found-503', 'found-502']);
  });
});

test('the page’s own rules: delays, codes, bounds', async () => {
  await withTabs([{}], async (tab) => {
    const found = await tab.page.evaluate(async () => {
      const [codes, connection, log, target, bytes, snippet] = await Promise.all(
        ['codes', 'connection', 'log', 'target', 'bytes', 'snippet'].map((name) => import(`./static/${name}.js`)),
      );
      const journal = new log.Log();
      for (let i = 0; i < 20_500; i += 1) journal.message('in', `m${i}`);
      const heavy = new log.Log();
      for (let i = 0; i < 5; i += 1) heavy.message('in', new Uint8Array(6 * 1024 * 1024));
      return {
        delays: [1, 2, 5, 50].map((attempt) => [connection.retryDelay(attempt, 0), connection.retryDelay(attempt, 1)]),
        terminal: [1000, 1006, 1009, 1012, 3000, 3499, 3500, 3999, 4000, 4499, 4500, 4999].filter(codes.isTerminal),
        nameless: Array.from({ length: 16 }, (_, i) => 1000 + i).concat(3000, 3008, 3012, 3500, 3509, 3600, 4000, 4999)
          .filter((code) => ['en', 'zh'].some((language) => Object.values(codes.explain(code, language)).some((text) => !text))),
        chinese: Object.values(codes.explain(1006, 'zh')).every((text) => /[一-鿿]/.test(text)),
        journal: [journal.entries.length, journal.entries[0].data, journal.dropped],
        heavy: [heavy.entries.length, heavy.dropped],
        hash: target.compose({ address: 'https://a.example/x?y=1#z', channels: 'a,,b', protocols: '', token: 't', heartbeat: true }).url,
        names: ['lobby, kitchen', 'news,dialog#42,567 弹幕', 'a，b dialog#1,2, c', ' ,'].map(target.channelNames),
        readable: target.readable('ws://h/?channel=%E5%BC%B9%2C%20%FF%E5'),
        none: target.compose({ address: 'ftp://a.example', channels: '', protocols: '', token: '', heartbeat: false }),
        open: ['keyword', 'channel', 'design', 'x'].filter((name) => target.withoutSecrets({ address: `ws://h/?${name}=1`, protocols: '', token: '' }).address.includes(`${name}=`)),
        secret: ['token', 'Token', 'api_key', 'apikey', 'access_token', 'accessToken', 'key', 'x-key', 'jwt', 'sign', 'signature', 'password', 'secret', 'cf_connect', 'auth']
          .filter((name) => target.withoutSecrets({ address: `ws://h/?${name}=1`, protocols: '', token: '' }).address.includes(name)),
        quoted: snippet.snippet('wscat', { url: "ws://h/'", protocols: ['p'] }),
        hex: [bytes.fromHex('0'), bytes.fromHex('zz'), [...bytes.fromHex('0a0B')]],
      };
    });
    assert.deepEqual(found.delays, [[500, 1000], [500, 2000], [500, 16000], [500, 20000]]);
    assert.deepEqual(found.terminal, [1009, 3500, 3999, 4500, 4999]);
    assert.deepEqual(found.nameless, []);
    assert.ok(found.chinese);
    assert.deepEqual(found.journal, [20_000, 'm500', 500]);
    assert.deepEqual(found.heavy, [2, 3]);
    assert.equal(found.hash, 'wss://a.example/x?y=1&channel=a&channel=b&heartbeat=1&token=t');
    assert.deepEqual(found.names, [['lobby', 'kitchen'], ['news', 'dialog#42,567', '弹幕'], ['a，b', 'dialog#1,2', 'c'], []]);
    assert.equal(found.readable, 'ws://h/?channel=弹%2C%20%FF%E5');
    assert.equal(found.none, null);
    assert.deepEqual(found.open, ['keyword', 'channel', 'design', 'x']);
    assert.deepEqual(found.secret, []);
    assert.equal(found.quoted, "npx wscat -c 'ws://h/'\\''' -s 'p'");
    assert.deepEqual(found.hex, [null, null, [10, 11]]);
  });
});
