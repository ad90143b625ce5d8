//! A client of the official SDK; it reconnects by the SDK alone. What the backend takes from it (a channel) it asks for again,
//! as a page would whose user comes back.

import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

import { Log, numberIn } from '../book/log.mjs';

const OPTIONS = {
  websocket: WebSocket, fetch, readableStream: ReadableStream, eventsource: EventSource,
  minReconnectDelay: 50, maxReconnectDelay: 400, timeout: 5000, maxServerPingDelay: 5000,
};
const BACK_AFTER_MS = 300;

/** Listens to channels through the SDK. */
export class SdkListener {
  #subscriptions = [];
  #stopped = false;

  constructor({ ledger }, name, port, channels, { transport, binary = false, token }) {
    Object.assign(this, { ledger, name, binary });
    this.logs = new Map(channels.map((channel) => [channel, new Log(ledger, name, channel)]));
    const origin = `http://127.0.0.1:${port}`;
    const at = transport === 'websocket'
      ? `ws://127.0.0.1:${port}/connection/websocket`
      : [{ transport, endpoint: `${origin}/connection/${transport}` }];
    const Sdk = binary ? ProtobufCentrifuge : Centrifuge;
    this.sdk = new Sdk(at, { ...OPTIONS, emulationEndpoint: `${origin}/emulation`, token });
    this.sdk.on('connecting', ({ code }) => { if (code === 1012) ledger.drained(name, this.#live()); });
    this.sdk.on('disconnected', () => { if (!this.#stopped) setTimeout(() => { if (!this.#stopped) this.sdk.connect(); }, BACK_AFTER_MS); });
    this.sdk.on('error', () => {});
    for (const log of this.logs.values()) this.#subscribe(log);
    this.sdk.connect();
  }

  get ready() { return this.#subscriptions.every(({ state }) => state === 'subscribed'); }

  #live() { return [...this.logs.values()].filter((_, index) => this.#subscriptions[index].state === 'subscribed'); }

  #subscribe(log) {
    const subscription = this.sdk.newSubscription(log.channel, { minResubscribeDelay: 50, maxResubscribeDelay: 400 });
    subscription.on('subscribed', ({ wasRecovering, recovered, streamPosition: { epoch, offset } }) => {
      if (!wasRecovering) log.begin(epoch, offset);
      else if (recovered) log.resume(epoch);
      else log.lose(epoch, offset);
    });
    subscription.on('publication', ({ offset, data }) => log.take(offset, numberIn(this.#open(data))));
    subscription.on('unsubscribed', () => {
      if (!this.#stopped) setTimeout(() => { if (!this.#stopped) subscription.subscribe(); }, BACK_AFTER_MS);
    });
    subscription.on('error', () => {});
    subscription.subscribe();
    this.#subscriptions.push(subscription);
  }

  #open(data) { return this.binary ? new TextDecoder().decode(data) : data; }

  stop() {
    this.#stopped = true;
    this.sdk.disconnect();
  }
}
