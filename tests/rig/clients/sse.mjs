//! A plain client of `/sse`, written as EventSource is meant: it comes back with the last id that it saw. With several channels
//! it takes the envelope, which says whose a message is. Bounds: one event in memory.

import { get } from 'node:http';

import { Log, numberIn, position } from '../book/log.mjs';

const AGAIN_MS = [50, 300];

/** Listens to channels through server-sent events. */
export class Streamer {
  ready = false;
  #id = null;
  #stopped = false;
  #request = null;

  constructor({ ledger, random }, name, port, channels) {
    Object.assign(this, { ledger, random, name });
    this.logs = new Map(channels.map((channel) => [channel, new Log(ledger, name, channel)]));
    const query = new URLSearchParams(channels.map((channel) => ['channel', channel]));
    if (channels.length > 1) query.append('envelope', '1');
    this.url = `http://127.0.0.1:${port}/sse?${query}`;
    this.#open();
  }

  #open() {
    if (this.#stopped) return;
    const again = () => {
      this.ready = false;
      setTimeout(() => this.#open(), this.random.between(...AGAIN_MS));
    };
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
    this.#request = request;
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
    if (id !== null) this.#id = id;
    if (data.length === 0) return;
    const told = JSON.parse(data.join('\n'));
    if (name === 'fanfare') {
      for (const { channel, recovered, since } of told.channels) this.#start(this.logs.get(channel), recovered, position(since));
      this.ready = true;
    } else if (name === 'close') {
      if (told.code === 1012) this.ledger.drained(this.name, this.logs.values());
    } else {
      this.#message(told, id);
    }
  }

  #start(log, recovered, { epoch, offset }) {
    if (recovered) log.resume(epoch, offset);
    else log.lose(epoch, offset);
  }

  #message(told, id) {
    if (this.logs.size === 1) {
      const [log] = this.logs.values();
      const { offset, epoch } = position(id);
      log.take(offset, numberIn(told), epoch);
    } else {
      this.logs.get(told.channel).take(told.offset, numberIn(told.data), position(told.since).epoch);
    }
  }

  /** Reads nothing for a while. */
  sleep(ms) {
    const { socket } = this.#request;
    if (!socket) return;
    socket.pause();
    setTimeout(() => socket.resume(), ms);
  }

  stop() {
    this.#stopped = true;
    this.#request?.destroy();
  }
}
