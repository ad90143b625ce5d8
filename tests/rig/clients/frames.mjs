//! A WebSocket client with nothing but what the rig needs, so that thousands of sessions cost little: text messages both ways,
//! answers to pings, no extensions. Owned by whoever opens it. Bounds: the frame that is being read.

import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A frame as a client sends it. The mask is zero, which is a mask as good as any other. */
function frame(opcode, payload) {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended + 4);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** One connection. It tells `heard`: `onOpen()`, `onText(text)` and, once, `onEnd({ code, reason })`. */
export class Frames {
  #pending = null;
  #open = false;
  #over = false;
  #ended = { code: 1006, reason: '' };
  #fragments = null;

  constructor(port, path, heard) {
    this.heard = heard;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('connect', () => this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
      + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ));
    this.socket.on('data', (piece) => this.#read(piece));
    this.socket.on('error', (error) => { this.#ended.reason ||= error.code; });
    this.socket.on('close', () => {
      if (this.#over) return;
      this.#over = true;
      this.heard.onEnd(this.#ended);
    });
  }

  get isOpen() { return this.#open && !this.#over; }

  #read(piece) {
    let data = this.#pending ? Buffer.concat([this.#pending, piece]) : piece;
    this.#pending = null;
    if (!this.#open) {
      const end = data.indexOf(HEAD_END);
      if (end < 0) {
        this.#pending = data;
        return;
      }
      const status = data.subarray(9, 12).toString('latin1');
      if (status !== '101') {
        this.#ended = { code: Number(status), reason: `HTTP ${status}` };
        this.socket.destroy();
        return;
      }
      this.#open = true;
      this.heard.onOpen();
      data = data.subarray(end + 4);
    }
    this.#frames(data);
  }

  #frames(data) {
    let at = 0;
    while (data.length - at >= 2 && !this.#over) {
      let length = data[at + 1] & 0x7f;
      let head = 2;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (data.length - at < 10) break;
        length = Number(data.readBigUInt64BE(at + 2));
        head = 10;
      }
      if (data.length - at < head + length) break;
      this.#frame(data[at], data.subarray(at + head, at + head + length));
      at += head + length;
    }
    if (at < data.length) this.#pending = Buffer.from(data.subarray(at));
  }

  #frame(first, payload) {
    const opcode = first & 0x0f;
    if (opcode === OPCODE.ping) {
      this.socket.write(frame(OPCODE.pong, payload));
    } else if (opcode === OPCODE.close) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.#ended = { code, reason: payload.subarray(2).toString() };
      this.socket.end(frame(OPCODE.close, payload.subarray(0, 2)));
    } else if (opcode <= OPCODE.binary) {
      if (first & 0x80 && !this.#fragments) {
        this.heard.onText(payload.toString());
        return;
      }
      this.#fragments = [...(this.#fragments ?? []), Buffer.from(payload)];
      if (!(first & 0x80)) return;
      const whole = Buffer.concat(this.#fragments);
      this.#fragments = null;
      this.heard.onText(whole.toString());
    }
  }

  send(text) { this.socket.write(frame(OPCODE.text, Buffer.from(text))); }

  /** Closes as it should be done. */
  close(code = 1000) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.socket.write(frame(OPCODE.close, payload));
  }

  /** Goes without a word. */
  destroy() { this.socket.destroy(); }

  /** Goes with a reset. */
  reset() { this.socket.resetAndDestroy(); }
}
