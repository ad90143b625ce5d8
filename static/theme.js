//! Light, dark, or as the system is: one button that goes through the three. Owned by console and admin together.
//! Bounds: three states, remembered. It must leave the colours to tokens.css.

import { icon } from './icons.js';
import { onLanguage, t } from './i18n.js';
import { recall, remember } from './store.js';

const THEMES = ['system', 'light', 'dark'];
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

/** Makes `button` change the theme. */
export function themeButton(button) {
  let theme = THEMES.includes(recall('theme', 'system')) ? recall('theme', 'system') : 'system';
  const draw = () => {
    const ofSystem = systemIsDark.matches ? 'dark' : 'light';
    document.documentElement.dataset.theme = theme === 'system' ? ofSystem : theme;
    button.replaceChildren(icon(theme));
    const name = t('theme', { theme: t(`theme-${theme}`) });
    button.setAttribute('aria-label', name);
    button.title = name;
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remember('theme', theme);
    draw();
  });
  systemIsDark.addEventListener('change', draw);
  onLanguage(draw);
  draw();
}
