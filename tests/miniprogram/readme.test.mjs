//! What clients/miniprogram's READMEs show, copied as it stands, in both languages: the samples of
//! `app.js` and of a page on a phone of these tests, against the demonstration that they name. Needs
//! FANFARE_BIN. Bounds: loopback only; every wait has a deadline.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Phone } from './phone/phone.mjs';
import { wx } from './phone/platforms.mjs';
import { Realm } from './phone/realm.mjs';
import { Server } from './server.mjs';

const MINI = fileURLToPath(new URL('../../clients/miniprogram/', import.meta.url));
const TOKEN = /^ {6}\/\/.*\n {6}token: [\s\S]*?^ {6}\}\)\),\n/m;

let server;
before(async () => {
  const demo = execFileSync(process.env.FANFARE_BIN, ['config', '--demo'])
    .toString()
    .replace(/^listen = .*$/m, '')
    .replace('every = "10s"', 'every = "1s"');
  server = await Server.start('', demo);
});
after(async () => {
  await removeLeft();
  await server?.remove();
});

/** The first two samples of a README as a mini program of one page, changed by `change`. */
function copied(t, readme, change) {
  const text = readFileSync(join(MINI, readme), 'utf8');
  const [app, page] = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, block]) => block);
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-readme-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(MINI, 'fanfare.js'), join(folder, 'fanfare.js'));
  writeFileSync(join(folder, 'app.js'), change(app));
  writeFileSync(join(folder, 'page.js'), change(page));
  const made = { phone: new Phone(), logs: [], toasts: [], data: {} };
  const realm = new Realm(made.phone, {
    wx: { ...wx(made.phone), showToast: ({ title }) => made.toasts.push(title) },
    console: { log: (...words) => made.logs.push(words.join(' ')) },
    getApp: () => made.app,
    App: (app) => {
      made.app = app;
    },
    Page: (page) => {
      made.page = page;
    },
  });
  for (const file of ['app.js', 'page.js']) realm.require(join(folder, file));
  made.page.setData = (data) => Object.assign(made.data, data);
  made.app.onLaunch();
  made.page.onLoad();
  t.after(() => {
    made.app.fanfare.close();
    made.phone.remove();
  });
  return made;
}

const at = (text) => text.replace('https://push.example.com', server.origin);
const logged = (made, words) =>
  until(
    words.source,
    () => made.logs.some((line) => words.test(line)),
    10_000,
    () => made.logs.join('\n'),
  );

for (const readme of ['README.md', 'README.zh-CN.md']) {
  // Who tries it leaves the token out, and takes the demonstration's address and channel, as the
  // text says. What then throws, or shows nothing, is where a new user gives up.
  test(`${readme}: the samples talk on the demonstration`, async (t) => {
    const change = (text) => at(text).replace(TOKEN, '').replace("('chat:lobby')", "('demo')");
    const made = copied(t, readme, change);
    await logged(made, /^fanfare connected 0 connected$/);
    made.page.onSend({ detail: { value: '弹幕' } });
    await until('it is heard', () => made.data.last === '弹幕');
    await until('a push by the clock', () => /^你好!/.test(made.data.last));
    made.page.onUnload();
    assert.deepEqual(made.toasts, []);
    assert.equal(made.app.fanfare.state, 'connected', 'for other pages');
  });

  // A channel that the server does not have, and a backend that gives no token, are the first two
  // mistakes. Without a word in the console the page is just empty.
  test(`${readme}: what is wrong is in the console`, async (t) => {
    const made = copied(t, readme, (text) => at(text).replace(TOKEN, ''));
    await logged(made, /^chat:lobby 102 unknown channel.*"chat"/);
    made.page.onSend({ detail: { value: '弹幕' } });
    await until('a toast', () => /^unknown channel/.test(made.toasts[0]));
    const backend = 'https://www.example.com/token';
    const nowhere = (text) => at(text).replace(backend, `${server.origin}/none`);
    const tokenless = copied(t, readme, nowhere);
    await logged(tokenless, /^fanfare connecting 109 no token: 404$/);
  });
}
