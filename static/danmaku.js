//! The danmaku screen: everyone who joins it shares one channel. Owned by console.js. Bounds: one client, only while somebody is
//! in it; 30 lines are kept for screen readers. It must not join by itself, whatever link opened the page.

import { byId, make, notice, put, show } from './dom.js';
import { t } from './i18n.js';
import { Stage } from './stage.js';
import { ownBase } from './target.js';

const KEPT_MAX = 30;
const PAST_SHOWN = 12;

/** Wires it; answers `{offer(channel)}`, which says which channel there is. */
export function openDanmaku() {
  const stage = new Stage(byId('stage'));
  let channel = '';
  let client = null;
  let room = null;
  // One's own come back like all others; these tell them apart.
  const mine = [];

  const isShown = () => location.hash === '#danmaku' && channel !== '';

  function draw() {
    const shown = isShown();
    show(byId('danmaku'), shown);
    show(byId('console'), !shown);
    for (const [id, current] of [['go-danmaku', shown], ['go-console', !shown]]) {
      if (current) byId(id).setAttribute('aria-current', 'page');
      else byId(id).removeAttribute('aria-current');
    }
    if (!shown) leave();
  }

  async function join() {
    byId('danmaku-join').disabled = true;
    const { default: Fanfare } = await import('../fanfare.mjs');
    byId('danmaku-join').disabled = false;
    if (!isShown() || client !== null) return;
    client = new Fanfare(ownBase());
    client.on('state', ({ state }) => drawState(state));
    client.on('close', ({ code, reason }) => over(`${code} ${reason}`));
    room = client.subscribe(channel);
    room.on('publication', ({ data }) => heard(data));
    room.on('subscribed', ({ wasRecovering }) => wasRecovering || past(room));
    room.on('unsubscribed', ({ code, reason }) => code !== 0 && over(`${code} ${reason}`));
    client.connect();
    show(byId('danmaku-door'), false);
    show(byId('danmaku-form'), true);
    byId('danmaku-text').focus();
  }

  /** What was said just before, so that the screen is not empty; where none is kept, it is. */
  async function past(from) {
    try {
      const { publications } = await from.history({ limit: PAST_SHOWN, reverse: true });
      for (const { data } of publications.reverse()) heard(data);
    } catch {
      // The channel keeps none, or does not show it.
    }
  }

  function heard(data) {
    const text = typeof data === 'string' ? data : data?.text;
    if (typeof text !== 'string' || text === '') return;
    const at = mine.indexOf(text);
    if (at >= 0) mine.splice(at, 1);
    stage.say(text, at >= 0);
    const list = byId('danmaku-list');
    list.append(make('p', '', text));
    while (list.childElementCount > KEPT_MAX) list.firstChild.remove();
  }

  async function say(event) {
    event.preventDefault();
    const box = byId('danmaku-text');
    const text = box.value.trim();
    if (text === '' || room === null) return;
    box.value = '';
    mine.push(text);
    if (mine.length > KEPT_MAX) mine.shift();
    try {
      await room.publish({ text });
    } catch (error) {
      notice(t('danmaku-refused', { text: `${error.code} ${error.message}` }));
      if (box.value === '') box.value = text;
    }
  }

  function drawState(state) {
    byId('danmaku-state').className = `badge ${state === 'connected' ? 'good' : 'warn'}`;
    put(byId('danmaku-state'), t(state === 'connected' ? 'danmaku-open' : 'danmaku-away'));
  }

  function over(text) {
    leave();
    put(byId('danmaku-told'), t('danmaku-over', { text }));
  }

  function leave() {
    const old = client;
    client = null;
    room = null;
    old?.close();
    stage.clear();
    put(byId('danmaku-told'), t('danmaku-about'));
    show(byId('danmaku-door'), true);
    show(byId('danmaku-form'), false);
  }

  byId('go-danmaku').addEventListener('click', () => { location.hash = 'danmaku'; });
  byId('go-console').addEventListener('click', () => {
    history.pushState(null, '', './');
    draw();
  });
  byId('danmaku-join').addEventListener('click', join);
  byId('danmaku-form').addEventListener('submit', say);
  addEventListener('hashchange', draw);
  addEventListener('popstate', draw);

  return {
    offer(offered) {
      if (offered === channel) return;
      channel = offered;
      draw();
    },
  };
}
