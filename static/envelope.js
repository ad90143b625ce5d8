//! Positions of a raw WebSocket that was asked for `envelope=1`: reads them from what arrives, and puts them into the address
//! when it connects again. Owned by rawlink.js. Bounds: 128 channels. It must not change what arrives.

const CHANNELS_MAX = 128;

/** The positions of one connection after another. */
export class Positions {
  #of = new Map();

  /** `[{channel, since}]`, in the order in which they were first heard of. */
  get all() {
    return [...this.#of].map(([channel, since]) => ({ channel, since }));
  }

  clear() {
    this.#of.clear();
  }

  /**
   * What a text says: `{channel, offset}` of a message in an envelope, `{channel, recovered, since}` of the word that stands
   * behind what was missed, null of anything else.
   */
  heard(text) {
    if (!text.startsWith('{"channel":')) return null;
    let read;
    try {
      read = JSON.parse(text);
    } catch {
      return null;
    }
    if (typeof read.channel !== 'string') return null;
    const known = this.#of.has(read.channel) || this.#of.size < CHANNELS_MAX;
    if (known && typeof read.since === 'string') this.#of.set(read.channel, read.since);
    if (typeof read.recovered === 'boolean') return { channel: read.channel, recovered: read.recovered, since: read.since };
    return { channel: read.channel, offset: read.offset };
  }

  /** The address from which to go on. Channels that the endpoint chose are named, for `since` belongs to those that are. */
  goOn(address) {
    if (this.#of.size === 0) return address;
    const url = new URL(address);
    const named = url.searchParams.getAll('channel');
    const names = named.length > 0 ? named : [...this.#of.keys()];
    url.searchParams.delete('channel');
    url.searchParams.delete('since');
    for (const name of names) url.searchParams.append('channel', name);
    for (const name of names) url.searchParams.append('since', this.#of.get(name) ?? '');
    return url.href;
  }
}
