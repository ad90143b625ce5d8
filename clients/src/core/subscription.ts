//! A page's part in a channel: listeners of its own, and an end of its own. What it tells comes
//! from the channel, which several parts share.

import type { Command, Reply } from '../protocol';
import type {
  ClientInfo, HistoryOptions, Position, Publication, Subscribed, SubscriptionEvents, Unsubscribed,
} from '../types';
import { Emitter } from './emitter';

/** The channel as its parts see it. */
export interface SharedChannel {
  readonly name: string;
  readonly position: Position | null;
  readonly host: { request(command: Command): Promise<Reply> };
  /** A part has ended. */
  leave(part: Part): void;
}

/** What the app holds of a channel. */
export class Part extends Emitter<SubscriptionEvents> {
  private last: Position | null = null;
  private isOver = false;

  constructor(private readonly shared: SharedChannel) {
    super();
  }

  get channel(): string {
    return this.shared.name;
  }

  get position(): Position | null {
    return copy(this.isOver ? this.last : this.shared.position);
  }

  publish(data: unknown): Promise<void> {
    const { name: channel } = this.shared;
    return this.shared.host.request({ publish: { channel, data } }).then(() => undefined);
  }

  presence(): Promise<{ [client: string]: ClientInfo }> {
    const { name: channel } = this.shared;
    const asked = this.shared.host.request({ presence: { channel } });
    return asked.then((reply) => (reply.presence || {}).presence || {});
  }

  history(options?: HistoryOptions): Promise<{ publications: Publication[]; position: Position }> {
    const { limit, since, reverse } = options || {};
    const history = {
      channel: this.shared.name,
      limit: limit === undefined ? -1 : limit,
      ...(since ? { since: placeOf(since) } : {}),
      ...(reverse ? { reverse } : {}),
    };
    return this.shared.host.request({ history }).then((reply) => {
      const { publications, offset, epoch } = reply.history || {};
      const told = (publications || []).map((wire) => publicationOf(wire, epoch || '', false));
      return { publications: told, position: { offset: offset || 0, epoch: epoch || '' } };
    });
  }

  unsubscribe(): void {
    this.shared.leave(this);
  }

  /** Tells this part's listeners; nothing after its end. */
  tell<K extends keyof SubscriptionEvents>(event: K, told: SubscriptionEvents[K]): void {
    if (!this.isOver) this.emit(event, told);
  }

  /** Tells that it stands, later: who makes a part listens only after that. */
  greet(told: Subscribed, stands: () => boolean): void {
    void Promise.resolve().then(() => {
      if (stands()) this.tell('subscribed', told);
    });
  }

  /** The last that it tells. */
  end(told: Unsubscribed): void {
    if (this.isOver) return;
    this.last = this.shared.position;
    this.isOver = true;
    this.emit('unsubscribed', told);
  }
}

/** The position that the app gives; its text would be taken for the beginning of everything. */
export function placeOf(since: Position): Position {
  if (typeof since.offset !== 'number') throw new TypeError('since must be {offset, epoch}');
  return copy(since)!;
}

/** A position that the app may keep. */
export function copy(position: Position | null): Position | null {
  return position && { offset: position.offset, epoch: position.epoch };
}

/** A publication as the app sees it. */
export function publicationOf(
  wire: { data?: unknown; offset?: number; info?: ClientInfo; tags?: { [name: string]: string } },
  epoch: string | null,
  recovered: boolean,
): Publication {
  const told: Publication = { data: wire.data, recovered };
  if (wire.offset) told.offset = wire.offset;
  if (wire.offset && epoch) told.epoch = epoch;
  if (wire.info) told.info = wire.info;
  if (wire.tags) told.tags = wire.tags;
  return told;
}
