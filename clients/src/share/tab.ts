//! The tab's side of a shared connection: a transport whose other end is a SharedWorker, which
//! holds the one connection of all tabs. Everything else is the core's, as for any transport: the
//! tab has channels, positions, calls and a state of its own. Where the worker cannot be started,
//! or does not answer, the next transport is a connection of the tab's own.
//!
//! One port for each client, from its first attempt to its end or until the page is frozen.

import { ABNORMAL, words } from '../core/codes';
import { settingsOf } from '../core/settings';
import type { Platform } from '../platform';
import type { Runtime } from '../runtime';
import type { Command } from '../protocol';
import type { Link, LinkEvents, LinkRequest } from '../transports/link';
import type { Options, TransportName } from '../types';
import type { FromTab, FromWorker, Terms } from './messages';

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
export interface Sharing {
  readonly platform: Platform;
  readonly options: Options;
  /** The transport that the worker uses. */
  transport(): TransportName;
}

/** Makes a platform that tries the worker first. */
export function sharing(direct: Platform, options: Options): Sharing {
  const share = options.share as { name: string; worker: unknown };
  const { token } = options;
  const order = options.transports || direct.order;
  let port: MessagePort | null = null;
  let letLockGo = (): void => undefined;
  let isReady = false;
  let current: Open | null = null;
  let links = 0;
  let transport: TransportName = order[0] || 'websocket';
  let hinted: (hint: 'shown') => void = () => undefined;

  const post = (message: FromTab): void => {
    if (port) port.postMessage(message);
  };

  /** Ends the link that there is. */
  const end = (reason: string, code: number = ABNORMAL): void => {
    const open = current;
    current = null;
    if (open) open.events.closed({ code, reason });
  };

  const hangUp = (): void => {
    post({ bye: true });
    if (port) port.close();
    port = null;
    isReady = false;
    letLockGo();
  };

  const answer = (ask: number): void => {
    if (typeof token !== 'function') return post({ token: { ask, token: null } });
    // A function that throws is one that fails.
    new Promise<string>((resolve) => resolve(token())).then(
      (text) => post({ token: { ask, token: text ? String(text) : '' } }),
      (thrown) => post({ token: { ask, token: null, error: words(thrown) } }),
    );
  };

  const onMessage = (told: FromWorker): void => {
    const { replies, closed, ask } = told;
    if (told.ready) {
      isReady = true;
      if (current) current.events.opened();
    }
    if (told.transport) transport = told.transport;
    if (told.connected) hinted('shown');
    if (ask) answer(ask);
    for (let i = 0; replies && i < replies.replies.length; i++) {
      if (current && current.id === replies.link) current.events.reply(replies.replies[i]!);
    }
    if (closed && current && current.id === closed.link) end(closed.reason, closed.code);
  };

  /** Starts the worker, or joins it; throws where that cannot be. */
  const dial = (): void => {
    const worker = new SharedWorker(String(share.worker), share.name);
    const made = worker.port;
    port = made;
    worker.onerror = () => {
      if (port !== made) return;
      hangUp();
      end('the worker of shared connections does not start');
    };
    made.onmessage = (event) => {
      if (port === made) onMessage(event.data as FromWorker);
    };
    letLockGo = holdLock((lock) => {
      if (port === made) post({ hello: { lock } });
    });
  };

  const open = (request: LinkRequest, events: LinkEvents): Link => {
    const { runtime } = request;
    const link = ++links;
    const mine: Open = { id: link, events };
    current = mine;
    const timer = runtime.setTimeout(() => {
      if (current !== mine || isReady) return;
      hangUp();
      end('the worker of shared connections does not answer');
    }, Math.min(START_MS, request.timeout / 2));
    try {
      if (!port) dial();
      else if (isReady) soon(() => current === mine && events.opened());
      const terms: Terms = { ...settingsOf(options), base: request.base, transports: order.slice() };
      post({ open: { link, terms } });
      post({ commands: { link, commands: [request.connect] } });
    } catch (thrown) {
      hangUp();
      soon(() => current === mine && end(words(thrown)));
    }
    return {
      get takesMessages() {
        return transport !== 'poll';
      },
      send(commands: readonly Command[]) {
        post({ commands: { link, commands } });
      },
      close() {
        runtime.clearTimeout(timer);
        if (current === mine) current = null;
        post({ close: link });
      },
      buffered: () => 0,
    };
  };

  const runtimeOf = (given: Options): Runtime => {
    const runtime = direct.runtime(given);
    return {
      ...runtime,
      watch(listener) {
        hinted = listener;
        const off = runtime.watch((hint) => {
          // First the worker: it may have to look after the connection.
          post({ hint });
          listener(hint);
          // A page with a port or a lock is not kept, and cannot answer the worker.
          if (hint === 'frozen') hangUp();
        });
        return () => {
          off();
          hangUp();
        };
      },
    };
  };

  return {
    platform: {
      ...direct,
      runtime: runtimeOf,
      transports: { ...direct.transports, [SHARED]: open },
    },
    options: { ...options, transports: [SHARED].concat(order as TransportName[]) },
    transport: () => transport,
  };
}

function soon(run: () => unknown): void {
  void Promise.resolve().then(run);
}

/** Holds a lock of a name of its own, as far as there are locks; the answer lets it go. */
function holdLock(held: (name: string) => void): () => void {
  const locks = typeof navigator === 'object' ? navigator.locks : undefined;
  if (!locks) {
    soon(() => held(''));
    return () => undefined;
  }
  const name = 'fanfare-' + Date.now() + '-' + Math.random();
  let letGo = (): void => undefined;
  const kept = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  locks.request(name, () => {
    held(name);
    return kept;
  }).then(undefined, () => held(''));
  return letGo;
}
