//! The messages that were saved, and those that were sent before, to take into the box again. Owned by console.js.
//! Bounds: 20 of each; saved ones stay in this browser. It must put every text into a text node.

import { byId, button, make, notice } from './dom.js';
import { icon } from './icons.js';
import { onLanguage, t } from './i18n.js';
import { recall, remember } from './store.js';

const SAVED_MAX = 20;
const SHOWN_CHARS = 120;

/** The shelf. It reads `composer.item` and `composer.history`, and fills the box by `composer.fill`. */
export class Shelf {
  #composer;
  #saved = recall('saved', []);

  constructor(composer) {
    this.#composer = composer;
    if (!Array.isArray(this.#saved)) this.#saved = [];
    this.#saved = this.#saved.filter((item) => typeof item?.text === 'string' && ['text', 'hex', 'base64'].includes(item.mode));
    byId('save').addEventListener('click', () => this.#save());
    onLanguage(() => this.draw());
    this.draw();
  }

  draw() {
    const pick = (item) => button('menu-item mono', item.text.slice(0, SHOWN_CHARS), () => {
      this.#composer.fill(item);
      byId('message').focus();
    });
    byId('saved').replaceChildren(...this.#saved.map((item, index) => {
      const remove = button('btn quiet icon small', '', (event) => {
        // The menu stays open: what was pressed is gone by the time that it looks.
        event.stopPropagation();
        this.#saved = this.#saved.filter((_, other) => other !== index);
        remember('saved', this.#saved);
        this.draw();
      });
      remove.append(icon('close'));
      remove.setAttribute('aria-label', t('remove'));
      return make('li', 'kept', pick(item), remove);
    }));
    byId('history').replaceChildren(...this.#composer.history.map((item) => make('li', 'kept', pick(item))));
    byId('saved-none').hidden = this.#saved.length > 0;
    byId('history-part').hidden = this.#composer.history.length === 0;
  }

  #save() {
    const { item } = this.#composer;
    if (item.text === '') return notice(t('nothing-to-send'));
    const saved = [item, ...this.#saved.filter((old) => old.text !== item.text || old.mode !== item.mode)].slice(0, SAVED_MAX);
    const kept = remember('saved', saved);
    if (kept) this.#saved = saved;
    notice(t(kept ? 'saved' : 'not-saved'));
    this.draw();
    return undefined;
  }
}
