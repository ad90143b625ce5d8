//! A small client of the Centrifuge protocol (JSON over WebSocket), for sessions of which there are many. Owned by whoever opens
//! it. Bounds: one connection; replies that are waited for.

import { Frames } from './frames.mjs';

/** One session. `heard` has what it is told: `onPush(push)` and `onEnd({ code, reason })`, both optional. */
export class Session {
  id = null;
  over = false;
  #next = 1;
  #waiting = new Map();

  constructor(port, heard = {}) {
    this.heard = heard;
    this.frames = new Frames(port, '/connection/websocket', this);
    this.queue = [];
  }

  onOpen() {
    for (const text of this.queue) this.frames.send(text);
    this.queue = [];
  }

  onText(text) {
    for (const line of text.split('\n')) {
      const reply = JSON.parse(line);
      if (reply.id) {
        this.#waiting.get(reply.id)?.(reply);
        this.#waiting.delete(reply.id);
      } else if (reply.push) {
        this.heard.onPush?.(reply.push, this);
      } else {
        this.frames.send('{}');
      }
    }
  }

  onEnd(ended) {
    this.over = true;
    for (const answer of this.#waiting.values()) answer({ ended });
    this.#waiting.clear();
    this.heard.onEnd?.(ended, this);
  }

  /** Sends commands in one frame; answers their replies, each `{ ended }` if the connection ended first. */
  ask(commands) {
    if (this.over) return Promise.resolve(commands.map(() => ({ ended: { code: 1006, reason: 'over' } })));
    const numbered = commands.map((command) => ({ id: this.#next++, ...command }));
    const replies = numbered.map(({ id }) => new Promise((answer) => { this.#waiting.set(id, answer); }));
    const text = numbered.map((command) => JSON.stringify(command)).join('\n');
    if (this.frames.isOpen) this.frames.send(text);
    else this.queue.push(text);
    return Promise.all(replies);
  }

  /** Connects and subscribes; answers whether all of it was granted. */
  async enter(channels, { token, ...options } = {}) {
    const commands = [{ connect: token ? { token } : {} }, ...channels.map((channel) => ({ subscribe: { channel, ...options } }))];
    const [connected, ...subscribed] = await this.ask(commands);
    this.id = connected.connect?.client ?? null;
    return this.id !== null && subscribed.every((reply) => reply.subscribe);
  }

  close() { if (this.frames.isOpen) this.frames.close(); else this.frames.destroy(); }
}
