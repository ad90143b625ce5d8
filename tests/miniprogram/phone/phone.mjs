//! A phone as mini programs find it: it puts them away and stops their code, cuts their sockets
//! with 1000 `interrupted` and fails their requests, lets five sockets live at once, and opens only
//! addresses that are listed. The network behind it is real. Owned by the test that makes it.
//! Bounds: what `remove` ends.

import { begun, goesOn, over } from '../left.mjs';

/** How long WeChat lets a mini program run that was put away. */
export const GRACE_MS = 5000;

/** A phone with one mini program on it. */
export class Phone {
  /** Sockets that the platform counts: those that open, are open, or are not quite closed yet. */
  sockets = new Set();
  /** The most at one time that the mini program had not closed. */
  socketsMax = 0;
  /** Each call of connectSocket, in order: what it was asked and the header of the handshake. */
  connects = [];
  /** Each request. */
  requests = [];
  hidden = false;
  /** The grace is over: each call of the network fails until the mini program is shown. */
  interrupted = false;
  networkType = 'wifi';
  /** Code has stopped: nothing is delivered, timers wait. */
  suspended = false;
  #waiting = [];
  #listeners = { hide: new Set(), show: new Set(), network: new Set() };
  #timers = new Set();
  #grace = null;

  /**
   * `domains`: the hosts that are listed, for `socket` and for `request` (socket 合法域名 and
   * request 合法域名), all of them where a list is absent. `failure`: how a
   * connection that fails is told, 'error', 'close', 'both' or 'fail' (the callback alone).
   * `socketLimit`: five, as the platforms have it. `ca`: what certificates the phone trusts.
   */
  constructor({ domains = {}, failure = 'both', socketLimit = 5, graceMs = GRACE_MS, ca } = {}) {
    Object.assign(this, { domains, failure, socketLimit, graceMs, ca });
    begun(this);
  }

  /** Runs a callback of the mini program, or keeps it until the code runs again. */
  deliver(callback) {
    if (this.suspended) this.#waiting.push(callback);
    else callback();
  }

  /** Puts the mini program away: its sockets live `graceMs` more, and then its code stops. */
  hide() {
    if (this.hidden) return;
    this.hidden = true;
    this.#tell('hide');
    this.#grace = setTimeout(() => this.interrupt(), this.graceMs);
  }

  /** What comes when the grace is over: sockets are cut, requests fail, and code stops. */
  interrupt({ suspend = true } = {}) {
    clearTimeout(this.#grace);
    this.hidden = true;
    this.interrupted = true;
    this.suspended = suspend;
    for (const socket of [...this.sockets]) socket.interrupt();
    for (const request of this.requests) request.interrupt();
  }

  /** Brings it back: first what waited, then `onAppShow`. */
  show() {
    clearTimeout(this.#grace);
    if (!this.hidden) return;
    this.hidden = false;
    this.interrupted = false;
    this.suspended = false;
    for (const callback of this.#waiting.splice(0)) callback();
    this.#tell('show');
  }

  /** The network is another one, or gone; open sockets are not told of it. */
  network(isConnected, networkType = isConnected ? '4g' : 'none') {
    this.networkType = networkType;
    this.#tell('network', { isConnected, networkType });
  }

  /** Whether a call of the network would fail now, and with which words. */
  refusal(name, url) {
    if (this.interrupted) return `${name}:fail interrupted`;
    const listed = name === 'request' ? this.domains.request : this.domains.socket;
    if (listed && !listed.includes(new URL(url).host)) {
      return `${name}:fail url not in domain list`;
    }
    return null;
  }

  on(name, listener) {
    this.#listeners[name].add(listener);
  }

  off(name, listener) {
    this.#listeners[name].delete(listener);
  }

  /** How many listeners the mini program has left on the platform. */
  get listeners() {
    return Object.values(this.#listeners).reduce((sum, { size }) => sum + size, 0);
  }

  setTimeout(callback, ms, ...words) {
    if (!goesOn(this)) return null;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.deliver(() => callback(...words));
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer) {
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  /** Ends everything that is left. */
  remove() {
    over(this);
    clearTimeout(this.#grace);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of [...this.sockets]) socket.drop();
    for (const request of this.requests) request.abort();
  }

  #tell(name, told) {
    for (const listener of [...this.#listeners[name]]) this.deliver(() => listener(told));
  }
}
