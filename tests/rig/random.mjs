//! Numbers from a seed, so that a run can be repeated (mulberry32). Each part of the rig draws from a stream of its own, so that
//! what one of them does later or more often changes nothing for the others.

/** A source of numbers. */
export class Random {
  #state;

  constructor(seed, name = '') {
    this.#state = seed >>> 0;
    for (const letter of name) this.#state = (Math.imul(this.#state ^ letter.codePointAt(0), 0x01000193) + 0x9e3779b9) >>> 0;
  }

  /** From 0 up to, but not including, 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A number of the span. */
  between(from, to) { return from + this.next() * (to - from); }

  /** A whole number below `count`. */
  below(count) { return Math.floor(this.next() * count); }

  /** One of them. */
  of(list) { return list[this.below(list.length)]; }

  /** All of them, in another order. */
  shuffled(list) {
    const all = [...list];
    for (let left = all.length; left > 1; left -= 1) {
      const at = this.below(left);
      [all[at], all[left - 1]] = [all[left - 1], all[at]];
    }
    return all;
  }

  /** True in so many of a hundred cases. */
  percent(share) { return this.next() * 100 < share; }
}

/** Sources for what comes one after another, each of its own: how much one draws, by connections, sectors or time, changes nothing for those behind it. */
export class Draws {
  #next = new Map();

  constructor(seed) { this.seed = seed; }

  /** The source of the next thing in this part of the run. */
  of(part) {
    const ordinal = this.#next.get(part) ?? 0;
    this.#next.set(part, ordinal + 1);
    return new Random(this.seed, `${part} ${ordinal}`);
  }
}
