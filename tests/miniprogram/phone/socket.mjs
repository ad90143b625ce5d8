//! One socket of a phone: the platform's side, from which each platform's SocketTask is made. It
//! tells `opened`, `message` and one end, and leaves it to the platform how that is said. Owned by
//! the phone, which counts it until it is really closed. Bounds: none of its own.

import WebSocket from 'ws';

/** What `connectSocket` refuses a sixth socket with. */
export const TOO_MANY = 'createSocketTask:fail wcwss taskID=6 exceed max concurrent count';

/** A socket of the platform. */
export class PhoneSocket {
  /** The mini program has closed it. */
  isClosing = false;
  #ws = null;
  #over = false;
  #listeners = {};

  /** `closesWhileOpening`: whether a close counts that comes before the socket is open. */
  constructor(phone, { url, header = {}, protocols = [] }, { closesWhileOpening = false } = {}) {
    this.phone = phone;
    this.closesWhileOpening = closesWhileOpening;
    phone.connects.push({ url, header, protocols });
    const isFull = phone.sockets.size >= phone.socketLimit;
    this.refusal = isFull ? TOO_MANY : phone.refusal('createSocketTask', url);
    if (this.refusal) return;
    phone.sockets.add(this);
    const kept = [...phone.sockets].filter(({ isClosing }) => !isClosing).length;
    phone.socketsMax = Math.max(phone.socketsMax, kept);
    this.asked = { url, header, protocols };
  }

  /** Begins the handshake: once the call that made the socket was answered. */
  open() {
    const { url, header, protocols } = this.asked;
    if (!this.#over) this.#open(url, header, protocols);
  }

  /** `name` is opened, message, failed or closed; `failed` comes instead of `closed`. */
  on(name, listener) {
    this.#listeners[name] = listener;
  }

  get isOpen() {
    return this.#ws?.readyState === WebSocket.OPEN;
  }

  /** Bytes that came. */
  get bytesRead() {
    return this.#ws?._socket?.bytesRead ?? 0;
  }

  /** Answers whether it was taken. */
  send(content) {
    if (!this.isOpen || this.#over || this.phone.interrupted) return false;
    this.#ws.send(content);
    return true;
  }

  /** Answers whether there was something to close. */
  close(code = 1000, reason = '') {
    if (this.refusal || this.#over) return false;
    this.isClosing = true;
    if (!this.isOpen && !this.closesWhileOpening) return false;
    this.#ws.close(code, reason);
    return true;
  }

  /** The phone cuts it. */
  interrupt() {
    this.drop();
    this.#end('closed', 1000, 'interrupted');
  }

  /** The line is cut, and the mini program is not told. */
  drop() {
    this.phone.sockets.delete(this);
    this.#ws?.terminate();
  }

  #open(url, header, protocols) {
    let upgraded = {};
    this.#ws = new WebSocket(url, protocols, { headers: header, ca: this.phone.ca });
    this.#ws.on('upgrade', (response) => {
      upgraded = response.headers;
    });
    this.#ws.on('open', () => this.#tell('opened', upgraded));
    this.#ws.on('message', (data, isBinary) => {
      const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
      this.#tell('message', isBinary ? bytes : data.toString());
    });
    let opened = false;
    this.#ws.on('open', () => {
      opened = true;
    });
    // It is followed by `close`.
    this.#ws.on('error', (error) => {
      this.error = error.message;
    });
    this.#ws.on('close', (code, reason) => {
      this.phone.sockets.delete(this);
      if (opened) this.#end('closed', code, reason.toString());
      else this.#end('failed', 1006, this.error ?? 'abnormal closure');
    });
  }

  #end(name, code, reason) {
    if (this.#over) return;
    this.#over = true;
    this.#tell(name, code, reason);
  }

  #tell(name, ...words) {
    this.phone.deliver(() => {
      if (!this.#over || name === 'closed' || name === 'failed') this.#listeners[name]?.(...words);
    });
  }
}
