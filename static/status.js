//! The strip at the top: what the server says of itself. Owned by page.js.
//! Bounds: one request each 5 s, only while the page is seen, none at all once the server says there is no such route.
//! It must not fail when a field is missing: an older or newer server may answer.

import { byId, make, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const EVERY_MS = 5000;

let latest = null;
let away = false;
let timer = 0;
let asking = false;

/** Begins to poll. */
export function watchStatus() {
  document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : poll()));
  onLanguage(draw);
  poll();
}

/** Asks now, out of turn: a session came or went. */
export async function poll() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  try {
    const answer = await fetch(new URL('status', document.baseURI), { cache: 'no-store', signal: AbortSignal.timeout(EVERY_MS) });
    // Switched off in the settings: asking again would only fill the log.
    if (answer.status === 404) return;
    latest = await answer.json();
    away = !answer.ok;
  } catch {
    away = true;
  } finally {
    asking = false;
  }
  draw();
  timer = setTimeout(poll, EVERY_MS);
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
  if (Number.isFinite(status.sessions)) facts.push(['status-sessions', t('status-sessions-value', { now: status.sessions, peak: status.sessions_peak ?? '–' })]);
  if (Number.isFinite(status.uptime_seconds)) facts.push(['status-uptime', duration(status.uptime_seconds)]);
  const next = (Array.isArray(status.pushes) ? status.pushes : []).map((push) => push?.next_in_seconds).filter(Number.isFinite);
  if (next.length > 0) facts.push(['status-pushes', t('status-pushes-value', { seconds: Math.ceil(Math.min(...next)) })]);
  if (status.node) facts.push(['status-node', String(status.node)]);
  if (status.version) facts.push(['status-version', String(status.version)]);
  return facts;
}

/** `3 d 4 h`, `5 min`, `12 s`. */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  const hours = Math.floor(whole / 3600);
  return hours < 24 ? `${hours} h ${Math.floor((whole % 3600) / 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
