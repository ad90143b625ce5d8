//! The dialog that gives the connection in other clients' words. Owned by console.js. Bounds: one kind at a time.
//! It must show no token or key, for what it shows is passed around.

import { panel } from './dialog.js';
import { button, copy, make, notice } from './dom.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { kindsOf, snippet } from './snippet.js';
import { recall, remember } from './store.js';
import { compose, withoutSecrets } from './target.js';

const NAMES = { wscat: 'wscat', websocat: 'websocat', curl: 'curl', wx: 'wx.connectSocket', browser: 'WebSocket', fanfare: 'fanfare.mjs' };

/** Opens it for the form's values; `item` is what stands in the message box. */
export function openSnippets(values, item) {
  const target = compose(withoutSecrets(values, 'TOKEN'));
  if (target === null) return notice(t('bad-url'));
  const kinds = kindsOf(target.transport);
  const kept = recall('snippet', kinds[0]);
  let kind = kinds.includes(kept) ? kept : kinds[0];
  const text = make('pre');
  text.id = 'snippet';
  text.tabIndex = 0;
  const draw = () => { text.textContent = snippet(kind, target, item.mode === 'text' ? item.text : ''); };
  const choices = make('fieldset', 'segmented wide', ...kinds.map((name) => {
    const choice = make('input');
    Object.assign(choice, { type: 'radio', name: 'snippet-kind', id: `snippet-${name}`, value: name, checked: name === kind });
    choice.addEventListener('change', () => {
      kind = name;
      remember('snippet', name);
      draw();
    });
    return make('label', '', choice, make('span', '', NAMES[name]));
  }));
  choices.setAttribute('aria-label', t('snippets'));
  const take = button('btn primary', t('copy'), async () => notice(t((await copy(text.textContent)) ? 'copied' : 'not-copied')));
  take.prepend(icon('copy'));
  take.id = 'snippet-copy';
  draw();
  const parts = [choices, text];
  if (text.textContent.includes('TOKEN')) parts.push(make('p', 'hint', t('snippet-token')));
  const dialog = panel(t('snippets-title'), ...parts, make('div', 'row', take));
  choices.querySelector(':checked').focus();
  return dialog;
}
