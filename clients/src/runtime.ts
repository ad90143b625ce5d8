//! What the core asks of the platform that it runs on, and nothing more: a WebSocket, an HTTP
//! request, streamed events where there are any, timers, and hints about the page and the network.
//!
//! A runtime translates; it decides nothing. It does not reconnect, queue, count or read messages:
//! all of that is the core's. There is one runtime for browsers (`browser/runtime.ts`) and one for
//! mini programs (`miniprogram/runtime.ts`); tests have a scripted one.
//!
//! Three rules hold for every function here:
//! 1. Nothing throws. What the platform throws is reported as the failure that it is (`closed`, or
//!    status 0).
//! 2. No callback is called before the function that was given it has returned, and none after the
//!    `close` or `cancel` that takes it back.
//! 3. Text is the only form. The core sends text and takes text; a runtime whose platform hands
//!    over bytes for a text message decodes them (UTF-8, without `TextDecoder`), and one whose
//!    platform carries bytes as base64 does so too.

/** What a WebSocket is opened with. */
export interface SocketRequest {
  /** `ws:` or `wss:`, complete and escaped. */
  readonly url: string;
  /** Header fields of the handshake; a runtime whose `setsHeader` is false passes over them. */
  readonly header: { readonly [name: string]: string };
  /**
   * Milliseconds that the handshake may take. Where the platform has such an option it is given;
   * the core has a timer of its own besides, so a runtime needs none.
   */
  readonly timeout: number;
}

/** What a WebSocket tells. The order is `opened` (at most once), `message`s, `closed`. */
export interface SocketEvents {
  /** The handshake is done: messages may be sent. */
  opened(): void;
  /** A message came. */
  message(text: string): void;
  /**
   * The socket is gone, or could not be opened: exactly ONE call, however the platform reports it.
   * Platforms differ: an error alone, a close alone, an error and then a close, a failed call, an
   * exception. Where an error comes first and a close with a code may follow, the runtime waits for
   * the close as long as it knows it to come on this platform, and no longer than 100 ms.
   *
   * `code` is the number of the Close frame, 1006 where there was none; platforms that give it as
   * text have it turned into a number. `reason` is the frame's text, or, for 1006, the platform's
   * own words (such as `errMsg`), for people to read.
   */
  closed(code: number, reason: string): void;
}

/** A WebSocket, open or opening. */
export interface Socket {
  /** Sends a text message; called only between `opened` and `closed`. A failure is a `closed`. */
  send(text: string): void;
  /**
   * Closes it, in whatever state it is, and lets go of it: no event follows. The runtime sees to it
   * that the platform's socket really goes: one that is still opening is closed once it opens,
   * where the platform cannot do it earlier. `code` is 1000 or 3000–4999.
   */
  close(code: number, reason: string): void;
  /**
   * Bytes or characters that were given to `send` and have not left yet, as far as the platform
   * tells: browsers by `bufferedAmount`, mini programs by the `success` of each send. 0 where it
   * tells nothing.
   */
  buffered(): number;
}

/** An HTTP request. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** `http:` or `https:`, complete and escaped. */
  readonly url: string;
  /** Header fields, the content type among them. */
  readonly header: { readonly [name: string]: string };
  /** The body; absent for GET. */
  readonly body?: string;
  /** Milliseconds in which the answer must be complete; beyond it the status is 0. */
  readonly timeout: number;
}

/** The answer to an HTTP request. */
export interface HttpResponse {
  /** The status; 0 where no answer came (no network, timeout, refused by CORS or a whitelist). */
  readonly status: number;
  /** The body as text, whatever its content type; the platform's words where the status is 0. */
  readonly body: string;
  /** Seconds of `Retry-After`, 0 where there is none or the platform hides it. */
  readonly retryAfter: number;
}

/** Something that can be taken back, once; taking it back again does nothing. */
export type Cancel = () => void;

/** What a stream of events tells; the order is `opened`, `message`s, `closed`. */
export interface StreamEvents {
  /** The stream is there. */
  opened(): void;
  /** The data of one event. */
  message(text: string): void;
  /**
   * The stream is gone, or could not be opened: exactly one call. A runtime never opens it again by
   * itself, and stops a platform that would (`EventSource`).
   */
  closed(): void;
}

/**
 * What the platform says about the page and the network. They are hints: the core believes none of
 * them without a look of its own (a probe of the connection, an attempt to connect).
 *
 * - `hidden`: nobody looks (a tab in the background, a mini program put away). Timers may be late
 *   from now on; connections stay.
 * - `frozen`: the platform is about to stop everything and connections will not survive (a page on
 *   its way into the back/forward cache, a mini program a few seconds after it was put away). The
 *   core closes its connection and tries nothing until `thawed`.
 * - `thawed`: everything runs again after `frozen`. The core connects at once.
 * - `shown`: somebody looks again. The core looks after its connection at once, or connects at once
 *   if it was waiting. After `frozen`, `thawed` is told and not `shown`.
 * - `offline`: the network is gone, it is said. Attempts become rare until something else is told.
 * - `online`: the network is there, or is another one (from Wi-Fi to mobile data): sockets of the
 *   old one may be dead without a word. The core does as for `shown`.
 */
export type Hint = 'hidden' | 'shown' | 'frozen' | 'thawed' | 'offline' | 'online';

/** A timer; whatever the platform gives. */
export type Timer = unknown;

/** A platform. One is made for each client, so it may hold state. */
export interface Runtime {
  /**
   * Whether `SocketRequest.header` reaches the server. Where it does not, as in browsers, the core
   * gives the header fields in the connect command.
   */
  readonly setsHeader: boolean;

  /** Opens a WebSocket. Absent where the platform has none. */
  openSocket?(request: SocketRequest, events: SocketEvents): Socket;

  /** Makes a request; `done` is called once, unless it is cancelled. */
  request(request: HttpRequest, done: (response: HttpResponse) => void): Cancel;

  /** Opens a stream of server-sent events by GET. Absent where the platform has none. */
  openStream?(url: string, events: StreamEvents): Cancel;

  /**
   * Tells hints from now on, until the answer is called. What already is (offline, hidden) is told
   * too, as the first hints.
   */
  watch(listener: (hint: Hint) => void): Cancel;

  /** Calls `run` once after `ms` milliseconds; `ms` is at most 2³¹ − 1. */
  setTimeout(run: () => void, ms: number): Timer;
  /** Takes a timer back; one that is over, too. */
  clearTimeout(timer: Timer): void;
  /** Milliseconds of a clock that goes on while the page is frozen, such as `Date.now()`. */
  now(): number;
}
