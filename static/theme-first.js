//! Puts the chosen theme on the page before anything is drawn, so that a dark page does not flash white. Loaded as a plain
//! script in the head of each page; theme.js does the rest. It must stay this short: it holds the page up.

try {
  const theme = JSON.parse(localStorage.getItem('fanfare.theme'));
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage, no choice: the system's theme.
}
