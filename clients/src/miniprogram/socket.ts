//! One WebSocket of a mini program, made uniform: it opens, brings messages, and ends once, however
//! the platform tells of it. Owned by the runtime or the shim. Bounds: one SocketTask, and a wait
//! of ERROR_GRACE_MS behind an error. It must give the platform's socket back on every path, since
//! there are five at most, and must not reconnect.

import { ConnectOptions, nothing, settle, SocketOptions, SocketTask, Told } from './api';
import { toBase64 } from './base64';
import { Found } from './platforms';
import { closeOf, contentOf, headerOf, wordsOf } from './told';

// Some platforms tell of a failure by an error alone, some by a close alone, some by both; only the
// close knows the code. So the end that an error brings waits this long for it.
const ERROR_GRACE_MS = 100;
const NO_TASK =
  'connectSocket gave no SocketTask: the base library is too old (WeChat needs 1.7.0 or newer)';

/** What a socket tells. */
export interface MiniSocketEvents {
  /** It is open, with the subprotocol that the server chose, as far as the platform shows it. */
  opened(protocol: string): void;
  message(content: string | ArrayBuffer): void;
  /** It is over: once, not before the constructor has returned, and not behind `close`. */
  closed(code: number, reason: string): void;
}

/** A socket that is opening, open or over. */
export class MiniSocket {
  /** Whether its end was told, or it was closed. */
  over = false;
  private task: SocketTask | null = null;
  private closeSeen = false;
  private ending: unknown = null;

  constructor(
    private readonly found: Found,
    options: SocketOptions,
    private readonly events: MiniSocketEvents,
  ) {
    try {
      const made = found.api.connectSocket(this.connectOptions(options));
      const promise = made as PromiseLike<unknown>;
      if (!isTask(made) && made && typeof promise.then === 'function') {
        promise.then((task) => this.attach(task), (told) => this.failed(told));
      } else {
        this.attach(made);
      }
    } catch (error) {
      this.failed(error);
    }
  }

  /** Hands a message over; `done` is told null, or why it failed. */
  send(content: string | ArrayBuffer, done: (failure: string | null) => void): void {
    if (this.over || !this.task) return done('the socket is not open');
    const isText = typeof content === 'string';
    const asBase64 = !isText && this.found.platform.base64;
    const options = {
      data: asBase64 ? toBase64(content as ArrayBuffer) : content,
      success: () => done(null),
      fail: (told: Told) => done(wordsOf(told) || 'the message could not be sent'),
    };
    try {
      settle(this.task.send(asBase64 ? { ...options, isBuffer: true } : options));
    } catch (error) {
      done(wordsOf(error) || 'the message could not be sent');
    }
  }

  /** Closes it, in whatever state it is. Nothing is told after this. */
  close(code: number, reason: string): void {
    if (this.over) return;
    this.finish();
    this.closeTask(code, reason);
  }

  private connectOptions(options: SocketOptions): ConnectOptions {
    const { url, header, protocols, timeout, tcpNoDelay, perMessageDeflate } = options;
    return {
      url,
      // What is not asked for is left out: some platforms take a key without a value for a value.
      ...(header && { header }),
      ...(protocols && protocols.length && { protocols }),
      ...(timeout && { timeout }),
      ...(tcpNoDelay && { tcpNoDelay }),
      ...(perMessageDeflate && { perMessageDeflate }),
      ...(this.found.platform.multiple && { multiple: true }),
      success: nothing,
      // An address that is not listed, and a sixth socket, are told here and perhaps nowhere else.
      fail: (told) => this.failed(told),
    };
  }

  private attach(task: unknown): void {
    if (!isTask(task)) return this.failed(NO_TASK);
    this.task = task;
    task.onOpen((told) => {
      // Some platforms pass over a close that comes before the socket is open.
      if (this.over) this.closeTask(1000, '');
      else this.events.opened(headerOf(told, 'sec-websocket-protocol'));
    });
    task.onMessage((told) => {
      if (!this.over) this.events.message(contentOf(told));
    });
    task.onClose((told) => {
      const { code, reason } = closeOf(told);
      this.closeSeen = true;
      this.endIn(0, code, reason);
    });
    task.onError((told) => this.failed(told));
    if (this.over) this.closeTask(1000, '');
  }

  private failed(told: unknown): void {
    if (!this.ending) this.endIn(ERROR_GRACE_MS, 1006, wordsOf(told));
  }

  private endIn(delay: number, code: number, reason: string): void {
    if (this.over) return;
    clearTimeout(this.ending as number);
    this.ending = setTimeout(() => {
      this.finish();
      // Where only an error was told, the platform may still count the socket as one of the five.
      if (!this.closeSeen) this.closeTask(1000, '');
      this.events.closed(code, reason);
    }, delay);
  }

  private finish(): void {
    this.over = true;
    clearTimeout(this.ending as number);
  }

  private closeTask(code: number, reason: string): void {
    if (!this.task) return;
    try {
      settle(this.task.close({ code, reason, success: nothing, fail: nothing }));
    } catch (error) {
      // It is gone already, which is all that was wanted.
    }
  }
}

function isTask(made: unknown): made is SocketTask {
  const task = made as SocketTask | null | undefined;
  return !!task && typeof task.onOpen === 'function' && typeof task.send === 'function';
}
