//! The stage of the danmaku screen: lines of text that go across it, each in a lane of its own. Owned by danmaku.js.
//! Bounds: 60 at a time, 100 that wait, 100 characters each. It must put every text into a text node, and move nothing for who
//! asked for less motion.

import { make } from './dom.js';

const FLYING_MAX = 60;
const WAITING_MAX = 100;
const CHARS_MAX = 100;
const PX_PER_SECOND = 150;
const GAP_PX = 32;
const HUES = 4;
const STILL_MS = 5000;

/** The stage in an element. */
export class Stage {
  #box;
  #lanes = [];
  #waiting = [];
  #timer = 0;
  #count = 0;

  constructor(box) {
    this.#box = box;
  }

  /** Lets a text fly, at once or as soon as there is a lane. */
  say(text, isOwn = false) {
    this.#waiting.push({ text: text.slice(0, CHARS_MAX), isOwn });
    // Who is late is no longer of the conversation.
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    this.#next();
  }

  clear() {
    clearTimeout(this.#timer);
    this.#waiting = [];
    this.#lanes = [];
    this.#box.replaceChildren();
  }

  #next() {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0 && this.#box.childElementCount < FLYING_MAX) {
      const lane = this.#freeLane();
      if (lane < 0) break;
      this.#fly(this.#waiting.shift(), lane);
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#next(), 100);
  }

  /** Any lane whose last text has wholly come in; -1 if there is none. */
  #freeLane() {
    const now = performance.now();
    const count = Math.max(1, Math.floor(this.#box.clientHeight / this.#laneHeight()) - 1);
    const free = Array.from({ length: count }, (_, lane) => lane).filter((lane) => (this.#lanes[lane] ?? 0) <= now);
    return free.length === 0 ? -1 : free[Math.floor(Math.random() * free.length)];
  }

  #laneHeight() {
    return this.#box.clientWidth < 640 ? 36 : 46;
  }

  #fly({ text, isOwn }, lane) {
    const line = make('span', `flying hue-${this.#count % HUES}${isOwn ? ' own' : ''}`, text);
    this.#count += 1;
    this.#box.append(line);
    const width = line.offsetWidth;
    const stage = this.#box.clientWidth;
    const top = lane * this.#laneHeight() + 12;
    const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const still = `translate(${Math.max(0, (stage - width) / 2)}px, ${top}px)`;
    const frames = isStill ? [{ transform: still }, { transform: still }]
      : [{ transform: `translate(${stage}px, ${top}px)` }, { transform: `translate(${-width}px, ${top}px)` }];
    const duration = isStill ? STILL_MS : ((stage + width) / PX_PER_SECOND) * 1000;
    this.#lanes[lane] = performance.now() + (isStill ? STILL_MS : ((width + GAP_PX) / PX_PER_SECOND) * 1000);
    line.animate(frames, { duration, fill: 'both' }).finished.then(() => {
      line.remove();
      this.#next();
    }, () => {});
  }
}
