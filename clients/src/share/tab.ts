//! The tab's side of a shared connection: a transport whose other end is a SharedWorker, which
//! holds the one connection of all tabs. Everything else is the core's, as for any transport: the
//! tab has channels, positions, calls and a state of its own. Where the worker cannot be started,
//! or does not answer, the next transport is a connection of the tab's own.
//!
//! One port for each client, from its first attempt to its end or until the page is frozen.

import { ABNORMAL, words } from '../core/codes';
import { settingsOf } from '../core/settings';
import { tokenText } from '../core/tokens';
import type { Platform } from '../platform';
import type { Hint, Runtime } from '../runtime';
import type { Command } from '../protocol';
import type { Link, LinkEvents, LinkRequest } from '../transports/link';
import type { Options, TransportName } from '../types';
import { holdLock } from './lock';
import type { FromTab, FromWorker } from './messages';

/** Milliseconds that the worker has to start. */
const START_MS = 3000;
/** The transport's name inside; the app is told the one that the worker uses. */
export const SHARED = 'shared' as TransportName;

/** The link that is open or opening. */
interface Open {
  readonly id: number;
  readonly events: LinkEvents;
}

/** What a client that shares is made of. */
export class Sharing {
  /** The platform, with the worker among its transports. */
  readonly platform: Platform;
  /** The options, with the worker as the first transport. */
  readonly options: Options;
  /** The transport that the worker uses. */
  transport: TransportName;
  private readonly order: readonly TransportName[];
  private port: MessagePort | null = null;
  private letLockGo: () => void = () => undefined;
  /** The worker runs. */
  private isReady = false;
  private current: Open | null = null;
  private lastLink = 0;
  private hinted: (hint: Hint) => void = () => undefined;

  constructor(direct: Platform, private readonly given: Options) {
    const order = ([] as TransportName[]).concat(given.transports || direct.order);
    this.order = order;
    this.transport = order[0] || 'websocket';
    this.options = { ...given, transports: [SHARED].concat(order as TransportName[]) };
    this.platform = {
      ...direct,
      runtime: (options) => this.runtime(direct.runtime(options)),
      transports: {
        ...direct.transports,
        [SHARED]: (request: LinkRequest, events: LinkEvents) => this.open(request, events),
      },
    };
  }

  // ---- what the core sees ----

  private runtime(runtime: Runtime): Runtime {
    return {
      ...runtime,
      watch: (listener) => {
        this.hinted = listener;
        const off = runtime.watch((hint) => {
          // First the worker: it may have to look after the connection.
          this.post({ hint });
          listener(hint);
          // A page with a port or a lock is not kept, and cannot answer the worker.
          if (hint === 'frozen') this.hangUp();
        });
        return () => {
          off();
          this.hangUp();
        };
      },
    };
  }

  private open(request: LinkRequest, events: LinkEvents): Link {
    const { runtime, base, connect, timeout } = request;
    const link = ++this.lastLink;
    const mine: Open = { id: link, events };
    this.current = mine;
    const timer = runtime.setTimeout(() => {
      if (this.current === mine && !this.isReady) this.fail('does not answer');
    }, Math.min(START_MS, timeout / 2));
    try {
      if (!this.port) this.dial();
      // A worker dies without a word, so it is to say again that it lives.
      this.isReady = false;
      const terms = { ...settingsOf(this.given), base, transports: this.order.slice() };
      this.post({ open: { link, terms } });
      this.post({ commands: { link, commands: [connect] } });
    } catch (thrown) {
      soon(() => this.current === mine && this.fail('does not start: ' + words(thrown)));
    }
    const takesMessages = (): boolean => this.transport !== 'poll';
    return {
      get takesMessages() {
        return takesMessages();
      },
      send: (commands: readonly Command[]) => this.post({ commands: { link, commands } }),
      close: () => {
        runtime.clearTimeout(timer);
        if (this.current === mine) this.current = null;
        this.post({ close: link });
      },
      buffered: () => 0,
    };
  }

  // ---- the port ----

  /** Starts the worker, or joins it; throws where that cannot be. */
  private dial(): void {
    const share = this.given.share as { name: string; worker: string };
    // As it was given: a policy of trusted types takes no text.
    const worker = new SharedWorker(share.worker, share.name);
    const { port } = worker;
    this.port = port;
    worker.onerror = () => {
      if (this.port === port) this.fail('does not start');
    };
    port.onmessage = (event) => {
      if (this.port === port) this.onMessage(event.data as FromWorker);
    };
    this.letLockGo = holdLock((lock) => {
      if (this.port === port) this.post({ hello: { lock } });
    });
  }

  private hangUp(): void {
    this.post({ bye: true });
    if (this.port) this.port.close();
    this.port = null;
    this.isReady = false;
    this.letLockGo();
  }

  private post(message: FromTab): void {
    if (this.port) this.port.postMessage(message);
  }

  private onMessage(told: FromWorker): void {
    const { replies, closed, ask } = told;
    const isMine = (link: number): boolean => !!this.current && this.current.id === link;
    if (told.ready) {
      this.isReady = true;
      if (this.current) this.current.events.opened();
    }
    if (told.transport) this.transport = told.transport;
    if (told.connected) this.hinted('shown');
    if (ask) this.answer(ask);
    for (let i = 0; replies && i < replies.replies.length; i++) {
      if (isMine(replies.link)) this.current!.events.reply(replies.replies[i]!);
    }
    if (closed && isMine(closed.link)) this.end(closed.code, closed.reason);
  }

  /** The worker asks for a token. */
  private answer(ask: number): void {
    const { token } = this.given;
    if (typeof token !== 'function') return this.post({ token: { ask, token: null } });
    // A function that throws is one that fails.
    new Promise<string>((resolve) => resolve(token())).then(tokenText).then(
      (text) => this.post({ token: { ask, token: text } }),
      (thrown) => this.post({ token: { ask, token: null, error: words(thrown) } }),
    );
  }

  private fail(what: string): void {
    this.hangUp();
    this.end(ABNORMAL, 'the worker of shared connections ' + what);
  }

  /** Ends the link that there is. */
  private end(code: number, reason: string): void {
    const open = this.current;
    this.current = null;
    if (open) open.events.closed({ code, reason });
  }
}

function soon(run: () => unknown): void {
  void Promise.resolve().then(run);
}
