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

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
