//! The listeners of one WebSocket: `onopen` and its kin, and addEventListener with `once` and with
//! objects. Owned by the socket. Bounds: what the application adds. It must not let one listener's
//! error keep the others from hearing.

/** An event as listeners get it. */
export interface SocketEvent {
  type: string;
  target?: unknown;
  currentTarget?: unknown;
  data?: string | ArrayBuffer;
  code?: number;
  reason?: string;
  wasClean?: boolean;
  message?: string;
}

/** A function, or an object with `handleEvent`. */
export type Listener = ((event: SocketEvent) => void) | { handleEvent(event: SocketEvent): void };

/** What addEventListener takes as its third argument. */
export type ListenerOptions = boolean | { once?: boolean };

interface Entry {
  type: string;
  listener: Listener;
  once: boolean;
}

/** A list of listeners. */
export class Listeners {
  private entries: Entry[] = [];

  add(type: string, listener: Listener | null, options?: ListenerOptions): void {
    if (!listener || this.has(type, listener)) return;
    const once = !!options && typeof options === 'object' && !!options.once;
    this.entries.push({ type, listener, once });
  }

  remove(type: string, listener: Listener | null): void {
    this.entries = this.entries.filter((one) => one.type !== type || one.listener !== listener);
  }

  /** Tells `handler` (the `on…` property), then those that were there before this event. */
  tell(event: SocketEvent, handler: Listener | null | undefined): void {
    if (handler) call(handler, event);
    this.entries.slice().forEach(({ type, listener, once }) => {
      if (type !== event.type || !this.has(type, listener)) return;
      if (once) this.remove(type, listener);
      call(listener, event);
    });
  }

  private has(type: string, listener: Listener): boolean {
    return this.entries.some((one) => one.type === type && one.listener === listener);
  }
}

function call(listener: Listener, event: SocketEvent): void {
  try {
    if (typeof listener === 'function') listener.call(event.target, event);
    else listener.handleEvent(event);
  } catch (error) {
    // As in a browser: it is reported as uncaught, and whoever comes next is told all the same.
    setTimeout(() => {
      throw error;
    }, 0);
  }
}
