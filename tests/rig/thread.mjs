//! A thread of clients: told orders, each with an answer, and heard otherwise by what it says by itself. Owned by `main.mjs`.
//! Bounds: ANSWER_MAX_MS for an answer.

import { Worker } from 'node:worker_threads';

const ANSWER_MAX_MS = 20_000;

/** A worker thread of the rig. */
export class Thread {
  #next = 1;
  #waiting = new Map();

  /** `heard` maps what it may say to functions of the message. */
  constructor(file, words, heard) {
    this.file = file;
    this.worker = new Worker(new URL(file, import.meta.url), { workerData: words });
    this.worker.on('message', (message) => {
      if (message.what !== 'answer') {
        heard[message.what](message);
        return;
      }
      this.#waiting.get(message.id)?.(message.answer);
      this.#waiting.delete(message.id);
    });
    // A thread that broke has shown nothing: the rig ends.
    this.worker.on('error', (error) => { throw error; });
  }

  ask(order, words = {}) {
    const id = this.#next++;
    return new Promise((answer, fail) => {
      const timer = setTimeout(() => fail(new Error(`${this.file} does not answer ${order}`)), ANSWER_MAX_MS);
      this.#waiting.set(id, (value) => {
        clearTimeout(timer);
        answer(value);
      });
      this.worker.postMessage({ id, order, ...words });
    });
  }
}
