//! What a thread of clients tells the book: faults at once, and what was seen where, once for all of its clients. Owned by the
//! thread. Bounds: what is seen is told every TELL_MS; of places the newest PLACES_MAX are known again.

const TELL_MS = 100;
const PLACES_MAX = 200_000;

/** The notes of one thread. */
export class Ledger {
  deliveries = 0;
  recovered = 0;
  #places = new Map();
  #fresh = [];

  /** `tell` sends a message to the book. */
  constructor(tell) {
    this.tell = tell;
    this.timer = setInterval(() => this.flush(), TELL_MS);
  }

  /** A rule was broken. */
  fault(fault) { this.tell({ what: 'fault', fault }); }

  /** A client was told that it lost something. */
  lost({ client, channel, epoch, offset }, newEpoch, newOffset) {
    this.tell({ what: 'lost', client, channel, from: { epoch, offset }, to: { epoch: newEpoch, offset: newOffset } });
  }

  /** A client was closed because the server goes away, with all that it had. */
  drained(client, logs) {
    const had = [...logs].filter((log) => log.epoch !== null).map(({ channel, epoch, offset }) => ({ channel, epoch, offset }));
    this.tell({ what: 'drained', client, had });
  }

  /** A publication was at a place. */
  seen(channel, epoch, offset, number) {
    const place = `${offset}@${epoch} ${channel}`;
    const known = this.#places.get(place);
    if (known === number) return;
    if (this.#places.size >= PLACES_MAX) this.#places.delete(this.#places.keys().next().value);
    this.#places.set(place, number);
    this.#fresh.push([channel, epoch, offset, number]);
  }

  flush() {
    if (this.#fresh.length === 0) return;
    this.tell({ what: 'seen', places: this.#fresh });
    this.#fresh = [];
  }
}
