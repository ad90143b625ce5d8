//! How long each client is without a connection when a server restarts, when the network changes,
//! and behind a 1000 `interrupted`: the module for browsers in a real Chromium and the one for mini
//! programs on a phone of these tests, with the delays that they have by default, on one line to
//! the real server. Prints a table at its end; ROUNDS=5 gives medians. Needs FANFARE_BIN and
//! Chromium (CHROMIUM). Bounds: loopback only; some 30 s for each round; every wait has a deadline.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { App, AppPage } from '../browser/app.mjs';
import { endAll } from '../browser/server.mjs';
import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { Line } from './line.mjs';
import { Mini } from './mini.mjs';
import { launch } from './screen/screen.mjs';
import { Server } from './server.mjs';

const ROUNDS = Number(process.env.ROUNDS) || 1;
/** The defaults of the module, which the helpers of other tests shorten. */
const RULES = { minDelay: 500, maxDelay: 20_000, timeout: 10_000 };
const PROBE_MS = 4000;
/** What a loaded machine may take beside what the rules say. */
const SLACK_MS = 4000;
/** The signs that a channel is heard. */
const HEARD = ['subscribed', 'publication'];
const PAGES = ['websocket', 'sse', 'poll'];
const PHONES = ['websocket', 'poll'];
const CLIENTS = [
  ...PAGES.map((transport) => `browser ${transport}`),
  ...PHONES.map((transport) => `mini program ${transport}`),
];

let server;
let browser;
/** The site of the pages; `endAll` ends it. */
let app;
/** The way of the pages and that of the phones. */
let lines;
let rooms = 0;
/** Rows of the table: what happened, and the times of each client. */
const table = [];

before(async () => {
  [server, browser, app] = await Promise.all([Server.start(), launch(), App.start()]);
  lines = { pages: await Line.before(server.port), phones: await Line.before(server.port) };
});
after(async () => {
  await removeLeft();
  await browser?.close();
  await endAll();
  await server?.remove();
  console.log(['', `| ms, ${ROUNDS} rounds |`, ...CLIENTS.map((name) => ` ${name} |`)].join(''));
  console.log(`| --- |${' --- |'.repeat(CLIENTS.length)}`);
  for (const [what, times] of table) {
    console.log(`| ${what} |${CLIENTS.map((name) => ` ${words(times[name])} |`).join('')}`);
  }
});

/** The median, and how far it spread. */
function words(times) {
  if (!times) return '–';
  const sorted = [...times].sort((one, other) => one - other);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  return sorted.length === 1 ? `${middle}` : `${middle} (${sorted[0]}–${sorted.at(-1)})`;
}

/** The five clients, each in the channel and heard from; what they are told has its time. */
async function withClients(steps) {
  rooms += 1;
  const room = `room:away-${rooms}`;
  const context = await browser.newContext();
  try {
    const pages = await Promise.all(PAGES.map((transport) => open(context, transport, room)));
    const minis = await Promise.all(PHONES.map((transport) => put(transport, room)));
    const clients = [...pages, ...minis];
    await all(clients, (marks) => marks.some(({ what }) => what === 'subscribed'));
    await server.publish(room, 'before');
    await all(clients, (marks) => marks.some(({ what }) => what === 'publication'));
    // Whoever has connected this very moment waits before it does so again.
    const ready = Date.now();
    await until('connections that are no longer new', () => Date.now() - ready > RULES.minDelay);
    await steps({ room, context, clients, phones: minis.map(({ mini }) => mini.phone) });
    for (const { mini } of minis) mini.remove();
  } finally {
    await context.close();
  }
}

/** A page with a client of this transport. */
async function open(context, transport, room) {
  const page = await AppPage.open(context, app, '/', (made) =>
    made.addInitScript(() => {
      window.sockets = [];
      window.WebSocket = class extends WebSocket {
        constructor(url) {
          super(url);
          window.sockets.push(this);
        }
      };
    }),
  );
  await page.start(lines.pages.origin, '', { ...RULES, transports: [transport] });
  await page.page.evaluate((name) => {
    window.marks = [];
    window.enter(name);
    for (const what of ['subscribed', 'publication']) {
      window.room.on(what, () => window.marks.push({ what, at: Date.now() }));
    }
    window.client.on('state', ({ state }) => window.marks.push({ what: state, at: Date.now() }));
  }, room);
  const marks = () => page.page.evaluate('window.marks');
  return { name: `browser ${transport}`, page, marks };
}

/** A phone with a client of this transport. */
async function put(transport, room) {
  const mini = await Mini.open('wx', lines.phones.origin, { ...RULES, transports: [transport] });
  const marked = [];
  const { subscription } = mini.subscribe(room);
  for (const what of ['subscribed', 'publication']) {
    subscription.on(what, () => marked.push({ what, at: Date.now() }));
  }
  mini.client.on('state', ({ state }) => marked.push({ what: state, at: Date.now() }));
  return { name: `mini program ${transport}`, mini, marks: async () => marked };
}

async function all(clients, condition) {
  for (const { name, marks } of clients) {
    await until(
      name,
      async () => condition(await marks()),
      20_000,
    );
  }
}

/** Waits until each hears the channel again behind `from`; answers when, by name. */
async function back(clients, from) {
  const isBack = ({ what, at }) => at >= from && HEARD.includes(what);
  await all(clients, (marks) => marks.some(isBack));
  const times = clients.map(async ({ name, marks }) => [name, (await marks()).find(isBack).at]);
  return Object.fromEntries(await Promise.all(times));
}

/** Does it so many times; `steps` answer the rows of a round, each as the times by client. */
async function measure(t, most, steps) {
  const rows = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    await withClients(async (stage) => {
      for (const [what, times] of Object.entries(await steps(stage))) {
        rows[what] ??= {};
        for (const [name, ms] of Object.entries(times)) {
          (rows[what][name] ??= []).push(ms);
          assert.ok(ms <= most + SLACK_MS, `${what}: ${name} ${ms} ms`);
        }
      }
    });
  }
  for (const row of Object.entries(rows)) {
    table.push(row);
    const [what, times] = row;
    t.diagnostic(`${what}: ${CLIENTS.map((name) => `${name} ${words(times[name])}`).join(', ')}`);
  }
}

/** Milliseconds behind `from`, by client; none where it was back before. */
const behind = (times, from) =>
  Object.fromEntries(Object.entries(times).map(([name, at]) => [name, Math.max(0, at - from)]));

// A deploy ends every connection at once. How long they stay away is what users see of it, and it
// grows unseen: a delay that is drawn twice breaks no other test.
for (const [what, signal] of [
  ['killed', 'SIGKILL'],
  ['drained', 'SIGTERM'],
]) {
  test(`the server is ${what} and started again`, async (t) => {
    // The second attempt is made within 1 s and 2 s; the server may be there just behind it.
    await measure(t, 4000, async ({ clients }) => {
      const gone = Date.now();
      await server.end(signal);
      // Of the old one nothing comes any more.
      const ended = Date.now();
      await server.again();
      const ready = Date.now();
      const times = await back(clients, ended);
      return {
        [`server ${what} and restarted`]: behind(times, gone),
        [`${what}: of that, after the new one was ready`]: behind(times, ready),
      };
    });
  });
}

// The old socket says nothing when a phone leaves the Wi-Fi. The client must ask at once, and take
// silence for an answer.
test('the network changes, and the old sockets are dead without a word', async (t) => {
  await measure(t, PROBE_MS + RULES.minDelay, async (stage) => ({
    'network change, the old sockets are silent': await changed(stage, async () => {
      lines.pages.leave();
      lines.phones.silence();
    }),
  }));
});

// Where the platform ends them, it is known before there is a network again. That there is one must
// end the wait at once.
test('the network changes, and the platform ends what was open', async (t) => {
  await measure(t, RULES.minDelay, async (stage) => ({
    'network change, the old sockets are cut': await changed(stage, async () => {
      for (const line of Object.values(lines)) line.cut();
      // A request that is cut may be repeated by the browser, which tells nobody.
      const sockets = stage.clients.filter(({ name }) => name.endsWith('websocket'));
      await all(sockets, (marks) => marks.some(({ what }) => what === 'connecting'));
    }),
  }));
});

/** Another network, with an instant without one between: what it breaks, and then what is told. */
async function changed({ clients, context, phones, room }, breaks) {
  await breaks();
  const gone = Date.now();
  await context.setOffline(true);
  for (const phone of phones) phone.network(false);
  await context.setOffline(false);
  for (const phone of phones) phone.network(true, '4g');
  await server.publish(room, 'meanwhile');
  return behind(await back(clients, gone), gone);
}

// WeChat closes with 1000 when the app goes to the background. It is no word of the user's, and who
// comes back looks at the page at once.
test('the platform closes with 1000, interrupted', async (t) => {
  await measure(t, 1000, async ({ clients, phones, room }) => {
    const [browserSocket, , , ...minis] = clients;
    for (const phone of phones) {
      phone.hide();
      phone.interrupt();
    }
    await server.publish(room, 'meanwhile');
    const shown = Date.now();
    for (const phone of phones) phone.show();
    const phoneTimes = behind(await back(minis, shown), shown);
    // Nobody shows a page again that stays where it is.
    const closed = await browserSocket.page.page.evaluate(() => {
      window.sockets.at(-1).close(1000, 'interrupted');
      return Date.now();
    });
    const pageTime = behind(await back([browserSocket], closed), closed);
    return {
      '1000 interrupted; mini program: shown a moment later': { ...pageTime, ...phoneTimes },
    };
  });
});

// Put away for longer, the client has closed by itself and tries nothing. It must not wait for a
// delay of its own when the user is back.
test('a mini program is put away for more than five seconds', async (t) => {
  await measure(t, 0, async ({ clients, phones, room }) => {
    for (const phone of phones) phone.hide();
    await until('its code is stopped', () => phones.every(({ suspended }) => suspended));
    await server.publish(room, 'meanwhile');
    const shown = Date.now();
    for (const phone of phones) phone.show();
    const times = behind(await back(clients.slice(PAGES.length), shown), shown);
    return { 'put away for 5 s and shown again': times };
  });
});
