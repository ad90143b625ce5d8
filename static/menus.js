//! Menus: `<details class="menu">` whose panel closes at Escape, at a press elsewhere, and once an item was chosen.
//! Owned by console and admin together. Bounds: one open at a time. It must give the focus back to what opened it.

/** Makes all menus of the document close as menus do; once for each page. */
export function wireMenus() {
  document.addEventListener('toggle', ({ target }) => {
    if (!target.matches?.('details.menu') || !target.open) return;
    for (const other of openMenus()) if (other !== target) other.open = false;
  }, true);
  document.addEventListener('click', ({ target }) => {
    for (const menu of openMenus()) {
      if (!menu.contains(target) || target.closest('.menu-item')) menu.open = false;
    }
  });
  document.addEventListener('keydown', (event) => {
    const menu = document.activeElement?.closest('details.menu[open]') ?? openMenus()[0];
    if (!menu) return;
    if (event.key === 'Escape') {
      menu.open = false;
      menu.querySelector('summary').focus();
      event.preventDefault();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      step(menu, event);
    }
  });
}

function step(menu, event) {
  // In a field the arrows move the caret.
  if (event.target.matches('input, textarea')) return;
  const items = [...menu.querySelectorAll('.menu-item')];
  if (items.length === 0) return;
  const at = items.indexOf(document.activeElement);
  const next = event.key === 'ArrowDown' ? at + 1 : at - 1;
  items[(next + items.length) % items.length].focus();
  event.preventDefault();
}

function openMenus() {
  return document.querySelectorAll('details.menu[open]');
}
