//! The client protocol in JSON: what commands and replies look like, and how several stand in one
//! text. Pure. Fields that are absent are 0, false or empty.

import type { ClientInfo } from './types';

/** A command; exactly one method beside the id. Without any field it is a pong. */
export interface Command {
  id?: number;
  connect?: ConnectRequest;
  subscribe?: SubscribeRequest;
  unsubscribe?: { channel: string };
  publish?: { channel: string; data: unknown };
  presence?: { channel: string };
  history?: HistoryRequest;
  rpc?: { method: string; data?: unknown };
  send?: { data: unknown };
  refresh?: { token: string };
  sub_refresh?: { channel: string; token: string };
  /** Answered with an error, which is all that a probe needs. */
  ping?: {};
}

export interface ConnectRequest {
  token?: string;
  data?: unknown;
  name?: string;
  headers?: { readonly [name: string]: string };
  subs?: { [channel: string]: RecoverRequest };
}

export interface RecoverRequest {
  recover?: boolean;
  offset?: number;
  epoch?: string;
}

export interface SubscribeRequest extends RecoverRequest {
  channel: string;
  token?: string;
  data?: unknown;
  positioned: boolean;
  recoverable: boolean;
  join_leave: boolean;
}

export interface HistoryRequest {
  channel: string;
  limit: number;
  since?: { offset: number; epoch: string };
  reverse?: boolean;
}

/** A reply to the command of its id, or a push; without any field it is a ping. */
export interface Reply {
  id?: number;
  error?: ReplyError;
  push?: Push;
  connect?: ConnectResult;
  subscribe?: SubscribeResult;
  presence?: { presence?: { [client: string]: ClientInfo } };
  history?: { publications?: WirePublication[]; offset?: number; epoch?: string };
  rpc?: { data?: unknown };
  refresh?: Expiry;
  sub_refresh?: Expiry;
  [method: string]: unknown;
}

export interface ReplyError {
  code: number;
  message?: string;
  temporary?: boolean;
}

/** When credentials end: after `ttl` seconds, if `expires`. */
export interface Expiry {
  expires?: boolean;
  ttl?: number;
}

export interface ConnectResult extends Expiry {
  client?: string;
  /** Seconds between pings; 0 is none. */
  ping?: number;
  /** Whether pings are to be answered. */
  pong?: boolean;
  subs?: { [channel: string]: SubscribeResult };
  /** Where commands go, for a transport that only listens. */
  session?: string;
  node?: string;
}

export interface SubscribeResult extends Expiry {
  recoverable?: boolean;
  positioned?: boolean;
  offset?: number;
  epoch?: string;
  publications?: WirePublication[];
  recovered?: boolean;
  was_recovering?: boolean;
  data?: unknown;
}

export interface WirePublication {
  data?: unknown;
  offset?: number;
  info?: ClientInfo;
  tags?: { [name: string]: string };
}

export interface Push {
  channel?: string;
  pub?: WirePublication;
  join?: { info: ClientInfo };
  leave?: { info: ClientInfo };
  subscribe?: SubscribeResult;
  unsubscribe?: { code?: number; reason?: string };
  message?: { data?: unknown };
  disconnect?: { code?: number; reason?: string };
}

/** Characters of a text with several commands; at three bytes each within 64 KiB. */
const TEXT_MAX = 16000;

/** Commands as texts to send, in order: as many in each as fit, and at least one. */
export function encode(commands: readonly Command[]): string[] {
  const texts: string[] = [];
  for (let i = 0; i < commands.length; i++) {
    const line = JSON.stringify(commands[i]);
    const last = texts[texts.length - 1];
    if (last !== undefined && last.length + line.length < TEXT_MAX) {
      texts[texts.length - 1] = last + '\n' + line;
    } else {
      texts.push(line);
    }
  }
  return texts;
}

/** The replies of a text; throws where it is not the protocol. */
export function decode(text: string): Reply[] {
  const replies: Reply[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.trim() === '') continue;
    const reply: unknown = JSON.parse(line);
    if (typeof reply !== 'object' || reply === null) throw new Error('no reply: ' + line);
    replies.push(reply as Reply);
  }
  return replies;
}
