//! Commands that wait for something: to be sent, or for their reply. Every call has one result: a
//! reply, an error of the server's, or `queue_full`, `timeout`, `closed`. Bounds: `maxQueue` calls
//! that wait to be sent; those that were sent end with `timeout` at the latest.

import type { Runtime, Timer } from '../runtime';
import type { Command, Reply } from '../protocol';
import type { Link } from '../transports/link';
import type { FanfareError } from '../types';
import { failure, NOT_AVAILABLE } from './codes';
import type { Settings } from './settings';

/** Characters that may wait in a link before calls are held back. */
const BUFFERED_MAX = 256 * 1024;
/** Milliseconds until a link that was full is looked at again. */
const HOLD_MS = 100;

/** The outcome of a command: its reply, or why there is none. */
type Done = (reply: Reply | null, error: FanfareError | null) => void;

/** A command and who waits for it. */
interface Call {
  readonly command: Command;
  readonly done: Done;
  timer: Timer;
}

/** The calls of a client. */
export class Calls {
  private id = 0;
  /** In order; none of them was sent. */
  private queue: Call[] = [];
  private sent: { [id: number]: Call } = {};
  private link: Link | null = null;
  private hold: Timer | null = null;

  constructor(
    private readonly runtime: Runtime,
    private readonly settings: Settings,
  ) {}

  /** A command of the core's own, for it to send; `done` is told its outcome once. */
  command(command: Command, done: Done): Command {
    const call = this.call(command, done);
    this.sent[call.command.id!] = call;
    return call.command;
  }

  /** A call of the app's: sent when there is a connection. */
  request(command: Command): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.queue.length >= this.settings.maxQueue && !this.isFree()) {
        const text = this.queue.length + ' calls wait already (maxQueue)';
        return reject(failure('queue_full', text));
      }
      const done: Done = (reply, error) => (reply ? resolve(reply) : reject(error));
      this.queue.push(this.call(command, done));
      this.flush();
    });
  }

  /** There is a connection: what waits is sent. */
  ready(link: Link): void {
    this.link = link;
    this.flush();
  }

  /** The connection is gone; what was sent gets no reply any more. What waits goes on waiting. */
  lost(): void {
    this.link = null;
    this.release();
    const sent = this.sent;
    this.sent = {};
    for (const id in sent) this.settle(sent[id]!, 'the connection was lost before the answer');
  }

  /** There will be no connection. */
  end(): void {
    this.lost();
    const queue = this.queue;
    this.queue = [];
    for (let i = 0; i < queue.length; i++) this.settle(queue[i]!, 'the connection is closed');
  }

  /** Takes a reply to its command; one that nobody waits for any more is passed over. */
  reply(reply: Reply): void {
    const call = this.sent[reply.id!];
    if (!call) return;
    delete this.sent[reply.id!];
    this.runtime.clearTimeout(call.timer);
    const { error } = reply;
    if (error) call.done(null, { ...error, message: error.message || 'error ' + error.code });
    else call.done(reply, null);
  }

  private call(command: Command, done: Done): Call {
    const id = ++this.id;
    const { timeout } = this.settings;
    const call: Call = { command: { id, ...command }, done, timer: null };
    call.timer = this.runtime.setTimeout(() => {
      delete this.sent[id];
      this.queue = this.queue.filter((other) => other !== call);
      done(null, failure('timeout', 'no answer within ' + timeout + ' ms'));
    }, timeout);
    return call;
  }

  private settle(call: Call, text: string): void {
    this.runtime.clearTimeout(call.timer);
    call.done(null, failure('closed', text));
  }

  private isFree(): boolean {
    return this.link !== null && this.link.buffered() < BUFFERED_MAX;
  }

  private release(): void {
    if (this.hold !== null) this.runtime.clearTimeout(this.hold);
    this.hold = null;
  }

  private flush(): void {
    this.release();
    while (this.queue.length > 0 && this.isFree()) {
      this.dispatch(this.queue.shift()!, this.link!);
    }
    if (this.queue.length > 0 && this.link) {
      this.hold = this.runtime.setTimeout(() => this.flush(), HOLD_MS);
    }
  }

  private dispatch(call: Call, link: Link): void {
    const { command, done } = call;
    if (!command.send) {
      this.sent[command.id!] = call;
      return link.send([command]);
    }
    // It has no reply, so its result is that it was sent.
    this.runtime.clearTimeout(call.timer);
    if (!link.takesMessages) {
      return done(null, failure(NOT_AVAILABLE, 'not available while polling'));
    }
    delete command.id;
    link.send([command]);
    done({}, null);
  }
}
