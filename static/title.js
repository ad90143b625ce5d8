//! The title of the tab: how many messages came while nobody looked. Owned by console.js. Bounds: 999 and more is one number.
//! It must not change while the page is seen.

const NAME = 'fanfare';
const COUNT_MAX = 999;

let unseen = 0;
let drawnAt = 0;

/** Begins. */
export function wireTitle() {
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    unseen = 0;
    document.title = NAME;
  });
}

/** A message came. */
export function countUnseen() {
  if (!document.hidden) return;
  unseen += 1;
  const now = performance.now();
  // A title that changes a thousand times a second is work for the browser and nothing to read.
  if (unseen > 1 && now - drawnAt < 500) return;
  drawnAt = now;
  document.title = `(${unseen > COUNT_MAX ? `${COUNT_MAX}+` : unseen}) ${NAME}`;
}
