//! The last publications of a channel, without a gap, for a tab that comes a little late: it needs
//! no question to the server. Bounds: 200 of them, but for those that one recovery brought, which
//! are kept until the tabs that wait have had them.

import type { RecoverRequest, SubscribeResult, WirePublication } from '../../protocol';
import type { Position, Publication } from '../../types';

const KEPT_MAX = 200;

/** What came last in one channel. */
export class Ring {
  position: Position | null = null;
  private kept: WirePublication[] = [];

  /** The subscription stands from here on. */
  start(position: Position | null): void {
    const { position: old, kept } = this;
    const last = kept[kept.length - 1];
    const goesOn = old && position && last && old.epoch === position.epoch;
    // What was missed follows, from an earlier place perhaps.
    if (!goesOn || last.offset !== position.offset) this.kept = [];
    this.position = position;
  }

  /** Another one. */
  add(publication: WirePublication): void {
    const { kept, position } = this;
    const { offset } = publication;
    if (!offset || !position) return;
    const last = kept[kept.length - 1];
    if (last && last.offset! >= offset) return;
    if (last && last.offset! + 1 !== offset) this.kept = [publication];
    else kept.push(publication);
    if (offset > position.offset) this.position = { offset, epoch: position.epoch };
  }

  /** What follows a place; null where that is not known for certain. */
  since(place: RecoverRequest): WirePublication[] | null {
    const { position, kept } = this;
    const offset = place.offset || 0;
    if (!position || position.epoch !== (place.epoch || '')) return null;
    if (offset >= position.offset) return [];
    const [first] = kept;
    const last = kept[kept.length - 1];
    if (!first || first.offset! > offset + 1 || last!.offset !== position.offset) return null;
    return kept.filter((one) => one.offset! > offset);
  }

  /** What a tab is told that was there until `asked`, or never. */
  result(asked: RecoverRequest | null, data: unknown): SubscribeResult {
    const { position } = this;
    const missed = asked ? this.since(asked) : null;
    return {
      was_recovering: !!asked,
      recovered: !!missed,
      ...(position ? { recoverable: true, positioned: true, ...position } : {}),
      ...(missed ? { publications: missed } : {}),
      ...(data === undefined ? {} : { data }),
    };
  }

  /** Back to its bound. */
  trim(): void {
    this.kept = this.kept.slice(-KEPT_MAX);
  }
}

/** A publication as the server sent it. */
export function wireOf(told: Publication): WirePublication {
  const wire: WirePublication = { data: told.data };
  if (told.offset) wire.offset = told.offset;
  if (told.info) wire.info = told.info;
  if (told.tags) wire.tags = told.tags;
  return wire;
}
