//! The log as seen: the rows near what is looked at, drawn once a frame, filtered, paused, followed. Owned by console.js.
//! Bounds: 160 row elements, however long the log is. It must keep what is looked at in its place when rows come or go.

import { byId, make, put, show } from './dom.js';
import { t } from './i18n.js';
import { matches } from './log.js';
import { makeRow } from './row.js';
import { Rows } from './rows.js';
import { tell } from './tell.js';

const ROWS_MAX = 160;
// Beyond what is seen; in a stream, where all of them are others at the next frame, as few as that.
const SPARE_ROWS = 30;
const SPARE_ROWS_IN_STREAM = 4;
const STREAM_ROWS = 8;
const ROW_PX = 30;
const AT_END_PX = 24;

/** The view. `selected(entry)` hears which entry is chosen, or undefined. */
export class LogView {
  paused = false;
  form = 'text';
  selectedId = 0;

  #log;
  #selected;
  #box = byId('log');
  #space = make('div', 'log-space');
  #window = make('div', 'log-window');
  #rows = new Rows(ROW_PX);
  #elements = new Map();
  #takenId = 0;
  #frame = 0;
  #follow = true;
  #width = 0;
  #filter = { direction: 'all', search: '' };

  constructor(log, selected) {
    this.#log = log;
    this.#selected = selected;
    this.#space.append(this.#window);
    this.#box.append(this.#space);
    for (const part of [this.#space, this.#window]) part.setAttribute('role', 'presentation');
    this.#box.addEventListener('scroll', () => this.#scrolled());
    // A scroll is told late; a stream of messages would pull the view back to its end before.
    this.#box.addEventListener('wheel', ({ deltaY }) => { if (deltaY < 0) this.#follow = false; }, { passive: true });
    this.#box.addEventListener('touchmove', () => { this.#follow = false; }, { passive: true });
    this.#box.addEventListener('click', ({ target }) => this.#clicked(target));
    byId('jump').addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => this.#resized()).observe(this.#box);
  }

  /** How many rows the filter lets through. */
  get shown() {
    return this.#rows.count;
  }

  get isFiltered() {
    return this.#filter.direction !== 'all' || this.#filter.search !== '';
  }

  /** How many entries wait for the pause to end. */
  get held() {
    return this.#log.nextId - 1 - Math.max(this.#takenId, this.#log.oldestId - 1);
  }

  /** Draws what is new at the next frame: a thousand messages a second cost one layout each 16 ms, not a thousand. */
  update() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Draws everything anew: after a change of filter, form or language. */
  redraw() {
    const last = this.paused ? this.#takenId : Infinity;
    this.#rows.clear();
    this.#forgetElements();
    this.#takenId = 0;
    this.#take(last);
    if (!this.paused) this.#follow = true;
    this.#draw();
  }

  setFilter(filter) {
    this.#filter = { ...this.#filter, ...filter };
    this.redraw();
  }

  setForm(form) {
    this.form = form;
    this.redraw();
  }

  setPaused(paused) {
    this.paused = paused;
    this.update();
  }

  /** Goes to the newest row and stays with it. */
  toEnd() {
    this.#follow = true;
    this.#draw();
  }

  /** What the filter lets through, for copying and export. */
  chosen() {
    return this.#log.entries.filter((entry) => this.#wanted(entry));
  }

  /** Chooses an entry, and brings it into view. */
  select(id) {
    this.selectedId = id;
    const row = this.#rows.find(id);
    if (row >= 0) {
      const top = this.#rows.offset(row);
      const bottom = this.#rows.offset(row + 1);
      if (top < this.#box.scrollTop) this.#scrollTo(top);
      else if (bottom > this.#box.scrollTop + this.#box.clientHeight) this.#scrollTo(bottom - this.#box.clientHeight);
    }
    this.#draw();
    this.#selected(this.#log.get(id));
  }

  /** Chooses the row that many rows further; the last one if none was chosen. */
  step(count) {
    if (this.#rows.count === 0) return;
    const now = this.#rows.find(this.selectedId);
    const wanted = now < 0 && Number.isFinite(count) ? this.#rows.next - 1 : now + count;
    const row = Math.min(this.#rows.next - 1, Math.max(this.#rows.first, wanted));
    this.#follow = false;
    this.select(this.#rows.id(row));
  }

  #scrollTo(top) {
    this.#follow = false;
    this.#box.scrollTop = top;
  }

  #draw() {
    const gone = this.#rows.dropBelow(this.#log.oldestId);
    if (gone > 0 && !this.#follow) this.#box.scrollTop -= gone;
    const before = this.#rows.next;
    if (!this.paused) this.#take(Infinity);
    this.#place(this.#rows.next - before > STREAM_ROWS ? SPARE_ROWS_IN_STREAM : SPARE_ROWS);
    this.#edges();
  }

  /** Takes up the entries that are new and wanted. */
  #take(lastId) {
    const end = Math.min(lastId, this.#log.nextId - 1);
    for (let id = Math.max(this.#takenId + 1, this.#log.oldestId); id <= end; id += 1) {
      if (this.#wanted(this.#log.get(id))) this.#rows.append(id);
    }
    this.#takenId = Math.max(this.#takenId, end);
  }

  #wanted(entry) {
    return matches(entry, this.#filter, tell);
  }

  /** Puts the elements there that belong on the screen, measures those that are new, and keeps what is looked at in place. */
  #place(spare) {
    const rows = this.#rows;
    const height = this.#box.clientHeight;
    const top = this.#follow ? Math.max(0, rows.total - height) : this.#box.scrollTop;
    const anchor = rows.at(top);
    const within = top - rows.offset(anchor);
    const first = Math.max(rows.first, anchor - spare);
    const last = Math.min(rows.next, rows.at(top + height) + 1 + spare, first + ROWS_MAX);
    this.#fill(first, last);
    for (let row = first; row < last; row += 1) {
      if (!rows.isKnown(row)) rows.setHeight(row, this.#elements.get(rows.id(row)).getBoundingClientRect().height);
    }
    this.#space.style.height = `${rows.total}px`;
    this.#window.style.transform = `translateY(${rows.offset(first)}px)`;
    const wanted = this.#follow ? rows.total - height : rows.offset(anchor) + within;
    if (Math.abs(this.#box.scrollTop - wanted) > 0.5) this.#box.scrollTop = wanted;
  }

  #fill(first, last) {
    const oldest = first < last ? this.#rows.id(first) : Infinity;
    const newest = first < last ? this.#rows.id(last - 1) : -1;
    for (const [id, element] of this.#elements) {
      if (id >= oldest && id <= newest) continue;
      element.remove();
      this.#elements.delete(id);
    }
    let before = this.#window.firstChild;
    for (let row = first; row < last; row += 1) {
      const id = this.#rows.id(row);
      let element = this.#elements.get(id);
      if (element === undefined) {
        element = makeRow(this.#log.get(id), this.form, this.#width < 560 ? 8 : 16);
        this.#elements.set(id, element);
        this.#window.insertBefore(element, before);
      } else {
        before = element.nextSibling;
      }
      const chosen = String(id === this.selectedId);
      if (element.getAttribute('aria-selected') !== chosen) element.setAttribute('aria-selected', chosen);
      if (id === this.selectedId) this.#number(element, row);
    }
    if (this.#elements.has(this.selectedId)) this.#box.setAttribute('aria-activedescendant', `entry-${this.selectedId}`);
    else this.#box.removeAttribute('aria-activedescendant');
  }

  /** Not all rows are there, so the chosen one says which of how many it is. */
  #number(element, row) {
    element.setAttribute('aria-posinset', row - this.#rows.first + 1);
    element.setAttribute('aria-setsize', this.#rows.count);
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#box;
    this.#follow = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    this.update();
  }

  /** Whether there is more below. */
  #edges() {
    const below = this.#rows.total - this.#box.scrollTop - this.#box.clientHeight;
    show(byId('jump'), !this.#follow && below > 4 * ROW_PX);
    put(byId('log-foot'), t('log-foot', { shown: this.#rows.count, kept: this.#log.length, dropped: this.#log.dropped }));
    show(byId('log-foot'), this.#rows.count !== this.#log.length || this.#log.dropped > 0);
  }

  #clicked(target) {
    const element = target.closest('.entry');
    // Who marked a text to copy it does not mean to choose the row.
    if (element === null || !getSelection().isCollapsed) return;
    const id = Number(element.dataset.id);
    this.select(id === this.selectedId ? 0 : id);
  }

  #resized() {
    if (this.#box.clientWidth !== this.#width) {
      this.#width = this.#box.clientWidth;
      this.#rows.forget();
      this.#forgetElements();
    }
    this.update();
  }

  #forgetElements() {
    this.#elements.clear();
    this.#window.replaceChildren();
  }
}
