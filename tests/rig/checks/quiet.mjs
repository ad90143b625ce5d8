//! What must hold once it is quiet: every client is where its channels are, and the node's own figures, presence and events are
//! what the rig did. Looks again until all of it holds, or SETTLE_MAX_MS after the quiet began; what does not hold then is told.

import { CHANNELS, ROOMS, WIDE } from '../settings.mjs';

const SETTLE_MAX_MS = 15_000;
const COUNTS_MAX_MS = 6000;
const LOOK_MS = 100;

/** Looks until `look` answers an empty list; answers the last one. */
async function settle(deadlineMs, look) {
  const end = performance.now() + deadlineMs;
  for (;;) {
    let faults;
    try {
      faults = await look();
    } catch (error) {
      faults = [{ rule: 'counts', text: `cannot be asked: ${error}` }];
    }
    if (faults.length === 0 || performance.now() > end) return faults;
    await new Promise((next) => { setTimeout(next, LOOK_MS); });
  }
}

/** The stream of each channel, as the node has it now, entered in the book. */
async function histories({ node, book }) {
  const answered = book.answeredSince(book.generationBegan);
  const tops = {};
  for (const channel of [...CHANNELS, WIDE]) {
    const history = await node.api('history', { channel, limit: -1 });
    book.history(channel, history, answered.get(channel) ?? []);
    tops[channel] = { epoch: history.epoch, offset: history.offset };
  }
  return tops;
}

/** Waits for everything, with the residents there. */
export async function checkQuiet(world) {
  const { node, verdict, residents, churn, load, backend } = world;
  await settle(SETTLE_MAX_MS, async () => (load.waiting > 0 || (await churn.ask('quiet')).open > 0 ? [{}] : []));
  const tops = await histories(world);
  for (const fault of await settle(SETTLE_MAX_MS, async () => (await residents.ask('behind', { tops })).late)) {
    verdict.fault({ rule: 'complete', ...fault, text: `${fault.text}, and it is quiet` });
  }
  const counted = await settle(COUNTS_MAX_MS, async () => counts(world));
  for (const fault of counted) verdict.fault(fault);
  const present = {};
  for (const room of ROOMS) present[room] = Object.keys((await node.api('presence', { channel: room })).presence);
  const watchers = (await churn.ask('quiet')).ids;
  for (const room of ROOMS) {
    const due = watchers.filter(({ rooms }) => rooms.includes(room)).map(({ id }) => id).sort();
    const are = present[room].sort();
    if (due.join() !== are.join()) verdict.fault({ rule: 'presence', channel: room, text: `${are.length} are present (${are.slice(0, 5)}), and ${due.length} are there (${due.slice(0, 5)})` });
  }
  await churn.ask('compare', { present });
  await judgeLife(world);
  for (const fault of await settle(COUNTS_MAX_MS, async () => events(node, backend))) verdict.fault(fault);
}

/** A life that came to its end by itself told of the end of everybody; `id` is that of its process. */
export function checkTold({ backend, verdict }, id) {
  const left = [...backend.life(id).sessions.keys()];
  if (left.length > 0) verdict.fault({ rule: 'events', client: left[0], text: `life ${id} came to its end, and ${left.length} sessions are left in its events` });
}

/** What the watchers of this life found counts where the node says that it told everything. */
export async function judgeLife({ node, churn }) {
  // Of a node that does not answer nobody knows.
  const { publish_refused: refused, joins_leaves_untold: untold } = await node.status().catch(() => ({}));
  await churn.ask('judge', { isVoid: untold !== 0 });
  return { refused, untold };
}

/** Sessions and members of channels. */
async function counts({ node, residents, load, churn }) {
  const { sessions, members } = await residents.ask('behind', { tops: {} });
  const { ids } = await churn.ask('quiet');
  const [status, metrics, { channels }] = [await node.status(), await node.metrics(), await node.api('channels', {})];
  const faults = [];
  const differ = (what, is, due) => { if (is !== due) faults.push({ rule: 'counts', text: `${what}: ${is}, and the rig has ${due}` }); };
  const due = sessions + ids.length + load.sessions;
  differ('sessions in /status', status.sessions, due);
  differ('fanfare_sessions', metrics.get('fanfare_sessions'), due);
  differ('fanfare_worker_sessions', sum(metrics, 'fanfare_worker_sessions'), due);
  for (const { rooms } of ids) for (const room of rooms) members[room] = (members[room] ?? 0) + 1;
  for (const { channel } of load.relays) members[channel] = (members[channel] ?? 0) + 1;
  for (const channel of new Set([...Object.keys(members), ...Object.keys(channels)])) {
    differ(`members of ${channel}`, channels[channel]?.num_clients ?? 0, members[channel] ?? 0);
  }
  return faults;
}

function sum(metrics, name) {
  let total = 0;
  for (const [sample, value] of metrics) if (sample.startsWith(`${name}{`)) total += value;
  return total;
}

/** The events of this life are its sessions, and each life said that it began. */
async function events(node, backend) {
  const { sessions, events: told, node_id: id } = await node.status();
  const known = backend.life(id).sessions.size;
  if (told.pending > 0) return [{ rule: 'events', text: `${told.pending} events wait, and the backend takes them` }];
  if (backend.lives !== node.life) return [{ rule: 'events', text: `${backend.lives} processes said that they began, and ${node.life} did` }];
  if (told.dropped > 0 || known === sessions) return [];
  return [{ rule: 'events', text: `by the events of life ${id} there are ${known} sessions, and ${sessions} are there` }];
}

/** Nothing is left once everybody has gone; `before` are the descriptors before anybody came. */
export async function checkZero({ node, verdict, backend }, before) {
  const faults = await settle(SETTLE_MAX_MS, async () => {
    const [status, metrics, { channels }] = [await node.status(), await node.metrics(), await node.api('channels', {})];
    const found = [];
    const zero = (what, is, most = 0) => { if (is > most) found.push({ rule: 'zero', text: `${what}: ${is}` }); };
    zero('sessions in /status', status.sessions);
    zero('fanfare_worker_sessions', sum(metrics, 'fanfare_worker_sessions'));
    zero('publications that wait for a worker', sum(metrics, 'fanfare_worker_queue'));
    zero('bytes that wait for a worker', sum(metrics, 'fanfare_worker_queue_bytes'));
    zero('permits', metrics.get('fanfare_permits'));
    zero('fanfare_users', metrics.get('fanfare_users'));
    zero('channels with members', Object.keys(channels).length);
    zero('fanfare_channels', metrics.get('fanfare_channels'));
    // The rig's own questions come by connections that are kept.
    zero('fanfare_pending_connections', metrics.get('fanfare_pending_connections'), 3);
    zero('descriptors more than before', node.descriptors() - before, 3);
    for (const room of ROOMS) zero(`present in ${room}`, (await node.api('presence_stats', { channel: room })).num_clients);
    if (status.events.dropped === 0) zero('sessions by the events', backend.life(status.node_id).sessions.size);
    return found;
  });
  for (const fault of faults) verdict.fault(fault);
}
