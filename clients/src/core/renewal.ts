//! Gives the server a new token before the old one ends, over the link that stands: the
//! connection's (`refresh`) and a subscription's (`sub_refresh`) alike. One timer; nothing happens
//! after `stop`, which comes with the end of what is renewed.

import type { Runtime, Timer } from '../runtime';
import type { Command, Expiry, Reply } from '../protocol';
import type { FanfareError } from '../types';
import type { Calls } from './calls';
import { TOKEN_EXPIRED } from './codes';
import { TIMER_MAX } from './settings';
import type { Tokens } from './tokens';

/** Milliseconds until a renewal that failed is tried again, and as much at random. */
const AGAIN_MS = 5000;

/** What is renewed, and how. */
export interface RenewalParts<Argument> {
  readonly runtime: Runtime;
  readonly calls: Calls;
  readonly tokens: Tokens<Argument>;
  /** The command that brings the token. */
  command(token: string): Command;
  send(command: Command): void;
  /** Tells of a failure; answers whether to try again. */
  failed(error: FanfareError): boolean;
}

/** The renewals of one connection or subscription. */
export class Renewal<Argument> {
  private timer: Timer | null = null;
  private isStopped = false;

  constructor(private readonly parts: RenewalParts<Argument>, expiry: Expiry) {
    this.at(expiry);
  }

  /** Ends it. */
  stop(): void {
    this.isStopped = true;
    if (this.timer !== null) this.parts.runtime.clearTimeout(this.timer);
  }

  private at(expiry: Expiry): void {
    // Never at once: a server whose tokens end as they are made would be asked without a pause.
    if (expiry.expires) this.after(Math.min(Math.max(expiry.ttl || 0, 1) * 1000, TIMER_MAX));
  }

  private after(ms: number): void {
    this.timer = this.parts.runtime.setTimeout(() => this.renew(), ms);
  }

  private renew(): void {
    const { tokens, calls, command, send } = this.parts;
    // Without another one the server ends it in its time.
    if (!tokens.isRenewable) return;
    tokens.expire();
    tokens.get(
      (token) => {
        if (this.isStopped) return;
        send(calls.command(command(token), (reply, error) => {
          if (this.isStopped) return;
          if (reply) this.at(renewed(reply));
          else this.onFailed(error!);
        }));
      },
      (message) => {
        if (!this.isStopped) this.onFailed({ code: TOKEN_EXPIRED, message });
      },
    );
  }

  private onFailed(error: FanfareError): void {
    if (this.parts.failed(error) && !this.isStopped) this.after(AGAIN_MS * (1 + Math.random()));
  }
}

function renewed(reply: Reply): Expiry {
  return reply.refresh || reply.sub_refresh || {};
}
