//! The long runs: churn without a restart, in which memory must not grow, and a restart each two minutes, in which starts stay as
//! fast and files as small. Owned by `main.mjs`. Bounds: the time asked for, and a rest more; a sample each SAMPLE_MS.

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { begin } from './faults/index.mjs';

const SAMPLE_MS = 15_000;
/** What is filled by then is full: histories, keys, pools. */
const WARM_MS = 600_000;
/** One look differs from the next by some percent, also where the load has rested before: by what waits, by pages that the allocator
 *  has not given back yet, by what the last fault left. So the middle of many stands against that of many; fewer than these, which are
 *  less than some 45 minutes, say nothing of growth. */
const LOOKS_MIN = 120;
/** What is first and last is the middle of such a part of them. */
const PART = 1 / 3;
const GROWTH_MAX = 0.02;
/** Of what is kept: 2.5 times and once more while it is written anew; beside it 64 MiB and the reserve. */
const FILES_OF_KEPT = 3.5;
const FILES_BESIDE = (64 + 8) * 1024 * 1024;
const RESTART_EACH_MS = 120_000;
/** Starts differ by themselves; what grows with the number of restarts is more than this. It is processor time, since a machine that
 *  has other things to do starts slowly too. */
const SLOWER_MAX = 1.5;
const SLOWER_MAX_MS = 300;

const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];

/** Proportional memory of the process, in KiB: all of it, and what of that is pages of files, as its code is. */
function memory(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const line = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
  return { kib: line('Pss'), files: line('Pss_File') };
}

/** Bytes of the files of the state; those that were set aside for people to look at are none of them. */
function files(world) {
  if (!world.state || !existsSync(world.state)) return 0;
  const names = readdirSync(world.state).filter((name) => !name.endsWith('.damaged'));
  return names.reduce((sum, name) => sum + size(join(world.state, name)), 0);
}

/** A file may go while it is looked at. */
function size(path) {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Files are bounded by what is kept (docs/state.md): old records, new ones while all of it is written anew, and the reserve. */
async function checkFiles(world) {
  const before = await kept(world.node);
  const bytes = files(world);
  const most = Math.floor(FILES_OF_KEPT * Math.max(before, await kept(world.node))) + FILES_BESIDE;
  if (bytes > most) world.verdict.fault({ rule: 'soak', text: `the files have ${bytes} bytes, and may have ${most} by what is kept` });
  return bytes;
}

/** Bytes that the node keeps, as it charges them. */
async function kept(node) {
  const metrics = await node.metrics();
  return ['history', 'position', 'idempotency'].reduce((sum, what) => sum + metrics.get(`fanfare_${what}_bytes`), 0);
}

/** Looks at memory, and says it with what is kept and what of it is code, so that a step of the one can be told from a step of the
 *  other. */
async function look(world) {
  const { kib, files: mapped } = memory(world.node.pid);
  const [bytes, had] = [await checkFiles(world), await kept(world.node)];
  world.say(`memory ${kib} KiB, ${mapped} of it pages of files, kept ${had} bytes, files ${bytes} bytes`);
  return { kib, kept: had };
}

/** Whether memory grew, by what it was at each look. What is kept is charged to its own bound: where more is kept at last than at
 *  first, by the chance of the faults, so much more memory is right. Where less is kept, no less memory is asked for. */
export function growth(looks) {
  const middle = (some, name) => median(some.map((one) => one[name]));
  const part = Math.floor(looks.length * PART);
  const [begin, end] = [looks.slice(0, part), looks.slice(-part)];
  const [first, last] = [middle(begin, 'kib'), middle(end, 'kib')];
  const more = Math.max(0, middle(end, 'kept') - middle(begin, 'kept')) / 1024;
  // From the middle of the one part to that of the other is only so much of the time.
  const grown = ((last - more) / first - 1) / (1 - PART);
  return { first_kib: first, last_kib: last, kept_kib_more: Math.round(more), growth_percent: Number((grown * 100).toFixed(2)), grew: !(grown <= GROWTH_MAX) };
}

/** Load and network faults for so long; memory is looked at. `step` does a piece of the load. */
export async function soak(world, ms, step, quiet) {
  const looks = [];
  const began = performance.now();
  while (performance.now() - began < ms) {
    await step(world, SAMPLE_MS);
    world.machine?.prune();
    const found = await look(world);
    if (performance.now() - began >= WARM_MS) looks.push(found);
  }
  await quiet(world);
  if (looks.length < LOOKS_MIN) {
    world.say('this run is too short to say whether memory grows: it is not judged');
    return { memory_judged: false };
  }
  const { grew, ...figures } = growth(looks);
  if (grew) world.verdict.fault({ rule: 'soak', text: `memory grew: ${JSON.stringify(figures)}` });
  return figures;
}

/** Restarts for so long, by each of `ends` in turn; `end` does one and answers how long the start took. */
export async function soakRestarts(world, ms, step, quiet, ends) {
  const [starts, sizes] = [[], []];
  const began = performance.now();
  for (let index = 0; performance.now() - began < ms; index += 1) {
    await step(world, Math.min(RESTART_EACH_MS, ms / 6));
    const [name, end] = ends[index % ends.length];
    const over = begin(world, name);
    world.machine?.prune();
    world.random = world.draws.of('end');
    const { ready } = await end(world);
    over();
    sizes.push(await checkFiles(world));
    // A process that takes over reads while it serves, which cannot be told apart.
    if (ready !== undefined) starts.push(world.node.startedWith);
    world.say(`${name}: ready after ${ready ?? 'no'} ms, with ${ready === undefined ? 'no' : starts.at(-1)} ms of a processor; files ${sizes.at(-1)} bytes`);
    await quiet(world);
  }
  const third = Math.max(1, Math.floor(starts.length / 3));
  const [first, last] = [median(starts.slice(0, third)), median(starts.slice(-third))];
  if (last > first * SLOWER_MAX + SLOWER_MAX_MS) world.verdict.fault({ rule: 'soak', text: `a start took ${first} ms at first and ${last} ms at last` });
  return { restarts: starts.length, first_ms: first, last_ms: last, files: sizes.at(-1) };
}
