//! The field to look for something, which asks once the typing rests. Owned by the views of the admin page. Bounds: 200 ms of rest.

import { make } from './dom.js';

const REST_MS = 200;

/** `{element, value()}`; `changed` is called when another text stands in it. */
export function searchField(label, changed, value = '') {
  const input = make('input', 'input');
  Object.assign(input, { type: 'search', placeholder: label, value, spellcheck: false });
  input.setAttribute('aria-label', label);
  let timer = 0;
  let told = value;
  const tell = () => {
    clearTimeout(timer);
    if (input.value === told) return;
    told = input.value;
    changed();
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(tell, REST_MS);
  });
  input.addEventListener('change', tell);
  return { element: make('div', 'search', input), value: () => told.trim() };
}
