//! What the node logged: no panic, and no line at error level that nothing explains. A fault explains lines of its kind, of the process
//! that it met and of whoever took over from that one (both write to one place), while it lasts and a moment after.

/** As long as a line may come behind its fault: what is told often is held back for 10 s, and so is a thread that stands still. */
const MOMENT_MS = 10_000;
const LATE_MS = 30_000;
const CANNOT = /the state (on disk )?cannot be/;

/** The lines that a fault of the rig explains, and for how long behind its end. */
const EXPLAINED = {
  // What waited meanwhile comes at once then, and the node may open no more than the rig lets it.
  stop: { lines: /has given no sign of life|connections cannot be accepted/, afterMs: LATE_MS },
  clock: { lines: /has given no sign of life/, afterMs: LATE_MS },
  descriptors: { lines: /connections cannot be accepted/, afterMs: MOMENT_MS },
  mute: { lines: /connections cannot be accepted/, afterMs: MOMENT_MS },
  certificate: { lines: /certificate stays as it was/, afterMs: MOMENT_MS },
  // What could not be delivered is given up later.
  backend: { lines: /events dropped/, afterMs: 2 * LATE_MS },
  full: { lines: CANNOT, afterMs: MOMENT_MS },
  readonly: { lines: CANNOT, afterMs: MOMENT_MS },
  unsynced: { lines: CANNOT, afterMs: MOMENT_MS },
  // Of the lives behind it, until all is written anew: one that is killed before that leaves the files to the next.
  crash: { lines: /damaged|new epoch/, afterMs: 1000, untilWhole: true },
};

/** What was done to the node, and when, as far as it explains lines. */
export class Explanations {
  #all = [];

  constructor(now = () => performance.now()) { this.now = now; }

  /** A fault begins, in a process whose lines carry this number; answers what is to be called with that number at its end. */
  begin(fault, life) {
    const known = EXPLAINED[fault];
    if (!known) return () => {};
    const one = { ...known, isOver: false, from: this.now(), to: Infinity, first: known.untilWhole ? life + 1 : life, last: Infinity };
    this.#all.push(one);
    return (lifeThen) => {
      one.isOver = true;
      if (!known.untilWhole) Object.assign(one, { to: this.now(), last: lifeThen });
    };
  }

  /** The node says that its files are whole. */
  whole() {
    for (const one of this.#all) if (one.untilWhole && one.isOver && one.to === Infinity) one.to = this.now();
  }

  explain({ life, at, message }) {
    return this.#all.some(({ lines, afterMs, from, to, first, last }) => lines.test(message) && life >= first && life <= last && at >= from && at <= to + afterMs);
  }
}

/** Looks whether what a crash left is written anew. */
export async function lookAtFiles({ node, explanations }) {
  const status = await node.status().catch(() => null);
  if (status?.state?.whole) explanations.whole();
}

/** Holds the lines against the faults that were done. */
export function checkLog(verdict, lines, explanations) {
  for (const line of lines) {
    const { life, level, message, target } = line;
    if (level !== 'error' && !/panicked/.test(message)) continue;
    if (!explanations.explain(line)) verdict.fault({ rule: 'log', text: `life ${life}: ${target ?? 'stderr'}: ${message}` });
  }
}
