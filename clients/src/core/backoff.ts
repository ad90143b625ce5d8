//! When to try again: a random time between `minDelay` and min(`maxDelay`, 1 s · 2ⁿ), where n
//! counts failures in a row. A connection counts as good once it held for five seconds; until then the
//! count goes on, so that a server that takes everyone and drops them is not hammered.

/** Milliseconds that a connection must hold to count as good. */
const STABLE_MS = 5000;

/** Counts failures and names delays. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly minDelay: number,
    private readonly maxDelay: number,
  ) {}

  /** The delay before the next attempt; one more failure from now on. */
  next(): number {
    const grown = Math.min(this.maxDelay, 1000 * Math.pow(2, this.failures));
    const most = Math.max(this.minDelay, grown);
    this.failures = Math.min(this.failures + 1, 30);
    return Math.round(this.minDelay + Math.random() * (most - this.minDelay));
  }

  /** A connection was lost that had held for so long. */
  held(ms: number): void {
    if (ms >= STABLE_MS) this.reset();
  }

  /** What was learned counts no more: something has changed. */
  reset(): void {
    this.failures = 0;
  }
}
