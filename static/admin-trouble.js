//! How a view says that a request failed: one line at its head, gone when the next one succeeds. Owned by the views of the
//! admin page. Bounds: one line a view.

import { make, put, show } from './dom.js';
import { t } from './i18n.js';

/** A refusal in the language of the page. */
export function sentence(refusal) {
  const key = `error-${refusal.code}`;
  const text = t(key, { seconds: refusal.seconds ?? 60 });
  return text === key ? refusal.message : text;
}

/** The line; `say(refusal)` shows it, `clear()` hides it. */
export function trouble() {
  const element = make('p', 'callout bad');
  element.setAttribute('role', 'alert');
  show(element, false);
  return {
    element,
    say(refusal) {
      put(element, sentence(refusal));
      show(element, true);
    },
    clear() {
      show(element, false);
    },
  };
}
