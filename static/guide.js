//! What to do on an empty page: connect, open a second window, wait for the push; where to read on. Owned by console.js.
//! Bounds: it stands in the log until the first message. It must not connect by itself.

import { byId, button, make, show } from './dom.js';
import { icon } from './icons.js';
import { language, onLanguage, t } from './i18n.js';

const DOCUMENTS = ['README', 'plain-clients', 'clients', 'tokens', 'api', 'settings'];
const TRANSLATED = ['README', 'plain-clients', 'clients', 'tokens'];

/** The guide. `connect()` connects; `use(path)` takes an endpoint into the form. */
export class Guide {
  #connect;
  #use;
  #facts = { state: 'idle', push: null, echo: '', isTalking: false, isFiltered: false };
  #drawn = '';

  constructor({ connect, use }) {
    this.#connect = connect;
    this.#use = use;
    onLanguage(() => {
      this.#drawn = '';
      this.set({});
      drawDocuments();
    });
    drawDocuments();
  }

  /** Tells it what is: `{state, push, echo, isTalking, isFiltered}`, any of them. */
  set(facts) {
    this.#facts = { ...this.#facts, ...facts };
    const { isTalking, isFiltered } = this.#facts;
    const box = byId('guide');
    const isOver = isTalking && !isFiltered;
    if (isOver && box.hidden) return undefined;
    show(box, !isOver);
    if (isOver) {
      this.#drawn = '';
      return box.replaceChildren();
    }
    // The seconds to the push change each time; the rest is left alone, with the focus that may be in it.
    const shape = JSON.stringify({ ...this.#facts, push: this.#facts.push !== null });
    if (shape !== this.#drawn) {
      this.#drawn = shape;
      box.replaceChildren(...(isFiltered ? [make('p', 'no-match quiet', t('no-match'))] : this.#steps()));
    }
    const push = box.querySelector('.guide-push');
    if (push) push.textContent = this.#push();
    return undefined;
  }

  #push() {
    const { push } = this.#facts;
    if (push === null) return t('guide-push-off');
    const values = { channel: push.channel, every: Math.round(push.every * 10) / 10, seconds: Math.ceil(push.seconds) };
    return t(push.channel ? 'guide-push' : 'guide-push-all', values);
  }

  #steps() {
    const { state, push, echo } = this.#facts;
    const isOpen = state === 'open';
    const second = make('a', '', t('guide-window'));
    Object.assign(second, { href: './', target: '_blank', rel: 'noopener' });
    const steps = [
      step(isOpen, t('guide-connect'), ...(isOpen || state !== 'idle' ? [] : [button('btn primary small', t('connect'), this.#connect)])),
      step(false, t('guide-second'), second),
    ];
    const wait = step(false, '');
    wait.querySelector('p').className = 'guide-push numbers';
    if (push !== null) steps.push(wait);
    const parts = [make('h3', '', t(isOpen ? 'guide-connected' : 'guide-title')), make('ol', 'steps', ...steps)];
    if (echo && !isOpen) {
      parts.push(make('p', 'guide-echo', make('code', '', echo), ' ', t('guide-echo'), ' ', button('btn small', t('guide-echo-use'), () => this.#use(echo))));
    }
    if (!isOpen) parts.push(make('p', 'guide-read', make('span', 'quiet', t('guide-read')), ...documents('')));
    return parts;
  }
}

function step(isDone, text, ...more) {
  const item = make('li', isDone ? 'done' : '', make('p', '', text), ...more);
  if (isDone) item.prepend(icon('check'));
  return item;
}

function drawDocuments() {
  byId('documents-list').replaceChildren(...documents('menu-item'));
}

function documents(className) {
  return DOCUMENTS.map((name) => {
    const link = make('a', className, t(`doc-${name}`));
    const isChinese = language() === 'zh' && TRANSLATED.includes(name);
    link.href = `static/doc.html#${name}${isChinese ? '.zh-CN' : ''}`;
    Object.assign(link, { target: '_blank', rel: 'noopener' });
    return link;
  });
}
