//! A standard `WebSocket` over a mini program's `connectSocket`, for libraries that want the class:
//! `new Centrifuge(url, { websocket: WebSocket })`. Owned by whoever constructs it. Bounds: one
//! SocketTask; the platform queues, not this. It must not reconnect, and must end each life with
//! one close event.

import { findPlatform } from '../miniprogram/platforms';
import { MiniSocket } from '../miniprogram/socket';
import { utf8Length } from '../miniprogram/utf8';
import { addressOf, protocolsOf } from './address';
import { sendable } from './data';
import { named } from './errors';
import { Listener, ListenerOptions, Listeners, SocketEvent } from './events';

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
const REASON_MAX_BYTES = 123;

/** What goes with every connection: the standard constructor has no place for it. */
export interface ShimOptions {
  header?: { [name: string]: string };
  timeout?: number;
  tcpNoDelay?: boolean;
  perMessageDeflate?: boolean;
}

type Handler = ((event: SocketEvent) => void) | null;

// For all sockets of the mini program.
let chosen: unknown = null;
let shared: ShimOptions = {};

/** The class that stands in for a browser's. */
export class MiniWebSocket {
  static readonly CONNECTING = CONNECTING;
  static readonly OPEN = OPEN;
  static readonly CLOSING = CLOSING;
  static readonly CLOSED = CLOSED;
  readonly CONNECTING = CONNECTING;
  readonly OPEN = OPEN;
  readonly CLOSING = CLOSING;
  readonly CLOSED = CLOSED;

  onopen: Handler = null;
  onmessage: Handler = null;
  onerror: Handler = null;
  onclose: Handler = null;
  readyState = CONNECTING;
  bufferedAmount = 0;
  protocol = '';
  readonly extensions = '';
  readonly url: string;
  private readonly listeners = new Listeners();
  private readonly socket: MiniSocket;

  constructor(url: string, protocols?: string | string[]) {
    this.url = addressOf(url);
    const offered = protocolsOf(protocols);
    const found = findPlatform(chosen);
    if (!found) throw new Error('this is no mini program: give its object by WebSocket.use(wx)');
    const options = { ...shared, url: this.url, protocols: offered };
    this.socket = new MiniSocket(found, options, {
      opened: (protocol) => this.opened(protocol),
      message: (data) => {
        if (this.readyState === OPEN) this.tell({ type: 'message', data }, this.onmessage);
      },
      closed: (code, reason) => this.closed(code, reason),
    });
  }

  /** Takes another object than is found (uni, Taro), and what goes with each connection. */
  static use(api: unknown, options: ShimOptions = {}): typeof MiniWebSocket {
    // Fails here where it is none, and not at the first connection.
    findPlatform(api);
    chosen = api;
    shared = options;
    return MiniWebSocket;
  }

  /** Bytes always come as ArrayBuffer: there is no Blob, and asking for one changes nothing. */
  get binaryType(): string {
    return 'arraybuffer';
  }

  set binaryType(_wanted: string) {}

  send(data: unknown): void {
    if (this.readyState === CONNECTING) {
      throw named('InvalidStateError', 'the WebSocket is still connecting');
    }
    const { content, bytes } = sendable(data);
    this.bufferedAmount += bytes;
    // As the standard has it: what comes too late counts as buffered, and nothing else happens.
    if (this.readyState !== OPEN) return;
    this.socket.send(content, (failure) => {
      if (failure === null) this.bufferedAmount -= bytes;
      // A message that is lost in silence is worse than a connection that is made anew.
      else if (this.readyState === OPEN) this.end(1000, '', 1006, failure);
    });
  }

  close(code?: number, reason = ''): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw named('InvalidAccessError', `the code must be 1000 or 3000 to 4999, and is ${code}`);
    }
    if (utf8Length(reason) > REASON_MAX_BYTES) {
      throw named('SyntaxError', `the reason must have at most ${REASON_MAX_BYTES} bytes`);
    }
    if (this.readyState === OPEN) this.end(code || 1000, reason, code || 1005, reason);
    else if (this.readyState === CONNECTING) this.end(1000, '', 1006, '');
  }

  addEventListener(type: string, listener: Listener | null, options?: ListenerOptions): void {
    this.listeners.add(type, listener, options);
  }

  removeEventListener(type: string, listener: Listener | null): void {
    this.listeners.remove(type, listener);
  }

  dispatchEvent(event: SocketEvent): boolean {
    const handlers = this as unknown as { [name: string]: Handler | undefined };
    this.tell(event, handlers[`on${event.type}`] || null);
    return true;
  }

  // Not every platform tells of the end of a socket that was closed from here, so it is told here.
  private end(code: number, reason: string, toldCode: number, toldReason: string): void {
    this.readyState = CLOSING;
    this.socket.close(code, reason);
    setTimeout(() => this.closed(toldCode, toldReason), 0);
  }

  private opened(protocol: string): void {
    this.readyState = OPEN;
    this.protocol = protocol;
    this.tell({ type: 'open' }, this.onopen);
  }

  private closed(code: number, reason: string): void {
    this.readyState = CLOSED;
    const wasClean = code !== 1006;
    if (!wasClean) this.tell({ type: 'error', message: reason }, this.onerror);
    this.tell({ type: 'close', code, reason, wasClean }, this.onclose);
  }

  private tell(event: SocketEvent, handler: Handler): void {
    event.target = this;
    event.currentTarget = this;
    this.listeners.tell(event, handler);
  }
}
