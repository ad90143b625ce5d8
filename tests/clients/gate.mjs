//! A proxy before the real server that lets some transports through and not others, as networks and
//! proxies do. Owned by the test that opens it. Bounds: loopback only. What it lets through it does
//! not change.

import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

/** A gate; all is let through until `rules` says otherwise. */
export class Gate {
  /** For a kind (`websocket`, `sse`, `poll`, `send`, `emulation`): a status that refuses it, `hold` to answer nothing, or null. */
  rules = {};
  /** How often each kind was asked for. */
  asked = { websocket: 0, sse: 0, poll: 0, send: 0, emulation: 0 };
  /** Header fields of a refusal. */
  header = {};
  /** The body of a refusal: a page, as proxies and portals give it. */
  body = '<html><h1>refused by the gate</h1></html>';
  #server = createServer((incoming, response) => this.#pass(incoming, response));
  #sockets = new Set();

  static async before(t, port) {
    const gate = new Gate();
    gate.port = port;
    gate.#server.on('upgrade', (incoming, socket, head) => gate.#upgrade(incoming, socket, head));
    gate.#server.on('connection', (socket) => gate.#keep(socket));
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    gate.origin = `http://127.0.0.1:${gate.#server.address().port}`;
    t.after(() => gate.#remove());
    return gate;
  }

  /** Kills every connection. */
  cut() {
    for (const socket of [...this.#sockets]) {
      // A reset behind a shutdown leaves its handle open in Node 20, which then never ends.
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** What the connections of now bring goes nowhere, and nobody is told: half-open lines. */
  swallow() {
    for (const socket of this.#sockets) socket.isDead = true;
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  #rule(incoming) {
    const path = incoming.url.split('?')[0];
    const kind = path.split('/').at(-1);
    this.asked[kind] += 1;
    return this.rules[kind] ?? null;
  }

  #upgrade(incoming, socket, head) {
    const rule = this.#rule(incoming);
    if (rule === 'hold') return;
    if (rule !== null) {
      const fields = Object.entries(this.header).map(([name, value]) => `${name}: ${value}\r\n`).join('');
      socket.end(`HTTP/1.1 ${rule} refused\r\n${fields}Content-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const server = this.#keep(connect(this.port, '127.0.0.1'));
    const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`];
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
    server.write(`${lines.join('\r\n')}\r\n\r\n`);
    server.write(head);
    const pass = (from, to) => {
      from.on('data', (piece) => { if (!from.isDead) to.write(piece); });
      from.on('close', () => { if (!from.isDead) to.destroy(); });
    };
    pass(socket, server);
    pass(server, socket);
  }

  #pass(incoming, response) {
    const rule = this.#rule(incoming);
    if (rule === 'hold') {
      // The head goes out, as of a proxy that holds back what comes behind it.
      if (incoming.url.startsWith('/connection/sse')) response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      return;
    }
    if (rule !== null) {
      response.writeHead(rule, this.header).end(this.body);
      return;
    }
    const options = { port: this.port, host: '127.0.0.1', method: incoming.method, path: incoming.url, headers: incoming.headers, agent: false };
    const onward = request(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      response.flushHeaders();
      const { socket } = incoming;
      answer.on('data', (piece) => { if (!socket.isDead) response.write(piece); });
      answer.on('end', () => { if (!socket.isDead) response.end(); });
      answer.on('error', () => { if (!socket.isDead) response.destroy(); });
    });
    onward.on('error', () => { if (!incoming.socket.isDead) response.destroy(); });
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  async #remove() {
    this.cut();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
