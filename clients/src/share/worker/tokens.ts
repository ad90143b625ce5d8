//! The token of a shared connection: the newest one that a tab brought, or else a tab is asked for
//! one, and the next if it does not answer. Bounds: a tab has four seconds, less than an attempt
//! to connect has; the last 16 tokens are remembered, so that no old one counts as new.

import { isGood, userOf } from './user';
import type { Seat } from './seat';

const ANSWER_MS = 4000;
const KNOWN_MAX = 16;

/** Whom the tokens are for. */
export interface TokenOwner {
  seats(): Seat[];
  /** No tab has another token than those that were used. */
  exhausted(): void;
  /** A tab has a token of somebody else. */
  stranger(seat: Seat): void;
}

/** A question that is under way. */
interface Ask {
  readonly id: number;
  readonly left: Seat[];
  /** Why a tab could not give one. */
  error: string;
  timer: number;
  give(token: string): void;
  refuse(error: Error): void;
}

let asks = 0;

/** The tokens of one user. */
export class SharedTokens {
  private known: string[] = [];
  private fresh = '';
  private ask: Ask | null = null;

  constructor(
    private readonly user: string,
    private readonly owner: TokenOwner,
  ) {}

  /** A tab comes with a token. */
  offer(token: string): void {
    if (this.known.indexOf(token) >= 0) return;
    this.known = this.known.concat(token).slice(-KNOWN_MAX);
    if (this.ask) this.give(token);
    else this.fresh = token;
  }

  /** A token for the server, which another one did not satisfy. */
  next(): string | Promise<string> {
    // One that waited here may be over meanwhile. By this machine's clock it is; that may be wrong,
    // so it is the last choice, and the very first one is tried in any case.
    const isFirst = this.known.length === 1;
    if (this.fresh && (isFirst || isGood(this.fresh))) {
      return this.take();
    }
    this.stop();
    return new Promise((resolve, reject) => {
      const left = this.owner.seats().slice();
      this.ask = { id: 0, left, error: '', timer: 0, give: resolve, refuse: reject };
      this.askNext();
    });
  }

  /** What a tab answered. */
  answer(seat: Seat, told: { ask: number; token: string | null; error?: string }): void {
    const { ask } = this;
    if (!ask || ask.id !== told.ask) return;
    const { token } = told;
    if (told.error) ask.error = told.error;
    if (token !== null && userOf(token) !== this.user) {
      this.owner.stranger(seat);
    } else if (token !== null) {
      this.known = this.known.concat(token).slice(-KNOWN_MAX);
      return this.give(token);
    }
    if (this.ask === ask) this.askNext();
  }

  /** Nobody is asked any more. */
  stop(): void {
    if (this.ask) clearTimeout(this.ask.timer);
    this.ask = null;
  }

  private take(): string {
    const { fresh } = this;
    this.fresh = '';
    return fresh;
  }

  private give(token: string): void {
    const { ask } = this;
    this.stop();
    if (ask) ask.give(token);
  }

  private askNext(): void {
    const ask = this.ask!;
    clearTimeout(ask.timer);
    // The one that came last is the likeliest to be there.
    const seat = ask.left.pop();
    if (!seat) {
      this.stop();
      if (this.fresh) ask.give(this.take());
      else if (ask.error) ask.refuse(new Error(ask.error));
      else this.owner.exhausted();
      return;
    }
    const next: Ask = { ...ask, id: ++asks };
    this.ask = next;
    next.timer = setTimeout(() => {
      next.error = next.error || 'no tab answers';
      if (this.ask === next) this.askNext();
    }, ANSWER_MS) as unknown as number;
    seat.post({ ask: next.id });
  }
}
