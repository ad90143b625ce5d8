//! The page itself: joins the form, the connection, the log and the counters. Owned by the browser's tab.
//! Bounds: those of the parts. It must do nothing but join: what can be decided without the page is decided in the parts.

import { readableSize, textSize } from './bytes.js';
import { explain, mayCloseWith } from './codes.js';
import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { diagnose } from './diagnose.js';
import { byId, copy, download, make, notice, show } from './dom.js';
import { addWords, apply, language, onLanguage, setLanguage, t } from './i18n.js';
import { Log, toJson, toLines } from './log.js';
import { LogView, tell } from './logview.js';
import { EchoProbe, isEcho, overHttp } from './roundtrip.js';
import { poll, watchStatus } from './status.js';
import { recall, remember } from './store.js';
import { words } from './words-console.js';
import { compose, fromLink, ownAddress, readable, shareLink, snippet } from './target.js';

addWords(words);

const READY_STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

const log = new Log();
const view = new LogView(log);
const probe = new EchoProbe();
const counts = { in: 0, out: 0, bytesIn: 0, bytesOut: 0, reconnects: 0 };
let target = null;
let lastClose = null;
let findings = [];
let roundTrip = null;
let countdown = 0;

const connection = new Connection({
  state: drawState,
  open({ again, ms, protocol, extensions }) {
    if (again) counts.reconnects += 1;
    findings = [];
    event('opened', { ms: Math.round(ms), protocol, extensions });
    drawVerdict();
    poll();
  },
  message(data) {
    const content = typeof data === 'string' ? data : new Uint8Array(data);
    counts.in += 1;
    counts.bytesIn += log.message('in', content).size;
    if (typeof data === 'string') probe.heard(data);
    refresh();
  },
  close(end) {
    if (!end.opened && !end.wanted) return event('cancelled');
    lastClose = end;
    const seconds = (end.livedMs / 1000).toFixed(1);
    event(end.opened ? 'closed' : 'refused', { code: end.code, reason: end.reason, seconds });
    drawVerdict();
    if (end.firstRefusal) explainFailure(target);
    return undefined;
  },
  timeout: (seconds) => event('handshake-timeout', { seconds }),
});

function event(key, values) {
  log.event(key, values);
  refresh();
}

function send(data) {
  if (!connection.send(data)) return false;
  counts.out += 1;
  counts.bytesOut += log.message('out', data).size;
  refresh();
  return true;
}

function form() {
  return {
    address: byId('url').value,
    channels: byId('channel').value,
    protocols: byId('protocol').value,
    token: byId('token').value,
    heartbeat: byId('heartbeat').checked,
  };
}

function connect() {
  if (connection.state === 'waiting') return connection.hurry();
  target = compose(form());
  if (target === null) return notice(t('bad-url'));
  lastClose = null;
  findings = [];
  drawVerdict();
  // A token stays out of the log, which people copy and export.
  event('connecting', { url: readable(compose({ ...form(), token: '' }).url) });
  if (/[\uff1a\uff03\uff0c]/.test(form().channels)) event('full-width');
  try {
    return connection.open(target);
  } catch (error) {
    const key = error.name === 'SecurityError' ? 'mixed-content' : 'bad-protocol';
    return notice(t(key, { error: error.message }));
  }
}

function disconnect() {
  const code = Number(byId('close-code').value || 1000);
  const reason = byId('close-reason').value;
  if (!mayCloseWith(code) || textSize(reason) > 123) return notice(t('bad-close'));
  // A server answers with the code but seldom with the reason, so what we said is told here.
  if (connection.state === 'open') event('disconnecting', { code, reason });
  return connection.close(code, reason);
}

async function explainFailure(failed) {
  const found = await diagnose(failed);
  // Meanwhile somebody may have connected elsewhere, or it may have worked at last.
  if (failed !== target || connection.state === 'open') return;
  findings = found;
  for (const { key, values } of found) event(key, values);
  drawVerdict();
}

async function measure() {
  const button = byId('round-trip');
  button.disabled = true;
  roundTrip = { key: 'rtt-running', values: {} };
  drawRoundTrip();
  const echo = connection.state === 'open' && isEcho(target.url);
  const result = echo ? await probe.run(send) : await overHttp();
  roundTrip = result ? { key: echo ? 'rtt-echo' : 'rtt-http', values: result } : { key: 'rtt-failed', values: {} };
  button.disabled = false;
  drawRoundTrip();
}

function drawState() {
  const { state, readyState } = connection;
  const box = byId('state');
  box.dataset.state = state;
  box.textContent = t('ready-state', { state: t(`state-${state}`), code: readyState, name: READY_STATES[readyState] });
  byId('connect').textContent = t(state === 'waiting' ? 'connect-now' : 'connect');
  byId('connect').disabled = state === 'connecting' || state === 'open';
  byId('disconnect').disabled = state === 'idle' || state === 'closing';
  clearInterval(countdown);
  if (state === 'waiting') countdown = setInterval(drawCountdown, 200);
  drawCountdown();
  refresh();
}

function drawCountdown() {
  const waiting = connection.state === 'waiting';
  const seconds = Math.max(0, (connection.retryAt - performance.now()) / 1000).toFixed(1);
  byId('countdown').textContent = waiting ? t('countdown', { seconds, attempt: connection.attempt }) : '';
  show(byId('countdown'), waiting);
}

function drawVerdict() {
  const box = byId('last-close');
  show(box, lastClose !== null);
  if (lastClose !== null) {
    const { code, reason, wasClean, opened, livedMs, terminal } = lastClose;
    const { name, meaning, check } = explain(code, language());
    const detail = t('close-detail', {
      reason: reason || t('none'),
      clean: t(!opened ? 'never-opened' : wasClean ? 'clean' : 'unclean'),
      seconds: (livedMs / 1000).toFixed(1),
    });
    const lines = [make('strong', '', t('close-title', { code, name })), make('p', 'detail', detail), make('p', '', meaning), make('p', '', check)];
    if (code === 1006 && livedMs > 58_000 && livedMs < 63_000) lines.push(make('p', '', t('looks-like-60')));
    if (terminal) lines.push(make('p', 'terminal', t('will-stop')));
    box.replaceChildren(...lines);
  }
  byId('diagnosis').replaceChildren(...findings.map(({ key, values }) => make('li', '', tell({ key, values }))));
  show(byId('diagnosis'), findings.length > 0);
}

function drawCounters() {
  byId('count-in').textContent = counts.in;
  byId('count-out').textContent = counts.out;
  byId('bytes-in').textContent = readableSize(counts.bytesIn);
  byId('bytes-out').textContent = readableSize(counts.bytesOut);
  byId('count-reconnects').textContent = counts.reconnects;
  byId('unsent').textContent = readableSize(connection.bufferedAmount);
}

function drawRoundTrip() {
  byId('round-trip-result').textContent = roundTrip ? t(roundTrip.key, roundTrip.values) : '';
}

function drawSnippet() {
  const composed = compose({ ...form(), token: byId('token').value ? 'TOKEN' : '' });
  byId('snippet').textContent = composed ? snippet(byId('snippet-kind').value, composed) : t('bad-url');
}

let dirty = false;

function refresh() {
  view.update();
  if (dirty) return;
  dirty = true;
  requestAnimationFrame(() => {
    dirty = false;
    drawCounters();
  });
}

async function copyText(text) {
  notice(t((await copy(text)) ? 'copied' : 'not-copied'));
}

function wire() {
  const on = (id, kind, handler) => byId(id).addEventListener(kind, handler);
  on('address', 'submit', (submit) => {
    submit.preventDefault();
    connect();
  });
  on('address', 'input', drawSnippet);
  on('disconnect', 'click', disconnect);
  on('reconnect', 'change', () => {
    connection.setReconnect(byId('reconnect').checked);
    remember('reconnect', byId('reconnect').checked);
  });
  on('language', 'change', () => setLanguage(byId('language').value));
  on('snippet-copy', 'click', () => copyText(byId('snippet').textContent));
  on('share', 'click', () => copyText(shareLink(form())));
  on('round-trip', 'click', measure);
  on('counters-reset', 'click', () => {
    for (const name of Object.keys(counts)) counts[name] = 0;
    refresh();
  });
  on('pause', 'click', () => {
    view.setPaused(!view.paused);
    byId('pause').setAttribute('aria-pressed', String(view.paused));
  });
  on('clear', 'click', () => {
    log.clear();
    view.redraw();
  });
  on('copy-log', 'click', () => copyText(toLines(view.chosen(), tell)));
  on('export', 'click', () => download(`fanfare-${new Date().toISOString().replace(/[:.]/g, '-')}.json`, 'application/json', toJson(view.chosen(), tell)));
  on('search', 'input', () => view.setFilter({ search: byId('search').value }));
  on('direction', 'change', () => view.setFilter({ direction: byId('direction').value }));
  on('binary-as', 'change', () => view.setForm({ binaryAs: byId('binary-as').value }));
  on('pretty', 'change', () => {
    view.setForm({ pretty: byId('pretty').checked });
    remember('pretty', byId('pretty').checked);
  });
  addEventListener('offline', () => event('offline'));
  addEventListener('online', () => {
    event('online');
    connection.hurry();
  });
  // A page that was put aside may have lost its socket without an event: look again as soon as it is seen.
  addEventListener('pageshow', () => connection.hurry());
  document.addEventListener('visibilitychange', () => document.hidden || connection.hurry());
}

function start() {
  const linked = fromLink();
  byId('url').value = linked.address || ownAddress();
  byId('channel').value = linked.channels;
  byId('protocol').value = linked.protocols;
  byId('heartbeat').checked = linked.heartbeat;
  byId('language').value = language();
  byId('reconnect').checked = recall('reconnect', true) === true;
  byId('pretty').checked = recall('pretty', false) === true;
  connection.reconnect = byId('reconnect').checked;
  view.setForm({ pretty: byId('pretty').checked });
  new Composer({ send, unsent: () => connection.bufferedAmount });
  onLanguage(() => {
    drawState();
    drawVerdict();
    drawRoundTrip();
    drawSnippet();
    view.redraw();
  });
  wire();
  apply(document);
  drawState();
  drawSnippet();
  watchStatus();
}

start();
