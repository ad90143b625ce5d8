//! One message looked at closely: all of it, in each of its forms, with what is known of it. Owned by console.js.
//! Bounds: 200,000 characters. It must put what a peer said into text nodes only.

import { readableSize } from './bytes.js';
import { explain } from './codes.js';
import { byId, button, copy, make, notice, show } from './dom.js';
import { icon } from './icons.js';
import { language, onLanguage, t } from './i18n.js';
import { clock, gap } from './log.js';
import { formsOf, tell, written } from './tell.js';

const CHARS_MAX = 200_000;

/** The inspector. `reuse(entry)` puts a message into the composer; `closed()` hears that it was closed. */
export class Inspector {
  #entry = null;
  #form = '';
  #reuse;
  #closed;

  constructor({ reuse, closed }) {
    this.#reuse = reuse;
    this.#closed = closed;
    byId('inspector-close').addEventListener('click', () => this.#closed());
    onLanguage(() => this.#draw());
  }

  /** Shows an entry, or nothing. */
  show(entry) {
    this.#entry = entry ?? null;
    if (entry && !formsOf(entry).includes(this.#form)) [this.#form] = formsOf(entry);
    this.#draw();
  }

  #draw() {
    const entry = this.#entry;
    show(byId('inspector'), entry !== null);
    show(byId('inspector-none'), entry === null);
    document.body.classList.toggle('inspecting', entry !== null);
    if (entry === null) return;
    const rows = [['time-of', clock(entry.at)]];
    if (entry.delta !== null) rows.push(['delta-of', gap(entry.delta)]);
    if (entry.kind !== 'info') rows.push(['size-of', `${readableSize(entry.size)} · ${t(`kind-${entry.kind}`)}`]);
    if (entry.place?.channel) rows.push(['channel-of', entry.place.channel]);
    if (entry.place?.offset !== undefined) rows.push(['offset-of', String(entry.place.offset)]);
    byId('inspector-title').textContent = t(`dir-${entry.direction}`);
    byId('inspector-facts').replaceChildren(...rows.flatMap(([key, value]) => [make('dt', '', t(key)), make('dd', '', value)]));
    byId('inspector-forms').replaceChildren(...this.#forms(entry));
    byId('inspector-body').textContent = written(entry, this.#form, CHARS_MAX) + explained(entry);
    byId('inspector-actions').replaceChildren(...this.#actions(entry));
  }

  #forms(entry) {
    const forms = formsOf(entry);
    if (forms.length === 1) return [];
    return forms.map((form) => {
      const choice = make('input');
      Object.assign(choice, { type: 'radio', name: 'inspector-form', value: form, checked: form === this.#form });
      choice.addEventListener('change', () => {
        this.#form = form;
        byId('inspector-body').textContent = written(entry, form, CHARS_MAX);
      });
      return make('label', '', choice, make('span', '', t(`form-${form}`)));
    });
  }

  #actions(entry) {
    const take = button('btn small', t('copy'), async () => {
      const text = entry.kind === 'info' ? tell(entry) : written(entry, this.#form, Infinity);
      notice(t((await copy(text)) ? 'copied' : 'not-copied'));
    });
    take.prepend(icon('copy'));
    if (entry.kind === 'info') return [take];
    const again = button('btn small', t('reuse'), () => this.#reuse(entry));
    again.prepend(icon('repeat'));
    return [take, again];
  }
}

/** What the close code of an event means, and what to check. */
function explained({ values }) {
  if (values?.code === undefined) return '';
  const { meaning, check } = explain(values.code, language());
  return `\n\n${meaning}\n${check}`;
}
