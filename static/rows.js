//! Which entries of the log are rows of its view, and where each stands: heights of rows that were measured, a guess for the
//! others, and sums over blocks, so that 20,000 rows cost 160 additions to find one. Owned by logview.js.
//! Bounds: 32,768 rows, more than the log keeps. It must not touch the page.

const CAPACITY = 32_768;
const BLOCK = 128;

/** The rows. A row has a number that counts up; `first` is the oldest, `next` the one to come. */
export class Rows {
  first = 0;
  next = 0;
  /** Height of all of them. */
  total = 0;

  #guess;
  #ids = new Float64Array(CAPACITY);
  #heights = new Float64Array(CAPACITY);
  #known = new Uint8Array(CAPACITY);
  #blocks = new Float64Array(CAPACITY / BLOCK);

  constructor(guess) {
    this.#guess = guess;
  }

  get count() {
    return this.next - this.first;
  }

  /** The entry's id. */
  id(row) {
    return this.#ids[row % CAPACITY];
  }

  /** Whether its height was measured. */
  isKnown(row) {
    return this.#known[row % CAPACITY] === 1;
  }

  append(id) {
    const at = this.next % CAPACITY;
    this.#ids[at] = id;
    this.#heights[at] = 0;
    this.#known[at] = 0;
    this.next += 1;
    this.#put(at, this.#guess);
  }

  /** Drops the rows whose entries are older than `id`; answers the height that went. */
  dropBelow(id) {
    const before = this.total;
    while (this.first < this.next && this.id(this.first) < id) {
      this.#put(this.first % CAPACITY, 0);
      this.first += 1;
    }
    // Sums of fractions drift; with nothing left there is nothing.
    if (this.count === 0) this.clear();
    return before - this.total;
  }

  clear() {
    this.first = this.next;
    this.total = 0;
    this.#heights.fill(0);
    this.#blocks.fill(0);
  }

  /** A row was measured. */
  setHeight(row, height) {
    this.#known[row % CAPACITY] = 1;
    this.#put(row % CAPACITY, height);
  }

  /** Forgets what was measured: the width or the form of the rows is another one. */
  forget() {
    for (let row = this.first; row < this.next; row += 1) {
      this.#known[row % CAPACITY] = 0;
      this.#put(row % CAPACITY, this.#guess);
    }
  }

  /** How far below the top of the first row this one begins. */
  offset(row) {
    let sum = 0;
    let at = this.first;
    while (at < row) {
      if (at % BLOCK === 0 && at + BLOCK <= row) {
        sum += this.#blocks[(at % CAPACITY) / BLOCK];
        at += BLOCK;
      } else {
        sum += this.#heights[at % CAPACITY];
        at += 1;
      }
    }
    return sum;
  }

  /** The row at this distance from the top; the last one if it is beyond. */
  at(offset) {
    let rest = offset;
    let row = this.first;
    while (row < this.next) {
      const whole = row % BLOCK === 0 && row + BLOCK <= this.next;
      const height = whole ? this.#blocks[(row % CAPACITY) / BLOCK] : this.#heights[row % CAPACITY];
      if (rest < height && !whole) return row;
      if (rest < height) return this.#within(row, rest);
      rest -= height;
      row += whole ? BLOCK : 1;
    }
    return Math.max(this.first, this.next - 1);
  }

  /** The row of an entry, or -1. */
  find(id) {
    let low = this.first;
    let high = this.next - 1;
    while (low <= high) {
      const middle = Math.floor((low + high) / 2);
      if (this.id(middle) === id) return middle;
      if (this.id(middle) < id) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #within(begin, offset) {
    let rest = offset;
    let row = begin;
    while (row < begin + BLOCK - 1 && rest >= this.#heights[row % CAPACITY]) {
      rest -= this.#heights[row % CAPACITY];
      row += 1;
    }
    return row;
  }

  #put(at, height) {
    const change = height - this.#heights[at];
    this.#heights[at] = height;
    this.#blocks[Math.floor(at / BLOCK)] += change;
    this.total += change;
  }
}
