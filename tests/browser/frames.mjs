//! How smooth the console is while 1,000 messages a second come in, what a frame costs, and how large what is served is: a
//! report, no test. `FANFARE_BIN=… node frames.mjs`. Owned by this folder. Bounds: six seconds of messages.

import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { Pump } from './peers.mjs';
import { endAll, Server } from './server.mjs';
import { launch, Tab } from './tab.mjs';

const SECONDS = 6;

const [server, browser, pump] = await Promise.all([Server.start(), launch(), Pump.start()]);
try {
  const tab = await Tab.open(browser, server);
  await tab.connect(`${pump.address}/?count=${SECONDS * 1000 + 9000}&every=10`);
  await tab.until('it runs', async () => Number(await tab.text('count-in')) > 500);
  const session = await tab.context.newCDPSession(tab.page);
  await session.send('Performance.enable');
  const counts = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]));
  const before = await counts();
  const told = await tab.page.evaluate((ms) => new Promise((done) => {
    const gaps = [];
    const begin = performance.now();
    const cameBefore = Number(document.getElementById('count-in').textContent);
    let last = begin;
    const frame = (now) => {
      gaps.push(now - last);
      last = now;
      if (now - begin < ms) return requestAnimationFrame(frame);
      const came = Number(document.getElementById('count-in').textContent) - cameBefore;
      gaps.sort((a, b) => a - b);
      return done({ came, frames: gaps.length, seconds: (now - begin) / 1000, worst: gaps.at(-1), p99: gaps[Math.floor(gaps.length * 0.99)], rows: document.querySelectorAll('.entry').length });
    };
    requestAnimationFrame(frame);
  }), SECONDS * 1000);
  console.log(`${Math.round(told.came / told.seconds)} messages/s: ${(told.frames / told.seconds).toFixed(1)} frames/s, 99 % of frames within ${told.p99.toFixed(1)} ms, longest ${told.worst.toFixed(0)} ms, ${told.rows} row elements`);
  const after = await counts();
  const each = (name) => ((after[name] - before[name]) / told.frames).toFixed(2);
  const busy = ((after.TaskDuration - before.TaskDuration) / told.seconds) * 100;
  console.log(`for each frame ${each('LayoutCount')} layouts and ${each('RecalcStyleCount')} styles recalculated; the page's thread is busy for ${busy.toFixed(0)} % of the time`);
  await tab.close();
  const full = await Tab.open(browser, server);
  await full.page.fill('#url', `${pump.address}/?count=10000`);
  const drawn = await full.page.evaluate(() => new Promise((done) => {
    const began = performance.now();
    document.getElementById('connect').click();
    const look = () => {
      const last = [...document.querySelectorAll('#log .body')].at(-1)?.textContent;
      return last === 'm9999' ? done(performance.now() - began) : requestAnimationFrame(look);
    };
    look();
  }));
  const found = await full.page.evaluate(() => new Promise((done) => {
    const began = performance.now();
    const box = document.getElementById('search');
    box.value = 'm9998';
    box.dispatchEvent(new Event('input'));
    const look = () => (document.querySelectorAll('#log .entry').length === 1 ? done(performance.now() - began) : requestAnimationFrame(look));
    look();
  }));
  console.log(`10,000 messages at once are there, and the last is seen, after ${drawn.toFixed(0)} ms; a search among them takes ${found.toFixed(0)} ms`);
  await full.close();
} finally {
  await endAll();
}

const folder = new URL('../../static/', import.meta.url);
const html = readFileSync(new URL('index.html', folder), 'utf8');
const sheets = [...html.matchAll(/static\/([\w-]+\.\w+)/g)].map((found) => found[1]);
const wanted = new Set(['index.html', ...sheets]);
for (const name of wanted) {
  if (!name.endsWith('.js')) continue;
  for (const found of readFileSync(new URL(name, folder), 'utf8').matchAll(/from '\.\/([\w-]+\.js)'/g)) wanted.add(found[1]);
}
const size = (names) => names.map((name) => readFileSync(new URL(name, folder))).reduce(([raw, zipped], bytes) => [raw + bytes.length, zipped + gzipSync(bytes).length], [0, 0]);
const [raw, zipped] = size([...wanted]);
console.log(`the console: ${wanted.size} files, ${raw} bytes, ${zipped} as gzip each by itself`);
const [all, allZipped] = size(readdirSync(folder).filter((name) => !name.startsWith('admin')));
console.log(`all of static/ but admin: ${all} bytes, ${allZipped} as gzip`);
