//! The view of hooks: how the calls to the backend went, what failed last, and the events on their way. Owned by admin.js. Bounds: as
//! many as the settings have.

import { admin } from './admin-api.js';
import { every } from './admin-every.js';
import { count, delay, span } from './admin-format.js';
import { lastError } from './admin-pushes.js';
import { Table } from './admin-table.js';
import { trouble } from './admin-trouble.js';
import { make, put, show } from './dom.js';
import { t } from './i18n.js';

const EVERY_MS = 3000;
// What a call of a hook can come to and is no failure of the backend.
const FINE = ['ok', 'error', 'disconnect'];

/** Shows the view in `root`; answers what ends it. */
export function hooks(root) {
  const line = trouble();
  const waiting = make('span', 'quiet small-text numbers');
  const table = new Table({
    caption: t('view-hooks'), key: (row) => row.hook, empty: t('no-hooks'), changed() {}, limit: 1000,
    columns: [
      { label: t('hook'), cell: (row) => row.hook },
      { label: t('url'), cut: true, cell: (row) => row.url },
      { label: t('ok'), number: true, cell: (row) => count(row.calls.ok) },
      { label: t('errors'), number: true, cell: (row) => count(failed(row)) },
      { label: t('outcomes'), cell: outcomes },
      { label: t('in-flight'), number: true, cell: (row) => count(row.in_flight) },
      { label: t('mean'), number: true, cell: (row) => delay(row.mean_seconds) },
      { label: t('timeout'), number: true, cell: (row) => span(row.timeout_seconds) },
      { label: t('last-error'), cell: lastError },
    ],
  });
  const events = make('dl', 'facts');
  const eventsHead = make('h2', '', t('events'));
  root.append(make('div', 'row view-head', make('h2', '', t('view-hooks')), waiting), line.element, table.element, eventsHead, events);
  return every(EVERY_MS, async () => {
    const told = await admin('GET', 'hooks');
    line.clear();
    table.fill(told.hooks);
    put(waiting, told.waiting ? `${t('waiting')}: ${count(told.waiting)}` : '');
    show(eventsHead, told.events !== null);
    show(events, told.events !== null);
    if (told.events) {
      events.replaceChildren(...['sent', 'delivered', 'pending', 'retries', 'dropped'].flatMap((name) => [
        make('dt', '', t(`events-${name}`)), make('dd', '', count(told.events[name])),
      ]));
    }
  }, line.say).stop;
}

function failed(row) {
  return Object.entries(row.calls).reduce((sum, [name, number]) => (FINE.includes(name) ? sum : sum + number), 0);
}

function outcomes(row) {
  const seen = Object.entries(row.calls).filter(([name, number]) => name !== 'ok' && number > 0);
  if (seen.length === 0) return '–';
  return make('span', 'row', ...seen.map(([name, number]) => make('span', FINE.includes(name) ? 'badge' : 'badge bad', `${name} ${count(number)}`)));
}
