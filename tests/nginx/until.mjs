//! Waiting for a condition with a deadline, and free ports; for the tests of this folder. Bounds: the deadline given.
//! It must not be used to sleep: each wait names what it waits for.

import { once } from 'node:events';
import { createServer } from 'node:net';

/** Waits until `condition` holds and answers what it gave; fails with `what` after the deadline. */
export async function until(what, condition, deadlineMs = 10_000, detail = () => '') {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}\n${detail()}`);
    await new Promise((next) => { setTimeout(next, 25); });
  }
}

/** Answers with the promise, or fails with `what` after the deadline. */
export async function within(what, promise, deadlineMs = 10_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadlineMs} ms: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Below the ports that a system gives to whoever connects (from 32768, elsewhere from 49152). One of those may be free now and a
// client's by the time that the program listens: the very client's that asks whether it does. Each process has a hundred.
const PORTS_BEGIN = 11_000;
const PORTS_EACH = 100;
const PROCESSES = 200;

// Not the first, since processes whose ids are that far apart have the same hundred.
let asked = Math.floor(Math.random() * PORTS_EACH);

/** A port of 127.0.0.1 that nobody listens on, and that no client is given. */
export async function freePort() {
  for (let tries = 0; tries < PORTS_EACH; tries += 1) {
    const port = PORTS_BEGIN + (process.pid % PROCESSES) * PORTS_EACH + (asked % PORTS_EACH);
    asked += 1;
    if (await isFree(port)) return port;
  }
  throw new Error('all ports of this process are taken');
}

async function isFree(port) {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
