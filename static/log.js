//! The log as data: what came, what went, what happened. Owned by console.js, shown by logview.js.
//! Bounds: 20,000 entries and 16 MiB of content, oldest out first; it counts what it drops. It must not touch the page.

import { asText, textSize, toBase64, toHex } from './bytes.js';

const ENTRIES_MAX = 20_000;
const BYTES_MAX = 16 * 1024 * 1024;
// Parsing a huge text only to name its type would stall the page at each message.
const JSON_CHARS_MAX = 256 * 1024;

/** The log. Entries are `{id, at, delta, direction, kind, data, size, key, values, place}`; ids count up without gaps. */
export class Log {
  /** How many were dropped since the last clearing. */
  dropped = 0;
  max = ENTRIES_MAX;

  #list = [];
  // What was dropped is cut off the list now and then, so that a drop costs nothing.
  #start = 0;
  #nextId = 1;
  #bytes = 0;
  #lastAt = 0;

  get length() {
    return this.#list.length - this.#start;
  }

  /** Oldest first. */
  get entries() {
    return this.#list.slice(this.#start);
  }

  get oldestId() {
    return this.#nextId - this.length;
  }

  get nextId() {
    return this.#nextId;
  }

  /** The entry with this id, or undefined if it is not (or no longer) here. */
  get(id) {
    const at = id - this.oldestId;
    return at < 0 ? undefined : this.#list[this.#start + at];
  }

  /** A message; `data` is a string or a Uint8Array, `place` says where it stood (`{channel, offset, recovered}`), if told. */
  message(direction, data, place = null) {
    const binary = typeof data !== 'string';
    const size = binary ? data.length : textSize(data);
    const at = now();
    const delta = this.#lastAt === 0 ? null : at - this.#lastAt;
    this.#lastAt = at;
    return this.#push({ at, delta, direction, kind: binary ? 'binary' : kindOf(data), data, size, place });
  }

  /** Something that happened, kept as a key so that it can be told in another language later. */
  event(key, values = {}) {
    return this.#push({ at: now(), delta: null, direction: 'info', kind: 'info', data: '', size: 0, place: null, key, values });
  }

  clear() {
    this.#list = [];
    this.#start = 0;
    this.dropped = 0;
    this.#bytes = 0;
    this.#lastAt = 0;
  }

  #push(entry) {
    const whole = { id: this.#nextId, ...entry };
    this.#nextId += 1;
    this.#list.push(whole);
    this.#bytes += whole.size;
    // One message may exceed the bound alone: the newest is always kept.
    while (this.length > ENTRIES_MAX || (this.#bytes > BYTES_MAX && this.length > 1)) this.#drop();
    return whole;
  }

  #drop() {
    this.#bytes -= this.#list[this.#start].size;
    this.#list[this.#start] = undefined;
    this.#start += 1;
    this.dropped += 1;
    if (this.#start < 4096) return;
    this.#list = this.#list.slice(this.#start);
    this.#start = 0;
  }
}

function now() {
  return performance.timeOrigin + performance.now();
}

/** `json` for an object or an array, else `text`: a bare number is more likely meant as text. */
export function kindOf(text) {
  if (text.length > JSON_CHARS_MAX || !/^\s*[[{]/.test(text)) return 'text';
  try {
    JSON.parse(text);
    return 'json';
  } catch {
    return 'text';
  }
}

/** Whether an entry is wanted by the filter; `told` gives an event's text in the present language. */
export function matches(entry, { direction, search }, told) {
  if (direction !== 'all' && entry.direction !== direction) return false;
  if (search === '') return true;
  const wanted = search.toLowerCase();
  if (entry.place?.channel?.toLowerCase().includes(wanted)) return true;
  if (entry.kind === 'info') return told(entry).toLowerCase().includes(wanted);
  if (entry.kind !== 'binary') return entry.data.toLowerCase().includes(wanted);
  return toHex(entry.data).includes(wanted) || asText(entry.data).toLowerCase().includes(wanted);
}

/** The local time of day to the millisecond. */
export function clock(at) {
  const date = new Date(at);
  const two = (value) => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** `+12 ms`, `+3.4 s`; empty for the first message. */
export function gap(delta) {
  if (delta === null) return '';
  if (delta < 10) return `+${delta.toFixed(1)} ms`;
  return delta < 999.5 ? `+${Math.round(delta)} ms` : `+${(delta / 1000).toFixed(delta < 60_000 ? 1 : 0)} s`;
}

/** Entries as lines of JSON for a file; `tell` puts an event into words. */
export function toJsonLines(entries, tell) {
  return entries.map((entry) => `${JSON.stringify({
    time: new Date(entry.at).toISOString(),
    direction: entry.direction,
    type: entry.kind,
    bytes: entry.size,
    ...(entry.place ?? {}),
    ...(entry.kind === 'binary' ? { base64: toBase64(entry.data) } : { text: entry.kind === 'info' ? tell(entry) : entry.data }),
  })}\n`).join('');
}

/** Entries as lines to paste somewhere. */
export function toLines(entries, tell) {
  const arrows = { in: '<', out: '>', info: '*' };
  return entries.map((entry) => {
    const body = entry.kind === 'info' ? tell(entry) : entry.kind === 'binary' ? toHex(entry.data) : entry.data;
    return `${clock(entry.at)} ${arrows[entry.direction]} ${body}`;
  }).join('\n');
}
