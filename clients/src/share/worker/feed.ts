//! A channel of a shared connection: one subscription for all tabs in it, each of which comes in
//! with a place of its own. A tab that is a little late has what it missed from the ring; one that
//! is later has it from the server, by a new subscription from its place, of which the other tabs
//! only see what they have already, and pass over.
//!
//! The token and the data of the subscription are those that a tab brings.

import type { SubscribeRequest } from '../../protocol';
import type {
  FanfareError, Publication, Subscribed, Subscription, SubscriptionEvents, Unsubscribed,
} from '../../types';
import { RESUBSCRIBE_FROM, SUBSCRIPTION_EXPIRED, TOKEN_EXPIRED } from '../../core/codes';
import type { Client } from '../../core/client';
import { Ring, wireOf } from './ring';
import type { Seat } from './seat';
import { isGood } from './user';

/** A tab in the channel. */
interface Place {
  readonly seat: Seat;
  readonly request: SubscribeRequest;
  /** The subscribe command that is not answered yet; 0: the tab is in. */
  id: number;
  /** The server was asked for what follows its place. */
  isAsked: boolean;
}

/** A subscription token that somebody waits for. */
interface Wanted {
  give(token: string): void;
  refuse(error: Error): void;
}

/** One channel. */
export class Feed {
  private part: Subscription | null = null;
  private readonly ring = new Ring();
  private places: Place[] = [];
  private stands = false;
  /** The token that a tab brought and that was not used yet. */
  private brought = '';
  private used = '';
  private wanted: Wanted | null = null;
  /** No tab has another token than the one that is used. */
  private isLast = false;
  private data: unknown;

  constructor(
    private readonly upstream: Client,
    private readonly name: string,
    private readonly ended: () => void,
  ) {}

  /** A tab subscribes. */
  enter(seat: Seat, id: number, request: SubscribeRequest): void {
    const place: Place = { seat, request, id, isAsked: false };
    this.places = this.places.filter((other) => other.seat !== seat).concat(place);
    this.bring(request.token || '');
    if (!this.part) this.begin(place);
    else if (this.stands) this.answer(place);
    // What is under way may begin behind this tab's place: what it answers shows that.
  }

  /** A tab unsubscribes, or is gone. */
  leave(seat: Seat): void {
    this.places = this.places.filter((place) => place.seat !== seat);
    if (this.places.length === 0) this.end();
  }

  // ---- the subscription ----

  private begin(place: Place): void {
    const { request } = place;
    const { part: old } = this;
    const since = { offset: request.offset || 0, epoch: request.epoch || '' };
    const isTokenTold = !!request.token;
    this.part = null;
    this.stands = false;
    place.isAsked = true;
    if (isTokenTold) this.brought = request.token!;
    if (old) old.unsubscribe();
    const part = this.upstream.subscribe(this.name, {
      ...(request.recover ? { since } : {}),
      ...(request.data === undefined ? {} : { data: request.data }),
      ...(isTokenTold ? { token: () => this.token() } : {}),
    });
    this.part = part;
    type Run = (told: never) => void;
    const on = (event: keyof SubscriptionEvents, run: Run): void => {
      part.on(event, (told) => {
        if (this.part === part) run(told as never);
      });
    };
    on('subscribed', (told: Subscribed) => this.onSubscribed(part, told));
    on('publication', (told: Publication) => this.onPublication(told));
    on('unsubscribed', (told: Unsubscribed) => this.onUnsubscribed(told));
    on('error', (error: FanfareError) => this.onError(part, error));
    on('join', (info: never) => this.push({ join: { info } }));
    on('leave', (info: never) => this.push({ leave: { info } }));
  }

  private end(): void {
    const { part } = this;
    this.part = null;
    this.places = [];
    if (part) part.unsubscribe();
    this.ended();
  }

  private onSubscribed(part: Subscription, told: Subscribed): void {
    const { position: had } = this.ring;
    const { position } = told;
    const isSame =
      had && position && had.epoch === position.epoch && had.offset === position.offset;
    this.ring.start(position);
    this.data = told.data;
    this.stands = false;
    // Who is in and may have missed something asks again from its place, and is told what is so.
    if (!told.recovered && !isSame) {
      this.expel(RESUBSCRIBE_FROM, 'insufficient state', this.standing());
    }
    // What was missed is told right behind this.
    void Promise.resolve().then(() => {
      if (this.part === part) this.settle();
    });
  }

  private settle(): void {
    this.stands = true;
    const waiting = this.places.filter((place) => place.id > 0);
    for (let i = 0; i < waiting.length && this.stands; i++) this.answer(waiting[i]!);
    if (this.stands) this.ring.trim();
  }

  /** Tells a tab that it is in, and what it missed. */
  private answer(place: Place): void {
    const { request, id } = place;
    const { position } = this.ring;
    const asked = request.recover ? request : null;
    const isOlder = asked && position && position.epoch === asked.epoch && !this.ring.since(asked);
    if (isOlder && !place.isAsked) return this.begin(place);
    const subscribe = this.ring.result(asked, this.data);
    place.id = 0;
    place.seat.reply({ id, subscribe });
  }

  private onPublication(told: Publication): void {
    const pub = wireOf(told);
    this.ring.add(pub);
    if (this.stands) this.ring.trim();
    this.push({ pub });
  }

  private onUnsubscribed(told: Unsubscribed): void {
    const { code, reason } = told;
    this.part = null;
    this.refuse({ code, message: reason });
    this.expel(code, reason, this.places);
    this.ended();
  }

  /** What is final is told as the end too, right behind this. */
  private onError(part: Subscription, error: FanfareError): void {
    void Promise.resolve().then(() => {
      if (this.part !== part) return;
      // A tab tries again by itself, with a new token where it has one.
      const isTokenOver = error.code === TOKEN_EXPIRED;
      this.refuse({ ...error, ...(isTokenOver ? {} : { temporary: true }) });
      if (isTokenOver && this.isLast) this.expel(TOKEN_EXPIRED, error.message, this.places);
      if (this.places.length === 0) this.end();
    });
  }

  // ---- the token ----

  /** The subscription needs a token. */
  private token(): string | Promise<string> {
    // One that waited here may be over meanwhile.
    if (this.brought && (!this.used || isGood(this.brought))) {
      this.used = this.brought;
      this.brought = '';
      return this.used;
    }
    return new Promise((resolve, reject) => {
      this.wanted = { give: resolve, refuse: reject };
      // It comes in again, with a new one.
      this.expel(SUBSCRIPTION_EXPIRED, 'subscription expired', this.standing().slice(0, 1));
    });
  }

  private bring(token: string): void {
    const { wanted } = this;
    if (wanted) {
      this.wanted = null;
      this.isLast = !token || token === this.used;
      if (this.isLast) return wanted.refuse(new Error('it has expired'));
      this.used = token;
      wanted.give(token);
    } else if (token && token !== this.used) {
      this.isLast = false;
      this.brought = token;
    }
  }

  // ---- the tabs ----

  private standing(): Place[] {
    return this.places.filter((place) => place.id === 0);
  }

  private push(what: object): void {
    const standing = this.standing();
    const push = { channel: this.name, ...what };
    for (let i = 0; i < standing.length; i++) standing[i]!.seat.reply({ push });
  }

  /** Ends the subscription of these tabs. */
  private expel(code: number, reason: string, places: Place[]): void {
    this.places = this.places.filter((place) => places.indexOf(place) < 0);
    const push = { channel: this.name, unsubscribe: { code, reason } };
    for (let i = 0; i < places.length; i++) places[i]!.seat.reply({ push });
  }

  /** Answers those who wait with an error. */
  private refuse(error: FanfareError & { temporary?: boolean }): void {
    const waiting = this.places.filter((place) => place.id > 0);
    this.places = this.standing();
    for (let i = 0; i < waiting.length; i++) {
      const { seat, id } = waiting[i]!;
      seat.reply({ id, error: error as never });
    }
  }
}
