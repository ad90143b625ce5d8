//! The time there and back, and an honest word about what was measured. Owned by console.js.
//! Bounds: 8 probes, one at a time, 3 s each. A page cannot see pings and pongs, so it is either a message that an echo path
//! returns, or a plain GET. It must not measure by messages on a path that would pass them to other people.

const PROBES = 7;
const PROBE_MAX_MS = 3000;

/** Whether messages on this address come back to the sender alone, as far as its path says. */
export function isEcho(url) {
  try {
    return /(^|\/)echo\/?$/.test(new URL(url).pathname);
  } catch {
    return false;
  }
}

/** `{median, min, max, count}` in ms of HTTP GETs of `health`; null if one fails. */
export async function overHttp() {
  const get = async () => {
    const began = performance.now();
    const answer = await fetch(new URL('health', document.baseURI), { cache: 'no-store', signal: AbortSignal.timeout(PROBE_MAX_MS) });
    await answer.text();
    return performance.now() - began;
  };
  try {
    // The first one may open a connection, which is not a round trip.
    await get();
    const times = [];
    for (let i = 0; i < PROBES; i += 1) times.push(await get());
    return summary(times);
  } catch {
    return null;
  }
}

/** The same by messages: `send` sends a text, `heard(text)` is to be called with each text that arrives. */
export class EchoProbe {
  #waiting = null;

  /** Tells of an arrived text. */
  heard(text) {
    if (this.#waiting?.text === text) this.#waiting.settle(performance.now());
  }

  /** Runs the probes; null if one does not come back. */
  async run(send) {
    const times = [];
    // Number 0 warms the path and is not counted, as with HTTP.
    for (let i = 0; i <= PROBES; i += 1) {
      const text = `round trip ${i} ${Math.random().toString(36).slice(2)}`;
      const arrival = new Promise((settle) => {
        this.#waiting = { text, settle };
        setTimeout(settle, PROBE_MAX_MS, null);
      });
      const began = performance.now();
      const arrivedAt = send(text) ? await arrival : null;
      this.#waiting = null;
      if (arrivedAt === null) return null;
      if (i > 0) times.push(arrivedAt - began);
    }
    return summary(times);
  }
}

/** Median and extremes, to a tenth: browsers blur their clocks below that. */
export function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const tenth = (value) => value.toFixed(1);
  return { count: sorted.length, median: tenth(sorted[sorted.length >> 1]), min: tenth(sorted[0]), max: tenth(sorted[sorted.length - 1]) };
}
