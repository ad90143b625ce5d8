// The WebSocket class of mini programs, as clients/src/shim has it and its build checks.

/** A standard WebSocket over the platform's `connectSocket`. */
declare class MiniWebSocket {
  static readonly CONNECTING: number;
  static readonly OPEN: number;
  static readonly CLOSING: number;
  static readonly CLOSED: number;
  /**
   * Takes another object than the one that is found (`uni`, Taro), and what goes with every
   * connection from now on. Answers this class.
   */
  static use(api: unknown, options?: MiniWebSocket.ShimOptions): typeof MiniWebSocket;

  constructor(url: string, protocols?: string | string[]);
  readonly CONNECTING: number;
  readonly OPEN: number;
  readonly CLOSING: number;
  readonly CLOSED: number;
  readonly url: string;
  readonly readyState: number;
  readonly protocol: string;
  readonly extensions: string;
  /** Bytes that the platform has not taken yet. */
  readonly bufferedAmount: number;
  /** Always `arraybuffer`. */
  binaryType: string;
  onopen: MiniWebSocket.Handler;
  onmessage: MiniWebSocket.Handler;
  onerror: MiniWebSocket.Handler;
  onclose: MiniWebSocket.Handler;
  /** Text, an ArrayBuffer or a view of one. */
  send(data: unknown): void;
  close(code?: number, reason?: string): void;
  addEventListener(
    type: string,
    listener: MiniWebSocket.Listener | null,
    options?: boolean | { once?: boolean },
  ): void;
  removeEventListener(type: string, listener: MiniWebSocket.Listener | null): void;
  dispatchEvent(event: MiniWebSocket.SocketEvent): boolean;
}

declare namespace MiniWebSocket {
  /** What goes with every connection: the standard constructor has no place for it. */
  interface ShimOptions {
    header?: { [name: string]: string };
    timeout?: number;
    tcpNoDelay?: boolean;
    perMessageDeflate?: boolean;
  }

  interface SocketEvent {
    type: string;
    target?: unknown;
    currentTarget?: unknown;
    data?: string | ArrayBuffer;
    code?: number;
    reason?: string;
    wasClean?: boolean;
    message?: string;
  }

  type Handler = ((event: SocketEvent) => void) | null;
  type Listener = ((event: SocketEvent) => void) | { handleEvent(event: SocketEvent): void };
}

export = MiniWebSocket;
