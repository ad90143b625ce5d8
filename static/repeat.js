//! Sending by the clock: once after a time, then again and again. Owned by console.js.
//! Bounds: one timer of 50 ms or more, which waits while 1 MiB has not left. It must stop when it cannot send.

import { readableSize } from './bytes.js';
import { byId, notice, put, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const EVERY_MIN_MS = 50;
const UNSENT_BYTES_MAX = 1024 * 1024;
// A timer of the browser's does not go further.
const AFTER_MAX_S = 86_400;

/** The clock. `send(item)` sends and answers whether it could; `unsent()` tells the bytes that have not left. */
export class Repeat {
  #send;
  #unsent;
  #item;
  #timer = 0;
  #every = 0;
  #left = 0;
  #count = 0;
  #dueAt = 0;
  #held = false;
  #tick = 0;

  constructor({ send, unsent, item }) {
    this.#send = send;
    this.#unsent = unsent;
    byId('repeat-start').addEventListener('click', () => this.#start(item()));
    byId('repeat-stop').addEventListener('click', () => this.stop());
    onLanguage(() => this.#draw());
  }

  /** Stops it. */
  stop() {
    clearTimeout(this.#timer);
    clearInterval(this.#tick);
    this.#timer = 0;
    this.#draw();
  }

  #start(item) {
    if (item.text === '') return notice(t('nothing-to-send'));
    this.stop();
    const number = (id, min, max) => {
      const value = Math.min(max, Math.max(min, Number(byId(id).value) || 0));
      byId(id).value = value;
      return value;
    };
    const after = number('repeat-after', 0, AFTER_MAX_S);
    this.#every = number('repeat-every', EVERY_MIN_MS, AFTER_MAX_S * 1000);
    this.#left = number('repeat-times', 0, 1_000_000) || Infinity;
    this.#item = item;
    this.#count = 0;
    this.#held = false;
    this.#dueAt = performance.now() + after * 1000;
    this.#timer = setTimeout(() => this.#due(), after * 1000);
    this.#tick = setInterval(() => this.#draw(), 250);
    byId('repeat').open = false;
    this.#draw();
    return undefined;
  }

  #due() {
    if (this.#unsent() > UNSENT_BYTES_MAX) {
      if (!this.#held) notice(t('repeat-skipped', { size: readableSize(this.#unsent()) }));
      this.#held = true;
    } else {
      this.#held = false;
      if (!this.#send(this.#item)) return this.stop();
      this.#count += 1;
      this.#left -= 1;
      if (this.#left <= 0) return this.stop();
    }
    // From when it was due, not from now, so that a late timer does not make all later ones late.
    this.#dueAt = Math.max(this.#dueAt + this.#every, performance.now());
    this.#timer = setTimeout(() => this.#due(), this.#dueAt - performance.now());
    return undefined;
  }

  #draw() {
    const on = this.#timer !== 0;
    show(byId('repeat-strip'), on);
    if (!on) return;
    const seconds = Math.max(0, (this.#dueAt - performance.now()) / 1000).toFixed(1);
    const values = { every: this.#every, count: this.#count, seconds };
    put(byId('repeat-told'), t(this.#count === 0 ? 'repeat-waits' : 'repeat-runs', values));
  }
}
