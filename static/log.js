//! The log as data: what came, what went, what happened. Owned by page.js, shown by logview.js.
//! Bounds: 1000 entries and 16 MiB of content, oldest out first; it counts what it drops. It must not touch the page.

import { asText, textSize, toBase64, toHex } from './bytes.js';

const ENTRIES_MAX = 1000;
const BYTES_MAX = 16 * 1024 * 1024;
// Parsing a huge text only to name its type would stall the page at each message.
const JSON_CHARS_MAX = 256 * 1024;

/** The log. */
export class Log {
  /** Oldest first; each `{id, at, delta, direction, kind, data, size, key, values}`. */
  entries = [];
  /** How many were dropped since the last clearing. */
  dropped = 0;
  max = ENTRIES_MAX;

  #nextId = 1;
  #bytes = 0;
  #lastAt = 0;

  /** A message; `data` is a string or a Uint8Array. */
  message(direction, data) {
    const binary = typeof data !== 'string';
    const size = binary ? data.length : textSize(data);
    return this.#push({ direction, kind: binary ? 'binary' : kindOf(data), data, size });
  }

  /** Something that happened, kept as a key so that it can be told in another language later. */
  event(key, values = {}) {
    return this.#push({ direction: 'info', kind: 'info', data: '', size: 0, key, values });
  }

  clear() {
    this.entries = [];
    this.dropped = 0;
    this.#bytes = 0;
    this.#lastAt = 0;
  }

  #push(entry) {
    const at = performance.timeOrigin + performance.now();
    const delta = this.#lastAt === 0 ? null : at - this.#lastAt;
    this.#lastAt = at;
    const whole = { id: this.#nextId, at, delta, ...entry };
    this.#nextId += 1;
    this.entries.push(whole);
    this.#bytes += whole.size;
    // One message may exceed the bound alone: the newest is always kept.
    while (this.entries.length > ENTRIES_MAX || (this.#bytes > BYTES_MAX && this.entries.length > 1)) {
      this.#bytes -= this.entries.shift().size;
      this.dropped += 1;
    }
    return whole;
  }
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

/** Whether an entry is wanted by the filter; `told` is an event's text in the present language. */
export function matches(entry, { direction, search }, told) {
  if (direction !== 'all' && entry.direction !== direction) return false;
  if (search === '') return true;
  const wanted = search.toLowerCase();
  if (entry.kind === 'info') return told.toLowerCase().includes(wanted);
  if (entry.kind !== 'binary') return entry.data.toLowerCase().includes(wanted);
  return toHex(entry.data).includes(wanted) || asText(entry.data).toLowerCase().includes(wanted);
}

/** The local time of day to the millisecond. */
export function clock(at) {
  const date = new Date(at);
  const two = (value) => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** `+12 ms`, `+3.4 s`; empty for the first entry. */
export function gap(delta) {
  if (delta === null) return '';
  if (delta < 10) return `+${delta.toFixed(1)} ms`;
  return delta < 999.5 ? `+${Math.round(delta)} ms` : `+${(delta / 1000).toFixed(delta < 60_000 ? 1 : 0)} s`;
}

/** Entries as JSON for a file; `tell` puts an event into words. */
export function toJson(entries, tell) {
  const rows = entries.map((entry) => ({
    time: new Date(entry.at).toISOString(),
    direction: entry.direction,
    type: entry.kind,
    bytes: entry.size,
    ...(entry.kind === 'binary' ? { base64: toBase64(entry.data) } : { text: entry.kind === 'info' ? tell(entry) : entry.data }),
  }));
  return `${JSON.stringify(rows, null, 1)}\n`;
}

/** Entries as lines to paste somewhere. */
export function toLines(entries, tell) {
  const arrows = { in: '<', out: '>', info: '*' };
  return entries.map((entry) => {
    const body = entry.kind === 'info' ? tell(entry) : entry.kind === 'binary' ? toHex(entry.data) : entry.data;
    return `${clock(entry.at)} ${arrows[entry.direction]} ${body}`;
  }).join('\n');
}
