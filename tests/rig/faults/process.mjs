//! Faults of the process: it is told to end, killed, stopped for a while, told to reload. Each ends with a node that is ready.

import { checkTold, judgeLife } from '../checks/quiet.mjs';
import { checkSynced, wordOf } from '../checks/synced.mjs';
import { CHANNELS, DRAIN_MAX_MS, WIDE } from '../settings.mjs';

/** Batches at a time before a SIGTERM. */
const BURSTS = 24;
/** Publications right before a crash. */
const PROBES = 8;

/** Starts the node for another life. */
export async function restart(world, { crashed = false } = {}) {
  world.book.restarted({ crashed });
  world.restarts += 1;
  if (!world.state) world.blocked.clear();
  // What the watchers found in the last moments of the life before cannot be judged.
  await world.churn.ask('judge', { isVoid: true });
  return world.node.start();
}

/** SIGTERM in the middle of what is published: what was answered before it is delivered before the Close. */
export async function term(world) {
  const { node, load, book, random, verdict } = world;
  // So that something waits in the shards when the signal comes: to a channel that half of the clients are in, and by so many
  // requests at a time that they are answered faster than what they brought is delivered.
  const bursts = Array.from({ length: BURSTS }, () => Array.from({ length: 35 + random.below(25) }, () => (random.percent(90) ? WIDE : random.of(CHANNELS))));
  const judged = await judgeLife(world);
  const { node_id: id } = await node.status();
  // Nothing else comes behind them.
  const { rate } = load;
  load.rate = 0;
  await Promise.all(bursts.map((burst) => load.batch(burst)));
  book.draining(book.currentEpochs());
  node.signal('SIGTERM');
  load.rate = rate;
  const status = await node.ended(DRAIN_MAX_MS);
  if (status !== 0) {
    verdict.fault({ rule: 'exit', text: status === 'late' ? `SIGTERM, and life ${node.life} still runs ${DRAIN_MAX_MS} ms later` : `life ${node.life} ended with ${status}` });
    if (status === 'late') node.signal('SIGKILL');
    await node.ended(5000);
  } else {
    checkTold(world, id);
  }
  return { ready: Math.round(await restart(world)), ...judged };
}

/** SIGKILL, right behind an answer: what it says is there in the next life. */
export async function kill(world) {
  const { node, load, random } = world;
  const judged = await judgeLife(world);
  await load.probe(random.of(CHANNELS));
  node.signal('SIGKILL');
  await node.ended(5000);
  return { ready: Math.round(await restart(world)), ...judged };
}

/** SIGSTOP for a while; up to 20 s where the run is long enough. */
export async function stop({ node, random, options }) {
  const ms = Math.round(random.between(500, options.minutes > 1 && random.percent(30) ? 20_000 : 4000));
  node.signal('SIGSTOP');
  await new Promise((next) => { setTimeout(next, ms); });
  node.signal('SIGCONT');
  return { ms };
}

/** SIGHUP. */
export async function reload({ node }) {
  node.signal('SIGHUP');
  return {};
}

/** The machine crashes: the process is killed, and what was not synced goes as a disk would have it. */
export async function crash(world) {
  const { node, machine, load, random, book } = world;
  const judged = await judgeLife(world);
  // What was answered a moment before is not synced: it may go, and then its place must not come again.
  await Promise.all(Array.from({ length: PROBES }, () => load.probe(random.of(CHANNELS))));
  const word = await wordOf(node);
  const at = performance.now();
  node.signal('SIGKILL');
  await node.ended(5000);
  // The first one of a run takes all that it may: chance may leave nothing to find.
  const taken = machine.crash(random, world.crashes === 0 ? 0 : undefined);
  world.crashes += 1;
  const due = book.synced.crashed({ at, ...word, stays: taken.stays });
  const ready = Math.round(await restart(world, { crashed: true }));
  return { ...taken, ready, ...judged, synced: await checkSynced(world, due) };
}

/** SIGUSR2: another process takes over the sockets, and the state where there is one. */
export async function handover(world) {
  const { node, book, verdict } = world;
  const judged = await judgeLife(world);
  const { node_id: id } = await node.status();
  book.draining(book.currentEpochs());
  book.restarted();
  world.restarts += 1;
  if (!world.state) world.blocked.clear();
  const began = performance.now();
  const ended = await node.handOver(DRAIN_MAX_MS);
  if (ended) verdict.fault({ rule: 'exit', text: `hand-over of life ${node.life - 1}: ${ended}` });
  else checkTold(world, id);
  await world.churn.ask('judge', { isVoid: true });
  return { ms: Math.round(performance.now() - began), ...judged };
}
