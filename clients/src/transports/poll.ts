//! The client protocol made of `/poll` and `/send`: a link that answers commands itself, by
//! requests. A channel is joined by a request of its own, which tells its position; then it is part
//! of the one poll that hangs. Publishing is a request too; presence, history and calls are not to
//! be had this way (108). Bound: one hanging poll and one request beside it; they go one after
//! another, so who subscribes and then publishes sees what it published.
//!
//! It holds a position for each channel, which is the server's own word. A poll that is given up
//! takes nothing away, so nothing is lost or doubled when the channels change.

import type { Cancel, HttpResponse, Timer } from '../runtime';
import type { Command, Reply, SubscribeRequest, SubscribeResult } from '../protocol';
import { RESUBSCRIBE_FROM, TOKEN_EXPIRED } from '../core/codes';
import type { Link, LinkEvents, LinkRequest } from './link';
import { form, isLost, NOWHERE, publication, publications, readAnswer, split } from './poll_answer';
import type { Answer } from './poll_answer';
import { endOf, errorOf, isAbout, isExpired, notAvailable, statusOf } from './poll_refusal';
import { Requests } from './requests';

/** Milliseconds that a poll may hang: more than the server's `limits.poll_wait` (25 s). */
const HANG_MS = 60000;
/** An empty answer that came sooner than this is followed by a pause. */
const SOON_MS = 100;
const PAUSE_MS = 1000;

/** A channel that is part of the poll, with its position. */
interface Polled {
  readonly channel: string;
  position: string;
}

/** A subscribe command that is being answered. */
interface Join {
  readonly id: number;
  readonly wish: SubscribeRequest;
}

/** What the next link goes on with, of channels that the token gives. */
interface Memory {
  heard?: { [channel: string]: true };
  given?: readonly string[];
}

/** Opens a link of polls. */
export function openPoll(request: LinkRequest, events: LinkEvents): Link {
  return new Poll(request, events);
}

class Poll implements Link {
  readonly takesMessages = false;
  private readonly requests: Requests;
  private hanging: Cancel | null = null;
  private pause: Timer | null = null;
  private polled: Polled[] = [];
  /** The id of the command that joins a channel, while it does. */
  private readonly joining: { [channel: string]: number | undefined } = Object.create(null);
  /** Positions of the channels that the token gives: in answers they stand behind the others. */
  private given: readonly string[] = [];
  /** Which of those were heard of, by their messages, in this link or before. */
  private readonly heard: { [channel: string]: true };
  private readonly token: string;
  private over = false;

  constructor(
    private readonly request: LinkRequest,
    private readonly events: LinkEvents,
  ) {
    this.requests = new Requests(request.runtime);
    this.token = request.connect.connect!.token || '';
    const memory = request.memory as Memory;
    this.heard = memory.heard = memory.heard || Object.create(null);
    this.ask([], '', (response) => this.onReached(response));
  }

  send(commands: readonly Command[]): void {
    const wishes: Join[] = [];
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i]!;
      const wish = command.subscribe;
      if (wish) {
        this.joining[wish.channel] = command.id!;
        wishes.push({ id: command.id!, wish });
      } else {
        this.onCommand(command);
      }
    }
    if (wishes.length > 0) this.join(wishes);
  }

  close(): void {
    this.over = true;
    this.requests.stop();
    this.stopRound();
  }

  buffered(): number {
    return this.requests.size();
  }

  private onCommand(command: Command): void {
    const id = command.id || 0;
    if (command.unsubscribe) this.leave(command.unsubscribe.channel);
    if (command.publish) {
      this.publish(id, command.publish.channel, command.publish.data);
    } else if (command.ping) {
      // The poll that hangs may be dead without a word: another one takes its place.
      this.ask([], '', (response) => {
        if (statusOf(response)) this.reply({ id, error: notAvailable() });
        else this.refuse(response);
      });
      this.round();
    } else if (id) {
      const reply = command.unsubscribe ? { id } : { id, error: notAvailable() };
      void Promise.resolve().then(() => this.reply(reply));
    }
  }

  /** Whether the server is there and takes the token; without a channel it says 400. */
  private onReached(response: HttpResponse): void {
    const status = statusOf(response);
    const id = this.request.connect.id!;
    if (status === 401 && isExpired(response)) {
      const error = { code: TOKEN_EXPIRED, message: response.body.trim() };
      return this.reply({ id, error });
    }
    const answer = status === 200 && readAnswer(response.body);
    if (!answer && status !== 400) return this.refuse(response);
    if (answer) this.given = this.remembered(answer.positions);
    this.reply({ id, connect: { subs: this.subs() } });
    this.round();
  }

  /** The positions of given channels where the last link was, if they are as many. */
  private remembered(positions: readonly string[]): readonly string[] {
    const { given } = this.request.memory as Memory;
    return given && given.length === positions.length ? given : positions;
  }

  /** Given channels by name, as far as they were heard of; a loss shows with the next answer. */
  private subs(): { [channel: string]: SubscribeResult } {
    const subs: { [channel: string]: SubscribeResult } = {};
    if (this.given.length === 0) return subs;
    for (const name in this.heard) subs[name] = { recovered: true, was_recovering: true };
    return subs;
  }

  // ---- channels ----

  private join(wishes: readonly Join[]): void {
    this.ask(channelsOf(wishes), '', (response) => {
      const status = statusOf(response);
      const answer = status === 200 && readAnswer(response.body);
      const isRefused = status === 400 || status === 403 || status === 404;
      if (answer) {
        wishes.forEach((join, i) => this.onTop(join, answer.positions[i]!, answer));
        this.round();
      } else if (isRefused && wishes.length > 1) {
        // One of them is refused, so each is asked for alone.
        for (let i = 0; i < wishes.length; i++) this.join([wishes[i]!]);
      } else if (isRefused) {
        const [join] = wishes;
        // Another transport takes its token, so it is no word for good.
        const isTokenMissing = status === 403 && join!.wish.token;
        const error = isTokenMissing ? { ...notAvailable(), temporary: true } : errorOf(response);
        if (this.take(join!)) this.reply({ id: join!.id, error });
      } else {
        this.refuse(response);
      }
    });
  }

  /** A channel's newest position is known: the client is there, or has missed something. */
  private onTop(join: Join, top: string, answer: Answer): void {
    const { id, wish } = join;
    const { channel, recover, offset, epoch } = wish;
    const since = (offset || 0) + '@' + epoch;
    const news = publications(answer, channel);
    if (top === NOWHERE || !recover) return this.enter(join, top, { publications: news });
    if (since === top) return this.enter(join, top, { recovered: true, was_recovering: true });
    if (!epoch) return this.enter(join, top, { was_recovering: true });
    if (this.joining[channel] !== id) return;
    this.ask([channel], since, (response) => {
      const missed = response.status === 200 && readAnswer(response.body);
      if (!missed) return this.refuse(response);
      const [position] = missed.positions;
      const { recovered } = missed;
      this.enter(join, position!, {
        recovered,
        was_recovering: true,
        publications: recovered ? publications(missed, channel) : [],
        ...(recovered ? { offset: offset || 0 } : {}),
      });
      this.round();
    });
  }

  private enter(join: Join, position: string, more: SubscribeResult): void {
    const { id, wish } = join;
    if (!this.take(join)) return;
    this.polled.push({ channel: wish.channel, position });
    const isKept = position !== NOWHERE;
    const place = isKept ? { positioned: true, recoverable: true, ...split(position) } : {};
    this.reply({ id, subscribe: { ...place, ...more } });
  }

  /** Whether a channel is still wanted; it is not being joined from here on. */
  private take(join: Join): boolean {
    const { channel } = join.wish;
    const wanted = !this.over && this.joining[channel] === join.id;
    if (wanted) delete this.joining[channel];
    return wanted;
  }

  private leave(channel: string): void {
    delete this.joining[channel];
    const left = this.polled.filter((polled) => polled.channel !== channel);
    if (left.length === this.polled.length) return;
    this.polled = left;
    this.round();
  }

  // ---- the poll that hangs ----

  private stopRound(): void {
    if (this.hanging) this.hanging();
    if (this.pause !== null) this.request.runtime.clearTimeout(this.pause);
    this.hanging = this.pause = null;
  }

  /** Asks for what comes behind the positions, in place of the poll that hangs. */
  private round(): void {
    this.stopRound();
    if (this.over || this.polled.length + this.given.length === 0) return;
    const { runtime } = this.request;
    const asked = this.polled.slice();
    const since = asked.map((polled) => polled.position).concat(this.given);
    const began = runtime.now();
    const channels = asked.map((polled) => polled.channel);
    this.hanging = runtime.request(this.poll(channels, since.join(','), HANG_MS), (response) => {
      this.hanging = null;
      const answer = response.status === 200 && readAnswer(response.body);
      if (answer) {
        const isSoon = answer.messages.length === 0 && runtime.now() - began < SOON_MS;
        this.onAnswer(asked, answer);
        if (this.over || this.hanging) return;
        if (!isSoon) return this.round();
        this.pause = runtime.setTimeout(() => this.round(), PAUSE_MS);
        return;
      }
      const refused = asked.filter((polled) => isAbout(response, polled.channel));
      // Of a channel that is refused now, the core asks again and is told why.
      if (refused.length > 0) this.drop(refused, 'refused');
      else this.refuse(response);
      this.round();
    });
  }

  private onAnswer(asked: readonly Polled[], answer: Answer): void {
    const { messages, positions } = answer;
    const lost: Polled[] = [];
    for (let i = 0; i < asked.length; i++) {
      const polled = asked[i]!;
      const count = publications(answer, polled.channel).length;
      if (!answer.recovered && isLost(polled.position, positions[i]!, count)) lost.push(polled);
      else polled.position = positions[i]!;
    }
    const given = positions.slice(asked.length);
    const isGivenLost = !answer.recovered && given.join() !== this.given.join();
    this.given = (this.request.memory as Memory).given = given;
    for (let i = 0; i < messages.length && !this.over; i++) {
      const message = messages[i]!;
      const { channel } = message;
      // Else the position would move beyond what was lost, and nobody would be told.
      if (lost.some((polled) => polled.channel === channel)) continue;
      if (!this.heard[channel] && !asked.some((polled) => polled.channel === channel)) {
        this.heard[channel] = true;
        this.reply({ push: { channel, subscribe: {} } });
      }
      this.reply({ push: { channel, pub: publication(message) } });
    }
    if (lost.length > 0) this.drop(lost, 'insufficient state');
    else if (isGivenLost) {
      for (const channel in this.heard) this.reply({ push: { channel, subscribe: {} } });
    }
  }

  /** Takes channels out; the core subscribes to them again, from where it was. */
  private drop(lost: readonly Polled[], reason: string): void {
    this.polled = this.polled.filter((polled) => lost.indexOf(polled) < 0);
    const unsubscribe = { code: RESUBSCRIBE_FROM, reason };
    for (let i = 0; i < lost.length; i++) {
      this.reply({ push: { channel: lost[i]!.channel, unsubscribe } });
    }
  }

  // ---- requests ----

  private publish(id: number, channel: string, data: unknown): void {
    const { base, timeout } = this.request;
    const url = base + '/send?channel=' + encodeURIComponent(channel);
    const type = { ...this.request.header, 'Content-Type': 'text/plain;charset=UTF-8' };
    const header = this.token ? { ...type, Authorization: 'Bearer ' + this.token } : type;
    const body = JSON.stringify(data);
    this.requests.add({ method: 'POST', url, header, body, timeout }, (response) => {
      const status = statusOf(response);
      if (status === 200) this.reply({ id, publish: {} });
      else if (status === 0 || status === 401) this.refuse(response);
      else this.reply({ id, error: errorOf(response) });
    });
  }

  private ask(channels: string[], since: string, done: (response: HttpResponse) => void): void {
    this.requests.add(this.poll(channels, since, this.request.timeout), done);
  }

  private poll(channels: string[], since: string, timeout: number) {
    return {
      method: 'POST' as const,
      url: this.request.base + '/poll',
      header: { ...this.request.header, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: form(channels, since, this.token),
      timeout,
    };
  }

  private reply(reply: Reply): void {
    if (!this.over) this.events.reply(reply);
  }

  /** Ends the link as the answer says. */
  private refuse(response: HttpResponse): void {
    if (this.over) return;
    this.close();
    this.events.closed(endOf(response));
  }
}

function channelsOf(wishes: readonly Join[]): string[] {
  return wishes.map((join) => join.wish.channel);
}
