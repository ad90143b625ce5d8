//! A channel that the server gave to the shared connection, and so to every tab: what the connect
//! command of a tab is answered about it.

import type { RecoverRequest, SubscribeResult, WirePublication } from '../../protocol';
import type { Publication, Subscribed } from '../../types';
import { Ring, wireOf } from './ring';

/** One of them. */
export class Given {
  private readonly ring = new Ring();
  private data: unknown;

  /** It stands, now or again. */
  subscribed(told: Subscribed): void {
    this.ring.start(told.position);
    this.data = told.data;
  }

  /** Something came; the answer is what tabs are told. */
  publication(told: Publication): WirePublication {
    const pub = wireOf(told);
    this.ring.add(pub);
    this.ring.trim();
    return pub;
  }

  /** How it stands for a tab that was there until `asked`, or never. */
  result(asked?: RecoverRequest): SubscribeResult {
    return this.ring.result(asked || null, this.data);
  }
}
