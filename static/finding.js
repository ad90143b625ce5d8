//! The finding: what went wrong, in one sentence, and what to do about it; the evidence folded away. Owned by console.js.
//! Bounds: one at a time, above the log. It must go when it is over, and put every text into a text node.

import { byId, button, copy, make, notice, put, show } from './dom.js';
import { icon } from './icons.js';
import { onLanguage, t } from './i18n.js';

/** The place where the finding stands. */
export class Finding {
  #make = null;
  #id = '';

  constructor() {
    onLanguage(() => this.#draw());
  }

  /** What it is of: `close` (with the server's word), `lost` (without), `handshake`, … or empty. */
  get id() {
    return this.#id;
  }

  /**
   * Shows what `make` answers, in whatever language: `{level, title, text, code, details, action}`; `details` are sentences,
   * `action` is `{label, run}`.
   */
  set(id, make) {
    this.#id = id;
    this.#make = make;
    this.#draw();
  }

  /** It is over. */
  clear() {
    if (this.#make === null) return;
    this.#make = null;
    this.#id = '';
    this.#draw();
  }

  #draw() {
    const box = byId('finding');
    show(box, this.#make !== null);
    if (this.#make === null) return box.replaceChildren();
    const { level, title, text, code = '', details = [], action = null } = this.#make();
    box.className = `finding ${level}`;
    const body = make('div', 'finding-body', make('p', 'finding-title', title));
    if (text) body.append(make('p', '', text));
    if (code) body.append(codeBlock(code));
    if (details.length > 0) {
      const evidence = make('details', 'more', make('summary', '', t('finding-why')), make('ul', 'evidence', ...details.map((one) => make('li', '', one))));
      body.append(evidence);
    }
    if (action) body.append(button('btn small', action.label, action.run));
    const close = button('btn quiet icon small', '', () => this.clear());
    close.append(icon('close'));
    close.setAttribute('aria-label', t('dismiss'));
    box.replaceChildren(body, close);
    // Said once, aloud; the rest can be read at leisure.
    put(byId('aloud'), `${title} ${text ?? ''}`);
    return undefined;
  }
}

function codeBlock(code) {
  const take = button('btn small', t('copy'), async () => notice(t((await copy(code)) ? 'copied' : 'not-copied')));
  return make('div', 'code-block', make('pre', '', code), take);
}
