//! The example's page on a phone of these tests, under miniprogram-simulate. Owned by the test that
//! opens it; there is one at a time, since a mini program's names are global. Bounds: every wait
//! has a deadline.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { until } from '../nginx/until.mjs';
import { Phone } from './phone/phone.mjs';
import { wx as wxOf } from './phone/platforms.mjs';
import { show } from './simulator.mjs';

export const EXAMPLE = fileURLToPath(new URL('../../clients/miniprogram/example', import.meta.url));
const require = createRequire(import.meta.url);

/** The page, opened on a phone. */
export class Danmaku {
  toasts = [];
  #storage = new Map();

  /** `options` are the client's, beside those of app.js; `phone` are the phone's. */
  static open(server, channel, { phone, nickname = '听众7', ...options } = {}) {
    const page = new Danmaku();
    page.phone = new Phone(phone);
    page.#storage.set('nickname', nickname);
    global.wx = {
      ...wxOf(page.phone),
      showToast: ({ title }) => page.toasts.push(title),
      getStorageSync: (key) => page.#storage.get(key) ?? '',
      setStorageSync: (key, value) => page.#storage.set(key, value),
    };
    page.#load({ server, channel }, options);
    return page;
  }

  #load(config, options) {
    for (const file of Object.keys(require.cache)) {
      if (file.startsWith(EXAMPLE)) delete require.cache[file];
    }
    const configFile = join(EXAMPLE, 'config.js');
    require.cache[configFile] = {
      id: configFile,
      filename: configFile,
      loaded: true,
      exports: config,
    };
    // app.js makes the client; what it gives it is kept, and what tests need is added.
    const fanfareFile = join(EXAMPLE, 'fanfare.js');
    const Fanfare = require(fanfareFile);
    require.cache[fanfareFile].exports = class extends Fanfare {
      constructor(base, given) {
        super(base, { minDelay: 20, maxDelay: 200, ...given, ...options });
      }
    };
    let app;
    global.App = (definition) => {
      app = definition;
    };
    global.getApp = () => app;
    require(join(EXAMPLE, 'app.js'));
    app.onLaunch({});
    this.app = app;
    this.page = show(EXAMPLE, 'pages/danmaku/index');
  }

  get data() {
    return this.page.data;
  }

  /** The text of an element by id. */
  text(id) {
    return this.page.querySelector(`#${id}`)?.dom.textContent ?? null;
  }

  tap(id) {
    this.page.querySelector(`#${id}`).dispatchEvent('tap');
  }

  /** Writes into the box, as the keyboard would. */
  write(value) {
    this.page.querySelector('#box').dispatchEvent('input', { detail: { value } });
  }

  /** Writes and taps. */
  async say(text) {
    this.write(text);
    await this.until('the text is there', () => this.data.text === text);
    this.tap('send');
  }

  async connect() {
    this.tap('connect');
    await this.state('connected');
  }

  state(name) {
    return this.until(`state ${name}`, () => this.data.state === name);
  }

  /** Waits for a line of the list. */
  heard(text) {
    return this.until(`heard ${text}`, () => this.data.lines.find((line) => line.text === text));
  }

  until(what, condition) {
    return until(what, condition, 10_000, () =>
      JSON.stringify({ ...this.data, toasts: this.toasts }),
    );
  }

  close() {
    this.page.instance.onUnload();
    this.app.fanfare.close();
    this.page.detach();
    this.phone.remove();
  }
}
