//! A channel that the client is in, or wants to be in: one subscription on the wire, however many
//! parts the app has in it. It keeps the position, so that nothing is lost or comes twice over
//! reconnects, and brings itself back after whatever passes.

import type { Cancel, Runtime } from '../runtime';
import type { Command, RecoverRequest, Reply, SubscribeResult, WirePublication } from '../protocol';
import type { ClientInfo, FanfareError, FanfareEvents, Position, Subscribed } from '../types';
import type { SubscribeOptions, SubscriptionEvents, Unsubscribed } from '../types';
import { Backoff } from './backoff';
import type { Calls } from './calls';
import * as codes from './codes';
import { plain, type Settings } from './settings';
import { Renewal } from './renewal';
import { copy, Part, placeOf, publicationOf } from './subscription';
import { Tokens } from './tokens';

/** The connection as channels see it. */
export interface ChannelHost {
  readonly runtime: Runtime;
  readonly settings: Settings;
  readonly calls: Calls;
  /** Whether there is a link, open or not. */
  isLinked(): boolean;
  /** A call of the app's. */
  request(command: Command): Promise<Reply>;
  /** Sends on the link that there is; nowhere, if there is none. */
  send(command: Command): void;
  /** Something was not answered that must be: another connection is to be made. */
  reconnect(reason: string): void;
  /** Tells of a channel that the server gave. */
  tell<K extends keyof FanfareEvents>(event: K, told: FanfareEvents[K]): void;
  /** Nobody is in the channel any more. */
  forget(channel: Channel): void;
}

/**
 * Where the subscription is. `away`: not on this link. `asking`: its token is asked for.
 * `subscribing`: the command is under way, and what comes before its reply belongs to an older
 * subscription. `subscribed`: it stands. `waiting`: refused for now, tried again later.
 */
type Phase = 'away' | 'asking' | 'subscribing' | 'subscribed' | 'waiting';

/** One channel of a client. */
export class Channel {
  position: Position | null = null;
  private parts: Part[] = [];
  private phase: Phase = 'away';
  /** The server put the client here; the client neither subscribes nor unsubscribes. */
  private isGiven = false;
  private tokens = new Tokens<string>(undefined, '');
  private data: unknown;
  private readonly backoff: Backoff;
  /** Takes back the timer of the phase: another try, or the renewal of the token. */
  private stop: Cancel = () => undefined;
  /** Counts what began, so that answers of what is over are known. */
  private turn = 0;

  constructor(
    readonly host: ChannelHost,
    readonly name: string,
  ) {
    this.backoff = new Backoff(host.settings.minDelay, host.settings.maxDelay);
  }

  /** Whether the server put the client here. */
  get given(): boolean {
    return this.isGiven;
  }

  /** From where a given channel goes on; null where nothing is known. */
  get recovery(): RecoverRequest | null {
    return this.isGiven && this.position ? { recover: true, ...this.position } : null;
  }

  // ---- the app's side ----

  /** Another part of the app's. The first one's options count, its `since` for the position. */
  enter(options: SubscribeOptions): Part {
    const part = new Part(this);
    const since = options.since ? placeOf(options.since) : null;
    if (this.parts.length === 0) {
      const { token, data } = options;
      this.tokens = new Tokens<string>(token, this.name);
      this.data = data === undefined ? data : plain(data);
      if (!this.isGiven) this.position = since;
    }
    this.parts = this.parts.concat(part);
    if (this.phase === 'away') {
      this.begin();
    } else if (this.phase === 'subscribed') {
      const here = this.position;
      const recovered = !!since && !!here && same(since, here);
      const told = { wasRecovering: !!since, recovered, position: copy(here) };
      part.greet(told, () => this.phase === 'subscribed');
    }
    return part;
  }

  /** A part leaves; with the last one goes the subscription. */
  leave(part: Part): void {
    const left = this.parts.filter((other) => other !== part);
    if (left.length === this.parts.length) return;
    this.parts = left;
    if (left.length === 0 && !this.isGiven) {
      const { phase, name: channel, host } = this;
      this.away();
      host.forget(this);
      if (phase === 'subscribing' || phase === 'subscribed') {
        host.send(host.calls.command({ unsubscribe: { channel } }, () => undefined));
      }
    }
    part.end({ code: 0, reason: 'unsubscribed' });
  }

  // ---- the connection's side ----

  /** There is a link: subscribes, at once or when the token is there. */
  begin(): void {
    if (this.isGiven || this.phase !== 'away' || !this.host.isLinked()) return;
    const turn = ++this.turn;
    this.phase = 'asking';
    this.tokens.get(
      (token) => {
        if (turn === this.turn) this.subscribe(token);
      },
      (message) => {
        if (turn === this.turn) this.again({ code: codes.TOKEN_EXPIRED, message });
      },
    );
  }

  /** The app connects anew: perhaps for somebody else. */
  renew(): void {
    this.tokens.expire();
  }

  /** The link is gone. */
  away(): void {
    this.turn++;
    this.phase = 'away';
    this.stop();
  }

  /** The server put the client here, now or again. */
  give(result: SubscribeResult): void {
    this.away();
    this.isGiven = true;
    this.onSubscribed(result);
  }

  /** The server does not put the client here any more. */
  takeBack(why: Unsubscribed): void {
    this.away();
    this.isGiven = false;
    this.host.tell('unsubscribed', { channel: this.name, ...why });
    if (this.parts.length > 0) this.begin();
    else this.host.forget(this);
  }

  /** The server ended the subscription. */
  onUnsubscribe(why: Unsubscribed): void {
    if (why.code < codes.RESUBSCRIBE_FROM) return this.over(why);
    if (this.isGiven) return this.takeBack(why);
    this.away();
    // 2501: its token has ended, or was taken back.
    if (why.code === codes.SUBSCRIPTION_EXPIRED) this.tokens.expire();
    this.begin();
  }

  /** A publication came, live. */
  onPublication(wire: WirePublication): void {
    const { position } = this;
    if (this.phase !== 'subscribed') return;
    if (position && wire.offset && wire.offset <= position.offset) return;
    this.publish(wire, false);
  }

  /** Somebody came or went. */
  onPresence(event: 'join' | 'leave', info: ClientInfo): void {
    if (this.phase === 'subscribed') this.tell(event, info);
  }

  // ---- subscribing ----

  private subscribe(token: string): void {
    const { host, position, data, turn } = this;
    this.phase = 'subscribing';
    const subscribe = {
      channel: this.name,
      positioned: true,
      recoverable: true,
      join_leave: true,
      ...(token ? { token } : {}),
      ...(data === undefined ? {} : { data }),
      ...(position ? { recover: true, ...position } : {}),
    };
    host.send(host.calls.command({ subscribe }, (reply, error) => {
      if (turn !== this.turn) return;
      if (reply) this.onSubscribed(reply.subscribe || {});
      else this.onRefused(error!);
    }));
  }

  private onSubscribed(result: SubscribeResult): void {
    const { publications, offset, epoch } = result;
    const since = this.position;
    const isPositioned = result.positioned || result.recoverable || !!epoch;
    this.phase = 'subscribed';
    this.backoff.reset();
    this.position = isPositioned ? { offset: offset || 0, epoch: epoch || '' } : null;
    const renewal = this.renewal(result);
    this.stop = () => renewal.stop();
    const told: Subscribed = {
      wasRecovering: !!result.was_recovering,
      recovered: !!result.recovered,
      position: copy(this.position),
    };
    if (result.data !== undefined) told.data = result.data;
    const { turn } = this;
    this.tell('subscribed', told);
    const has = since && since.epoch === epoch ? since.offset : 0;
    for (let i = 0; publications && i < publications.length && turn === this.turn; i++) {
      const wire = publications[i]!;
      if (!wire.offset || wire.offset > has) this.publish(wire, true);
    }
  }

  private onRefused(error: FanfareError): void {
    const { code, message } = error;
    if (code === 'timeout') return this.host.reconnect('a subscription was not answered');
    if (code === codes.TOKEN_EXPIRED && this.tokens.isRenewable) {
      this.tokens.expire();
      return this.again(error);
    }
    // The server put the client here meanwhile, and is about to say so.
    if (code === codes.ALREADY_SUBSCRIBED || codes.isPassing(error)) return this.again(error);
    this.tell('error', error);
    this.over({ code: code as number, reason: message });
  }

  /** Tries again after a while. */
  private again(error: FanfareError): void {
    const turn = ++this.turn;
    const { runtime } = this.host;
    this.phase = 'waiting';
    const timer = runtime.setTimeout(() => {
      this.phase = 'away';
      this.begin();
    }, this.backoff.next());
    this.stop = () => runtime.clearTimeout(timer);
    if (turn === this.turn) this.tell('error', error);
  }

  private renewal(result: SubscribeResult): Renewal<string> {
    const { host, tokens, name: channel } = this;
    return new Renewal<string>({
      runtime: host.runtime, calls: host.calls, tokens,
      command: (token) => ({ sub_refresh: { channel, token } }),
      send: (command) => host.send(command),
      failed: (error) => {
        this.tell('error', error);
        return true;
      },
    }, result);
  }

  // ---- telling ----

  private publish(wire: WirePublication, recovered: boolean): void {
    const { position } = this;
    if (position && wire.offset) this.position = { offset: wire.offset, epoch: position.epoch };
    this.tell('publication', publicationOf(wire, position && position.epoch, recovered));
  }

  private tell<K extends keyof SubscriptionEvents>(event: K, told: SubscriptionEvents[K]): void {
    const { parts } = this;
    for (let i = 0; i < parts.length; i++) parts[i]!.tell(event, told);
    if (!this.isGiven || event === 'error') return;
    const named = { channel: this.name, ...(told as object) };
    this.host.tell(event as keyof FanfareEvents, named as never);
  }

  /** It ends for good, for every part. */
  private over(why: Unsubscribed): void {
    const { parts, isGiven } = this;
    this.away();
    this.parts = [];
    this.isGiven = false;
    this.host.forget(this);
    for (let i = 0; i < parts.length; i++) parts[i]!.end(why);
    if (isGiven) this.host.tell('unsubscribed', { channel: this.name, ...why });
  }
}

function same(one: Position, other: Position): boolean {
  return one.offset === other.offset && one.epoch === other.epoch;
}
