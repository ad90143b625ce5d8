//! A table that the server sorts and pages: asks again every few seconds, and changes what changed, so that focus and selection
//! stay. Owned by the views of the admin page. Bounds: one page of rows; `limit` of them.

import { button, make, put, show } from './dom.js';
import { count } from './admin-format.js';
import { t } from './i18n.js';

/**
 * `columns`: `{key, label, sort, number, cut, cell(row)}`, where `cell` gives a text or an element and `sort` is the server's
 * word. `open(row)` is what the first cell's button does. `key(row)` tells rows apart.
 */
export class Table {
  constructor({ caption, columns, key, open, sort = null, order = 'desc', limit = 50, empty, changed }) {
    Object.assign(this, { columns, key, open, sort, order, limit, empty, changed, offset: 0 });
    this.rows = new Map();
    this.body = make('tbody');
    this.isPressed = false;
    this.waiting = null;
    this.body.addEventListener('pointerdown', () => this.#press());
    this.head = make('tr', '', ...columns.map((column) => this.#header(column)));
    this.none = make('p', 'empty');
    show(this.none, false);
    const table = make('table', 'table', make('caption', 'unseen', caption), make('thead', '', this.head), this.body);
    const frame = make('div', 'table-frame', table, this.none);
    frame.tabIndex = 0;
    frame.setAttribute('role', 'region');
    frame.setAttribute('aria-label', caption);
    this.element = make('div', 'stack', frame, this.#foot());
  }

  /** What to ask for. */
  query() {
    const asked = { offset: this.offset, limit: this.limit };
    if (this.sort !== null) Object.assign(asked, { sort: this.sort, order: this.order });
    return asked;
  }

  /** Back to the first page: what is looked for is another. */
  rewind() {
    this.offset = 0;
  }

  /** Shows `rows`, of `matched` that fit; `emptyText` where there is none. */
  fill(rows, matched = rows.length, emptyText = this.empty) {
    if (this.isPressed) {
      this.waiting = [rows, matched, emptyText];
      return;
    }
    const before = this.rows;
    this.rows = new Map();
    const lines = rows.map((row) => {
      const name = this.key(row);
      const line = before.get(name) ?? this.#line();
      this.#write(line, row);
      this.rows.set(name, line);
      return line.element;
    });
    // What is gone first, so that those below it stay where they are, with their focus and selection.
    for (const [name, line] of before) if (!this.rows.has(name)) line.element.remove();
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    lines.forEach((line, at) => {
      if (this.body.children[at] !== line) this.body.insertBefore(line, this.body.children[at] ?? null);
    });
    // A row that changed its place lost the focus that was in it.
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
    put(this.none, emptyText);
    show(this.none, rows.length === 0);
    put(this.place, t('page', { from: count(rows.length ? this.offset + 1 : 0), to: count(this.offset + rows.length), of: count(matched) }));
    this.previous.disabled = this.offset === 0;
    this.following.disabled = this.offset + rows.length >= matched || rows.length === 0;
    show(this.foot, matched > this.limit || this.offset > 0);
  }

  // A row that moves away under a pressed pointer takes the click with it: what comes meanwhile waits, the newest of it.
  #press() {
    if (this.isPressed) return;
    this.isPressed = true;
    const ended = new AbortController();
    const release = () => {
      ended.abort();
      // The click follows the release in the same task.
      setTimeout(() => {
        this.isPressed = false;
        if (this.waiting === null) return;
        const waiting = this.waiting;
        this.waiting = null;
        this.fill(...waiting);
      });
    };
    for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, release, { signal: ended.signal });
  }

  #header(column) {
    const cell = make('th', column.number ? 'number' : '');
    cell.scope = 'col';
    if (!column.sort) {
      cell.append(column.label);
      return cell;
    }
    cell.append(button('', column.label, () => {
      this.order = this.sort === column.sort && this.order === 'desc' ? 'asc' : 'desc';
      this.sort = column.sort;
      this.rewind();
      this.#markSort();
      this.changed();
    }));
    cell.dataset.sort = column.sort;
    if (column.sort === this.sort) cell.setAttribute('aria-sort', this.order === 'asc' ? 'ascending' : 'descending');
    return cell;
  }

  #markSort() {
    for (const cell of this.head.children) {
      if (cell.dataset.sort !== undefined && cell.dataset.sort === this.sort) cell.setAttribute('aria-sort', this.order === 'asc' ? 'ascending' : 'descending');
      else cell.removeAttribute('aria-sort');
    }
  }

  #line() {
    const line = { row: null, cells: this.columns.map((column) => make('td', [column.number && 'number', column.cut && 'cut'].filter(Boolean).join(' '))) };
    line.element = make('tr', '', ...line.cells);
    if (this.open) {
      line.button = button('link-button', '', () => this.open(line.row));
      line.cells[0].append(line.button);
    }
    return line;
  }

  #write(line, row) {
    line.row = row;
    this.columns.forEach((column, at) => {
      const value = column.cell(row);
      const target = at === 0 && line.button ? line.button : line.cells[at];
      if (typeof value === 'string') {
        put(target, value);
        // What does not fit is read where the pointer rests.
        if (column.cut) line.cells[at].title = value;
      } else {
        target.replaceChildren(value);
      }
    });
  }

  #foot() {
    this.place = make('span', 'quiet small-text numbers');
    const turn = (by) => () => {
      this.offset = Math.max(0, this.offset + by * this.limit);
      this.changed();
    };
    this.previous = button('btn small', t('previous'), turn(-1));
    this.following = button('btn small', t('following'), turn(1));
    this.foot = make('div', 'row table-foot', this.place, this.previous, this.following);
    show(this.foot, false);
    return this.foot;
  }
}
