//! The language of a page: which one, and the texts in it. Owned by console and admin together; words.js has what both say,
//! and each adds its own by `addWords`. Bounds: two languages. It must not put words into the page as markup.

import { words as common } from './words.js';
import { recall, remember } from './store.js';

const LANGUAGES = ['en', 'zh'];
const TAGS = { en: 'en', zh: 'zh-CN' };

const words = { ...common };
const listeners = [];
let current = choose();

/** Adds texts, each `key: [English, Chinese]`. */
export function addWords(more) {
  Object.assign(words, more);
}

/** `en` or `zh`. */
export function language() {
  return current;
}

/** Changes the language, remembers it, and tells everyone who asked. */
export function setLanguage(name) {
  if (!LANGUAGES.includes(name)) return;
  current = name;
  remember('language', name);
  apply(document);
  for (const listener of listeners) listener();
}

/** Calls back after each change of language. */
export function onLanguage(listener) {
  listeners.push(listener);
}

/** The text for a key; `{name}` is filled from `values`. An unknown key shows itself, so that it is noticed. */
export function t(key, values = {}) {
  const text = words[key]?.[LANGUAGES.indexOf(current)] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Fills the marked elements below `root`: `data-t` their text, `data-t-…` an attribute. */
export function apply(root) {
  document.documentElement.lang = TAGS[current];
  for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll('[data-t-placeholder]')) element.placeholder = t(element.dataset.tPlaceholder);
  for (const element of root.querySelectorAll('[data-t-label]')) element.setAttribute('aria-label', t(element.dataset.tLabel));
  // Buttons that show only a picture: their name for screen readers, and for who rests the pointer on them.
  for (const element of root.querySelectorAll('[data-t-tip]')) {
    element.setAttribute('aria-label', t(element.dataset.tTip));
    element.title = t(element.dataset.tTip);
  }
}

/** Makes `button` change to the other language; it is written in that one. */
export function languageButton(button) {
  const draw = () => {
    button.textContent = t('other-language');
    button.lang = TAGS[current === 'en' ? 'zh' : 'en'];
  };
  button.addEventListener('click', () => setLanguage(current === 'en' ? 'zh' : 'en'));
  onLanguage(draw);
  draw();
}

function choose() {
  const kept = recall('language', null);
  if (LANGUAGES.includes(kept)) return kept;
  return (navigator.language ?? '').toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
