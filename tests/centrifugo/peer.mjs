//! Clients of both servers, byte for byte the same to each: WebSocket, streamed answers, plain requests. Bounds: `WAIT_MS` for
//! each answer; a peer that gives none is told as `nothing`. They judge nothing.

import { once } from 'node:events';
import { request } from 'node:http';

import { WebSocket } from 'ws';

import { decode, encode, encodeBare } from './schema.mjs';

/** How long an answer is waited for. */
export const WAIT_MS = 5_000;
/** The end of a socket that ended without a Close. */
const GONE = 1006;

/** Frames as messages, and commands as frames. */
class Coding {
  constructor(binary, oneWay) {
    this.binary = binary;
    this.oneWay = oneWay;
  }

  pack(commands) {
    const list = Array.isArray(commands) ? commands : [commands];
    if (this.oneWay) return this.binary ? encodeBare('ConnectRequest', list[0]) : JSON.stringify(list[0]);
    if (this.binary) return Buffer.concat(list.map((command) => encode('Command', command)));
    return list.map((command) => (typeof command === 'string' ? command : JSON.stringify(command))).join('\n');
  }

  /** The messages of these bytes, as `{ messages, used }`; `whole` for a frame, else for what has come of a stream. */
  unpack(bytes, whole) {
    const name = this.oneWay ? 'Push' : 'Reply';
    if (this.binary) return decode(name, bytes, { delimited: !(this.oneWay && whole) });
    const text = bytes.toString();
    const end = whole ? text.length : text.lastIndexOf('\n') + 1;
    const lines = text.slice(0, end).split('\n').map((line) => line.trim()).filter(Boolean);
    return { messages: lines.map((line) => JSON.parse(line)), used: Buffer.byteLength(text.slice(0, end)) };
  }
}

/** What is common to all that messages arrive on. */
class Peer {
  replies = new Map();
  pushes = [];
  /** `{ code, reason }` once it is over. */
  end = null;
  #waiting = [];

  take(messages) {
    for (const message of messages) {
      if (Object.keys(message).length === 0) continue;
      if (message.id) this.replies.set(message.id, message);
      else this.pushes.push(message.push ?? message);
    }
    this.woken();
  }

  over(code, reason) {
    this.end ??= { code, reason };
    this.woken();
  }

  woken() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Waits until the condition holds, the peer is gone or the time is up. */
  async until(condition, time = WAIT_MS) {
    const end = Date.now() + time;
    while (!condition() && !this.end && Date.now() < end) {
      await new Promise((next) => {
        const timer = setTimeout(next, end - Date.now());
        this.#waiting.push(() => { clearTimeout(timer); next(); });
      });
    }
  }
}

/** A WebSocket. */
export class Socket extends Peer {
  #socket;
  #coding;

  static async open(url, { binary = false, oneWay = false, protocols, headers } = {}) {
    const peer = new Socket();
    peer.#coding = new Coding(binary, oneWay);
    const asked = protocols ?? (binary && !oneWay ? ['centrifuge-protobuf'] : []);
    peer.#socket = new WebSocket(url.replace('http', 'ws'), asked, { headers, perMessageDeflate: false });
    peer.#socket.on('message', (data) => peer.take(peer.#coding.unpack(Buffer.from(data), true).messages));
    peer.#socket.on('close', (code, reason) => peer.over(code, reason.toString()));
    peer.#socket.on('unexpected-response', (_, response) => { peer.over(response.statusCode, 'status'); response.destroy(); });
    peer.#socket.on('error', () => {});
    await Promise.race([once(peer.#socket, 'open').catch(() => {}), peer.until(() => false)]);
    return peer;
  }

  get protocol() { return this.#socket.protocol; }

  send(commands) {
    if (!this.end) this.#socket.send(this.#coding.pack(commands));
  }

  /** Text, or bytes as a binary frame, as they are. */
  sendRaw(data) {
    if (!this.end) this.#socket.send(data);
  }

  close() { this.#socket.terminate(); }
}

/** An answer that goes on: lines, events, or Protobuf behind lengths. */
export class Stream extends Peer {
  #request;
  #left = Buffer.alloc(0);

  static async open(url, { method = 'POST', binary = false, oneWay = false, body, headers = {} } = {}) {
    const peer = new Stream();
    const coding = new Coding(binary, oneWay);
    peer.coding = coding;
    const type = binary ? 'application/octet-stream' : 'application/json';
    peer.#request = request(url, { method, headers: method === 'POST' ? { 'Content-Type': type, ...headers } : headers, agent: false });
    peer.#request.on('error', () => peer.over(GONE, ''));
    peer.#request.end(body === undefined ? undefined : coding.pack(body));
    peer.#request.on('response', (response) => {
      peer.status = response.statusCode;
      peer.type = response.headers['content-type']?.split(';')[0];
      const isEvents = peer.type?.startsWith('text/event-stream');
      response.on('data', (piece) => {
        if (response.statusCode !== 200) return;
        peer.#left = Buffer.concat([peer.#left, piece]);
        // An event is taken whole; its end is an empty line.
        const end = isEvents ? peer.#left.lastIndexOf('\n\n') + 2 : peer.#left.length;
        if (isEvents && end < 2) return;
        const bytes = isEvents ? Buffer.from(peer.#left.subarray(0, end).toString().replace(/^data: /gm, '')) : peer.#left;
        const { messages, used } = coding.unpack(bytes, isEvents);
        peer.#left = peer.#left.subarray(isEvents ? end : used);
        peer.take(messages);
      });
      response.on('end', () => peer.over(response.statusCode === 200 ? 0 : response.statusCode, 'ended'));
      response.on('close', () => peer.over(GONE, ''));
      peer.woken();
    });
    await peer.until(() => peer.status);
    return peer;
  }

  close() { this.#request.destroy(); }
}

/** A request and its answer: `{ status, type, body }`. */
export async function ask(url, { method = 'POST', headers = {}, body } = {}) {
  const asking = request(url, { method, headers, agent: false });
  asking.setTimeout(WAIT_MS, () => asking.destroy(new Error('no answer')));
  asking.end(body);
  const [response] = await once(asking, 'response');
  const pieces = [];
  for await (const piece of response) pieces.push(piece);
  const type = (response.headers['content-type'] ?? '').split(';')[0];
  return { status: response.statusCode, type, body: Buffer.concat(pieces).toString() };
}
