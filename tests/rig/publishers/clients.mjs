//! Publishing by sessions: a client of the protocol, which is answered without a place, and a plain client whose messages are
//! relayed, which is not answered at all. Bounds: one session of each at a time, which comes back by itself.

import { Frames } from '../clients/frames.mjs';
import { Session } from '../clients/protocol.mjs';

const AGAIN_MS = 200;

/** A client of the protocol that publishes. */
export class ClientPublisher {
  #stopped = false;

  constructor(port) {
    this.port = port;
    this.#open();
  }

  #open() {
    this.session = new Session(this.port, { onEnd: () => { if (!this.#stopped) setTimeout(() => { if (!this.#stopped) this.#open(); }, AGAIN_MS); } });
    this.session.enter([]);
  }

  get ready() { return this.session.id !== null && !this.session.over; }

  async client({ channel, data }) {
    if (!this.ready) return { refused: 'not connected' };
    const [{ error, ended }] = await this.session.ask([{ publish: { channel, data } }]);
    if (ended) return { unknown: `ended with ${ended.code}` };
    if (error) return error.code === 100 ? { unknown: error.message } : { refused: `${error.code} ${error.message}` };
    return { ok: null };
  }

  stop() {
    this.#stopped = true;
    this.session.close();
  }
}

/** A plain client of one channel whose messages are relayed there. */
export class RelayPublisher {
  #stopped = false;

  constructor(port, channel) {
    Object.assign(this, { port, channel });
    this.#open();
  }

  #open() { this.frames = new Frames(this.port, `/relay?${new URLSearchParams({ channel: this.channel })}`, this); }

  onOpen() {}

  onText() {}

  onEnd() { if (!this.#stopped) setTimeout(() => { if (!this.#stopped) this.#open(); }, AGAIN_MS); }

  get ready() { return this.frames.isOpen; }

  async relay({ data }) {
    if (!this.ready) return { refused: 'not connected' };
    this.frames.send(JSON.stringify(data));
    return { unknown: 'relays are not answered' };
  }

  stop() {
    this.#stopped = true;
    if (this.ready) this.frames.close();
    else this.frames.destroy();
  }
}
