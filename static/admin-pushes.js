//! The view of what fanfare sends by itself: interval pushes and polled sources, with when they ran and what went wrong. Owned by
//! admin.js. Bounds: as many as the settings have.

import { admin } from './admin-api.js';
import { every } from './admin-every.js';
import { clock, count, span } from './admin-format.js';
import { Table } from './admin-table.js';
import { trouble } from './admin-trouble.js';
import { make } from './dom.js';
import { t } from './i18n.js';

const EVERY_MS = 2000;

/** Shows the view in `root`; answers what ends it. */
export function pushes(root) {
  const line = trouble();
  const pushed = table('pushes', t('no-pushes'), [
    { label: t('channel'), cut: true, cell: (row) => row.channel ?? t('everyone') },
    ...timing(),
    { label: t('skipped'), number: true, cell: (row) => count(row.skipped) },
    { label: t('refused'), number: true, cell: (row) => count(row.refused) },
    { label: t('last-error'), cell: lastError },
  ]);
  const polled = table('polls', t('no-polls'), [
    { label: t('channel'), cut: true, cell: (row) => row.channel },
    { label: t('url'), cut: true, cell: (row) => row.url },
    { label: t('phase'), cell: (row) => (row.failing ? make('span', 'badge bad', t('failing')) : make('span', 'badge good', t('good'))) },
    ...timing(),
    { label: t('changes'), number: true, cell: (row) => count(row.changes) },
    { label: t('failures'), number: true, cell: (row) => count(row.failures) },
    { label: t('refused'), number: true, cell: (row) => count(row.refused) },
    { label: t('last-error'), cell: lastError },
  ]);
  root.append(line.element, make('h2', '', t('pushes')), pushed.element, make('h2', '', t('polls')), polled.element);
  return every(EVERY_MS, async () => {
    const told = await admin('GET', 'pushes');
    line.clear();
    pushed.fill(told.pushes.map(numbered));
    polled.fill(told.polls.map(numbered));
  }, line.say).stop;
}

// Two entries may have the same channel.
const numbered = (row, number) => ({ ...row, number });

function table(caption, empty, columns) {
  return new Table({ caption: t(caption), key: (row) => row.number, empty, columns, changed() {}, limit: 1000 });
}

function timing() {
  return [
    { label: t('every'), number: true, cell: (row) => span(row.every_seconds) },
    { label: t('runs'), number: true, cell: (row) => count(row.runs) },
    { label: t('last-run'), number: true, cell: (row) => (row.last_run ? clock(row.last_run) : t('never')) },
    { label: t('next'), number: true, cell: (row) => (row.next_in_seconds === null ? '–' : t('in-time', { time: span(row.next_in_seconds) })) },
  ];
}

/** The last error of something, with its time; `–` without one. */
export function lastError(row) {
  if (!row.last_error) return '–';
  const { time, reason, outcome } = row.last_error;
  return make('span', '', make('span', 'quiet numbers', `${clock(time)} `), outcome ? `${outcome}: ${reason}` : reason);
}
