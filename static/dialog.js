//! Dialogs: a question with an answer, or a panel to read and close. Owned by console and admin together.
//! Bounds: one question at a time. It must resolve once, whatever way it was closed, and give the focus back.

import { button, make } from './dom.js';
import { icon } from './icons.js';
import { t } from './i18n.js';

/**
 * Asks. `fields` are `{name, label, value, type, pattern, required}`; answers `{name: value}` (empty without fields), or
 * null when it was cancelled. `danger` makes the answer red.
 */
export function ask({ title, text = '', fields = [], confirm, danger = false }) {
  const inputs = fields.map((field) => {
    const input = make('input', 'input');
    Object.assign(input, { type: field.type ?? 'text', name: field.name, value: field.value ?? '', required: field.required ?? false });
    if (field.pattern) input.pattern = field.pattern;
    return [make('label', 'field', make('span', 'label', field.label), input), input];
  });
  const yes = make('button', danger ? 'btn primary danger' : 'btn primary', confirm ?? t('ok'));
  yes.type = 'submit';
  const form = make('form', '', ...frame(title), make('div', 'dialog-body', ...(text ? [make('p', '', text)] : []), ...inputs.map(([label]) => label)));
  const dialog = make('dialog', 'dialog narrow', form);
  form.append(make('div', 'dialog-foot', button('btn', t('cancel'), () => dialog.close()), yes));
  return new Promise((resolve) => {
    let answer = null;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      answer = Object.fromEntries(inputs.map(([, input]) => [input.name, input.value]));
      dialog.close();
    });
    openOnce(dialog, title, () => resolve(answer));
    (inputs[0]?.[1] ?? yes).focus();
  });
}

/** Shows `children` under a title until it is closed; answers the dialog. */
export function panel(title, ...children) {
  const dialog = make('dialog', 'dialog', ...frame(title), make('div', 'dialog-body', ...children));
  openOnce(dialog, title);
  return dialog;
}

function frame(title) {
  const close = button('btn quiet icon', '', () => close.closest('dialog').close());
  close.setAttribute('aria-label', t('close'));
  close.append(icon('close'));
  return [make('div', 'dialog-head', make('h2', '', title), close)];
}

function openOnce(dialog, title, closed = () => {}) {
  dialog.setAttribute('aria-label', title);
  const before = document.activeElement;
  dialog.addEventListener('close', () => {
    dialog.remove();
    before?.focus?.();
    closed();
  });
  // A press on the backdrop counts as one on the dialog itself.
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}
