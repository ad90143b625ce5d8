//! The load: publications at a rate, by every way, each entered in the book before it goes out. What was refused or not answered
//! and has a key is tried again with it. A part goes by doors of the fault proxy, so that answers are lost on their way too. Owned by
//! `main.mjs`. Bounds: WAITING_MAX at a time; what is late is not made up for.

import { CHANNELS, WIDE } from '../settings.mjs';
import { ClientPublisher, RelayPublisher } from './clients.mjs';
import { HttpPublisher } from './http.mjs';

const TICK_MS = 20;
const WAITING_MAX = 400;
/** So many of a hundred requests go by a door, unless this many publications wait behind doors: a network that stands still must not
 *  keep up those that go straight to the node, by which the run brings what it promises. */
const BY_DOOR_PERCENT = 33;
const BEHIND_DOORS_MAX = 120;
const DOOR_CONNECTIONS = 6;
const BATCH = 10;
const AGAIN_MS = [50, 400];
const AGAIN_MAX_MS = 40_000;
const PAD_MAX = 300;
/** Ways, and how many of a hundred publications go by each. */
const WAYS = [[16, 'single'], [44, 'batch'], [12, 'raw'], [10, 'send'], [13, 'client'], [5, 'relay']];

/** Publishes to a node. */
export class Load {
  rate = 0;
  waiting = 0;
  /** Of these, those behind doors. */
  behind = 0;
  /** How often something was tried again with its key. */
  again = 0;
  /** How long the slowest answer took that came straight from the node, in ms. */
  slowest = 0;
  #owed = 0;

  /** `doors` are ports of the fault proxy, two at least. */
  constructor(book, random, port, doors) {
    Object.assign(this, { book, random });
    this.http = new HttpPublisher(port);
    this.doors = doors.map((door) => new HttpPublisher(door, DOOR_CONNECTIONS));
    this.clients = [port, port, doors[0]].map((one) => new ClientPublisher(one));
    this.relays = [port, doors[1]].map((one, index) => new RelayPublisher(one, CHANNELS[index]));
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Sessions that it holds. */
  get sessions() { return this.clients.length + this.relays.length; }

  get ready() { return [...this.clients, ...this.relays].every(({ ready }) => ready); }

  #tick() {
    this.#owed = Math.min(this.#owed + (this.rate * TICK_MS) / 1000, this.rate / 4);
    while (this.#owed >= 1 && this.waiting < WAITING_MAX) this.#owed -= this.#publish();
  }

  /** Publishes by one of the ways; answers how many. */
  #publish() {
    let share = this.random.next() * 100;
    const [, how] = WAYS.find(([percent]) => (share -= percent) < 0);
    if (how === 'batch') {
      const channels = Array.from({ length: BATCH }, () => this.#channel());
      this.batch(channels, this.#publisher());
      return BATCH;
    }
    if (how === 'relay') {
      const relay = this.random.of(this.relays);
      this.#one(how, relay.channel, (words) => relay.relay(words));
    } else if (how === 'client') {
      const client = this.random.of(this.clients);
      this.#one(how, this.#channel(), (words) => client.client(words));
    } else {
      const http = this.#publisher();
      this.#one(how, this.#channel(), (words) => http[how](words), http);
    }
    return 1;
  }

  /** By which way a request goes. */
  #publisher() {
    const isByDoor = this.random.percent(BY_DOOR_PERCENT) && this.behind < BEHIND_DOORS_MAX;
    return isByDoor ? this.random.of(this.doors) : this.http;
  }

  #channel() { return this.random.percent(2) ? WIDE : this.random.of(CHANNELS); }

  #words(channel, how, keyed, padMax = PAD_MAX) {
    const number = this.book.issue(channel, { keyed, how });
    const data = { n: number, text: '弹幕'.repeat(1 + this.random.below(padMax / 6)) };
    return { number, channel, data, key: keyed ? `rig-${number}` : null };
  }

  async #one(how, channel, publish, http = this.http) {
    const keyed = how !== 'client' && how !== 'relay' && this.random.percent(70);
    const words = this.#words(channel, how, keyed);
    await this.#counted(1, http, async () => {
      this.#enter(words, await publish(words), (again) => this.#again(again, http, publish));
    });
  }

  /** Publishes one thing, and answers whether it was taken. */
  async probe(channel) {
    const words = this.#words(channel, 'single', false);
    const outcome = await this.http.single(words);
    this.#enter(words, outcome, () => {});
    return outcome.ok !== undefined;
  }

  /** A batch into these channels, straight to the node unless told otherwise; answers when it is answered. */
  async batch(channels, http = this.http) {
    const padMax = channels.length > BATCH ? 6 : PAD_MAX;
    const all = channels.map((channel) => this.#words(channel, 'batch', this.random.percent(70), padMax));
    await this.#counted(all.length, http, async () => {
      const outcomes = await http.batch(all);
      all.forEach((words, index) => this.#enter(words, outcomes[index], (again) => this.#again(again, this.http, (once) => this.http.single(once))));
    });
  }

  async #counted(many, http, act) {
    const behind = http === this.http ? 0 : many;
    this.waiting += many;
    this.behind += behind;
    const began = performance.now();
    await act();
    this.waiting -= many;
    this.behind -= behind;
    if (behind === 0) this.slowest = Math.max(this.slowest, performance.now() - began);
  }

  #enter(words, { ok, refused, unknown }, again) {
    if (refused !== undefined) this.book.refused(words.number);
    else if (unknown === undefined) this.book.ok(words.number, ok);
    else if (words.key) again(words);
    else this.book.unknown(words.number);
  }

  /** Asks again with the key until there is an answer. A refusal now says nothing of the first time. */
  async #again(words, http, publish) {
    this.again += 1;
    await this.#counted(1, http, async () => {
      const end = performance.now() + AGAIN_MAX_MS;
      while (performance.now() < end) {
        await new Promise((next) => { setTimeout(next, this.random.between(...AGAIN_MS)); });
        const outcome = await publish(words);
        if (outcome.refused === undefined && outcome.unknown === undefined) {
          this.book.ok(words.number, outcome.ok);
          return;
        }
      }
      this.book.unknown(words.number);
    });
  }

  stop() {
    clearInterval(this.timer);
    for (const publisher of [...this.clients, ...this.relays]) publisher.stop();
    for (const http of [this.http, ...this.doors]) http.remove();
  }
}
