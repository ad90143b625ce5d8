//! The fault proxy: a TCP proxy on ports of its own that passes on what comes, or does to it what networks do. Owned by
//! `main.mjs`. Bounds: loopback only; what a side has not taken yet pauses the other. It must not change or reorder a byte.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const TRICKLE_BYTES_MAX = 400;

/** One door: a port before a port. */
export class Door {
  pairs = new Set();
  /** What new connections meet: nothing, `refuse`. */
  mode = null;

  static async before(port) {
    const door = new Door();
    door.server = createServer({ allowHalfOpen: true }, (client) => door.#accept(client, port)).listen(0, '127.0.0.1');
    await once(door.server, 'listening');
    door.port = door.server.address().port;
    return door;
  }

  #accept(client, port) {
    client.on('error', () => {});
    if (this.mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    client.setNoDelay(true);
    const pair = new Pair(client, server);
    this.pairs.add(pair);
    const gone = () => {
      if (pair.isHalfOpen) return;
      this.pairs.delete(pair);
      pair.destroy();
    };
    for (const socket of [client, server]) socket.on('error', gone).on('close', gone);
  }

  /** Does it to some of the connections; answers to how many. */
  harm(random, share, how, ms) {
    const chosen = [...this.pairs].filter(() => random.percent(share));
    for (const pair of chosen) pair[how](ms);
    return chosen.length;
  }

  async remove() {
    this.server.close();
    for (const pair of this.pairs) pair.destroy();
  }
}

/** A connection on both sides. */
class Pair {
  #timers = [];
  #held = { up: false, down: false };
  /** A byte at a time. */
  #trickle = false;
  isHalfOpen = false;

  constructor(client, server) {
    [this.client, this.server] = [client, server];
    this.#pipe(client, server, 'up');
    this.#pipe(server, client, 'down');
  }

  #pipe(from, to, direction) {
    from.on('data', (piece) => {
      if (this.#trickle) this.#byBytes(to, piece);
      else if (!to.write(piece)) from.pause();
    });
    to.on('drain', () => { if (!this.#held[direction]) from.resume(); });
    from.on('end', () => to.end());
  }

  /** Segments of one byte each, for the first ones of a piece. */
  #byBytes(to, piece) {
    const slow = piece.subarray(0, TRICKLE_BYTES_MAX);
    for (let at = 0; at < slow.length; at += 1) to.write(slow.subarray(at, at + 1));
    if (piece.length > slow.length) to.write(piece.subarray(slow.length));
  }

  #later(ms, what) { this.#timers.push(setTimeout(what, ms)); }

  /** Both sides lose it. */
  reset() {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }

  /** Both sides see an orderly end, whatever was on its way. */
  cut() {
    this.client.destroy();
    this.server.destroy();
  }

  /** Only one side learns of its end; the other does a while later. */
  halfOpen(ms) {
    this.isHalfOpen = true;
    this.client.resetAndDestroy();
    this.#later(ms, () => {
      this.isHalfOpen = false;
      this.server.destroy();
    });
  }

  /** Nothing passes, in both directions. */
  stall(ms) {
    this.#hold('up', this.client, ms);
    this.#hold('down', this.server, ms);
  }

  /** Nothing passes from the server to the client. */
  oneWay(ms) { this.#hold('down', this.server, ms); }

  #hold(direction, socket, ms) {
    this.#held[direction] = true;
    socket.pause();
    this.#later(ms, () => {
      this.#held[direction] = false;
      socket.resume();
    });
  }

  trickle(ms) {
    this.#trickle = true;
    this.#later(ms, () => { this.#trickle = false; });
  }

  destroy() {
    for (const timer of this.#timers) clearTimeout(timer);
    if (!this.client.destroyed) this.client.destroy();
    if (!this.server.destroyed) this.server.destroy();
  }
}
