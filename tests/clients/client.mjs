//! A client of the built browser module, with what it told kept for the test. Owned by the test
//! that makes it, closed when that ends. Bounds: 10 s for each wait.

import { until } from '../nginx/until.mjs';
import './browser.mjs';
import Fanfare from '../../clients/browser/fanfare.mjs';

export { Fanfare };

const EVENTS = ['state', 'close', 'error', 'message', 'subscribed', 'publication', 'join', 'leave', 'unsubscribed'];
const PARTS = ['subscribed', 'publication', 'join', 'leave', 'unsubscribed', 'error'];
/** Delays that no test has to sit through. */
const FAST = { minDelay: 10, maxDelay: 100 };

/** Keeps what an emitter tells: `told.state`, `told.close`, … and `told.all` in order. */
function record(emitter, events) {
  const told = { all: [] };
  for (const event of events) {
    told[event] = [];
    emitter.on(event, (what) => {
      told[event].push(what);
      told.all.push([event, what]);
    });
  }
  return told;
}

const clients = new Set();

/** Closes every client; a server does before it goes, so that none is in the middle of an attempt then. */
export function closeClients() {
  for (const made of clients) made.close();
  clients.clear();
}

/** Makes a client that is closed with the test; it does not connect yet. */
export function client(t, origin, options = {}) {
  const made = new Fanfare(origin, { ...FAST, ...options });
  made.told = record(made, EVENTS);
  clients.add(made);
  t.after(closeClients);
  return made;
}

/** A client that is connected. */
export async function connected(t, origin, options) {
  const made = client(t, origin, options);
  made.connect();
  await comes(made, 'connected');
  return made;
}

/** Waits until the client is in a state. */
export async function comes(made, state, deadlineMs) {
  await until(`the client is ${state}`, () => made.state === state, deadlineMs, () => words(made));
}

/** Subscribes, and keeps what is told. */
export function subscribe(made, channel, options) {
  const part = made.subscribe(channel, options);
  part.told = record(part, PARTS);
  return part;
}

/** Subscribes and waits until it stands. */
export async function subscribed(made, channel, options) {
  const part = subscribe(made, channel, options);
  await stands(part, 1);
  return part;
}

/** Waits until a subscription stood so many times; answers what it was told the last time. */
export async function stands(part, times) {
  const { subscribed: all } = part.told;
  await until(`${part.channel} stands ${times} times`, () => all.length >= times, 10_000, () => words(part));
  return all[times - 1];
}

/** Waits for so many publications; answers their data. */
export async function received(part, count) {
  const { publication } = part.told;
  await until(`${count} of ${part.channel}`, () => publication.length >= count, 10_000, () => words(part));
  return publication.map(({ data }) => data);
}

/** Waits for an event of a client; answers the first that the condition takes. */
export function told(made, event, condition = () => true) {
  return until(event, () => made.told[event].find(condition), 10_000, () => words(made));
}

/** The code that a promise is rejected with; 0 if it is not. */
export async function codeOf(promise) {
  try {
    await promise;
    return 0;
  } catch (error) {
    if (typeof error.message !== 'string') throw new Error(`no message: ${JSON.stringify(error)}`);
    return error.code;
  }
}

const words = (emitter) => JSON.stringify(emitter.told.all);
