//! What the server says of itself: asked for every few seconds while the page is seen, shown in the top bar.
//! Owned by console.js. Bounds: one request at a time, 3 s each. It must not ask again once it was told that there is none.

import { byId, make, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const EVERY_MS = 3000;

let latest = null;
let away = false;
let asking = false;
let timer = 0;
let heard = () => {};

/** Begins to poll; `hear(status)` is called with each answer, and with null where the server has no such page. */
export function watchStatus(hear) {
  heard = hear;
  document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : poll()));
  onLanguage(draw);
  poll();
}

/** Asks now, out of turn: a session came or went. */
export async function poll() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  let isThere = true;
  try {
    const answer = await fetch(new URL('status', document.baseURI), { cache: 'no-store', signal: AbortSignal.timeout(EVERY_MS) });
    // Switched off in the settings: asking again would only fill the log.
    if (answer.status === 404) isThere = false;
    else latest = await answer.json();
    away = isThere && !answer.ok;
  } catch {
    away = true;
  } finally {
    asking = false;
  }
  if (!isThere) return heard(null);
  if (!away) heard(latest);
  draw();
  timer = setTimeout(poll, EVERY_MS);
  return undefined;
}

function draw() {
  const strip = byId('status');
  if (latest === null && !away) return;
  const facts = away || latest === null ? [['status-away', '']] : describe(latest);
  strip.replaceChildren(...facts.map(([key, value]) => make('div', key, make('dt', '', t(key)), make('dd', '', value))));
  show(strip, true);
}

function describe(status) {
  const facts = [];
  if (status.draining === true) facts.push(['status-draining', '']);
  if (Number.isFinite(status.sessions)) facts.push(['status-sessions', String(status.sessions)]);
  const next = nextPush(status);
  if (next !== null) facts.push(['status-pushes', t('status-pushes-value', { seconds: Math.ceil(next.seconds) })]);
  if (Number.isFinite(status.uptime_seconds)) facts.push(['status-uptime', duration(status.uptime_seconds)]);
  if (status.node) facts.push(['status-node', String(status.node)]);
  if (status.version) facts.push(['status-version', String(status.version)]);
  return facts;
}

/**
 * What there is to use: `{raw, transports, echo, push, channel, danmaku, admin}`. `raw` is a list of `{path, on_message,
 * channels}` and `transports` of those of the client, each null where the server does not say; the rest is empty where there
 * is none.
 */
export function offers(status) {
  if (status === null) return { raw: null, transports: null, echo: '', push: null, channel: '', danmaku: '', admin: false };
  const { ways, page } = status;
  const raw = ways?.raw ?? Object.keys(status.endpoints ?? {}).map((path) => ({ path, on_message: /\/echo$/.test(path) ? 'echo' : '' }));
  const push = nextPush(status);
  return {
    raw,
    transports: ways ? [...(ways.client ? ['client', 'sse'] : []), ...(ways.poll && ways.send ? ['poll'] : [])] : null,
    echo: raw.find((way) => way.on_message === 'echo')?.path ?? '',
    push,
    channel: push?.channel || raw.find((way) => way.channels?.length > 0)?.channels[0] || '',
    danmaku: page?.danmaku ?? '',
    admin: page?.admin === true,
  };
}

/** The push that is due next: `{channel, every, seconds}`, or null. */
export function nextPush(status) {
  const pushes = (Array.isArray(status?.pushes) ? status.pushes : []).filter((push) => Number.isFinite(push?.next_in_seconds));
  if (pushes.length === 0) return null;
  const first = pushes.reduce((one, other) => (other.next_in_seconds < one.next_in_seconds ? other : one));
  return { channel: first.channel ?? '', every: first.every_seconds, seconds: first.next_in_seconds };
}

/** `3 d 4 h`, `5 min`, `12 s`. */
function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return t('for-seconds', { count: whole });
  if (whole < 3600) return t('for-minutes', { count: Math.floor(whole / 60) });
  const hours = Math.floor(whole / 3600);
  if (hours < 24) return t('for-hours', { count: hours, rest: Math.floor((whole % 3600) / 60) });
  return t('for-days', { count: Math.floor(hours / 24), rest: hours % 24 });
}
