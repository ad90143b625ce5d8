//! A plain client of `/sse` that counts what it gets, written as EventSource is meant: it comes back with the last id that it
//! saw. For `fire-clients.mjs`. Bounds: one event in memory.

import { get } from 'node:http';

const AGAIN_AFTER_MS = 100;

/** Listens to one channel through server-sent events. */
export class Streamer {
  ready = false;
  #id = null;

  constructor(origin, channel, tally) {
    this.tally = tally;
    this.url = `${origin}/sse?channel=${encodeURIComponent(channel)}`;
    this.#open();
  }

  #open() {
    const again = () => setTimeout(() => this.#open(), AGAIN_AFTER_MS);
    const headers = this.#id === null ? {} : { 'Last-Event-ID': this.#id };
    const request = get(this.url, { headers, agent: false }, (response) => {
      response.on('error', () => {}).on('close', again).setEncoding('utf8');
      if (response.statusCode !== 200) {
        response.resume();
        return;
      }
      let text = '';
      response.on('data', (piece) => {
        const events = (text + piece).split('\n\n');
        text = events.pop();
        for (const event of events) this.#take(event);
      });
    });
    request.on('error', () => { if (!request.res) again(); });
  }

  #take(event) {
    let [name, id, data] = ['message', null, []];
    for (const line of event.split('\n')) {
      const colon = line.indexOf(':');
      const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
      if (field === 'event') name = value;
      else if (field === 'id') id = value;
      else if (field === 'data') data.push(value);
    }
    const resumed = this.#id !== null;
    if (id !== null) this.#id = id;
    if (data.length === 0) return;
    const told = JSON.parse(data.join('\n'));
    if (name === 'fanfare') {
      this.ready = true;
      if (resumed) this.tally.back(told.recovered);
    } else {
      this.tally.take(told.n);
    }
  }
}
