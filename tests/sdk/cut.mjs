//! A TCP proxy on a port of its own that cuts what goes through it. Owned by the test that starts it. Bounds: loopback only.
//! It must not change a byte.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Passes connections on to `port` of this machine until it is told to cut them. */
export class Cut {
  #server;
  #pairs = new Set();
  #down = false;
  /** How often it was cut. */
  cuts = 0;

  static async before(port) {
    const cut = new Cut();
    cut.#server = createServer((client) => cut.#accept(client, port)).listen(0, '127.0.0.1');
    await once(cut.#server, 'listening');
    cut.port = cut.#server.address().port;
    cut.origin = `http://127.0.0.1:${cut.port}`;
    return cut;
  }

  #accept(client, port) {
    if (this.#down) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    const pair = [client, server];
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.pipe(server);
    server.pipe(client);
  }

  /** Kills every connection, both ways at once, and refuses new ones until `mend`. */
  cut() {
    this.#down = true;
    this.cuts += 1;
    for (const pair of [...this.#pairs]) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Lets connections through again. */
  mend() { this.#down = false; }

  /** Ends for good. */
  async remove() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
