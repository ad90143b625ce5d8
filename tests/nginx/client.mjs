//! What a client does in these tests: WebSockets over TLS, plain requests, and a handshake written by hand. Owned by the
//! test that opens it. Bounds: 10 s for each wait. It must not reconnect by itself.

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTls } from 'node:tls';

import WebSocket from 'ws';

import { until, within } from './until.mjs';

/**
 * Where clients come from. fanfare trusts 127.0.0.1 (that is nginx), so a client must be somebody else; only Linux has
 * all of 127.0.0.0/8 without being asked.
 */
export const CLIENT_ADDRESS = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1';

/** A WebSocket client that keeps what it received. */
export class Client {
  messages = [];
  pings = 0;
  closed = null;

  /** Connects to `path` through the proxy, by TLS; fails when the handshake does. */
  static async open(proxy, path, protocols = [], options = {}) {
    const client = new Client(proxy, path, protocols, options);
    await within(`the handshake of ${path}`, client.#opened);
    return client;
  }

  /** Tries to connect and answers the status and the body of the refusal. */
  static async refused(proxy, path, options = {}) {
    const client = new Client(proxy, path, [], options);
    client.#opened.catch(() => {});
    return within(`a refusal of ${path}`, new Promise((answer, fail) => {
      client.socket.once('open', () => { client.socket.terminate(); fail(new Error('the handshake was accepted')); });
      client.socket.once('unexpected-response', (request, response) => {
        const { statusCode: status } = response;
        collect(response).then((body) => { request.destroy(); answer({ status, body }); }, fail);
      });
      client.socket.once('error', fail);
    }));
  }

  #opened;

  constructor(proxy, path, protocols, options) {
    this.socket = new WebSocket(`wss://127.0.0.1:${proxy.httpsPort}${path}`, protocols, {
      ca: proxy.certificate, localAddress: CLIENT_ADDRESS, ...options,
    });
    this.#opened = new Promise((answer, fail) => {
      this.socket.once('open', answer);
      this.socket.once('error', fail);
    });
    this.socket.on('error', () => {});
    this.socket.on('message', (data, isBinary) => this.messages.push(isBinary ? data : data.toString()));
    this.socket.on('ping', () => { this.pings += 1; });
    this.socket.on('close', (code, reason) => { this.closed = { code, reason: reason.toString() }; });
  }

  /** Waits for the message of this number, counted from 0. */
  async message(number) {
    await until(`message ${number}`, () => this.messages.length > number, 10_000, () => JSON.stringify(this.closed));
    return this.messages[number];
  }

  /** Waits for the end; answers `{ code, reason }`. */
  async end(deadlineMs) { return until('the end of the connection', () => this.closed, deadlineMs); }

  /** Bytes read from the connection so far, TLS taken off. */
  get bytesRead() { return this.socket._socket.bytesRead; }

  /** Closes without ceremony. */
  drop() { this.socket.terminate(); }
}

/** A request by TLS, its path sent as it is written. Answers `{ status, headers, body }`. */
export function get(proxy, path, { method = 'GET', headers = {} } = {}) {
  return exchange(httpsRequest, {
    host: '127.0.0.1', port: proxy.httpsPort, ca: proxy.certificate, path, method, headers, localAddress: CLIENT_ADDRESS,
  });
}

/** A plain request to a port of this machine, from 127.0.0.1 unless `localAddress` says otherwise. */
export function getPlain(port, path, { method = 'GET', headers = {}, localAddress, body } = {}) {
  return exchange(httpRequest, { host: '127.0.0.1', port, path, method, headers, localAddress }, body);
}

/** Sends `head` by TLS and answers the head of the answer, headers as `[name in lower case, value]`. */
export async function handshakeByHand(proxy, head) {
  const socket = connectTls({
    host: '127.0.0.1', port: proxy.httpsPort, ca: proxy.certificate, ALPNProtocols: ['http/1.1'],
  });
  try {
    return await within('the answer to a handshake', new Promise((answer, fail) => {
      let text = '';
      socket.on('error', fail);
      socket.on('end', () => fail(new Error(`the connection ended after ${JSON.stringify(text)}`)));
      socket.on('data', (piece) => {
        text += piece.toString('latin1');
        if (text.includes('\r\n\r\n')) answer(parseHead(text.slice(0, text.indexOf('\r\n\r\n'))));
      });
      socket.write(head.join('\r\n') + '\r\n\r\n');
    }));
  } finally {
    socket.destroy();
  }
}

function parseHead(text) {
  const [line, ...rest] = text.split('\r\n');
  const headers = rest.map((header) => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
  });
  return { line, headers };
}

function exchange(request, options, body) {
  return within(`an answer to ${options.method} ${options.path}`, new Promise((answer, fail) => {
    const sent = request({ ...options, agent: false }, (response) => {
      const { statusCode: status, headers } = response;
      collect(response).then((body) => answer({ status, headers, body }), fail);
    });
    sent.on('error', fail);
    sent.end(body);
  }));
}

async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
