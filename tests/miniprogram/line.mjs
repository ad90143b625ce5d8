//! A line between phone and server that breaks in the ways that lines do: cut, silent without a
//! word, or shut after a while without traffic, as a proxy does it. It also refuses handshakes as a
//! proxy would. Owned by the test that starts it. Bounds: loopback only. It must not change a byte.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { begun, over } from './left.mjs';

/** A TCP proxy to a port of this machine. */
export class Line {
  #server;
  #pairs = new Set();
  /** A whole response that is given to each new connection in place of the server, or null. */
  refusal = null;
  /** How many connections came. */
  count = 0;

  /** `idleMs`: a connection on which nothing passes for so long is shut, 0 for never. */
  static async before(port, { idleMs = 0 } = {}) {
    const line = new Line();
    begun(line);
    line.#server = createServer((client) => line.#accept(client, port, idleMs));
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    line.origin = `http://127.0.0.1:${line.#server.address().port}`;
    return line;
  }

  #accept(client, port, idleMs) {
    this.count += 1;
    client.on('error', () => {});
    if (this.refusal) {
      client.once('data', () => client.end(this.refusal));
      return;
    }
    const server = connect({ port, host: '127.0.0.1' });
    const pair = { client, server, isSilent: false };
    this.#pairs.add(pair);
    const end = () => {
      // What the one side does is nothing that the other would hear of.
      if (pair.isSilent) return;
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      from.on('error', end).on('close', end);
      from.on('data', (piece) => {
        if (from === server) pair.isWebSocket ??= piece.toString('latin1', 9, 12) === '101';
        if (!pair.isSilent) to.write(piece);
      });
      if (idleMs > 0) from.setTimeout(idleMs, end);
    }
  }

  /** The connections that there are pass nothing any more, not even their end; new ones are whole. */
  silence() {
    for (const pair of this.#pairs) pair.isSilent = true;
  }

  /**
   * What happens to a browser whose network changes: it ends its HTTP connections, those that wait
   * for another request too, and leaves its WebSockets to themselves, which are silent now.
   */
  leave() {
    for (const pair of [...this.#pairs]) {
      if (pair.isWebSocket) pair.isSilent = true;
      else pair.client.resetAndDestroy();
    }
  }

  /** Bytes that went out to the phone, on the connections that there are. */
  get written() {
    return [...this.#pairs].reduce((sum, { client }) => sum + client.bytesWritten, 0);
  }

  /** Kills the connections that there are. */
  cut() {
    for (const { client } of [...this.#pairs]) client.resetAndDestroy();
  }

  /** Ends for good. */
  async remove() {
    if (!over(this)) return;
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A response without a body, as a proxy or the server refuses a handshake. */
export function response(status, headers = []) {
  return [
    `HTTP/1.1 ${status} No`,
    ...headers,
    'Content-Length: 0',
    'Connection: close',
    '',
    '',
  ].join('\r\n');
}
