//! A sick disk under the state: full, read-only, or one that cannot be synced. Kept publications are refused as temporary
//! meanwhile, and taken again by themselves once the disk is well; what the files may have lost is written anew then.

import { CHANNELS } from '../settings.mjs';

const WELL_MAX_MS = 15_000;

const LOOK_MS = 100;

function sick(how) {
  return async ({ node, machine, random, load, verdict }) => {
    const ms = Math.round(random.between(300, 3000));
    machine.sicken(how);
    await new Promise((next) => { setTimeout(next, ms); });
    machine.heal();
    const healed = performance.now();
    /** Waits for what must come by itself; answers how long it took. */
    const comes = async (look, text) => {
      while (!(await look())) {
        if (performance.now() - healed > WELL_MAX_MS) {
          verdict.fault({ rule: 'disk', text: `${WELL_MAX_MS} ms after the disk was ${how} for ${ms} ms, ${text}` });
          break;
        }
        await new Promise((next) => { setTimeout(next, LOOK_MS); });
      }
      return Math.round(performance.now() - healed);
    };
    const again = await comes(() => load.probe(CHANNELS[0]), 'publications are still refused');
    // A kill before that costs every stream its epoch, as it must.
    const whole = await comes(async () => (await node.status().catch(() => null))?.state?.whole, 'the files are not whole');
    return { ms, again_after: again, whole_after: whole };
  };
}

export const full = sick('full');
export const readonly = sick('readonly');
export const unsynced = sick('unsynced');
