//! Peers that the console's tests need beside the real server: a pump that sends many messages, and a proxy that keeps things
//! to itself or cuts. Owned by the test that starts them. Bounds: loopback only, a port of the system's choice.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';

import { ended } from './server.mjs';

/** Two seconds of what the stream's tests send: what is more never ends on a machine that cannot take so much. */
const AHEAD_MAX = 2000;

/**
 * A WebSocket server that sends `count` numbered texts to whoever connects; `?every=MS` sends ten each so many milliseconds,
 * at most `AHEAD_MAX` more than `taken`.
 */
export class Pump {
  /** How many texts its client has shown, as far as somebody says so. */
  taken = Infinity;
  #server = createServer((_, response) => response.writeHead(426).end());
  #sockets = new Set();

  /** Starts it; `endAll` ends it. */
  static start() {
    return ended(new Pump().#start(), (pump) => pump.#stop());
  }

  async #start() {
    this.#server.on('upgrade', (upgrade, socket) => this.#accept(upgrade, socket));
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.address = `ws://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  async #stop() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(upgrade, socket) {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    const accept = createHash('sha1').update(`${upgrade.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    const query = new URL(upgrade.url, 'http://pump').searchParams;
    const count = Number(query.get('count'));
    const every = Number(query.get('every'));
    if (!every) return socket.write(Buffer.concat(Array.from({ length: count }, (_, at) => frame(`m${at}`))));
    let sent = 0;
    let began = performance.now();
    const timer = setInterval(() => {
      // By the clock, for a timer on a loaded machine is late.
      const due = Math.min(count, Math.floor((performance.now() - began) / every) * 10, this.taken + AHEAD_MAX);
      // What a client that is behind was spared does not come at once later.
      if (due === this.taken + AHEAD_MAX) began = performance.now() - (due / 10) * every;
      for (; sent < due; sent += 1) socket.write(frame(`m${sent} {"price":${sent},"name":"弹幕"}`));
    }, every);
    socket.on('close', () => clearInterval(timer));
    return undefined;
  }
}

/** A text frame of less than 126 bytes. */
function frame(text) {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, body.length]), body]);
}

/** A reverse proxy in front of the server, below a path if it has a `prefix`. `passesUpgrade` and `host` say what it does. */
export class Proxy {
  passesUpgrade = true;
  host = null;
  isUp = true;
  #port;
  #prefix = '';
  #sockets = new Set();
  #server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing));

  static async start(server, prefix = '') {
    const proxy = new Proxy();
    proxy.#prefix = prefix;
    proxy.#port = server.port;
    proxy.#server.on('upgrade', (upgrade, socket, head) => proxy.#upgrade(upgrade, socket, head));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.origin = `http://127.0.0.1:${proxy.#server.address().port}${prefix}`;
    proxy.address = proxy.origin.replace('http', 'ws');
    return proxy;
  }

  /** Cuts every connection that it passes on, without a word. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop() {
    this.cut();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** The path behind the prefix; null where it is none of it. */
  #path(incoming) {
    return incoming.url.startsWith(`${this.#prefix}/`) ? incoming.url.slice(this.#prefix.length) : null;
  }

  #headers(incoming) {
    return { ...incoming.headers, ...(this.host ? { host: this.host } : {}), 'x-forwarded-for': '192.0.2.7' };
  }

  #pass(incoming, outgoing) {
    if (!this.isUp) return outgoing.writeHead(502).end();
    const path = this.#path(incoming);
    if (path === null) return outgoing.writeHead(404).end();
    const headers = this.#headers(incoming);
    delete headers.upgrade;
    delete headers.connection;
    const onward = request({ port: this.#port, host: '127.0.0.1', method: incoming.method, path, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    return incoming.pipe(onward);
  }

  #upgrade(incoming, socket, head) {
    socket.on('error', () => {});
    if (!this.isUp) return socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    const headers = this.#headers(incoming);
    if (!this.passesUpgrade) {
      delete headers.upgrade;
      headers.connection = 'close';
    }
    const onward = connect(this.#port, '127.0.0.1', () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
      onward.write(`${incoming.method} ${this.#path(incoming)} HTTP/1.1\r\n${lines}\r\n`);
      onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    for (const one of [socket, onward]) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        socket.destroy();
        onward.destroy();
      });
    }
    return undefined;
  }
}
