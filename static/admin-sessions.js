//! The view of sessions: look for them, sort them, read one, end one. Owned by admin.js. Bounds: a page of 50; asked for again
//! every five seconds.

import { admin } from './admin-api.js';
import { every } from './admin-every.js';
import { count, size, span } from './admin-format.js';
import { Table } from './admin-table.js';
import { sentence, trouble } from './admin-trouble.js';
import { ask, panel } from './dialog.js';
import { button, make, notice } from './dom.js';
import { t } from './i18n.js';
import { searchField } from './admin-search.js';

const EVERY_MS = 5000;

/** Shows the view in `root`; `place.channel` narrows it to one channel, `go(view, place)` goes elsewhere. Answers what ends it. */
export function sessions(root, place, go) {
  const line = trouble();
  const search = searchField(t('search-sessions'), () => refresh(true));
  const total = make('span', 'quiet small-text numbers');
  const channel = place.channel ?? null;
  const head = make('div', 'row view-head', make('h2', '', t('view-sessions')), total, make('span', 'grow'));
  if (channel !== null) {
    const chip = button('chip', `${t('of-channel', { channel })} ×`, () => go('sessions', {}));
    chip.setAttribute('aria-pressed', 'true');
    head.append(chip);
  }
  head.append(search.element);
  const table = new Table({
    caption: t('view-sessions'), key: (row) => row.id, sort: 'since', changed: () => refresh(false), empty: '',
    open: (row) => details(row.id, go, () => refresh(false)),
    columns: columns(),
  });
  root.append(head, line.element, table.element);

  const asking = every(EVERY_MS, async (isWanted) => {
    const asked = new URLSearchParams(table.query());
    if (search.value()) asked.set('q', search.value());
    if (channel !== null) asked.set('channel', channel);
    const told = await admin('GET', `sessions?${asked}`);
    if (!isWanted()) return;
    line.clear();
    total.textContent = count(told.total);
    table.fill(told.sessions, told.matched, search.value() || channel !== null ? t('no-sessions') : t('no-sessions-yet'));
  }, line.say);

  function refresh(isOther) {
    if (isOther) table.rewind();
    asking.again();
  }
  return asking.stop;
}

function columns() {
  return [
    { label: t('session'), cell: (row) => row.id.slice(0, 8) },
    { label: t('user'), sort: 'user', cut: true, cell: (row) => row.user ?? '–' },
    { label: t('address'), sort: 'address', cell: (row) => row.address ?? '–' },
    { label: t('endpoint'), sort: 'endpoint', cut: true, cell: (row) => row.endpoint },
    { label: t('transport'), sort: 'transport', cell: (row) => row.transport },
    { label: t('subscriptions'), number: true, cell: (row) => count(row.subscriptions) },
    { label: t('messages-in'), sort: 'messages_in', number: true, cell: (row) => count(row.messages_in) },
    { label: t('messages-out'), sort: 'messages_out', number: true, cell: (row) => count(row.messages_out) },
    { label: t('queue'), number: true, cell: (row) => (row.queue_messages ? `${count(row.queue_messages)} · ${size(row.queue_bytes)}` : '0') },
    { label: t('since'), sort: 'since', number: true, cell: (row) => span(row.duration_seconds) },
  ];
}

async function details(id, go, changed) {
  let session;
  try {
    ({ session } = await admin('GET', `sessions/${encodeURIComponent(id)}`));
  } catch (refusal) {
    notice(sentence(refusal));
    return;
  }
  const list = make('dl', 'facts');
  const add = (key, value) => list.append(make('dt', '', t(key)), make('dd', '', value ?? '–'));
  add('session', make('code', '', session.id));
  add('user', session.user ?? t('anonymous'));
  add('address', session.address);
  add('endpoint', make('code', '', session.endpoint));
  add('transport', session.transport);
  add('subprotocol', session.subprotocol);
  add('protocol', session.protocol);
  add('user-agent', session.user_agent);
  add('worker-name', String(session.worker));
  add('since', span(session.duration_seconds));
  add('idle', session.idle_seconds === null ? '–' : t('ago', { time: span(session.idle_seconds) }));
  add('messages-in', count(session.messages_in));
  add('messages-out', count(session.messages_out));
  add('bytes', `${size(session.bytes_in)} / ${size(session.bytes_out)}`);
  add('queue', session.queue_messages === null ? '–' : t('queue-value', { messages: count(session.queue_messages), bytes: size(session.queue_bytes) }));
  const end = button('btn danger', t('disconnect'), async () => {
    if (await disconnect(session.id)) {
      opened.close();
      changed();
    }
  });
  const opened = panel(t('session'), list, make('h3', '', t('subscriptions')), channels(session, (channel) => {
    opened.close();
    go('channels', { channel });
  }), make('div', 'row', end));
}

function channels(session, open) {
  const list = make('div', 'chips', ...session.channels.map((channel) => button('chip', channel, () => open(channel))));
  if (session.channels.length === 0) list.append(make('span', 'quiet', t('none')));
  const more = (session.subscriptions ?? 0) - session.channels.length;
  if (more > 0) list.append(make('span', 'quiet', t('more-channels', { n: count(more) })));
  return list;
}

async function disconnect(id) {
  const answer = await ask({
    title: t('disconnect-title'), text: t('disconnect-code'), confirm: t('disconnect').replace('…', ''), danger: true,
    fields: [
      { name: 'code', label: t('code'), value: '3503', pattern: '[34][0-9]{3}', required: true },
      { name: 'reason', label: t('disconnect-reason') },
    ],
  });
  if (answer === null) return false;
  try {
    await admin('POST', `sessions/${encodeURIComponent(id)}/disconnect`, {
      code: Number(answer.code), ...(answer.reason ? { reason: answer.reason } : {}),
    });
    notice(t('disconnected'));
    return true;
  } catch (refusal) {
    notice(sentence(refusal));
    return refusal.code === 'not_found';
  }
}
