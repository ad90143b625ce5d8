//! What the node logged: no panic, and no line at error level that nothing explains. Pure over lines.

/** Lines that a fault of the rig explains. */
const EXPLAINED = {
  stop: /has given no sign of life/,
  clock: /has given no sign of life/,
  descriptors: /connections cannot be accepted/,
  certificate: /certificate stays as it was/,
  backend: /events dropped/,
  full: /the state (on disk )?cannot be/,
  readonly: /the state (on disk )?cannot be/,
  unsynced: /the state (on disk )?cannot be/,
  crash: /damaged|new epoch/,
};

/** Holds the lines against the faults that were done. */
export function checkLog(verdict, lines, done) {
  for (const { life, level, message, target } of lines) {
    if (level !== 'error' && !/panicked/.test(message)) continue;
    const isExplained = [...done].some((fault) => EXPLAINED[fault]?.test(message));
    if (!isExplained) verdict.fault({ rule: 'log', text: `life ${life}: ${target ?? 'stderr'}: ${message}` });
  }
}
