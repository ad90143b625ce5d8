//! A plain client of `/poll`: each question brings the `since` of the last answer, and a question that found no answer is asked
//! again as it was. Bounds: one question at a time.

import { Agent, get } from 'node:http';

import { Log, numberIn, position } from '../book/log.mjs';

const AGAIN_MS = [50, 300];

/** Listens to channels by long polling. */
export class Poller {
  /** Whether it has a position. A question that waits for an answer again says nothing. */
  ready = false;
  #since = null;
  #stopped = false;
  #request = null;
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor({ ledger, random }, name, port, channels) {
    Object.assign(this, { random, name });
    this.logs = new Map(channels.map((channel) => [channel, new Log(ledger, name, channel)]));
    this.url = `http://127.0.0.1:${port}/poll?${new URLSearchParams(channels.map((channel) => ['channel', channel]))}`;
    this.#ask();
  }

  #ask() {
    if (this.#stopped) return;
    const since = this.#since === null ? '' : `&since=${encodeURIComponent(this.#since)}`;
    const again = () => setTimeout(() => this.#ask(), this.random.between(...AGAIN_MS));
    const request = get(this.url + since, { agent: this.#agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('error', () => {});
      response.on('data', (piece) => { text += piece; });
      response.on('close', () => {
        if (!response.complete || response.statusCode !== 200) {
          again();
          return;
        }
        this.#take(JSON.parse(text));
        this.#ask();
      });
    });
    request.on('error', () => {
      if (!request.res) again();
    });
    this.#request = request;
  }

  #take({ messages, since, recovered }) {
    const now = [...this.logs.values()].map((log, index) => [log, position(since.split(',')[index])]);
    const isFirst = this.#since === null;
    for (const [log, { epoch, offset }] of now) {
      const before = offset - messages.filter(({ channel }) => channel === log.channel).length;
      // One answer for all channels: one of which nothing is lost stays where it was.
      if (isFirst) log.begin(epoch, offset);
      else if (!recovered && (epoch !== log.epoch || before !== log.offset)) log.lose(epoch, before);
    }
    for (const { channel, offset, data } of messages) this.logs.get(channel).take(offset, numberIn(data));
    for (const [log, { epoch, offset }] of now) log.resume(epoch, offset);
    this.#since = since;
    this.ready = true;
  }

  stop() {
    this.#stopped = true;
    this.#request?.destroy();
    this.#agent.destroy();
  }
}
