//! The official JavaScript SDK over each transport and protocol, with what it told kept for the test. Owned by the test that
//! opens it. Bounds: 10 s for each wait. What is sent and received is JSON text in both protocols, so that one test serves all.

import { after } from 'node:test';

import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

import { until } from '../nginx/until.mjs';
import { inSeconds, token } from './token.mjs';

/** Every way in that the SDK has. */
export const WAYS = [
  { name: 'websocket, JSON', transport: 'websocket', binary: false },
  { name: 'websocket, Protobuf', transport: 'websocket', binary: true },
  { name: 'http_stream, JSON', transport: 'http_stream', binary: false },
  { name: 'http_stream, Protobuf', transport: 'http_stream', binary: true },
  { name: 'sse, JSON', transport: 'sse', binary: false },
];

const SDK_OPTIONS = {
  websocket: WebSocket, fetch, readableStream: ReadableStream, eventsource: EventSource,
  minReconnectDelay: 20, maxReconnectDelay: 200, timeout: 5000,
};

// A client whose test failed would connect again for ever, and its file would never end.
const made = [];
after(() => { for (const client of made) client.close(); });

/** A client of the SDK and what it was told. */
export class Client {
  connects = [];
  /** Why it was not connected, each time. */
  connecting = [];
  ends = [];
  errors = [];
  /** Of server-side subscriptions. */
  subscribed = [];
  publications = [];
  unsubscribed = [];
  messages = [];

  /** Makes a client that does not connect yet; `origin` is the server's or a `Cut`'s. */
  constructor(way, origin, options = {}) {
    const Sdk = way.binary ? ProtobufCentrifuge : Centrifuge;
    const path = `/connection/${way.transport}`;
    const at = way.transport === 'websocket'
      ? `${origin.replace('http', 'ws')}${path}`
      : [{ transport: way.transport, endpoint: `${origin}${path}` }];
    const { user, ...rest } = options;
    if (user !== undefined) {
      rest.token = token({ sub: user, info: { name: `Name of ${user}` }, exp: inSeconds(600) });
    }
    this.way = way;
    made.push(this);
    this.sdk = new Sdk(at, { ...SDK_OPTIONS, emulationEndpoint: `${origin}/emulation`, ...rest });
    this.sdk.on('connecting', (told) => this.connecting.push(told));
    this.sdk.on('connected', (told) => this.connects.push(told));
    this.sdk.on('disconnected', (told) => this.ends.push(told));
    this.sdk.on('error', (told) => this.errors.push(told));
    this.sdk.on('subscribed', (told) => this.subscribed.push(told));
    this.sdk.on('unsubscribed', (told) => this.unsubscribed.push(told));
    this.sdk.on('publication', (told) => this.publications.push({ ...told, data: this.open(told.data) }));
    this.sdk.on('message', (told) => this.messages.push(this.open(told.data)));
  }

  /** A client that is connected. */
  static async open(way, origin, options) {
    const client = new Client(way, origin, options);
    await client.connect();
    return client;
  }

  async connect() {
    this.sdk.connect();
    await until('the client is connected', () => this.connects.length > 0 || this.#over(), 10_000, () => this.told);
  }

  #over() {
    if (this.ends.length > 0) throw new Error(`disconnected: ${JSON.stringify(this.ends)}`);
    return false;
  }

  get id() { return this.connects.at(-1)?.client; }

  /** For failure messages. */
  get told() {
    const { connects, connecting, ends, errors } = this;
    return JSON.stringify({ connects, connecting, ends, errors });
  }

  /** A value as this protocol carries it. */
  pack(value) { return this.way.binary ? new TextEncoder().encode(JSON.stringify(value)) : value; }

  /** The value of what came. */
  open(data) {
    if (!this.way.binary || data === undefined || data === null) return data;
    return data.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(data));
  }

  publish(channel, value) { return this.sdk.publish(channel, this.pack(value)); }

  async rpc(method, value) { return this.open((await this.sdk.rpc(method, this.pack(value))).data); }

  async history(channel, options) {
    const { publications, ...position } = await this.sdk.history(channel, options);
    return { ...position, values: publications.map(({ data }) => this.open(data)), publications };
  }

  /** A subscription and what it was told, not awaited. */
  subscription(channel, options) { return new Subscription(this, channel, options); }

  /** A subscription that is there. */
  async subscribe(channel, options) {
    const subscription = this.subscription(channel, options);
    await subscription.ready();
    return subscription;
  }

  /** Waits for the end; answers `{ code, reason }`. */
  end() { return until('the client is disconnected', () => this.ends[0], 10_000, () => this.told); }

  close() { this.sdk.disconnect(); }
}

/** A client-side subscription and what it was told. */
export class Subscription {
  subscribed = [];
  unsubscribed = [];
  subscribing = [];
  publications = [];
  joins = [];
  leaves = [];
  errors = [];

  constructor(client, channel, options) {
    this.client = client;
    this.sdk = client.sdk.newSubscription(channel, { minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options });
    for (const [kind, list] of [['subscribed', this.subscribed], ['unsubscribed', this.unsubscribed],
      ['subscribing', this.subscribing], ['join', this.joins], ['leave', this.leaves], ['error', this.errors]]) {
      this.sdk.on(kind, (told) => list.push(told));
    }
    this.sdk.on('publication', (told) => this.publications.push({ ...told, data: client.open(told.data) }));
    this.sdk.subscribe();
  }

  /** What was published, in the order in which it came. */
  get values() { return this.publications.map(({ data }) => data); }

  async ready(times = 1) {
    await until(`subscribed ${times} times to ${this.sdk.channel}`, () => this.subscribed.length >= times, 10_000, () => this.told);
    return this.subscribed[times - 1];
  }

  /** Waits until so many publications came. */
  async received(count) {
    await until(`${count} publications of ${this.sdk.channel}`, () => this.publications.length >= count, 10_000, () => this.told);
    return this.publications;
  }

  /** Waits for the end of the subscription; answers `{ code, reason }`. */
  ended() { return until(`the end of ${this.sdk.channel}`, () => this.unsubscribed[0], 10_000, () => this.told); }

  get told() {
    const { subscribed, unsubscribed, errors, publications } = this;
    return `${JSON.stringify({ subscribed, unsubscribed, errors, publications: publications.length })} ${this.client.told}`;
  }
}

/** The code of the error that a promise of the SDK fails with. */
export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    if (error?.code === undefined) throw error;
    return error.code;
  }
  return 0;
}
