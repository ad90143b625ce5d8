//! The administrator's page in a real Chromium against the real binary. Owned by this folder; one server and one browser for all
//! tests, another server where a token has to be over soon. Bounds: every wait has a deadline. It must fail, not skip, where
//! Chromium or the binary is missing.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { Admin } from './admin.mjs';
import { endAll, Server, until } from './server.mjs';
import { launch, withTabs } from './tab.mjs';

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const KEY = 'a key that only the administrator knows';
const MARKUP = '<img src=x onerror="window.ran=true">';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start((port) => settings(port)), launch()]);
});

after(endAll);

// A session of a page that is closed looks like the one of the page that comes next.
afterEach(() => until('nobody is left', async () => (await (await fetch(`${server.origin}/status`)).json()).sessions === 0));

function settings(port, more = '') {
  return `listen = ["127.0.0.1:${port}"]
node = "node-of-tests"

[drain]
spread = "1s"

[admin]
key = "${KEY}"
${more}

[[raw]]
path = "/ws"
on_message = "relay"

[[push]]
every = "1s"
channel = "ticks"
data = "push {seq}"

[channels]
history_size = 100
presence = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
`;
}

/** Runs `steps` with the administrator's page, and closes it; the closing checks for complaints. */
async function withAdmin(options, steps) {
  const tab = await Admin.open(browser, options.server ?? server, options);
  try {
    await steps(tab);
  } catch (error) {
    await Promise.allSettled([tab.close()]);
    throw error;
  }
  await tab.close();
}

test('the page shows nothing before the key, names a wrong one, and keeps neither key nor token', async () => {
  // A credential that stays in the browser outlives the administrator's visit. A page that asks before the login leaks who
  // is there to whoever opens it.
  await withAdmin({}, async (tab) => {
    assert.deepEqual(tab.requests.filter((url) => /\/(admin\/|api\/|status|connection)/.test(url)), []);
    await tab.enter('no key at all');
    await tab.until('the refusal', async () => (await tab.text('login-error')).includes('admin.key'));
    assert.equal(await tab.page.isVisible('#room'), false);
    await tab.login(KEY);
    assert.equal(await tab.page.inputValue('#login-key'), '');
    const kept = await tab.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
    assert.ok(!kept.includes(KEY) && !kept.includes('fanfare_admin'), kept);
  });
});

test('over plain http from another machine the page warns of it before the key is typed', async () => {
  // A key that goes over a network as it is belongs to whoever carries its packets. On the machine itself nobody does.
  await withAdmin({}, async (tab) => {
    await tab.until('the script has run', async () => (await tab.page.innerText('#login')).includes('admin.key'));
    assert.equal(await tab.page.isVisible('#login-insecure'), false);
  });
  for (const [locale, words] of [['en-US', /plain http/], ['zh-CN', /明文 http/]]) {
    await withAdmin({ locale, server: { origin: `http://far.example:${server.port}` } }, async (tab) => {
      await tab.until('the warning', async () => words.test(await tab.page.innerText('#login')));
    });
  }
});

test('charts and the figures of the workers come by the server’s own push', async () => {
  await withAdmin({}, async (tab) => {
    await tab.login(KEY);
    await tab.until('figures are live', async () => (await tab.text('view')).includes('live'));
    const lines = () => tab.page.locator('.chart .stroke').evaluateAll((paths) => paths.filter((path) => (path.getAttribute('d') ?? '').includes('L')).length);
    await tab.until('lines of two points', async () => (await lines()) > 0, 15_000);
    assert.equal(await tab.page.locator('.chart').count(), 6);
    for (const chart of await tab.page.locator('.chart').all()) {
      const ticks = await chart.locator('.tick').allTextContents();
      assert.equal(new Set(ticks).size, ticks.length, `each line of the grid has a value of its own: ${ticks}`);
    }
    assert.ok((await tab.page.locator('.view tbody tr').count()) >= 1, 'a row for each worker');
    await tab.page.check('input[name=split][value=workers]');
    await tab.until('a line for worker 0', async () => (await tab.page.locator('.legend').first().textContent()).includes('Worker 0'));
  });
});

test('a session is found, read and disconnected with a code and a reason', async () => {
  await withTabs(browser, server, [{}], async (talk) => {
    await talk.connect('/ws?channel=lobby');
    await withAdmin({}, async (tab) => {
      await tab.login(KEY);
      await tab.view('sessions');
      await tab.search('/ws');
      await tab.until('the session alone', async () => (await tab.rows()).some((row) => row.includes('/ws')));
      await tab.page.locator('.view tbody tr', { hasText: '/ws' }).locator('.link-button').first().click();
      await tab.until('its channel', async () => (await tab.dialog()).includes('lobby'));
      assert.match(await tab.dialog(), /Chrome/, 'its user agent');
      await tab.page.click('dialog .btn.danger');
      await tab.page.fill('dialog [name=code]', '3999');
      await tab.page.fill('dialog [name=reason]', 'by the administrator');
      await tab.page.click('dialog [type=submit]');
      await talk.until('the close with its code', async () => (await talk.page.textContent('body')).includes('3999'));
      await tab.until('the session is gone', async () => !(await tab.rows()).some((row) => row.includes('/ws')));
    });
  });
});

test('a row stays under a pressed pointer, and goes to its new place behind the click', async () => {
  // A row that moved between press and release took the click with it: nothing opened, and nothing said why.
  await withTabs(browser, server, [{}], async (talk) => {
    await talk.connect('/ws?channel=pressed');
    await withAdmin({}, async (tab) => {
      await tab.login(KEY);
      await tab.view('sessions');
      // Seen in both orders, so that nothing that was asked before moves the row any more.
      const sorted = (what, isAbove) => tab.until(what, async () => {
        const rows = await tab.rows();
        return rows.length > 1 && rows.some((row) => row.includes('/ws')) && rows[0].includes('/ws') === isAbove;
      });
      await tab.page.click('th[data-sort=endpoint] button');
      await sorted('the page’s session above the administrator’s own', true);
      await tab.page.click('th[data-sort=endpoint] button');
      await sorted('the administrator’s own session above it', false);
      await tab.page.locator('.view tbody tr', { hasText: '/ws' }).locator('.link-button').first().hover();
      await tab.page.mouse.down();
      await tab.searchUnseen('/ws');
      await tab.page.mouse.up();
      await tab.until('its channel', async () => (await tab.dialog()).includes('pressed'));
      await tab.until('what was looked for, alone', async () => (await tab.rows()).every((row) => row.includes('/ws')));
    });
  });
});

test('a row keeps the focus in it when the one above it goes, or they change places', async () => {
  // Sessions come and go every second; who goes through them by the keyboard was thrown back to the top of the page each time.
  await withTabs(browser, server, [{}], async (tab) => {
    const told = await tab.page.evaluate(async () => {
      const { Table } = await import('./static/admin-table.js');
      const table = new Table({ caption: 'rows', key: (row) => row, columns: [{ label: 'row', cell: (row) => row }], open() {}, changed() {}, empty: '' });
      document.body.append(table.element);
      table.fill(['a', 'b', 'c']);
      const button = table.body.rows[1].querySelector('button');
      button.focus();
      let blurred = 0;
      button.addEventListener('blur', () => { blurred += 1; });
      const told = [['b', 'c'], ['c', 'b'], ['d', 'c', 'b'], ['c']].map((rows) => {
        table.fill(rows);
        return `${document.activeElement.textContent} ${rows[0] === 'b' ? blurred : ''}`.trim();
      });
      return told;
    });
    // Not even for a moment where the one above it goes: a screen reader would say the row again.
    assert.deepEqual(told.slice(0, 3), ['b 0', 'b', 'b']);
    assert.notEqual(told[3], 'c', 'nobody is put into another row');
  });
});

test('a channel shows its history, takes a publication and leads to its sessions', async () => {
  await withTabs(browser, server, [{}], async (talk) => {
    await talk.connect('/ws?channel=room');
    await withAdmin({ hash: '#channels' }, async (tab) => {
      await tab.login(KEY);
      await tab.search('room');
      await tab.until('the channel', async () => (await tab.rows()).some((row) => row.includes('room')));
      await tab.page.locator('.view tbody .link-button', { hasText: 'room' }).first().click();
      await tab.page.fill('dialog textarea', '{"text":"from the administrator"}');
      await tab.page.click('dialog form [type=submit]');
      await talk.heard(/from the administrator/);
      await tab.until('it is kept', async () => (await tab.dialog()).includes('from the administrator'));
      await tab.page.click('dialog .row .btn:not(.danger)');
      await tab.until('its sessions', async () => (await tab.rows()).some((row) => row.includes('/ws')));
      assert.match(tab.page.url(), /#sessions\?channel=room$/);
    });
  });
});

test('pushes and hooks say when they ran and what went wrong', async () => {
  await withTabs(browser, server, [{}], async (talk) => {
    // A push that nobody hears is skipped.
    await talk.connect('/ws?channel=ticks');
    await withAdmin({ hash: '#pushes' }, async (tab) => {
      await tab.login(KEY);
      await tab.until('the push, and that it ran', async () => (await tab.rows()).some((row) => row.startsWith('ticks') && !row.includes('never')));
      await tab.view('hooks');
      await tab.until('that none is set', async () => (await tab.text('view')).includes('No hook is set'));
    });
  });
});

/** Waits until the server has kept what was sent to a channel: a dialog asks for the history when it is opened, and once. */
async function kept(channel) {
  await until(`something in ${channel}`, async () => {
    const answer = await fetch(`${server.origin}/api/history`, {
      method: 'POST', headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ channel, limit: 1 }),
    });
    return (await answer.json()).result?.publications.length === 1;
  });
}

test('markup in whatever a peer can set is text', async () => {
  // Channel names, user agents and data come from strangers; who reads them holds the key of the house.
  await withTabs(browser, server, [{ userAgent: `Evil ${MARKUP}` }], async (talk) => {
    const channel = 'a<b>bold</b>';
    await talk.connect(`/ws?channel=${encodeURIComponent(channel)}`);
    await talk.send(MARKUP);
    await kept(channel);
    await withAdmin({ hash: '#sessions' }, async (tab) => {
      await tab.login(KEY);
      await tab.page.locator('.view tbody tr', { hasText: '/ws' }).locator('.link-button').first().click();
      await tab.until('the user agent as text', async () => (await tab.dialog()).includes(`Evil ${MARKUP}`));
      await tab.until('the channel as text', async () => (await tab.dialog()).includes(channel));
      await tab.page.locator('dialog .chip', { hasText: channel }).click();
      await tab.until('the data as text', async () => (await tab.dialog()).includes('onerror'));
      assert.equal(await tab.page.evaluate(() => window.ran), undefined);
      assert.equal(await tab.page.locator('#view img, #view b, dialog img').count(), 0);
    });
  });
});

test('markup in each text of each answer is text, in every view and dialog', async () => {
  // A backend's error, a user's name, the node's own: whoever can write into one of them must not write the page.
  const marked = (value) => {
    if (typeof value === 'string') return value + MARKUP;
    if (Array.isArray(value)) return value.map(marked);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, marked(inner)]));
  };
  const last_error = { time: '2026-01-02T03:04:05Z', reason: 'reason', outcome: 'outcome' };
  const hook = { hook: 'hook', url: 'url', calls: { ok: 1, [`odd${MARKUP}`]: 2 }, in_flight: 0, mean_seconds: 0, timeout_seconds: 1, last_error };
  const poll = { channel: 'poll', url: 'url', failing: true, every_seconds: 1, runs: 1, last_run: null, next_in_seconds: null, changes: 0, failures: 1, refused: 0, last_error };
  const before = async (page) => {
    await page.route(/\/(admin\/(node|sessions|channels|pushes|hooks)|api\/(history|presence))\b/, async (route) => {
      const strip = (text) => text?.replaceAll(encodeURIComponent(MARKUP), '').replaceAll(JSON.stringify(MARKUP).slice(1, -1), '');
      const answer = await (await route.fetch({ url: strip(route.request().url()), postData: strip(route.request().postData()) })).json();
      if (answer.hooks) answer.hooks = [hook];
      if (answer.polls) answer.polls = [poll];
      if (answer.result?.publications) for (const one of answer.result.publications) one.info = { user: 'user', client: 'client' };
      await route.fulfill({ json: marked(answer) });
    });
    await page.route(/\/disconnect$/, (route) => route.fulfill({ status: 409, json: { error: { code: MARKUP, message: MARKUP } } }));
  };
  await withTabs(browser, server, [{}], async (talk) => {
    await talk.connect('/ws?channel=marked');
    await talk.send('{"a":"data"}');
    await kept('marked');
    await withAdmin({ before }, async (tab) => {
      const seen = async (what, words, where) => {
        for (const word of words) await tab.until(`${what}: ${word}`, async () => (await where()).includes(`${word}${MARKUP}`));
        assert.equal(await tab.page.locator('#room :is(img, b:not(.numbers)), dialog img').count(), 0, what);
      };
      const view = () => tab.text('view');
      await tab.login(KEY);
      await seen('overview', ['node-of-tests'], view);
      await tab.view('hooks');
      await seen('hooks', ['hook', 'url', 'odd', 'reason', 'outcome'], view);
      await tab.view('pushes');
      await seen('pushes', ['ticks', 'poll', 'url', 'reason'], view);
      await tab.view('sessions');
      await seen('sessions', ['/ws', '127.0.0.1'], view);
      await tab.page.locator('.view tbody tr', { hasText: '/ws' }).locator('.link-button').first().click();
      await seen('a session', ['/ws', '127.0.0.1', 'marked'], () => tab.dialog());
      await tab.page.click('dialog .btn.danger');
      await tab.page.click('dialog [type=submit]');
      await tab.until('the refusal', async () => (await tab.text('notice')).includes(MARKUP));
      await tab.page.keyboard.press('Escape');
      await tab.view('channels');
      await seen('channels', ['marked'], view);
      await tab.page.locator('.view tbody .link-button', { hasText: 'marked' }).first().click();
      await seen('a channel', ['marked', 'user'], () => tab.dialog());
      assert.equal(await tab.page.evaluate(() => window.ran), undefined);
    });
  });
});

test('a login that is over leads back to the key, and a visible page renews its own', async () => {
  // A page that goes on showing figures after the login ended shows them to whoever sits down next.
  // A page that cannot run for four seconds loses its login, and rightly so.
  const short = await Server.start((port) => settings(port, 'token_ttl = "6s"\ntoken_lifetime = "20s"'));
  // What the page shows as it renews: by the time that a slow test looks, the login may be over.
  const before = (page) => page.addInitScript(() => {
    const { fetch } = window;
    window.renewedIn = [];
    window.fetch = (path, ...more) => {
      if (path === 'admin/renew') window.renewedIn.push(!document.getElementById('room').hidden);
      return fetch(path, ...more);
    };
  });
  try {
    await withAdmin({ server: short, before }, async (tab) => {
      await tab.login(KEY);
      const renewals = await tab.until('four renewals, which is longer than a token lasts by itself', async () => {
        const all = await tab.page.evaluate(() => window.renewedIn);
        return all.length >= 4 && all;
      }, 15_000);
      assert.deepEqual(renewals.slice(0, 4), [true, true, true, true], 'the room is there');
      await tab.until('the end of its lifetime', async () => (await tab.page.isVisible('#login')) && (await tab.text('login-error')).includes('logged out'), 20_000);
      assert.equal((await tab.text('view')).trim(), '');
    });
  } finally {
    await short.remove();
  }
});

test('who logs out is out at the server too', async () => {
  await withAdmin({}, async (tab) => {
    let credential = '';
    tab.page.on('request', (request) => { if (request.url().endsWith('/admin/logout')) credential = request.headers().authorization; });
    await tab.login(KEY);
    await tab.page.click('#logout');
    await tab.until('the login', () => tab.page.isVisible('#login'));
    await until('the logout', () => credential !== '');
    await until('the token opens nothing', async () => (await fetch(`${server.origin}/admin/node`, { headers: { authorization: credential } })).status === 401);
  });
});

test('the drain asks for the name of the node', async () => {
  const other = await Server.start((port) => settings(port));
  try {
    await withAdmin({ server: other }, async (tab) => {
      await tab.login(KEY);
      await tab.until('the name of the node', async () => (await tab.text('view')).includes('node-of-tests'));
      await tab.drain('another');
      await tab.until('the refusal', async () => (await tab.page.textContent('body')).includes('not this node’s name'));
      assert.ok((await fetch(`${other.origin}/ready`)).ok);
      await tab.drain('node-of-tests');
      await until('the node is not ready', async () => !(await fetch(`${other.origin}/ready`).catch(() => ({ ok: false }))).ok);
    });
  } finally {
    await other.remove();
  }
});

test('five wrong keys lock the address out, the right one too, and the page says for how long', async () => {
  const other = await Server.start((port) => settings(port));
  try {
    await withAdmin({ server: other }, async (tab) => {
      await tab.refused('wrong');
      // A failure counts for a minute, and five of them by the page may take longer.
      const wrong = () => fetch(`${other.origin}/admin/login`, { method: 'POST', headers: { Authorization: 'Bearer wrong' } });
      const statuses = [];
      for (let at = 0; at < 5; at += 1) statuses.push((await wrong()).status);
      assert.deepEqual(statuses, [401, 401, 401, 401, 429]);
      await tab.enter(KEY);
      await tab.until('how long', async () => /refused for \d+ s/.test(await tab.text('login-error')));
      assert.equal(await tab.page.isVisible('#room'), false);
    });
  } finally {
    await other.remove();
  }
});

test('the keyboard alone is enough to log in, go to the sessions and open one', async () => {
  await withTabs(browser, server, [{}], async (talk) => {
    await talk.connect('/ws');
    await withAdmin({}, async (tab) => {
      await tab.page.keyboard.type(KEY);
      await tab.page.keyboard.press('Enter');
      await tab.until('the room', () => tab.page.isVisible('#room'));
      await tab.press('Tab', () => document.activeElement?.getAttribute('href') === '#sessions', 'Shift+Tab');
      await tab.page.keyboard.press('Enter');
      // The view before has a table too, with no buttons in it.
      await tab.until('a session', async () => (await tab.page.locator('#view tbody .link-button').count()) > 0);
      await tab.press('Tab', () => document.activeElement?.classList.contains('link-button'));
      await tab.page.keyboard.press('Enter');
      await tab.until('its details', async () => (await tab.dialog()) !== '');
      await tab.page.keyboard.press('Escape');
      await tab.until('back in the table', () => tab.page.evaluate(() => document.activeElement?.classList.contains('link-button')));
    });
  });
});

test('axe has nothing to say of the login and of each view, light and dark, wide and on a phone', async () => {
  for (const look of [{ colorScheme: 'light' }, { colorScheme: 'dark', width: 360, height: 740, locale: 'zh-CN' }]) {
    await withAdmin(look, async (tab) => {
      assert.deepEqual(await axe(tab.page), []);
      await tab.login(KEY);
      for (const view of ['overview', 'sessions', 'channels', 'pushes', 'hooks']) {
        await tab.view(view);
        assert.deepEqual(await axe(tab.page), [], view);
      }
      const wide = await tab.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(wide, false, 'nothing is wider than the screen');
    });
  }
});

/** What axe finds wrong. */
async function axe(page) {
  // The page's policy allows no script but its own; the driver's goes beside it.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  });
}
