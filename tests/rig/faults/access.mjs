//! Users who are blocked: out at once, and out over every restart, until they are let in again. Bounds: BLOCKED_MAX users at a time.

import { Session } from '../clients/protocol.mjs';
import { tokenOf } from '../token.mjs';

const SESSIONS = 3;
const OUT_MAX_MS = 3000;
const BLOCKED_MAX = 6;

/** Waits for the end of a session; answers what it was told, or null if it is still there. */
function ended(session) {
  const end = new Promise((over) => { session.heard = { onEnd: over }; });
  const late = new Promise((over) => { setTimeout(() => over(null), OUT_MAX_MS); });
  return session.over ? Promise.resolve({ code: 0 }) : Promise.race([end, late]);
}

/** A session of this user, or null if it is not let in. */
async function enter(node, user) {
  const session = new Session(node.port);
  if (await session.enter([], { token: tokenOf(user) })) return session;
  session.close();
  return null;
}

/** A user with sessions is blocked, and one who was blocked before is let in again. */
export async function block(world) {
  const { node, verdict, blocked } = world;
  const fault = (text) => verdict.fault({ rule: 'blocked', text: `life ${node.life}: ${text}` });
  world.blocks += 1;
  const user = `blocked-${world.blocks}`;
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => enter(node, user)));
  if (sessions.some((session) => session === null)) fault(`${user} is not let in before it is blocked`);
  const there = sessions.filter((session) => session !== null);
  const ends = there.map(ended);
  await node.api('block_user', { user });
  const closes = await Promise.all(ends);
  const left = closes.filter((close) => close === null).length;
  if (left > 0) fault(`${left} of ${there.length} sessions of ${user} are there ${OUT_MAX_MS} ms after it was blocked`);
  for (const session of there) session.close();
  blocked.add(user);
  const [oldest] = blocked;
  if (blocked.size > BLOCKED_MAX) {
    await node.api('unblock_user', { user: oldest });
    blocked.delete(oldest);
    const back = await enter(node, oldest);
    if (!back) fault(`${oldest} is not let in again`);
    back?.close();
  }
  await checkBlocked(world);
  return { user, closes: closes.map((close) => close?.code ?? null) };
}

/** Nobody who is blocked is let in. */
export async function checkBlocked({ node, verdict, blocked }) {
  for (const user of blocked) {
    const session = await enter(node, user);
    if (session) verdict.fault({ rule: 'blocked', text: `life ${node.life}: ${user} is let in, and is blocked` });
    session?.close();
  }
}
