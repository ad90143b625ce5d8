//! All faults by their names, and which of them can be had here. Owned by `main.mjs`.

import { block } from './access.mjs';
import { certificate } from './certificate.mjs';
import { clock, faketime } from './clock.mjs';
import { full, readonly, unsynced } from './disk.mjs';
import * as network from './network.mjs';
import { crash, handover, kill, reload, stop, term } from './process.mjs';

/** Those that leave the process alone, in the long life of a minute. */
export const WHILE_IT_LIVES = { ...network, reload, stop, clock, block, certificate, full, readonly, unsynced };
/** Those that end a life. */
export const ENDS = { term, kill, handover, crash };

const NEEDS_STATE = ['crash', 'full', 'readonly', 'unsynced'];

/** A fault begins; answers what is to be called at its end. */
export function begin({ done, explanations, node }, name) {
  done.add(name);
  const over = explanations.begin(name, node.logged);
  return () => over(node.logged);
}

/** Names that were asked for (all, unless told), without those that cannot be had: each with the reason. */
export function choose(asked, { state, recorder, certificates, handover: canHandOver }) {
  const all = [...Object.keys(WHILE_IT_LIVES), ...Object.keys(ENDS)];
  const unknown = (asked ?? []).filter((name) => !all.includes(name) && name !== 'none');
  if (unknown.length > 0) throw new Error(`no such fault: ${unknown.join(', ')}; there are ${all.join(', ')}`);
  const left = new Map();
  if (!faketime()) left.set('clock', 'libfaketime is not installed');
  if (!certificates) left.set('certificate', 'openssl is not installed');
  for (const name of NEEDS_STATE) {
    if (!state) left.set(name, 'this binary has no [state]');
    else if (!recorder) left.set(name, 'there is no compiler for the recorder');
  }
  if (!canHandOver) left.set('handover', 'this binary starts no other one on SIGUSR2');
  const chosen = all.filter((name) => (asked?.includes(name) ?? true) && !left.has(name));
  return { chosen, left: new Map([...left].filter(([name]) => asked?.includes(name) ?? true)) };
}
