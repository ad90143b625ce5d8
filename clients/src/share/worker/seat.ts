//! A tab as the worker sees it: its port, its link, and the connection that it shares. It
//! speaks the client protocol with the tab as a server would.

import type { Command, RecoverRequest, Reply } from '../../protocol';
import type { Hint } from '../../runtime';
import type { FromTab, FromWorker, Port, Terms } from '../messages';

/** The connection as its tabs see it. */
export interface SharedConnection {
  /** A command of the tab's on its link. */
  command(seat: Seat, command: Command): void;
  /** What the tab's platform says. */
  hint(hint: Hint): void;
  /** The tab answered for a token. */
  token(seat: Seat, told: NonNullable<FromTab['token']>): void;
  /** The tab's link is over. */
  unlinked(seat: Seat): void;
  /** The tab is gone. */
  left(seat: Seat): void;
}

/** One tab. */
export class Seat {
  /** The connection that it shares; kept between its links, so that it can be told of a new one. */
  hub: SharedConnection | null = null;
  /** The tab's link; 0 while it has none. */
  link = 0;
  /** The id of the connect command that is not answered yet. */
  connectId = 0;
  terms: Terms | null = null;
  /** Where it was in the channels that the server gives. */
  asked: { [channel: string]: RecoverRequest } = {};
  /** It holds a lock, whose end tells of its own. */
  isLocked = false;
  /** When it said something last. */
  heard = 0;

  constructor(private readonly port: Port) {}

  /** Its link is open, and its connect command was answered. */
  get isConnected(): boolean {
    return this.link > 0 && this.connectId === 0;
  }

  post(message: FromWorker): void {
    this.port.postMessage(message);
  }

  reply(...replies: Reply[]): void {
    if (this.link) this.post({ replies: { link: this.link, replies } });
  }

  /** A link begins in place of the one before. */
  open(told: NonNullable<FromTab['open']>): void {
    this.drop();
    this.link = told.link;
    this.terms = told.terms;
    // Nothing but the connect command may come first, and it brings its id.
    this.connectId = -1;
  }

  /** The link ends by the tab, or with it. */
  drop(): void {
    if (this.link && this.hub) this.hub.unlinked(this);
    this.link = this.connectId = 0;
  }

  /** Ends the link with a word to the tab. */
  close(code: number, reason: string): void {
    const { link } = this;
    this.drop();
    if (link) this.post({ closed: { link, code, reason } });
  }

  /** What the tab sent on its link. */
  onCommand(command: Command, join: (seat: Seat, command: Command) => void): void {
    if (command.connect) {
      this.connectId = command.id || 0;
      join(this, command);
    } else if (this.hub) {
      this.hub.command(this, command);
    }
  }

  /** The tab is gone. */
  leave(): void {
    const { hub } = this;
    this.drop();
    this.hub = null;
    if (hub) hub.left(this);
  }
}
