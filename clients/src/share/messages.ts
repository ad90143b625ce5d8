//! What a tab and the worker that it shares a connection by say to each other over their port. The
//! client protocol goes in `commands` and `replies`, as objects; the rest is about the port. Only
//! types.

import type { Command, Reply } from '../protocol';
import type { Settings } from '../core/settings';
import type { Hint } from '../runtime';
import type { TransportName } from '../types';

/** How the worker connects for a tab. */
export interface Terms extends Settings {
  readonly base: string;
  /** The transports to try, in this order. */
  readonly transports: TransportName[];
}

/** From a tab; exactly one field. */
export interface FromTab {
  /** The first: who is there. The lock is held as long as the tab lives; '' where there is none. */
  hello?: { readonly lock: string };
  /** A new link, in place of the one before. */
  open?: { readonly link: number; readonly terms: Terms };
  commands?: { readonly link: number; readonly commands: readonly Command[] };
  /** The link is over. */
  close?: number;
  /** What the platform says of page and network. */
  hint?: Hint;
  /** The token that was asked for; null where there is no other one than the one that is known. */
  token?: { readonly ask: number; readonly token: string | null; readonly error?: string };
  /** The tab goes. */
  bye?: true;
}

/** From the worker; exactly one field. */
export interface FromWorker {
  /** It runs; told to a new port, and again to each link. */
  ready?: true;
  replies?: { readonly link: number; readonly replies: readonly Reply[] };
  closed?: { readonly link: number; readonly code: number; readonly reason: string };
  /** The transport of the connection that is shared. */
  transport?: TransportName;
  /** There is a connection: a tab that waits need not. */
  connected?: true;
  /** A token is due. */
  ask?: number;
}

/** A port as either side uses it. */
export interface Port {
  postMessage(message: unknown): void;
  close(): void;
  onmessage: ((event: MessageEvent) => void) | null;
}
