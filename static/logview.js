//! The log as seen: the rows near what is looked at, drawn once a frame, filtered, paused, followed. Owned by console.js.
//! Bounds: 160 row elements, however long the log is; one layout for each frame. It must keep what is looked at in its place
//! when rows come or go.

import { byId, make, paced, put, show } from './dom.js';
import { t } from './i18n.js';
import { matches } from './log.js';
import { makeRow } from './row.js';
import { Rows } from './rows.js';
import { tell } from './tell.js';

const ROWS_MAX = 160;
// Beyond what is seen; in a stream that runs past, where all of them are others the next time, as few as that.
const SPARE_ROWS = 30;
const SPARE_ROWS_IN_STREAM = 4;
// So many a frame are a stream.
const STREAM_ROWS = 8;
const STREAM_FRAMES = 3;
const ROW_PX = 30;
const AT_END_PX = 24;
// By so much a browser may round where it was told to go.
const ROUNDED_PX = 2;

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
  #jump = byId('jump');
  #foot = byId('log-foot');
  #rows = new Rows(ROW_PX);
  #elements = new Map();
  #takenId = 0;
  #frame = 0;
  #follow = true;
  // Where the view was written to when somebody went up and has not turned back since: a write that is carried out late ends there.
  #leftAt = -Infinity;
  #isStream = false;
  // Of the box, as it was last told: asking for them in the middle of a change would lay the page out each time.
  #width = 0;
  #height = 0;
  #top = 0;
  // Where the view was written to last, which the browser may carry out behind what somebody did meanwhile.
  #writtenTop = 0;
  #touchY = 0;
  // The row that the mouse went down on is meant: it may go past, or be made anew, before it goes up, and then nothing is a click.
  #pressedId = 0;
  #choosing = 0;
  #filter = { direction: 'all', search: '' };
  #countRows = paced(() => this.#count());

  constructor(log, selected) {
    this.#log = log;
    this.#selected = selected;
    this.#space.append(this.#window);
    this.#box.append(this.#space);
    for (const part of [this.#space, this.#window]) part.setAttribute('role', 'presentation');
    this.#box.addEventListener('scroll', () => this.#scrolled());
    // A scroll is told late; a stream of messages would pull the view back to its end before.
    this.#box.addEventListener('wheel', ({ deltaY, ctrlKey }) => {
      if (deltaY < 0 && !ctrlKey) this.#leaveEnd();
      else if (deltaY > 0) this.#turnBack();
    }, { passive: true });
    this.#box.addEventListener('touchstart', ({ touches }) => { this.#touchY = touches[0].clientY; }, { passive: true });
    this.#box.addEventListener('touchmove', ({ touches }) => {
      if (touches[0].clientY > this.#touchY) this.#leaveEnd();
      else if (touches[0].clientY < this.#touchY) this.#turnBack();
      this.#touchY = touches[0].clientY;
    }, { passive: true });
    // By the bar or by a key somebody may want to go anywhere.
    for (const kind of ['mousedown', 'keydown']) this.#box.addEventListener(kind, () => { this.#leftAt = -Infinity; });
    this.#box.addEventListener('mousedown', ({ target, button }) => { this.#pressedId = button === 0 ? idAt(target) : 0; });
    // Then the mouse going up is told to nobody.
    for (const kind of ['dragstart', 'contextmenu']) this.#box.addEventListener(kind, () => { this.#pressedId = 0; });
    addEventListener('mouseup', ({ target, button }) => button === 0 && this.#released(target));
    // Of what is no mouse and no finger, and may seem to press all the same.
    this.#box.addEventListener('click', ({ target, detail }) => {
      if (detail > 0) return;
      clearTimeout(this.#choosing);
      this.#clicked(idAt(target));
    });
    this.#jump.addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => this.#resized()).observe(this.#box);
  }

  /** How many rows the filter lets through. */
  get shown() {
    return this.#rows.count;
  }

  get isFiltered() {
    return this.#filter.direction !== 'all' || this.#filter.search !== '';
  }

  /** Whether rows go by faster than anybody reads; who looks at what was before has them standing still. */
  get #runsPast() {
    return this.#isStream && this.#follow;
  }

  /** How many entries wait for the pause to end. */
  get held() {
    return this.#log.nextId - 1 - Math.max(this.#takenId, this.#log.oldestId - 1);
  }

  /** Draws what is new at the next frame; in a stream that runs past, of which nobody reads sixty pages a second, at the third. */
  update() {
    if (this.#frame !== 0) return;
    let left = this.#runsPast ? STREAM_FRAMES : 1;
    const frame = () => {
      left -= 1;
      const isLater = left > 0 && this.#runsPast;
      this.#frame = isLater ? requestAnimationFrame(frame) : 0;
      if (!isLater) this.#draw();
    };
    this.#frame = requestAnimationFrame(frame);
  }

  /** Draws everything anew: after a change of filter, form or language. */
  redraw() {
    const last = this.paused ? this.#takenId : Infinity;
    this.#rows.clear();
    this.#forgetElements();
    this.#takenId = 0;
    this.#take(last);
    if (!this.paused) this.#followEnd();
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
    this.#followEnd();
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
      const isAbove = top < this.#top;
      if (isAbove || bottom > this.#top + this.#height) {
        this.#follow = this.#isNewest(row);
        this.#scrollTo(isAbove ? top : bottom - this.#height);
      }
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
    this.#follow = this.#isNewest(row);
    this.select(this.#rows.id(row));
  }

  /** Who goes to the newest row stays with what comes. */
  #isNewest(row) {
    return row === this.#rows.next - 1;
  }

  #scrollTo(top) {
    if (Math.abs(this.#top - top) <= 0.5) return;
    this.#writtenTop = top;
    // Rows above that are measured move the place of what is looked at, also behind the turn of whoever left.
    if (this.#leftAt > -Infinity) this.#leftAt = Math.max(this.#leftAt, top);
    this.#top = top;
    this.#box.scrollTop = top;
  }

  #draw() {
    const gone = this.#rows.dropBelow(this.#log.oldestId);
    const before = this.#rows.next;
    this.#leftAt -= gone;
    this.#writtenTop -= gone;
    if (!this.paused) this.#take(Infinity);
    this.#isStream = this.#rows.next - before > STREAM_ROWS * (this.#isStream ? STREAM_FRAMES : 1);
    this.#place(this.#top - gone, this.#runsPast ? SPARE_ROWS_IN_STREAM : SPARE_ROWS);
    this.#countRows();
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

  /**
   * Puts the elements there that belong on the screen, measures those that are new, and keeps what is looked at in place.
   * Above and below them is empty space, so that the measuring changes nothing but the place: one layout for each frame.
   */
  #place(seen, spare) {
    const rows = this.#rows;
    const height = this.#height;
    const top = this.#follow ? Math.max(0, rows.total - height) : Math.max(0, seen);
    const anchor = rows.at(top);
    const within = top - rows.offset(anchor);
    const first = Math.max(rows.first, anchor - spare);
    const last = Math.min(rows.next, rows.at(top + height) + 1 + spare, first + ROWS_MAX);
    this.#fill(first, last);
    this.#space.style.paddingTop = `${rows.offset(first)}px`;
    this.#space.style.paddingBottom = `${rows.total - rows.offset(last)}px`;
    show(this.#jump, !this.#follow && rows.total - top - height > 4 * ROW_PX);
    for (let row = first; row < last; row += 1) {
      if (!rows.isKnown(row)) rows.setHeight(row, this.#elements.get(rows.id(row)).getBoundingClientRect().height);
    }
    this.#scrollTo(Math.max(0, this.#follow ? rows.total - height : rows.offset(anchor) + within));
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

  /** Somebody goes up: what comes must not take the view along. */
  #leaveEnd() {
    if (this.#top <= 0) return;
    this.#follow = false;
    // The turn itself may be told behind the scroll that it made, and it may be one of several.
    this.#leftAt = Math.max(this.#leftAt, this.#top, this.#writtenTop);
  }

  /** Somebody goes down again. Who is at the end already scrolls nothing, which is told nowhere else. */
  #turnBack() {
    this.#leftAt = -Infinity;
    if (this.#isEnd(this.#top)) this.#follow = true;
  }

  #followEnd() {
    this.#follow = true;
    this.#leftAt = -Infinity;
  }

  #isEnd(top) {
    return this.#rows.total - top - this.#height < AT_END_PX;
  }

  #scrolled() {
    const top = this.#box.scrollTop;
    // What was written here is told too, and late: it says nothing of where somebody wants to be.
    if (Math.abs(top - this.#top) < 1) return;
    const isDown = top > this.#top;
    this.#top = top;
    // What got shorter is cut off at its end without anybody's will.
    if (!this.#isEnd(top)) this.#follow = false;
    else if (isDown && top > this.#leftAt + ROUNDED_PX) this.#follow = true;
    this.update();
  }

  /** How many rows there are, where that is not clear from what one sees. */
  #count() {
    const { length, dropped } = this.#log;
    put(this.#foot, t('log-foot', { shown: this.#rows.count, kept: length, dropped }));
    show(this.#foot, this.#rows.count !== length || dropped > 0);
  }

  #released(target) {
    const id = this.#pressedId;
    this.#pressedId = 0;
    // By then the browser has dropped what was marked before.
    if (id !== 0 && this.#box.contains(target)) this.#choosing = setTimeout(() => this.#clicked(id));
  }

  /** `id` is 0 beside the rows. */
  #clicked(id) {
    // Who marked a text to copy it does not mean to choose the row.
    if (id === 0 || !getSelection().isCollapsed) return;
    this.select(id === this.selectedId ? 0 : id);
  }

  #resized() {
    const { clientWidth, clientHeight, scrollTop } = this.#box;
    this.#height = clientHeight;
    this.#top = scrollTop;
    if (clientWidth !== this.#width) {
      this.#width = clientWidth;
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

/** The entry whose row this is part of; 0 beside the rows. */
function idAt(target) {
  return Number(target.closest('.entry')?.dataset.id ?? 0);
}
