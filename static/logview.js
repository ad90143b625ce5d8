//! The log as seen: one element per entry, drawn once per frame, filtered, paused, followed. Owned by page.js.
//! Bounds: as many elements as the log has entries; 4,000 characters of each until asked for more. It must put every
//! content into a text node, since peers choose it.

import { asText, dump, readableSize, toBase64 } from './bytes.js';
import { explain } from './codes.js';
import { byId, copy, make, notice } from './dom.js';
import { language, t } from './i18n.js';
import { clock, gap, matches } from './log.js';

const BODY_CHARS_MAX = 4000;
const ARROWS = { in: '↓', out: '↑', info: '·' };

/** An event of the log in the present language. */
export function tell(entry) {
  const values = { ...entry.values };
  if (values.code !== undefined) values.name = explain(values.code, language()).name;
  // A value that is null has no words of its own: no subprotocol, no reason.
  for (const name of Object.keys(values)) if (values[name] === null || values[name] === '') values[name] = t('none');
  return t(entry.key, values);
}

/** The view. */
export class LogView {
  paused = false;

  #log;
  #box = byId('log');
  #drawnId = 0;
  #frame = 0;
  #filter = { direction: 'all', search: '' };
  #binaryAs = 'hex';
  #pretty = false;

  constructor(log) {
    this.#log = log;
  }

  /** Draws what is new at the next frame: a thousand messages a second cost one layout each 16 ms, not a thousand. */
  update() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Draws everything anew: after a change of filter, form or language. */
  redraw() {
    this.#box.replaceChildren();
    const last = this.#drawnId;
    this.#drawnId = 0;
    this.#append(this.paused ? last : Infinity);
    if (this.paused) this.#drawnId = last;
    else this.#box.scrollTop = this.#box.scrollHeight;
    this.#foot();
  }

  setFilter(filter) {
    this.#filter = { ...this.#filter, ...filter };
    this.redraw();
  }

  setForm({ binaryAs = this.#binaryAs, pretty = this.#pretty }) {
    this.#binaryAs = binaryAs;
    this.#pretty = pretty;
    this.redraw();
  }

  setPaused(paused) {
    this.paused = paused;
    this.update();
  }

  /** What the filter lets through, for copying and export. */
  chosen() {
    return this.#log.entries.filter((entry) => this.#wanted(entry));
  }

  #draw() {
    if (!this.paused) {
      const follow = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < 40;
      const oldest = this.#log.entries[0]?.id ?? Infinity;
      while (this.#box.firstChild && Number(this.#box.firstChild.dataset.id) < oldest) this.#box.firstChild.remove();
      this.#append(Infinity);
      if (follow) this.#box.scrollTop = this.#box.scrollHeight;
    }
    this.#foot();
  }

  #append(lastId) {
    const { entries } = this.#log;
    const fragment = document.createDocumentFragment();
    for (const entry of entries) {
      if (entry.id <= this.#drawnId || entry.id > lastId) continue;
      if (this.#wanted(entry)) fragment.append(this.#element(entry));
    }
    this.#drawnId = Math.max(this.#drawnId, Math.min(lastId, entries[entries.length - 1]?.id ?? 0));
    this.#box.append(fragment);
  }

  #wanted(entry) {
    return matches(entry, this.#filter, entry.kind === 'info' ? tell(entry) : '');
  }

  #foot() {
    const { entries, dropped, max } = this.#log;
    const held = entries.filter((entry) => entry.id > this.#drawnId).length;
    byId('log-foot').textContent = t('log-foot', { shown: this.#box.childElementCount, kept: entries.length, dropped, max });
    byId('pause').textContent = this.paused ? t('resume', { count: held }) : t('pause');
  }

  #element(entry) {
    const arrow = make('span', 'arrow', ARROWS[entry.direction]);
    arrow.setAttribute('role', 'img');
    arrow.setAttribute('aria-label', t(`dir-${entry.direction}`));
    const time = make('time', '', clock(entry.at));
    time.dateTime = new Date(entry.at).toISOString();
    const head = make('div', 'meta', arrow, time, make('span', 'delta', gap(entry.delta)));
    const text = this.#text(entry);
    const body = make('pre', 'body');
    const element = make('div', 'entry', head, body);
    element.dataset.id = entry.id;
    element.dataset.direction = entry.direction;
    element.dataset.kind = entry.kind;
    if (entry.kind !== 'info') {
      head.append(make('span', 'kind', t(`kind-${entry.kind}`)), make('span', 'size', readableSize(entry.size)), this.#copyButton(entry));
    }
    if (text.length > BODY_CHARS_MAX) {
      body.append(`${text.slice(0, BODY_CHARS_MAX)}…`);
      const more = make('button', 'small', t('show-all', { size: readableSize(entry.size) }));
      more.type = 'button';
      more.addEventListener('click', () => {
        body.textContent = text;
        more.remove();
      });
      element.append(more);
    } else {
      body.append(text);
    }
    return element;
  }

  #text(entry) {
    if (entry.kind === 'info') return tell(entry);
    if (entry.kind === 'binary') {
      if (this.#binaryAs === 'base64') return toBase64(entry.data);
      return this.#binaryAs === 'text' ? asText(entry.data) : dump(entry.data, matchMedia('(max-width: 40rem)').matches ? 8 : 16);
    }
    return this.#pretty && entry.kind === 'json' ? JSON.stringify(JSON.parse(entry.data), null, 2) : entry.data;
  }

  #copyButton(entry) {
    const button = make('button', 'small copy', t('copy'));
    button.type = 'button';
    button.addEventListener('click', async () => notice(t((await copy(this.#text(entry))) ? 'copied' : 'not-copied')));
    return button;
  }
}
