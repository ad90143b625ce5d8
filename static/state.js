//! The state of the line, in a word, and what can be done in it. Owned by console.js.
//! Bounds: one timer, while a next try is awaited. It must not make the row jump: every state has its place.

import { byId, put, show } from './dom.js';
import { t } from './i18n.js';

const DOTS = { open: 'good', connecting: 'warn', waiting: 'warn', closing: 'warn', cut: 'bad', idle: '' };
const CONNECTS = { idle: 'connect', waiting: 'connect-now', cut: 'restore' };
const ENDS = { connecting: 'cancel', open: 'disconnect', closing: 'disconnect', waiting: 'stop', cut: 'stop' };

let timer = 0;

/** Draws it. */
export function drawState(links) {
  const { state } = links;
  byId('state').dataset.state = state;
  document.body.dataset.state = state;
  put(byId('state'), t(`state-${state}`));
  byId('state-dot').className = `dot ${DOTS[state]}`;
  button('connect', CONNECTS[state]);
  button('disconnect', ENDS[state]);
  byId('disconnect').disabled = state === 'closing';
  clearInterval(timer);
  if (state === 'waiting') timer = setInterval(() => drawCountdown(links), 200);
  drawCountdown(links);
}

function button(id, key) {
  const element = byId(id);
  // Who pressed the one by the keyboard goes on with the other, which takes its place.
  const hadFocus = document.activeElement === element;
  show(element, key !== undefined);
  if (key !== undefined) put(element, t(key));
  else if (hadFocus) setTimeout(() => byId(id === 'connect' ? 'disconnect' : 'connect').focus());
}

function drawCountdown(links) {
  const seconds = Math.max(0, (links.retryAt - performance.now()) / 1000).toFixed(1);
  put(byId('countdown'), links.state === 'waiting' ? t('countdown', { seconds }) : '');
}
