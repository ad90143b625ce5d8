//! The console: joins the form, the line, the log, the finding and the composer. Owned by the browser's tab.
//! Bounds: those of the parts. It must do nothing but join: what can be decided without the page is decided in the parts.

import { textSize } from './bytes.js';
import { mayCloseWith } from './codes.js';
import { Composer } from './composer.js';
import { openDanmaku } from './danmaku.js';
import { diagnose, isFinal, isPassing } from './diagnose.js';
import { byId, copy, notice, put, show } from './dom.js';
import { Finding } from './finding.js';
import { closeFinding, handshakeFinding, mixedFinding } from './findings.js';
import { ConnectForm, refusalOf, tellRefusal } from './form.js';
import { Guide } from './guide.js';
import { addWords, apply, languageButton, onLanguage, t } from './i18n.js';
import { applyIcons } from './icons.js';
import { Inspector } from './inspect.js';
import { wireLayout } from './layout.js';
import { LineCard } from './line.js';
import { Links } from './links.js';
import { Log } from './log.js';
import { wireLogBar } from './logbar.js';
import { LogView } from './logview.js';
import { wireMenus } from './menus.js';
import { Repeat } from './repeat.js';
import { EchoProbe, isEcho, overHttp } from './roundtrip.js';
import { Shelf } from './shelf.js';

import { openSnippets } from './snippets.js';
import { drawState } from './state.js';
import { offers, poll, watchStatus } from './status.js';
import { channelNames, compose, ownAddress, readable, shareLink, withoutSecrets } from './target.js';
import { themeButton } from './theme.js';
import { countUnseen, wireTitle } from './title.js';
import { words } from './words-console.js';
import { words as found } from './words-found.js';

addWords(words);
addWords(found);

const EVENTS_BESIDE_GUIDE = 6;

const log = new Log();
const probe = new EchoProbe();
const finding = new Finding();
let target = null;
let echoPath = '';
// What a failed handshake was put down to, if that is of the moment: the next failure is looked into as well. Else null.
let passing = null;
// How often it was asked: an answer to an older question is one too late.
let questions = 0;

const links = new Links({
  state: () => {
    drawState(links);
    guide.set({ state: links.state });
    line.draw();
  },
  open({ again, ms, key, values }) {
    if (again) line.counts.reconnects += 1;
    line.forgetRecovered();
    // It is over.
    passing = null;
    finding.clear();
    event(key, { ms: Math.round(ms), ...values });
    line.draw();
    poll();
  },
  message(data, place) {
    const content = typeof data === 'string' ? data : new Uint8Array(data);
    line.counts.in += 1;
    line.counts.bytesIn += log.message('in', content, place).size;
    if (typeof data === 'string') {
      probe.heard(data);
      announce(data);
    }
    countUnseen();
    refresh();
  },
  close: ended,
  recovered({ channel, recovered, since, asked, count }) {
    if (!asked) return event('begins', { channel, position: since });
    line.addRecovered({ recovered, count });
    return event(!recovered ? 'not-recovered' : count > 0 ? 'recovered' : 'recovered-none', { channel, count });
  },
  event,
});

const line = new LineCard(links);
const inspector = new Inspector({
  reuse: (entry) => {
    view.select(0);
    composer.reuse(entry);
  },
  closed: () => {
    view.select(0);
    byId('log').focus();
  },
});
const view = new LogView(log, (entry) => inspector.show(entry));
const composer = new Composer({ send, sent: () => shelf.draw() });
const form = new ConnectForm(({ transport, channels }) => composer.setChannels(transport === 'raw' ? [] : channelNames(channels)));
const shelf = new Shelf(composer);
const guide = new Guide({
  connect,
  use(path) {
    byId('transport-raw').click();
    form.setAddress(ownAddress(path));
    byId('connect').focus();
  },
});
const repeat = new Repeat({ send: (item) => composer.sendItem(item), unsent: () => links.bufferedAmount, item: () => composer.item });
const logBar = wireLogBar(log, view, refresh);
const layout = wireLayout();

function event(key, values) {
  log.event(key, values);
  refresh();
}

/** Sends to a channel, if the line has them; answers why it could not, or an empty text. */
function send(data, to) {
  if (links.state !== 'open') return 'connect-first';
  if (!links.isRaw && typeof data !== 'string') return 'no-binary';
  if (!links.send(data, to)) return 'connect-first';
  line.counts.out += 1;
  line.counts.bytesOut += log.message('out', data, links.isRaw ? null : { channel: to }).size;
  refresh();
  return '';
}

async function connect() {
  if (links.state === 'waiting') return links.hurry();
  if (links.state === 'cut') return restore();
  const { values } = form;
  const next = compose(values);
  const refusal = refusalOf(values, next);
  if (refusal !== '') {
    layout.openSettings();
    return tellRefusal(refusal);
  }
  target = next;
  passing = null;
  finding.clear();
  line.forgetRecovered();
  // A token stays out of the log, which people copy and export.
  event('connecting', { url: readable(compose(withoutSecrets(values)).url) });
  layout.closeSettings();
  try {
    return await links.open(target);
  } catch (error) {
    if (error.name === 'SecurityError') return finding.set('mixed', mixedFinding(() => changeScheme('ws:', 'wss:')));
    return notice(t(error.name === 'SyntaxError' ? 'bad-protocol' : 'not-tried', { error: error.message }));
  }
}

function disconnect() {
  const code = Number(byId('close-code').value || 1000);
  const reason = byId('close-reason').value;
  if (!mayCloseWith(code) || textSize(reason) > 123) return notice(t('bad-close'));
  // A server answers with the code but seldom with the reason, so what we said is told here.
  if (links.state === 'open' && links.isRaw) event('disconnecting', { code, reason });
  return links.close(code, reason);
}

function ended(end) {
  repeat.stop();
  if (!end.opened && !end.wanted) return event('cancelled');
  const seconds = (end.livedMs / 1000).toFixed(1);
  const { code, reason, wasClean } = end;
  // Below 1000 it is no close code but an error that refused the connection.
  if (code < 1000) event('client-error', { number: code, text: reason });
  else event(!end.opened ? 'refused' : wasClean ? 'closed-clean' : 'closed', { code, reason, seconds });
  // What one did oneself needs no finding; what is being looked into keeps the one it has.
  if (end.wanted && (end.opened || end.terminal)) finding.set(code < 1000 || code === 1006 ? 'lost' : 'close', closeFinding(end));
  else if (end.firstRefusal || (!end.opened && passing !== null)) explainFailure(target);
  line.draw();
  return undefined;
}

async function explainFailure(failed) {
  const before = passing;
  // One question at a time, however often it is tried meanwhile.
  passing = null;
  questions += 1;
  const question = questions;
  const findings = await diagnose(failed);
  // Meanwhile somebody may have connected elsewhere, or it may have worked at last, and failed anew.
  if (question !== questions || failed !== target || links.state === 'open') return;
  passing = isPassing(findings) ? findings[0].key : null;
  // What the server said when it closed is not overwritten by what a retry meets, unless that ends the retries.
  if (finding.id === 'close' && !isFinal(findings)) return;
  // The same again would take the focus and what is unfolded from who reads it.
  if (passing !== null && passing === before) return;
  finding.set('handshake', handshakeFinding(findings, () => changeScheme('wss:', 'ws:')));
  if (!isFinal(findings) || (links.state !== 'waiting' && links.state !== 'connecting')) return;
  links.close();
  event('will-not-retry');
}

function changeScheme(from, to) {
  form.setAddress(byId('url').value.replace(new RegExp(`^${from}`, 'i'), to));
  connect();
}

function restore() {
  links.restore();
}

function cutOrRestore() {
  if (links.state === 'cut') return restore();
  event('line-cut', { position: line.position.replace(/\n/g, ', ') || null });
  return links.cut();
}

async function measure() {
  const button = byId('round-trip');
  button.disabled = true;
  line.setRoundTrip('rtt-running');
  const echo = links.state === 'open' && links.isRaw && (isEcho(target.url) || (echoPath !== '' && new URL(target.url).pathname.endsWith(echoPath)));
  const result = echo ? await probe.run((text) => send(text) === '') : await overHttp();
  if (result) line.setRoundTrip(echo ? 'rtt-echo' : 'rtt-http', result);
  else line.setRoundTrip('rtt-failed');
  button.disabled = false;
}

let spokenAt = 0;

// A screen reader is told of what comes, but not of a stream faster than anybody listens.
function announce(text) {
  const now = performance.now();
  if (now - spokenAt > 2000) put(byId('aloud'), t('aloud-message', { text: text.slice(0, 120) }));
  spokenAt = now;
}

let isDue = false;

// A thousand messages a second are drawn sixty times, not a thousand.
function refresh() {
  view.update();
  line.draw();
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    logBar.draw();
    // Messages end the guide, and so do more events than fit beside it.
    const isTalking = log.length > EVENTS_BESIDE_GUIDE || (log.length > 0 && line.counts.in + line.counts.out > 0);
    guide.set({ isTalking, isFiltered: log.length > 0 && view.isFiltered && view.shown === 0 });
  });
}

function heardStatus(status) {
  const offered = offers(status);
  echoPath = offered.echo;
  form.offer(offered);
  guide.set({ push: offered.push, echo: offered.echo });
  show(byId('go-danmaku'), offered.danmaku !== '');
  show(byId('go-admin'), offered.admin);
  danmaku.offer(offered.danmaku);
}

async function copyText(text, word) {
  notice(t((await copy(text)) ? word : 'not-copied'));
}

function wire() {
  const on = (id, kind, handler) => byId(id).addEventListener(kind, handler);
  on('address', 'submit', (submit) => {
    submit.preventDefault();
    if (links.state === 'idle' || links.state === 'waiting' || links.state === 'cut') connect();
  });
  on('disconnect', 'click', disconnect);
  on('reconnect', 'change', () => links.setReconnect(byId('reconnect').checked));
  on('share', 'click', () => copyText(shareLink(form.values), 'shared'));
  on('snippets', 'click', () => openSnippets(form.values, composer.item));
  on('round-trip', 'click', measure);
  on('cut', 'click', cutOrRestore);
  on('with-positions', 'click', () => {
    form.setEnvelope(true);
    connect();
  });
  addEventListener('offline', () => event('offline'));
  addEventListener('online', () => {
    event('online');
    links.hurry();
  });
  // A page that was put aside may have lost its socket without an event: look again as soon as it is seen.
  addEventListener('pageshow', () => links.hurry());
  document.addEventListener('visibilitychange', () => document.hidden || links.hurry());
  onLanguage(() => {
    drawState(links);
    view.redraw();
    logBar.draw();
  });
}

const danmaku = openDanmaku();

function start() {
  links.setReconnect(byId('reconnect').checked);
  applyIcons(document);
  wireMenus();
  wireTitle();
  themeButton(byId('theme'));
  languageButton(byId('language'));
  wire();
  apply(document);
  drawState(links);
  line.draw();
  refresh();
  watchStatus(heardStatus);
}

start();
