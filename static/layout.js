//! Where things stand: the card of the line beside the log or under the form, the settings and the filter folded away on a
//! narrow screen. Owned by console.js. Bounds: two widths. It must leave the looks to the sheets.

import { byId } from './dom.js';

/** Wires it; answers `{openSettings, closeSettings}`, which do something on a narrow screen only. */
export function wireLayout() {
  const wide = matchMedia('(min-width: 94rem)');
  const place = () => (wide.matches ? document.querySelector('.right').prepend(byId('line')) : byId('line-here').append(byId('line')));
  wide.addEventListener('change', place);
  place();
  const fold = (id, name) => (open) => {
    document.body.classList.toggle(name, open);
    byId(id).setAttribute('aria-expanded', String(open));
  };
  const settings = fold('settings-toggle', 'settings-open');
  const filter = fold('filter-toggle', 'filter-open');
  const isOpen = (name) => document.body.classList.contains(name);
  byId('settings-toggle').addEventListener('click', () => settings(!isOpen('settings-open')));
  byId('filter-toggle').addEventListener('click', () => {
    filter(!isOpen('filter-open'));
    if (isOpen('filter-open')) byId('search').focus();
  });
  byId('address').addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || !isOpen('settings-open')) return;
    settings(false);
    byId('settings-toggle').focus();
  });
  return { openSettings: () => settings(true), closeSettings: () => settings(false) };
}
