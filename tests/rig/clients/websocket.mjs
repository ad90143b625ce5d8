//! A plain WebSocket client: with `envelope` and `since` it comes back where it was; without, each connection is a run of its
//! own. Bounds: one connection. It comes back by itself.

import { Log, numberIn, position } from '../book/log.mjs';
import { Frames } from './frames.mjs';

const AGAIN_MS = [50, 400];

/** Listens to channels on a raw endpoint, in the envelope. */
export class EnvelopeSocket {
  ready = false;
  #marked = 0;
  #stopped = false;

  constructor({ ledger, random }, name, port, channels) {
    Object.assign(this, { ledger, random, name, port });
    this.logs = new Map(channels.map((channel) => [channel, new Log(ledger, name, channel)]));
    this.#open();
  }

  #open() {
    const query = new URLSearchParams([['envelope', '1']]);
    const known = [...this.logs.values()].every((log) => log.epoch !== null);
    for (const [channel, log] of this.logs) {
      query.append('channel', channel);
      if (known) query.append('since', `${log.offset}@${log.epoch}`);
    }
    this.#marked = 0;
    this.ready = false;
    this.frames = new Frames(this.port, `/raw?${query}`, this);
  }

  onOpen() {}

  onText(text) {
    const told = JSON.parse(text);
    const log = this.logs.get(told.channel);
    if (!log) return;
    const { offset, epoch } = position(told.since);
    if ('recovered' in told) {
      if (told.recovered) log.resume(epoch, offset);
      else log.lose(epoch, offset);
      this.#marked += 1;
      this.ready = this.#marked >= this.logs.size;
    } else {
      log.take(told.offset, numberIn(told.data), epoch);
    }
  }

  onEnd({ code }) {
    if (code === 1012 && this.ready) this.ledger.drained(this.name, this.logs.values());
    this.ready = false;
    if (!this.#stopped) setTimeout(() => { if (!this.#stopped) this.#open(); }, this.random.between(...AGAIN_MS));
  }

  /** Reads nothing for a while. */
  sleep(ms) {
    const { socket } = this.frames;
    socket.pause();
    setTimeout(() => socket.resume(), ms);
  }

  stop() {
    this.#stopped = true;
    if (this.frames.isOpen) this.frames.close();
    else this.frames.destroy();
  }
}

/** Listens to one channel on a raw endpoint, and has nothing but the messages: what one connection had is told when it ends. */
export class BareSocket {
  ready = false;
  logs = new Map();
  #numbers = [];
  #stopped = false;

  constructor({ ledger, random }, name, port, [channel]) {
    Object.assign(this, { ledger, random, name, port, channel });
    this.#open();
  }

  #open() {
    this.#numbers = [];
    this.frames = new Frames(this.port, `/raw?${new URLSearchParams({ channel: this.channel })}`, this);
  }

  onOpen() { this.ready = true; }

  onText(text) {
    this.ledger.deliveries += 1;
    this.#numbers.push(numberIn(text));
  }

  onEnd() {
    this.ready = false;
    this.ledger.tell({ what: 'run', client: this.name, channel: this.channel, numbers: this.#numbers });
    if (!this.#stopped) setTimeout(() => { if (!this.#stopped) this.#open(); }, this.random.between(...AGAIN_MS));
  }

  stop() {
    this.#stopped = true;
    if (this.frames.isOpen) this.frames.close();
    else this.frames.destroy();
  }
}
