//! Puts the theme on the page before anything is drawn, so that a dark page does not flash white: what was chosen, else what the
//! system has. Loaded as a plain script in the head of each page; theme.js does the rest. It must stay this short: it holds the
//! page up.

{
  let theme = null;
  try {
    theme = JSON.parse(localStorage.getItem('fanfare.theme'));
  } catch {
    // No storage, no choice.
  }
  if (theme !== 'light' && theme !== 'dark') theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  document.documentElement.dataset.theme = theme;
}
