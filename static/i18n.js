//! The language of the page: which one, and the texts in it. Owned by page.js; the texts are in words.js.
//! Bounds: two languages. It must not put words into the page as markup.

import { words } from './words.js';
import { recall, remember } from './store.js';

const LANGUAGES = ['en', 'zh'];
const TAGS = { en: 'en', zh: 'zh-CN' };

const listeners = [];
let current = choose();

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

/** Fills the marked elements below `root`. */
export function apply(root) {
  document.documentElement.lang = TAGS[current];
  for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll('[data-t-placeholder]')) element.placeholder = t(element.dataset.tPlaceholder);
  for (const element of root.querySelectorAll('[data-t-label]')) element.setAttribute('aria-label', t(element.dataset.tLabel));
}

function choose() {
  const kept = recall('language', null);
  if (LANGUAGES.includes(kept)) return kept;
  return (navigator.language ?? '').toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
