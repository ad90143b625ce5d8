//! What a crash of the machine must leave: publications that were answered so long before it that the disk was made to hold them.
//! Owned by the book. Bounds: of each channel as many answers as a history has.
//!
//! A rule that takes what is right for wrong is worse than one that misses something, so nothing counts that cannot be known: what
//! was answered without a place, what the node itself did not call synced, what may have expired by a clock that was moved, what
//! may have been thrown out, and what is before a gap (a history has none: where what was not synced is there in part, what is
//! before the hole goes, and nobody outside can tell that from a loss).

import { HISTORY_TTL_MS, SYNC_MS } from '../settings.mjs';
import { numberIn } from './log.mjs';

/** Beyond `state.sync`. How long a sync took, and whether the process or the disk stood still, is in the age that the node tells. */
const SLACK_MS = 1000;
/** A node whose oldest write is older than this does not sync: no fault of the rig lasts as long. */
const AGE_MAX_MS = SYNC_MS + 30_000;
/** The library of the clock looks at its file once a second. */
const CLOCK_TAKEN_UP_MS = 2000;
const EXPIRY_SLACK_MS = 60_000;
/** Where histories are this full, some may have been thrown out for their bytes. */
const BYTES_SHARE_MAX = 0.8;
const SHOWN_MAX = 10;

/** Answers that a crash of the machine must not take back. */
export class Synced {
  /** channel → `{ epoch, places }`; `places`: offset → `{ number, at, born, low }`. */
  #channels = new Map();
  /** Epochs that a crash ended: an answer that names one is of before. */
  #over = new Set();
  /** channel → entries in their order, of the last crash. */
  #due = new Map();
  #stays = 0;
  /** By how many seconds the wall clock is ahead, was before, and was at most and at least. */
  #clock = { ahead: 0, before: 0, since: -Infinity, most: 0, least: 0 };

  constructor(verdict, historySize) { Object.assign(this, { verdict, historySize }); }

  /** The wall clock of the node is so many seconds ahead from now on. */
  clockIs(ahead, at = performance.now()) {
    const { most, least } = this.#clock;
    this.#clock = { ahead, before: this.#low(at), since: at, most: Math.max(most, ahead), least: Math.min(least, ahead) };
  }

  /** By how much the clock is ahead at least, whether the node has seen yet that it jumped or not. */
  #low(at) {
    const { ahead, before, since } = this.#clock;
    return at < since + CLOCK_TAKEN_UP_MS ? Math.min(ahead, before) : ahead;
  }

  /** A publication was answered with a place. */
  answered(channel, number, { epoch, offset }, at = performance.now()) {
    if (this.#over.has(epoch)) return;
    this.#take(channel, epoch, [[offset, { number, at, born: at, low: this.#low(at) }]]);
  }

  #take(channel, epoch, entries) {
    if (this.#channels.get(channel)?.epoch !== epoch) this.#channels.set(channel, { epoch, places: new Map() });
    const { places } = this.#channels.get(channel);
    for (const [offset, entry] of entries) places.set(offset, entry);
    while (places.size > this.historySize) places.delete(places.keys().next().value);
  }

  /**
   * The machine went down at `at`; `asked` is when the node was asked for `status` before, which is null where it did not answer, and
   * of what was not synced so many percent stay. Answers the channels of which something is due.
   */
  crashed({ at, asked, status, stays }) {
    const known = this.#channels;
    this.#channels = new Map();
    this.#due = new Map();
    this.#stays = stays;
    for (const { epoch } of known.values()) this.#over.add(epoch);
    const until = this.#heldUntil({ at, asked, status });
    for (const [channel, { places }] of known) {
      const due = this.#unexpired(places, at).filter((entry) => entry.at <= until);
      if (due.length > 0) this.#due.set(channel, due);
    }
    return [...this.#due.keys()];
  }

  /** What was answered by then is on the disk, by the settings and by what the node told; -Infinity where nobody knows. */
  #heldUntil({ at, asked, status }) {
    const state = status?.state;
    // Where a sync failed, the files may lack anything until all of it is written anew.
    if (!state || state.reading || !state.whole) return -Infinity;
    const age = state.sync_age_seconds * 1000;
    if (age > AGE_MAX_MS) this.verdict.fault({ rule: 'synced', text: `the oldest write that the disk does not hold is ${Math.round(age)} ms old, by what the node tells` });
    if (status.evicted_publications > 0 || status.history_bytes > status.history_bytes_max * BYTES_SHARE_MAX) return -Infinity;
    return Math.min(at - SYNC_MS, asked - age) - SLACK_MS;
  }

  /** The newest entries that cannot have expired, in their order. With one that may have, all before it may be gone. */
  #unexpired(places, at) {
    const newest = [...places].sort(([one], [other]) => other - one).map(([, entry]) => entry);
    // Its end is counted by the clock, and once more by time that goes by, where it is written anew under a clock that stands still.
    const isOver = ({ born, low }) => (this.#clock.most - low) * 1000 + 2 * (at - born) > HISTORY_TTL_MS - EXPIRY_SLACK_MS;
    const end = newest.findIndex(isOver);
    return (end < 0 ? newest : newest.slice(0, end)).reverse();
  }

  /** Holds a channel's history behind the crash against what is due, and takes it for what is known from now on. Answers what became of it. */
  check(channel, { epoch, publications }, at = performance.now()) {
    const due = this.#due.get(channel) ?? [];
    const found = new Map();
    for (const { offset, data } of publications) if (!found.has(numberIn(data))) found.set(numberIn(data), offset);
    const told = this.#judge(channel, epoch, due, found);
    const earlier = new Map(due.map((entry) => [entry.number, entry]));
    // Nobody knows when the others were written.
    const other = { born: 0, low: this.#clock.least };
    this.#take(channel, epoch, [...found].map(([number, offset]) => [offset, { ...other, ...earlier.get(number), number, at }]));
    return told;
  }

  #judge(channel, epoch, due, found) {
    const isFull = found.size >= this.historySize;
    const first = due.findIndex(({ number }) => found.has(number));
    if (first < 0 && (isFull || this.#stays > 0)) return 'unknown';
    // What is older than all that is there may have made room for what came.
    const missing = due.slice(isFull ? first : 0).filter(({ number }) => !found.has(number)).map(({ number }) => number);
    const fault = (text) => this.verdict.fault({ rule: 'synced', channel, epoch, text });
    if (missing.length > 0) {
      fault(`of ${due.length} publications that were on the disk before the machine went down, ${missing.length} are not in the history: numbers ${missing.slice(0, SHOWN_MAX).join(' ')}`);
    }
    const there = due.map(({ number }) => number).filter((number) => found.has(number));
    const late = there.findIndex((number, index) => index > 0 && found.get(number) <= found.get(there[index - 1]));
    if (late > 0) fault(`number ${there[late]} is at ${found.get(there[late])} after the machine went down, and number ${there[late - 1]}, which was before it, at ${found.get(there[late - 1])}`);
    return missing.length > 0 || late > 0 ? 'wrong' : 'there';
  }
}
