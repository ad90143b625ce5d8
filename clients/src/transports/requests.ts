//! Requests of one link, one after another, so that what is sent first arrives first. Bound: what
//! the core gives it, which is bounded there. Nothing is told after `stop`.

import type { Cancel, HttpRequest, HttpResponse, Runtime, Timer } from '../runtime';

/**
 * Takes an answer. A number is the milliseconds after which the same request is to be made again,
 * before those behind it.
 */
export type Answered = (response: HttpResponse) => number | void;

/** A request that waits, and what its answer is for. */
interface Waiting {
  readonly request: HttpRequest;
  readonly done: Answered;
}

/** Sends requests in order. */
export class Requests {
  private queue: Waiting[] = [];
  private cancel: Cancel | null = null;
  private timer: Timer | null = null;
  private stopped = false;

  constructor(private readonly runtime: Runtime) {}

  /** Adds a request behind those that wait. */
  add(request: HttpRequest, done: Answered): void {
    this.queue.push({ request, done });
    if (this.queue.length === 1) this.next();
  }

  /** Characters that wait. */
  size(): number {
    let size = 0;
    for (let i = 0; i < this.queue.length; i++) size += (this.queue[i]!.request.body || '').length;
    return size;
  }

  /** Gives up what is under way and what waits. */
  stop(): void {
    this.stopped = true;
    this.queue = [];
    if (this.cancel) this.cancel();
    if (this.timer !== null) this.runtime.clearTimeout(this.timer);
  }

  private next(): void {
    this.timer = null;
    const first = this.queue[0];
    if (!first) return;
    this.cancel = this.runtime.request(first.request, (response) => {
      this.cancel = null;
      const again = first.done(response);
      if (this.stopped) return;
      if (again) {
        this.timer = this.runtime.setTimeout(() => this.next(), again);
      } else {
        this.queue.shift();
        this.next();
      }
    });
  }
}
