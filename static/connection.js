//! One WebSocket at a time, and the will to keep it: connects, reconnects with full jitter, stops where a code says so.
//! Owned by links.js, which passes on what it tells. Bounds: one socket, one timer; delays of 0.5–20 s; 10 s for a
//! handshake. It must not touch the page, nor leave an old socket open when it makes a new one.

import { isTerminal } from './codes.js';
import { Positions } from './envelope.js';

const DELAY_MIN_MS = 500;
const DELAY_MAX_MS = 20_000;
const HANDSHAKE_MAX_MS = 10_000;
// A link that breaks sooner than this counts as another failure, else a server that accepts and drops gets a storm.
const STABLE_MS = 5_000;

/** Milliseconds to wait before try number `attempt` (1, 2, …): anywhere up to a doubling bound, never under the minimum. */
export function retryDelay(attempt, random = Math.random()) {
  const bound = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** Math.min(attempt, 16));
  return Math.max(DELAY_MIN_MS, Math.round(random * bound));
}

/** The connection. `on` holds `state`, `open`, `message`, `close`, `recovered` and `event`, each a function. */
export class Connection {
  /** `idle`, `connecting`, `open`, `closing`, `waiting` (for the next try) or `cut` (until it is restored). */
  state = 'idle';
  /** Whether to come back after a loss. */
  reconnect = true;
  /** The number of the next try; 0 after a stable link. */
  attempt = 0;
  /** When the next try is due, by `performance.now()`. */
  retryAt = 0;

  #on;
  #socket = null;
  #target = null;
  #timer = 0;
  #refusedBefore = false;
  #positions = new Positions();
  // How many came in envelopes before the word that a channel is where it was.
  #missed = new Map();

  constructor(on) {
    this.#on = on;
  }

  get readyState() {
    return this.#socket?.readyState ?? WebSocket.CLOSED;
  }

  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** `[{channel, since}]`; empty without envelopes. */
  get positions() {
    return this.#positions.all;
  }

  /** Connects anew, because somebody asked. Throws what the WebSocket constructor throws on a bad address. */
  open(target) {
    this.#drop();
    this.attempt = 0;
    this.#refusedBefore = false;
    this.#positions.clear();
    this.#target = target;
    this.#dial(false);
  }

  /** Disconnects, because somebody asked, or gives up waiting. */
  close(code, reason) {
    clearTimeout(this.#timer);
    this.#target = null;
    if (this.#socket && this.state !== 'closing') {
      this.#socket.close(code, reason);
      this.#enter('closing');
    } else if (this.state === 'waiting' || this.state === 'cut') {
      this.#enter('idle');
    }
  }

  /** Breaks the line and stays away until `restore`, so that something can be missed. */
  cut() {
    if (this.state !== 'open') return;
    clearTimeout(this.#timer);
    const old = this.#socket;
    this.#socket = null;
    old.close();
    this.#enter('cut');
  }

  /** Connects again behind what came last. */
  restore() {
    if (this.state === 'cut') this.#dial(true);
  }

  /** Stops coming back when the switch is turned off while waiting. */
  setReconnect(wanted) {
    this.reconnect = wanted;
    if (!wanted && this.state === 'waiting') this.close();
  }

  /** Tries at once if it was waiting: the network came back, or somebody looks at the page again. */
  hurry() {
    if (this.state !== 'waiting') return;
    clearTimeout(this.#timer);
    this.#dial(true);
  }

  /** Sends; false when not connected. */
  send(data) {
    if (this.state !== 'open') return false;
    this.#socket.send(data);
    return true;
  }

  #dial(again) {
    const { url, protocols } = this.#target;
    const began = performance.now();
    let openedAt = 0;
    this.#missed.clear();
    const socket = new WebSocket(again ? this.#positions.goOn(url) : url, protocols);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#enter('connecting');

    this.#timer = setTimeout(() => {
      this.#on.event('handshake-timeout', { seconds: HANDSHAKE_MAX_MS / 1000 });
      socket.close();
    }, HANDSHAKE_MAX_MS);

    // Each handler asks whether the socket is still the one in use: events of a dropped one may arrive late.
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      clearTimeout(this.#timer);
      openedAt = performance.now();
      this.#refusedBefore = false;
      this.#enter('open');
      const { protocol } = socket;
      // Its parameters are the protocol's business.
      const extensions = socket.extensions.replace(/;[^,]*/g, '');
      this.#on.open({ again, ms: openedAt - began, key: 'opened', values: { protocol, extensions } });
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#hear(data, again);
    };
    socket.onclose = ({ code, reason, wasClean }) => {
      if (this.#socket !== socket) return;
      const livedMs = openedAt === 0 ? 0 : performance.now() - openedAt;
      this.#lost({ code, reason, wasClean, opened: openedAt !== 0, livedMs });
    };
  }

  #hear(data, again) {
    const heard = this.#target?.envelope && typeof data === 'string' ? this.#positions.heard(data) : null;
    if (heard === null) return this.#on.message(data, null);
    if (heard.recovered === undefined) {
      this.#missed.set(heard.channel, (this.#missed.get(heard.channel) ?? 0) + 1);
      return this.#on.message(data, heard);
    }
    this.#on.message(data, { channel: heard.channel });
    this.#on.recovered({ ...heard, asked: again, count: this.#missed.get(heard.channel) ?? 0 });
    this.#missed.delete(heard.channel);
    return undefined;
  }

  #lost(end) {
    clearTimeout(this.#timer);
    this.#socket = null;
    const wanted = this.#target !== null;
    if (end.livedMs >= STABLE_MS) this.attempt = 0;
    this.attempt += 1;
    const terminal = wanted && isTerminal(end.code);
    // The first refusal of a row is worth an explanation; the same one every few seconds is not.
    const firstRefusal = !end.opened && !this.#refusedBefore;
    this.#refusedBefore ||= !end.opened;
    this.#on.close({ ...end, terminal, wanted, firstRefusal });
    // Who heard of it may have asked for something else meanwhile.
    if (this.#socket !== null) return;
    if (this.#target === null || terminal || !this.reconnect) {
      this.#target = null;
      this.#enter('idle');
      return;
    }
    const delay = retryDelay(this.attempt);
    this.retryAt = performance.now() + delay;
    this.#timer = setTimeout(() => this.#dial(true), delay);
    this.#enter('waiting');
  }

  #drop() {
    clearTimeout(this.#timer);
    const old = this.#socket;
    this.#socket = null;
    old?.close();
    this.#enter('idle');
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.#on.state(state);
  }
}
