//! The line of the page: a raw WebSocket, or the product's client in one of its transports, whichever the form asks for.
//! Owned by console.js. Bounds: one line at a time. It must tell only of the one in use.

import { ClientLink } from './clientlink.js';
import { Connection } from './connection.js';

/** The line. `on` holds `state`, `open`, `message`, `close`, `recovered` and `event`, each a function. */
export class Links {
  #raw;
  #client;
  #current;

  constructor(on) {
    this.#raw = new Connection(this.#passOn(on, () => this.#raw));
    this.#client = new ClientLink(this.#passOn(on, () => this.#client));
    this.#current = this.#raw;
  }

  get state() { return this.#current.state; }

  get attempt() { return this.#current.attempt; }

  get retryAt() { return this.#current.retryAt; }

  get readyState() { return this.#current.readyState; }

  get bufferedAmount() { return this.#current.bufferedAmount; }

  get positions() { return this.#current.positions; }

  get isRaw() { return this.#current === this.#raw; }

  /** Connects; throws, or rejects, where the address or the subprotocols are none. */
  async open(target) {
    const next = target.transport === 'raw' ? this.#raw : this.#client;
    if (next !== this.#current) this.#current.close();
    this.#current = next;
    await next.open(target);
  }

  close(code, reason) { this.#current.close(code, reason); }

  cut() { this.#current.cut(); }

  restore() { this.#current.restore(); }

  hurry() { this.#current.hurry(); }

  send(data, to) { return this.#current.send(data, to); }

  setReconnect(wanted) {
    this.#raw.setReconnect(wanted);
    this.#client.setReconnect(wanted);
  }

  #passOn(on, owner) {
    const passed = {};
    for (const [name, tell] of Object.entries(on)) passed[name] = (told, more) => { if (this.#current === owner()) tell(told, more); };
    return passed;
  }
}
