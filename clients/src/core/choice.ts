//! Which transport is used. The next one is tried only where one never reached the server; one that
//! worked is remembered. A WebSocket that opened once is kept whatever happens; another one that
//! does not work any more is forgotten, and all are tried again. Pure.

import type { OpenLink } from '../transports/link';
import type { TransportName } from '../types';

/** A transport to try. */
export interface NamedTransport {
  readonly name: TransportName;
  readonly open: OpenLink;
}

/** The choice among at least one transport. */
export class Choice {
  private at = 0;
  private isProven = false;

  constructor(private readonly transports: readonly NamedTransport[]) {}

  /** The one that is used. */
  get current(): NamedTransport {
    return this.transports[this.at]!;
  }

  /** It reached the server. */
  proven(): void {
    this.isProven = true;
  }

  /** It did not reach the server. Answers whether there is another one to try at once. */
  failed(): boolean {
    if (this.isProven && this.current.name === 'websocket') return false;
    this.at = this.isProven ? 0 : (this.at + 1) % this.transports.length;
    this.isProven = false;
    return this.at > 0;
  }
}
