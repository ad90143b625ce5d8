//! What this client asks of a mini program's platform: the part of `wx` that all of them share,
//! written down once, so that one code serves them. Types only; tests/miniprogram checks the
//! platforms' own typings against them.

/** What a platform calls back with; each fills in what it likes. */
export interface Told {
  errMsg?: string;
  /** Alipay's word for errMsg. */
  errorMessage?: string;
  /** Of an Error, and Alipay's word for what went well. */
  message?: string;
  /** Alipay's answer to a message that was sent. */
  success?: boolean;
  code?: number | string;
  reason?: string;
  header?: unknown;
  /** Alipay's older word for header. */
  headers?: unknown;
  data?: unknown;
  isBuffer?: boolean;
  isConnected?: boolean;
  networkType?: string;
  statusCode?: number;
  /** Alipay's older word for statusCode. */
  status?: number;
}

/** The callbacks that every call takes. */
export interface Callbacks {
  success?: (told: Told) => void;
  fail?: (told: Told) => void;
}

/** One connection, as `connectSocket` gives it. */
export interface SocketTask {
  send(options: { data: string | ArrayBuffer; isBuffer?: boolean } & Callbacks): unknown;
  close(options: { code?: number; reason?: string } & Callbacks): unknown;
  onOpen(listener: (told?: Told) => void): unknown;
  onMessage(listener: (told: Told) => void): unknown;
  onClose(listener: (told?: Told) => void): unknown;
  onError(listener: (told?: Told) => void): unknown;
}

/** How to connect. */
export interface SocketOptions {
  readonly url: string;
  readonly protocols?: string[];
  readonly header?: { readonly [name: string]: string };
  readonly timeout?: number;
  readonly tcpNoDelay?: boolean;
  readonly perMessageDeflate?: boolean;
}

/** The options of `connectSocket`. */
export interface ConnectOptions extends SocketOptions, Callbacks {
  /** Alipay: give a SocketTask in place of the one global socket. */
  readonly multiple?: boolean;
}

/** The options of `request`. */
export interface RequestOptions extends Callbacks {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly header: { readonly [name: string]: string };
  /** Alipay's older word for header. */
  readonly headers?: { readonly [name: string]: string };
  readonly data?: string | ArrayBuffer;
  /** Whatever is not `json` is left as it came. */
  readonly dataType: 'text';
  readonly responseType: 'text';
  readonly timeout?: number;
}

/** A request that is under way. */
export interface RequestTask {
  abort?: () => void;
}

/** The object of the platform: `wx`, `my`, `tt`, … */
export interface MiniApi {
  connectSocket(options: ConnectOptions): unknown;
  request(options: RequestOptions): unknown;
  getNetworkType?(options: Callbacks): unknown;
  onAppHide?(listener: () => void): void;
  offAppHide?(listener: () => void): void;
  onAppShow?(listener: () => void): void;
  offAppShow?(listener: () => void): void;
  onNetworkStatusChange?(listener: (told: Told) => void): void;
  offNetworkStatusChange?(listener: (told: Told) => void): void;
}

/** Waits for nothing, and takes whatever a Promise of the platform rejects with. */
export function settle(answer: unknown): void {
  const promise = answer as PromiseLike<unknown> | null | undefined;
  if (promise && typeof promise.then === 'function') promise.then(nothing, nothing);
}

/** Does nothing. */
export function nothing(): void {}
