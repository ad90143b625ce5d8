//! Jumps of the wall clock, by libfaketime and a file with the offset. The monotonic clock is left alone: timers that wait by it
//! would hang. Bounds: an hour in each direction.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARIES = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1', '/usr/lib/faketime/libfaketimeMT.so.1'];
const HOUR = 3600;

/** The library, or null where it is not installed. */
export function faketime() { return LIBRARIES.find((file) => existsSync(file)) ?? null; }

/** The clock of a node. */
export class Clock {
  constructor(folder) {
    this.file = join(folder, 'clock');
    this.set(0);
  }

  /** The wall clock is so many seconds ahead from now on. */
  set(seconds) { writeFileSync(this.file, `${seconds >= 0 ? '+' : ''}${seconds}`); }

  library = faketime();

  get env() {
    return { FAKETIME_TIMESTAMP_FILE: this.file, FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_CACHE_DURATION: '1' };
  }
}

/** The wall clock jumps, and stays there until it jumps again. */
export async function clock({ clock: faked, random, book }) {
  const seconds = random.of([0, random.below(HOUR), -random.below(HOUR), HOUR, -HOUR]);
  faked.set(seconds);
  book.synced.clockIs(seconds);
  return { seconds };
}
