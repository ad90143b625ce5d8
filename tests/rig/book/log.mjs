//! What one client had of one channel, and whether it was complete, in order, each thing once, from its first position on, or the
//! client was told where not. Owned by the client. Bounds: a position; nothing of what went by is kept.

/** A client's way through a channel. */
export class Log {
  /** Where it is: null before the first position. */
  epoch = null;
  offset = 0;
  /** How many it had in this epoch. */
  had = 0;

  constructor(ledger, client, channel) {
    this.ledger = ledger;
    this.client = client;
    this.channel = channel;
  }

  #fault(rule, text) {
    this.ledger.fault({ rule, client: this.client, channel: this.channel, epoch: this.epoch, text });
  }

  /** The server says where the client is, and that this is where it was (or that nobody can know that it was elsewhere). */
  resume(epoch, offset = null) {
    if (this.epoch === null) {
      this.begin(epoch, offset ?? 0);
    } else if (epoch !== this.epoch) {
      this.#fault('told', `is told recovered: true from ${this.offset}@${this.epoch} to epoch ${epoch}`);
      this.begin(epoch, offset ?? 0);
    } else if (offset !== null && offset !== this.offset) {
      this.#fault('complete', `is told recovered: true at ${offset}, but has everything up to ${this.offset}`);
      this.offset = offset;
    } else {
      this.ledger.recovered += 1;
    }
  }

  /** The server says that something is lost, and where the client is now. */
  lose(epoch, offset) {
    if (this.epoch !== null) this.ledger.lost(this, epoch, offset);
    this.begin(epoch, offset);
  }

  /** The client is here now, from wherever it came. */
  begin(epoch, offset) {
    [this.epoch, this.offset, this.had] = [epoch, offset, 0];
  }

  /** The client does not listen any more and begins anew when it does. */
  leave() { this.epoch = null; }

  /** A publication: `number` is what the rig wrote into it. */
  take(offset, number, epoch = this.epoch) {
    this.ledger.deliveries += 1;
    if (this.epoch === null) this.begin(epoch, offset - 1);
    if (epoch !== this.epoch) {
      this.#fault('told', `has ${offset}@${epoch} (number ${number}) behind ${this.offset}@${this.epoch} without a word`);
      this.begin(epoch, offset - 1);
    }
    if (offset <= this.offset) {
      this.#fault('once', `has offset ${offset} (number ${number}) again or late: it was at ${this.offset}`);
      return;
    }
    if (offset > this.offset + 1) {
      this.#fault('complete', `has offset ${offset} (number ${number}) behind ${this.offset}: ${offset - this.offset - 1} missing`);
    }
    this.offset = offset;
    this.had += 1;
    this.ledger.seen(this.channel, epoch, offset, number);
  }
}

/** `17@k3v0c2m8` in its parts; null for a channel without history. */
export function position(text) {
  const at = text.indexOf('@');
  return at < 0 ? null : { offset: Number(text.slice(0, at)), epoch: text.slice(at + 1) };
}

/** The number that the rig wrote into what it published. */
export function numberIn(data) { return (typeof data === 'string' ? JSON.parse(data) : data).n; }
