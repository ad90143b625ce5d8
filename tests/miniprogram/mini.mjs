//! The built module for mini programs on a phone of these tests, and what it told. Owned by the
//! test that makes it. Bounds: every wait has a deadline.

import { fileURLToPath } from 'node:url';

import { until } from '../nginx/until.mjs';
import { Phone } from './phone/phone.mjs';
import { PLATFORMS } from './phone/platforms.mjs';
import { Realm } from './phone/realm.mjs';

const MODULE = fileURLToPath(new URL('../../clients/miniprogram/fanfare.js', import.meta.url));
const EVENTS = ['state', 'close', 'error', 'message'];

/** A client in a mini program. */
export class Mini {
  /** What the client told, by event. */
  told = Object.fromEntries(EVENTS.map((name) => [name, []]));

  /**
   * On `platform`, connecting to `origin`. `phone` are the phone's options; `taro` is no global of a
   * phone, so it is given by the option `wx`.
   */
  constructor(platform, origin, { phone, ...options } = {}) {
    this.phone = new Phone(phone);
    this.api = PLATFORMS[platform](this.phone);
    const globals = platform === 'taro' ? {} : { [platform]: this.api };
    this.realm = new Realm(this.phone, globals);
    const Fanfare = this.realm.require(MODULE);
    const given = platform === 'taro' ? { wx: this.api } : {};
    this.client = new Fanfare(origin, {
      minDelay: 20,
      maxDelay: 200,
      timeout: 4000,
      ...given,
      ...options,
    });
    for (const name of EVENTS) this.client.on(name, (told) => this.told[name].push(plain(told)));
  }

  /** One that is connected. */
  static async open(platform, origin, options) {
    const mini = new Mini(platform, origin, options);
    mini.client.connect();
    await mini.connected();
    return mini;
  }

  /** Waits until it was connected so many times. */
  connected(times = 1) {
    return until(
      `connected ${times} times`,
      () => this.connects >= times,
      10_000,
      () => this.words,
    );
  }

  get connects() {
    return this.told.state.filter(({ state }) => state === 'connected').length;
  }

  /** Waits for the end for good. */
  closed() {
    return until(
      'the end',
      () => this.told.close[0],
      10_000,
      () => this.words,
    );
  }

  /** A subscription and what it told. */
  subscribe(channel, options) {
    return new Listened(this, channel, options);
  }

  /** For failure messages. */
  get words() {
    return JSON.stringify(this.told);
  }

  remove() {
    this.client.close();
    this.phone.remove();
  }
}

/** A subscription and what it told. */
class Listened {
  told = { publication: [], subscribed: [], join: [], leave: [], unsubscribed: [], error: [] };

  constructor(mini, channel, options) {
    this.mini = mini;
    this.subscription = mini.client.subscribe(channel, options);
    for (const [name, list] of Object.entries(this.told)) {
      this.subscription.on(name, (told) => list.push(plain(told)));
    }
  }

  /** What was published, in the order in which it came. */
  get values() {
    return this.told.publication.map(({ data }) => data);
  }

  subscribed(times = 1) {
    const isThere = () => this.told.subscribed.length >= times;
    return until(`subscribed ${times} times`, isThere, 10_000, () => this.words);
  }

  received(count) {
    const isThere = () => this.told.publication.length >= count;
    return until(`${count} publications`, isThere, 10_000, () => this.words);
  }

  get words() {
    return `${JSON.stringify(this.told)} ${this.mini.words}`;
  }
}

/** What came from the realm, as an object of this one. */
export function plain(value) {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
