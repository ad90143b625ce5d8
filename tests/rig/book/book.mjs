//! The book: every publication has a number, an answer and at most one place in a stream. Owned by `main.mjs`. Bounds: some bytes a
//! publication of the run.

import { numberIn } from './log.mjs';
import { Synced } from './synced.mjs';

const [WAITING, OK, REFUSED, UNKNOWN] = [0, 1, 2, 3];

/** A stream's places: offset to number. */
class Stream {
  numbers = new Map();
  /** The newest place that was answered. */
  acknowledged = 0;
  /** The newest place that anyone saw. */
  top = 0;

  constructor(generation) { this.generation = generation; }
}

/** All publications of a run. */
export class Book {
  #entries = [null];
  /** channel → epoch → stream. */
  #streams = new Map();
  #runs = [];
  /** Of each drain: what was acknowledged when it was ordered. */
  #drain = null;

  /** Counts what streams and keys do not outlive. */
  #generation = 0;
  /** The first number of this generation. */
  generationBegan = 1;

  /** `lasts`: streams and keys outlive a process. */
  constructor(verdict, { lasts = false, historySize }) {
    Object.assign(this, { verdict, lasts, historySize, synced: new Synced(verdict, historySize) });
  }

  /** The node is another process now; `crashed`: the machine went down with it, and may have lost what was not synced. */
  restarted({ crashed = false } = {}) {
    if (this.lasts && !crashed) return;
    this.#generation += 1;
    this.generationBegan = this.next;
  }

  /** A number for something that is about to be published. */
  issue(channel, { keyed = false, how }) {
    this.#entries.push({ channel, keyed, how, state: WAITING, places: [] });
    return this.#entries.length - 1;
  }

  ok(number, place = null) {
    this.#entries[number].state = OK;
    if (!place?.epoch) return;
    const { channel } = this.#entries[number];
    this.seen(channel, place.epoch, place.offset, number, 'an answer');
    const stream = this.stream(channel, place.epoch);
    stream.acknowledged = Math.max(stream.acknowledged, place.offset);
    this.synced.answered(channel, number, place);
  }

  refused(number) {
    const entry = this.#entries[number];
    entry.state = REFUSED;
    for (const place of entry.places) this.#isRefused(number, entry, place);
  }

  unknown(number) { this.#entries[number].state = UNKNOWN; }

  #isRefused(number, { channel, how }, { epoch, offset, by }) {
    this.verdict.fault({ rule: 'refused', channel, epoch, text: `number ${number} (${how}) was refused, and ${by} has it at ${offset}` });
  }

  stream(channel, epoch) {
    if (!this.#streams.has(channel)) this.#streams.set(channel, new Map());
    const streams = this.#streams.get(channel);
    if (!streams.has(epoch)) streams.set(epoch, new Stream(this.#generation));
    return streams.get(epoch);
  }

  /** Somebody has a number at a place. */
  seen(channel, epoch, offset, number, by) {
    const entry = this.#entries[number];
    if (entry?.channel !== channel) {
      this.verdict.fault({ rule: 'place', channel, epoch, text: `${by} has number ${number} at ${offset}, which was published to ${entry?.channel}` });
      return;
    }
    const stream = this.stream(channel, epoch);
    stream.top = Math.max(stream.top, offset);
    const other = stream.numbers.get(offset);
    if (other === number) return;
    if (other !== undefined) {
      this.verdict.fault({ rule: 'place', channel, epoch, text: `offset ${offset} is number ${other}, and for ${by} number ${number}` });
      return;
    }
    stream.numbers.set(offset, number);
    // A key is forgotten with the process that knew it, where nothing lasts: what was tried again may then be in two streams. And
    // where streams last, a crash of the machine gives what is left of them new epochs.
    // Which generation that was the stream says: what a client saw is told here a moment later.
    const { generation } = stream;
    const isSecond = (place) => place.epoch === epoch || (this.lasts ? place.generation === generation : !entry.keyed);
    const before = entry.places.find(isSecond);
    if (before) {
      this.verdict.fault({ rule: 'doubled', channel, epoch, text: `number ${number} (${entry.how}) is at ${before.offset}@${before.epoch}, and for ${by} at ${offset}` });
    }
    const place = { epoch, offset, by, generation };
    entry.places.push(place);
    if (entry.state === REFUSED) this.#isRefused(number, entry, place);
  }

  /** A client was told that it lost what came behind a position: true only where its stream could not outlive what was done. */
  lost(client, channel, from, to) {
    const text = `is told recovered: false at ${to.offset}@${to.epoch} behind ${from.offset}@${from.epoch}`;
    const fault = (why) => this.verdict.fault({ rule: 'told', client, channel, epoch: to.epoch, text: `${text}, ${why}` });
    if (from.epoch === to.epoch) {
      if (to.offset - from.offset <= this.historySize) fault('and the history has what is between');
      return;
    }
    const before = this.#streams.get(channel)?.get(from.epoch);
    if (this.lasts && before?.generation === this.#generation) fault('and streams outlive what was done to the node');
  }

  /** What one connection had of a channel, of which it was told no places. */
  run(client, channel, numbers) { if (numbers.length > 1) this.#runs.push({ client, channel, numbers }); }

  /** The node is about to be told to drain. */
  draining(epochs) {
    this.#drain = new Map([...epochs].map(([channel, epoch]) => [channel, { epoch, offset: this.stream(channel, epoch).acknowledged }]));
  }

  /** A client was closed by the drain, with all that it had. */
  drained(client, had) {
    for (const { channel, epoch, offset } of had) {
      const due = this.#drain?.get(channel);
      if (due?.epoch !== epoch || offset >= due.offset) continue;
      const missing = [];
      for (let at = offset + 1; at <= due.offset && missing.length < 10; at += 1) missing.push(this.stream(channel, epoch).numbers.get(at));
      this.verdict.fault({ rule: 'drain', client, channel, epoch, text: `was closed at ${offset}, and ${due.offset} was answered before the drain; missing numbers ${missing.join(' ')}` });
    }
  }

  /** The epoch that the newest answer of each channel named. */
  currentEpochs() {
    return new Map([...this.#streams].map(([channel, streams]) => [channel, [...streams.keys()].at(-1)]));
  }

  /** A channel's whole history, as the node has it: nothing but what was published, and all that was answered. */
  history(channel, { epoch, offset, publications }, answered) {
    const first = publications[0]?.offset ?? offset + 1;
    publications.forEach((publication, index) => {
      this.seen(channel, epoch, publication.offset, numberIn(publication.data), 'the history');
      if (publication.offset !== first + index) {
        this.verdict.fault({ rule: 'kept', channel, epoch, text: `the history has ${publication.offset} where ${first + index} is due` });
      }
    });
    if (publications.length > 0 && publications.at(-1).offset !== offset) {
      this.verdict.fault({ rule: 'kept', channel, epoch, text: `the top is ${offset}, and the history ends at ${publications.at(-1).offset}` });
    }
    const { acknowledged, numbers } = this.stream(channel, epoch);
    if (acknowledged > offset) this.verdict.fault({ rule: 'kept', channel, epoch, text: `offset ${acknowledged} was answered, and the top is ${offset}` });
    // What the history has given up by its bounds may have been seen by nobody: so many, and no more.
    let gone = 0;
    for (let at = 1; at < first; at += 1) gone += numbers.has(at) ? 0 : 1;
    const unseen = answered.filter((number) => this.#entries[number].state === OK && this.#entries[number].places.length === 0);
    if (unseen.length <= gone) return;
    for (const number of unseen) {
      this.verdict.fault({ rule: 'kept', channel, epoch, text: `number ${number} (${this.#entries[number].how}) was answered with 200 and is not in the history` });
    }
  }

  /** Numbers from `first` on that were answered, by channel. */
  answeredSince(first) {
    const by = new Map();
    for (let number = first; number < this.#entries.length; number += 1) {
      const { channel, state } = this.#entries[number];
      if (state !== OK) continue;
      if (!by.has(channel)) by.set(channel, []);
      by.get(channel).push(number);
    }
    return by;
  }

  get next() { return this.#entries.length; }

  /** The runs of clients without positions: each is a piece of one stream, without a hole. */
  checkRuns() {
    for (const { client, channel, numbers } of this.#runs.splice(0)) {
      let last = null;
      for (const [index, number] of numbers.entries()) {
        const { places } = this.#entries[number];
        // Nobody who knows places has seen it: what was before it cannot be compared with what is behind it.
        if (places.length !== 1) {
          last = null;
          continue;
        }
        const [{ epoch, offset }] = places;
        if (last && epoch === last.epoch && offset !== last.offset + 1) {
          const rule = offset <= last.offset ? 'once' : 'complete';
          this.verdict.fault({ rule, client, channel, epoch, text: `has offset ${offset} (number ${number}, its ${index + 1}th of ${numbers.length}) behind ${last.offset} in one connection; between are numbers ${this.#between(channel, epoch, last.offset, offset)}` });
        }
        last = { epoch, offset };
      }
    }
  }

  /** What stands between two places, with how it was published. */
  #between(channel, epoch, from, to) {
    const stream = this.stream(channel, epoch);
    const numbers = [];
    for (let at = from + 1; at < to && numbers.length < 10; at += 1) {
      const number = stream.numbers.get(at);
      numbers.push(number === undefined ? '?' : `${number} (${this.#entries[number].how})`);
    }
    return numbers.join(' ');
  }

  /** Figures for the last line. */
  figures() {
    const states = [0, 0, 0, 0];
    for (const entry of this.#entries.slice(1)) states[entry.state] += 1;
    const by = {};
    for (const { how } of this.#entries.slice(1)) by[how] = (by[how] ?? 0) + 1;
    return { publications: this.#entries.length - 1, answered: states[OK], refused: states[REFUSED], unknown: states[UNKNOWN] + states[WAITING], by };
  }
}
