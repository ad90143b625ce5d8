//! What every transport is to the core: one connection of the client protocol, from the attempt to
//! its end. The core does not know whether commands go over a WebSocket, by requests, or into a
//! long poll that only looks like a connection.
//!
//! This is also the place to share a connection between tabs: a link whose other end is a worker
//! takes the same commands and tells the same replies.

import type { Runtime } from '../runtime';
import type { Command, Reply } from '../protocol';

/** What a link is opened with. */
export interface LinkRequest {
  readonly runtime: Runtime;
  /** `http:` or `https:`, without a slash at its end. */
  readonly base: string;
  readonly header: { readonly [name: string]: string };
  /** Milliseconds for a request or a handshake. */
  readonly timeout: number;
  /** The connect command, the first that the server gets. */
  readonly connect: Command;
  /** What a transport keeps for its next link of the same client. */
  readonly memory: { [name: string]: unknown };
}

/** Why a link ended. */
export interface LinkEnd {
  readonly code: number;
  readonly reason: string;
  /** Seconds that the server asks to wait. */
  readonly retryAfter?: number;
}

/** What a link tells; never before the function that opens it has returned. */
export interface LinkEvents {
  /** The server was reached, which is known here before its first reply. Need not be told. */
  opened(): void;
  /** A reply, a push or a ping. */
  reply(reply: Reply): void;
  /** It is over; told once, and nothing after it. */
  closed(end: LinkEnd): void;
}

/** A connection, opening or open. */
export interface Link {
  /** Whether messages to the backend (`send`) have a way here; they have no reply that says so. */
  readonly takesMessages: boolean;
  /** Sends commands in order; before the link is open they wait behind the connect command. */
  send(commands: readonly Command[]): void;
  /** Ends it; nothing is told any more. */
  close(code: number, reason: string): void;
  /** Characters that wait inside, so that the core can hold back. */
  buffered(): number;
}

/** Opens a link. */
export type OpenLink = (request: LinkRequest, events: LinkEvents) => Link;
