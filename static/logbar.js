//! The bar above the log: search, direction, form, pause, and what can be done with all of it. Owned by console.js.
//! Bounds: one search a frame. It must export what is shown, not what is hidden.

import { byId, copy, download, notice, put } from './dom.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { toJsonLines, toLines } from './log.js';
import { recall, remember } from './store.js';
import { tell } from './tell.js';

const FORMS = ['text', 'json', 'hex'];

/** Wires the bar; answers `{draw}`. `refresh` draws what depends on the log. */
export function wireLogBar(log, view, refresh) {
  let searching = 0;
  let drawn = '';
  byId('search').addEventListener('input', () => {
    cancelAnimationFrame(searching);
    searching = requestAnimationFrame(() => {
      view.setFilter({ search: byId('search').value });
      refresh();
    });
  });
  for (const input of document.querySelectorAll('input[name="direction"]')) {
    input.addEventListener('change', () => {
      view.setFilter({ direction: input.value });
      refresh();
    });
  }
  const kept = recall('form', 'text');
  if (FORMS.includes(kept)) byId(`form-${kept}`).checked = true;
  view.form = FORMS.includes(kept) ? kept : 'text';
  for (const input of document.querySelectorAll('input[name="form"]')) {
    input.addEventListener('change', () => {
      view.setForm(input.value);
      remember('form', input.value);
    });
  }
  byId('pause').addEventListener('click', () => {
    view.setPaused(!view.paused);
    byId('pause').setAttribute('aria-pressed', String(view.paused));
    draw();
  });
  byId('clear').addEventListener('click', () => {
    log.clear();
    view.select(0);
    view.redraw();
    refresh();
  });
  byId('export').addEventListener('click', () => {
    const name = `fanfare-${new Date().toISOString().replace(/[:.]/g, '-')}.jsonl`;
    download(name, 'application/x-ndjson', toJsonLines(view.chosen(), tell));
  });
  byId('copy-log').addEventListener('click', async () => {
    notice(t((await copy(toLines(view.chosen(), tell))) ? 'copied' : 'not-copied'));
  });
  wireKeys(view);

  function draw() {
    const text = view.paused ? t('resume', { count: view.held }) : t('pause');
    const shape = `${view.paused} ${text}`;
    if (shape === drawn) return;
    drawn = shape;
    if (byId('pause').firstChild === null || byId('pause').dataset.paused !== String(view.paused)) {
      byId('pause').dataset.paused = String(view.paused);
      byId('pause').replaceChildren(icon(view.paused ? 'play' : 'pause'), document.createElement('span'));
    }
    put(byId('pause').lastChild, text);
  }
  return { draw };
}

function wireKeys(view) {
  byId('log').addEventListener('keydown', (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (event.key in steps) view.step(steps[event.key]);
    else if (event.key === 'Escape') view.select(0);
    else if (event.key === 'Enter' && view.selectedId !== 0) byId('inspector-body').focus();
    else return;
    event.preventDefault();
  });
  byId('inspector').addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    view.select(0);
    byId('log').focus();
  });
}
