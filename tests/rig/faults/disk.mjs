//! A sick disk under the state: full, read-only, or one that cannot be synced. Kept publications are refused as temporary
//! meanwhile, and taken again by themselves once the disk is well.

import { CHANNELS } from '../settings.mjs';

const WELL_MAX_MS = 15_000;

function sick(how) {
  return async ({ machine, random, load, verdict }) => {
    const ms = Math.round(random.between(300, 3000));
    machine.sicken(how);
    await new Promise((next) => { setTimeout(next, ms); });
    machine.heal();
    const healed = performance.now();
    while (!(await load.probe(CHANNELS[0]))) {
      if (performance.now() - healed > WELL_MAX_MS) {
        verdict.fault({ rule: 'disk', text: `${WELL_MAX_MS} ms after the disk was ${how} for ${ms} ms, publications are still refused` });
        break;
      }
      await new Promise((next) => { setTimeout(next, 100); });
    }
    return { ms, again_after: Math.round(performance.now() - healed) };
  };
}

export const full = sick('full');
export const readonly = sick('readonly');
export const unsynced = sick('unsynced');
