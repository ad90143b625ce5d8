//! The figures of the node as fanfare itself pushes them: channel `$stats` of the client protocol, opened by the token. Owned by
//! admin.js. Bounds: the last POINTS_MAX publications. It must not share its connection: under trusted types there is no worker
//! to share it in.

import Fanfare from '../fanfare.mjs';
import { currentToken } from './admin-api.js';

// A quarter of an hour.
export const POINTS_MAX = 900;

const points = [];
const listeners = new Set();
let client = null;
let state = 'wait';

/** What came, oldest first, and `live`, `wait` or `none` (no client protocol). */
export function figures() {
  return { points, state };
}

/** Calls back after each publication and change; answers what stops it. */
export function onFigures(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Listens from now on. */
export function startFigures(status) {
  stopFigures();
  if (status.ways?.client === null) {
    become('none');
    return;
  }
  client = new Fanfare(new URL('./', location.href).href, { token: currentToken });
  const stats = client.subscribe('$stats', { token: currentToken });
  stats.on('publication', ({ data }) => add(data));
  stats.on('subscribed', () => become('live'));
  client.on('state', (told) => told.state !== 'connected' && become('wait'));
  client.connect();
}

/** Listens no more, and forgets what came. */
export function stopFigures() {
  client?.close();
  client = null;
  points.length = 0;
  become('wait');
}

function add(point) {
  points.push(point);
  if (points.length > POINTS_MAX) points.shift();
  tell();
}

function become(next) {
  if (state === next) return;
  state = next;
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}
