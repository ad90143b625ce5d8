//! A channel that the server gave to the shared connection, and so to every tab: what the connect
//! command of a tab is answered about it.

import type { RecoverRequest, SubscribeResult, WirePublication } from '../../protocol';
import type { Publication, Subscribed } from '../../types';
import { Ring } from './ring';

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
    const pub: WirePublication = { data: told.data };
    if (told.offset) pub.offset = told.offset;
    if (told.info) pub.info = told.info;
    if (told.tags) pub.tags = told.tags;
    this.ring.add(pub);
    this.ring.trim();
    return pub;
  }

  /** How it stands for a tab that was there until `asked`, or never. */
  result(asked?: RecoverRequest): SubscribeResult {
    const { position } = this.ring;
    const missed = asked ? this.ring.since(asked) : null;
    return {
      was_recovering: !!asked,
      recovered: !!missed,
      ...(position ? { recoverable: true, positioned: true, ...position } : {}),
      ...(missed ? { publications: missed } : {}),
      ...(this.data === undefined ? {} : { data: this.data }),
    };
  }
}
