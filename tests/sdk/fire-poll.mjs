//! A plain client of `/poll` that counts what it gets: each question brings the `since` of the last answer, and a question that
//! found no answer is asked again as it was. For `fire-clients.mjs`.

import { Agent, get } from 'node:http';

const AGAIN_AFTER_MS = 100;

/** Listens to one channel by long polling. */
export class Poller {
  ready = false;
  #since = null;
  #failed = false;
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(origin, channel, tally) {
    this.tally = tally;
    this.url = `${origin}/poll?channel=${encodeURIComponent(channel)}`;
    this.#ask();
  }

  #ask() {
    const since = this.#since === null ? '' : `&since=${encodeURIComponent(this.#since)}`;
    const again = () => {
      this.#failed = true;
      setTimeout(() => this.#ask(), AGAIN_AFTER_MS);
    };
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
    request.on('error', () => { if (!request.res) again(); });
  }

  #take({ messages, since, recovered }) {
    if (this.#failed && this.#since !== null) this.tally.back(recovered);
    else if (recovered === false) this.tally.back(false);
    this.#failed = false;
    this.#since = since;
    this.ready = true;
    for (const { data } of messages) this.tally.take(typeof data === 'string' ? JSON.parse(data).n : data.n);
  }
}
