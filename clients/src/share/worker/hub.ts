//! A connection that tabs share: one client of the server, and towards each tab a server of the
//! client protocol. A tab's link stands as long as the connection does; when that is lost, every
//! tab's link ends with its code, the tabs come back, and wait here for the next connection.
//!
//! It ends with its last tab, or for good by a close of the server's.

import type { Command, ConnectRequest, Reply, SubscribeResult } from '../../protocol';
import { browserRuntime } from '../../browser/runtime';
import { browser } from '../../browser/platform';
import { Client } from '../../core/client';
import { BAD_REQUEST, EXPIRED, TOKEN_EXPIRED } from '../../core/codes';
import type { Hint, Runtime } from '../../runtime';
import type { CloseEvent, FanfareError, StateEvent } from '../../types';
import type { Terms } from '../messages';
import { Feed } from './feed';
import { Given } from './given';
import type { Seat } from './seat';
import { SharedTokens } from './tokens';

/** Seconds between the pings that tabs answer. */
const PING_SECONDS = 25;

/** The client towards the server, which passes on commands of tabs as they are. */
class Upstream extends Client {
  ask(command: Command): Promise<Reply> {
    return this.request(command);
  }
}

/** One connection with its tabs. */
export class Hub {
  private seats: Seat[] = [];
  private readonly feeds: { [channel: string]: Feed } = Object.create(null);
  private readonly givens: { [channel: string]: Given } = Object.create(null);
  private readonly upstream: Upstream;
  private readonly tokens: SharedTokens;
  private hinted: (hint: Hint) => void = () => undefined;
  private isOver = false;

  constructor(
    terms: Terms,
    connect: ConnectRequest,
    user: string,
    private readonly ended: () => void,
  ) {
    this.tokens = new SharedTokens(user, {
      seats: () => this.seats,
      exhausted: () => this.refuse({ code: TOKEN_EXPIRED, message: 'token expired' }),
      stranger: (seat) => seat.close(EXPIRED, 'the token is another user’s'),
    });
    this.upstream = new Upstream({ ...browser, runtime: () => this.runtime() }, terms.base, {
      ...terms,
      ...(connect.token ? { token: () => this.tokens.next() } : {}),
      ...(connect.data === undefined ? {} : { data: connect.data }),
      ...(connect.headers ? { header: connect.headers } : {}),
    });
    this.listen();
  }

  /** A tab asks to be connected. */
  join(seat: Seat, connect: ConnectRequest): void {
    if (seat.hub !== this) {
      if (seat.hub) seat.hub.left(seat);
      seat.hub = this;
      this.seats = this.seats.concat(seat);
    }
    if (connect.token) this.tokens.offer(connect.token);
    seat.asked = connect.subs || {};
    if (this.upstream.state === 'connected') this.welcome(seat);
    else if (this.upstream.state === 'disconnected') this.upstream.connect();
  }

  /** A tab's command, other than connect. */
  command(seat: Seat, command: Command): void {
    const { id = 0, subscribe, unsubscribe } = command;
    if (subscribe) {
      this.feed(subscribe.channel).enter(seat, id, subscribe);
    } else if (unsubscribe) {
      const feed = this.feeds[unsubscribe.channel];
      if (feed) feed.leave(seat);
      seat.reply({ id, unsubscribe: {} });
    } else if (command.ping) {
      seat.reply({ id, error: { code: BAD_REQUEST } });
    } else if (id || command.send) {
      this.forward(seat, id, command);
    }
  }

  /** What a tab's platform says. */
  hint(hint: Hint): void {
    if (hint === 'shown' || hint === 'thawed') this.hinted('shown');
    else if (hint === 'online') this.hinted(hint);
  }

  /** A tab answered for a token. */
  token(seat: Seat, told: { ask: number; token: string | null; error?: string }): void {
    this.tokens.answer(seat, told);
  }

  /** A tab's link is over. */
  unlinked(seat: Seat): void {
    for (const name in this.feeds) this.feeds[name]!.leave(seat);
  }

  /** A tab is gone, or shares another connection now. */
  left(seat: Seat): void {
    this.unlinked(seat);
    this.seats = this.seats.filter((other) => other !== seat);
    if (this.seats.length === 0) this.end();
  }

  // ---- towards the server ----

  private runtime(): Runtime {
    const runtime = browserRuntime();
    return {
      ...runtime,
      watch: (listener) => {
        this.hinted = listener;
        return runtime.watch(listener);
      },
    };
  }

  private listen(): void {
    const { upstream, givens } = this;
    upstream.on('state', (told) => this.onState(told));
    upstream.on('close', (told) => this.onClose(told));
    upstream.on('message', (message) => this.push({ message }));
    upstream.on('subscribed', (told) => {
      const { channel } = told;
      const given = givens[channel] || (givens[channel] = new Given());
      given.subscribed(told);
      this.push({ channel, subscribe: given.result() });
    });
    upstream.on('publication', (told) => {
      const { channel } = told;
      this.push({ channel, pub: givens[channel]!.publication(told) });
    });
    upstream.on('unsubscribed', ({ channel, code, reason }) => {
      delete givens[channel];
      this.push({ channel, unsubscribe: { code, reason } });
    });
    upstream.on('join', (told) => this.push({ channel: told.channel, join: { info: told } }));
    upstream.on('leave', (told) => this.push({ channel: told.channel, leave: { info: told } }));
  }

  private onState(told: StateEvent): void {
    if (told.state === 'connected') {
      // The channels that the server gave are told right behind this.
      void Promise.resolve().then(() => this.onConnected());
    } else if (told.state === 'connecting') {
      this.eachConnected((seat) => seat.close(told.code, told.reason));
    }
  }

  private onConnected(): void {
    if (this.upstream.state !== 'connected') return;
    const { seats } = this;
    for (let i = 0; i < seats.length; i++) {
      const seat = seats[i]!;
      if (seat.connectId > 0) this.welcome(seat);
      else if (!seat.link) seat.post({ connected: true });
    }
  }

  /** Answers a tab's connect command. */
  private welcome(seat: Seat): void {
    const { transport } = this.upstream;
    const id = seat.connectId;
    const subs: { [channel: string]: SubscribeResult } = {};
    for (const name in this.givens) subs[name] = this.givens[name]!.result(seat.asked[name]);
    if (transport) seat.post({ transport });
    seat.connectId = 0;
    seat.reply({ id, connect: { client: 'shared', ping: PING_SECONDS, pong: true, subs } });
  }

  private onClose(told: CloseEvent): void {
    if (this.isOver) return;
    // What is no close code is the error that the connect command was answered with.
    if (told.code < 1000) return this.refuse({ code: told.code, message: told.reason });
    const { seats } = this;
    this.end();
    for (let i = 0; i < seats.length; i++) seats[i]!.close(told.code, told.reason);
  }

  /** There is no connection to be had with what the tabs have. */
  private refuse(error: { code: number; message: string }): void {
    const { seats } = this;
    this.end();
    for (let i = 0; i < seats.length; i++) {
      const seat = seats[i]!;
      // Who is connected comes back, is refused in its turn, and knows the error then.
      if (seat.connectId > 0) seat.reply({ id: seat.connectId, error });
      else seat.close(EXPIRED, error.message);
    }
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.tokens.stop();
    this.ended();
    this.upstream.close();
  }

  // ---- towards the tabs ----

  private feed(name: string): Feed {
    const { feeds } = this;
    const make = (): Feed => {
      const made: Feed = new Feed(this.upstream, name, () => {
        if (feeds[name] === made) delete feeds[name];
      });
      return made;
    };
    return feeds[name] || (feeds[name] = make());
  }

  private forward(seat: Seat, id: number, command: Command): void {
    const { link } = seat;
    const tell = (reply: Reply): void => {
      if (id && seat.link === link) seat.reply({ ...reply, id });
    };
    this.upstream.ask(command).then(tell, (error: FanfareError) => tell({ error: error as never }));
  }

  private push(push: object): void {
    this.eachConnected((seat) => seat.reply({ push }));
  }

  private eachConnected(run: (seat: Seat) => void): void {
    const connected = this.seats.filter((seat) => seat.isConnected);
    for (let i = 0; i < connected.length; i++) run(connected[i]!);
  }
}
