//! Who watches joins and leaves of rooms, and holds them against the sessions that the rig had come and go. Bounds: a session; the
//! ids that it knows of in this life of the node.

import { Session } from './protocol.mjs';

const AGAIN_MS = 200;
const FOUND_MAX = 50;

/** Watches some rooms. */
export class Watcher {
  ready = false;
  /** Faults of this life of the node that are not told yet. */
  #found = [];
  #stopped = false;

  /** `born` knows when each session of the rig began to enter, by its id. */
  constructor({ ledger, born }, name, port, rooms) {
    Object.assign(this, { ledger, born, name, port, rooms });
    this.#open();
  }

  async #open() {
    this.rounds = new Map(this.rooms.map((room) => [room, { inside: new Set(), left: new Set() }]));
    const session = new Session(this.port, this);
    this.session = session;
    const granted = await session.enter(this.rooms, { join_leave: true });
    this.since = performance.now();
    this.ready = granted;
    if (!granted) session.close();
  }

  onEnd() {
    this.ready = false;
    if (!this.#stopped) setTimeout(() => { if (!this.#stopped) this.#open(); }, AGAIN_MS);
  }

  #fault(room, text) {
    if (this.#found.length < FOUND_MAX) this.#found.push({ rule: 'joins', client: this.name, channel: room, text });
  }

  /** Tells what it found, unless it counts for nothing: a node whose shards have no room tells nobody of joins and leaves, and counts them. */
  judge(isVoid) {
    if (!isVoid) for (const fault of this.#found) this.ledger.fault(fault);
    this.#found = [];
  }

  onPush({ channel, join, leave }) {
    const room = this.rounds.get(channel);
    if (!room) return;
    if (join) {
      const id = join.info.client;
      if (room.inside.has(id)) this.#fault(channel, `is told twice that ${id} joined`);
      room.inside.add(id);
      room.left.delete(id);
      this.ledger.joins += 1;
    } else if (leave) {
      const id = leave.info.client;
      this.ledger.leaves += 1;
      if (room.left.has(id)) this.#fault(channel, `is told twice that ${id} left`);
      if (!room.inside.delete(id) && this.ready && this.born.get(id) > this.since) this.#fault(channel, `is told that ${id} left, and never that it joined (it began ${Math.round(this.born.get(id) - this.since)} ms after the watcher was in)`);
      room.left.add(id);
    }
  }

  /** Faults between what it was told and who is `present` in a room, now that it is quiet. */
  compare(room, present) {
    if (!this.ready) return;
    for (const id of this.rounds.get(room).inside) {
      if (!present.has(id)) this.#fault(room, `was told that ${id} joined, and never that it left: it is not there any more`);
    }
  }

  stop() {
    this.#stopped = true;
    this.session.close();
  }
}
