//! A web app that uses the client: a page at an origin of its own, with the built files of `clients/browser` beside it and
//! tokens from its backend, and the fanfare server elsewhere. Owned by the test that starts it. Bounds: loopback only.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { inSeconds, token as signed } from '../sdk/token.mjs';
import { API_KEY, SETTINGS } from '../sdk/server.mjs';
import { ended, Server, SLOWEST, until } from './server.mjs';

const FILES = ['fanfare.mjs', 'fanfare.js', 'fanfare-worker.js'];
const BUILT = new URL('../../clients/browser/', import.meta.url);

// Everything that the client tells stands in `told`, for the test to read.
const PAGE = (script) => `<!doctype html><meta charset="utf-8"><title>app</title>
${script}
<script type="module">
${script ? '' : "import Fanfare from '/fanfare.mjs'; window.Fanfare = Fanfare;"}
window.told = { states: [], closes: [], ends: [], errors: [], got: [], subscribed: [], tokens: 0, channelTokens: 0, shows: [] };
const { told } = window;
addEventListener('pageshow', (event) => told.shows.push(event.persisted));
window.start = (base, user, options = {}) => {
  window.user = user;
  const token = async () => {
    told.tokens += 1;
    return (await fetch('/token?user=' + window.user + '&ttl=' + (options.ttl || 600) + '&n=' + told.tokens)).text();
  };
  const client = new Fanfare(base, { maxDelay: 2000, ...options, ...(user ? { token } : {}) });
  client.on('state', (one) => told.states.push(one));
  client.on('close', (one) => told.closes.push(one));
  client.on('error', (one) => told.errors.push(one));
  window.client = client;
  client.connect();
};
const channelToken = async (channel) => {
  told.channelTokens += 1;
  return (await fetch('/token?user=' + window.user + '&ttl=3&channel=' + encodeURIComponent(channel))).text();
};
window.enter = (channel, since, withToken) => {
  const room = client.subscribe(channel, { since, ...(withToken ? { token: channelToken } : {}) });
  room.on('error', (one) => told.errors.push(one));
  room.on('unsubscribed', (one) => told.ends.push(one));
  room.on('publication', ({ data }) => told.got.push(data));
  room.on('subscribed', (one) => told.subscribed.push(one));
  window.room = room;
};
</script>`;

/** Settings of a server that pages of other origins use. */
const settings = (port) => `listen = ["127.0.0.1:${port}"]\n${SETTINGS}\n[client]\norigins = ["*"]\n`;

/** The fanfare server of these tests. */
export async function startServer() {
  const server = await Server.start(settings);
  server.api = async (method, request) => {
    const response = await fetch(`${server.origin}/api/${method}`, {
      method: 'POST', headers: { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }, body: JSON.stringify(request),
    });
    const { result, error } = await response.json();
    if (error) throw new Error(`/api/${method}: error ${error.code}: ${error.message}`);
    return result;
  };
  server.publish = (channel, ...all) => all.reduce((before, data) => before.then(() => server.api('publish', { channel, data })), Promise.resolve());
  server.sessions = async () => (await (await fetch(`${server.origin}/status`)).json()).sessions;
  return server;
}

/** The app's own web server. */
export class App {
  /** How often a token was asked for, by user. */
  tokens = {};
  /** Files that are not there. */
  missing = [];
  #server = createServer((request, response) => this.#answer(request, response));

  /** Starts it; `endAll` ends it. */
  static start() {
    return ended(new App().#start(), (app) => app.#stop());
  }

  async #start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.origin = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  async #stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(request, response) {
    const url = new URL(request.url, this.origin);
    const name = url.pathname.slice(1);
    const send = (status, type, body) => {
      response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'no-cache' });
      response.end(body);
    };
    if (FILES.includes(name) && !this.missing.includes(name)) return send(200, 'text/javascript', readFileSync(new URL(name, BUILT)));
    if (name === '') return send(200, 'text/html', PAGE(''));
    if (name === 'classic') return send(200, 'text/html', PAGE('<script src="/fanfare.js"></script>'));
    if (name === 'elsewhere') return send(200, 'text/html', '<!doctype html><title>elsewhere</title>');
    if (name === 'token') {
      const user = url.searchParams.get('user');
      this.tokens[user] = (this.tokens[user] ?? 0) + 1;
      // `jti` makes each another text, as those of a real backend are.
      const channel = url.searchParams.get('channel') ?? undefined;
      const claims = { sub: user, channel, exp: inSeconds(Number(url.searchParams.get('ttl'))), jti: `${user}-${this.tokens[user]}` };
      return send(200, 'text/plain', signed(claims));
    }
    return send(404, 'text/plain', 'nothing here\n');
  }
}

/** A page of the app. */
export class AppPage {
  errors = [];

  static async open(context, app, path = '/', before = () => {}) {
    const made = new AppPage();
    made.page = await context.newPage();
    made.page.setDefaultTimeout(SLOWEST * 20_000);
    made.page.setDefaultNavigationTimeout(SLOWEST * 30_000);
    made.page.on('pageerror', (error) => made.errors.push(error.message));
    await before(made.page);
    await made.page.goto(`${app.origin}${path}`);
    await made.page.waitForFunction('window.enter');
    return made;
  }

  /**
   * Starts the worker of shared connections and waits until it speaks: a client gives it three seconds, and then goes its own way,
   * as it should and as no test of sharing wants it.
   */
  async workerRuns({ name, worker }) {
    await this.page.evaluate(([file, its]) => new Promise((done, failed) => {
      window.worker = new SharedWorker(file, its);
      window.worker.onerror = () => failed(new Error('the worker does not start'));
      window.worker.port.onmessage = done;
    }).then(() => window.worker.port.close()), [worker, name]);
  }

  start(server, user = '', options = {}) {
    return this.page.evaluate(([base, who, more]) => window.start(base, who, more), [server.origin ?? server, user, options]);
  }

  enter(channel, since, withToken = false) {
    return this.page.evaluate(([name, place, token]) => window.enter(name, place, token), [channel, since, withToken]);
  }

  told() { return this.page.evaluate(() => window.told); }

  state() { return this.page.evaluate(() => window.client.state); }

  transport() { return this.page.evaluate(() => window.client.transport); }

  position() { return this.page.evaluate(() => window.room.position); }

  /** Calls a method of the client or of the room; answers its result, or what it was rejected with. */
  call(target, method, ...words) {
    return this.page.evaluate(([on, name, given]) => window[on][name](...given).then((value) => ({ value }), (error) => ({ error })), [target, method, words]);
  }

  async until(what, condition, deadlineMs = 20_000) {
    return until(what, async () => condition(await this.told()), deadlineMs, () => this.errors.join('\n')).catch(async (error) => {
      throw new Error(`${error.message}\n${JSON.stringify(await this.told().catch(() => 'the page is gone'))}`);
    });
  }

  async connected() {
    await until('connected', async () => (await this.state()) === 'connected', 20_000, () => this.errors.join('\n')).catch(async (error) => {
      throw new Error(`${error.message}\n${JSON.stringify(await this.told())}`);
    });
  }

  /** Waits until exactly these came, in this order. */
  async got(...all) {
    await this.until(`got ${all}`, ({ got }) => got.length >= all.length);
    const { got } = await this.told();
    if (JSON.stringify(got) !== JSON.stringify(all)) throw new Error(`got ${JSON.stringify(got)}, not ${JSON.stringify(all)}`);
  }

  async subscribed(count = 1) { await this.until(`subscribed ${count} times`, ({ subscribed }) => subscribed.length >= count); }
}
