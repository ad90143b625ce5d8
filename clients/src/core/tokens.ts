//! Where tokens come from: a text that stays, or a function that is asked again when one is due.

import { words } from './codes';

/** A token or a function that gives one; `Argument` is what the function is given. */
export type Source<Argument> =
  | string
  | ((argument: Argument) => string | Promise<string>)
  | undefined;

/** One token over its renewals. */
export class Tokens<Argument> {
  private token = '';
  private due: boolean;

  constructor(
    private readonly source: Source<Argument>,
    private readonly argument: Argument,
  ) {
    this.due = typeof source === 'function';
    if (typeof source === 'string') this.token = source.trim();
    else if (source && !this.due) {
      // Such as the Promise of a function that was called where it was to be given.
      throw new TypeError('a token is a text or a function');
    }
  }

  /** Whether another one can be had. */
  get isRenewable(): boolean {
    return typeof this.source === 'function';
  }

  /** Whether the next `get` asks for one. */
  get isDue(): boolean {
    return this.due;
  }

  /** The one that there is does not count any more. */
  expire(): void {
    this.due = this.isRenewable;
  }

  /** Answers with the token: at once if it is there, else when the function has given it. */
  get(done: (token: string) => void, failed: (reason: string) => void): void {
    const { source } = this;
    if (!this.due || typeof source !== 'function') return done(this.token);
    const refuse = (thrown: unknown): void => failed('no token: ' + words(thrown));
    let asked: Promise<string>;
    try {
      asked = Promise.resolve(source(this.argument)).then(tokenText);
    } catch (thrown) {
      asked = Promise.reject(thrown);
    }
    asked.then((token) => {
      this.token = token;
      this.due = false;
      done(this.token);
    }, refuse);
  }
}

/**
 * What a function answered, as a token. Throws where it is none, such as the page of a backend that
 * is down: sent to the server, it would be the end for good.
 */
export function tokenText(answered: unknown): string {
  const text = answered ? String(answered).trim() : '';
  if (/[^!-~]|[<{"]/.test(text)) throw new Error('not ' + text.slice(0, 60));
  return text;
}
