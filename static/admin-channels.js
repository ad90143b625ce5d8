//! The view of channels: who subscribes, what is kept, who is there, and a way to publish. Owned by admin.js. Bounds: a page of 50;
//! the newest 50 publications of one. History, presence and publications go by the HTTP API.

import { admin, api } from './admin-api.js';
import { every } from './admin-every.js';
import { count } from './admin-format.js';
import { searchField } from './admin-search.js';
import { Table } from './admin-table.js';
import { sentence, trouble } from './admin-trouble.js';
import { ask, panel } from './dialog.js';
import { button, make, notice, put } from './dom.js';
import { t } from './i18n.js';

const EVERY_MS = 5000;
const HISTORY_MAX = 50;

/** Shows the view in `root`; `place.channel` opens that one; `go(view, place)` goes elsewhere. Answers what ends it. */
export function channels(root, place, go) {
  const line = trouble();
  const search = searchField(t('search-channels'), () => refresh(true));
  const total = make('span', 'quiet small-text numbers');
  const table = new Table({
    caption: t('view-channels'), key: (row) => row.channel, sort: 'subscribers', changed: () => refresh(false), empty: '',
    open: (row) => details(row, go),
    columns: [
      { label: t('channel'), sort: 'name', cut: true, cell: (row) => row.channel },
      { label: t('subscribers'), sort: 'subscribers', number: true, cell: (row) => count(row.subscribers) },
      { label: t('namespace'), cell: (row) => row.namespace ?? '–' },
      { label: t('history'), cell: (row) => mark(row.history) },
      { label: t('presence'), cell: (row) => mark(row.presence) },
    ],
  });
  root.append(make('div', 'row view-head', make('h2', '', t('view-channels')), total, make('span', 'grow'), search.element), line.element, table.element);

  const asking = every(EVERY_MS, async (isWanted) => {
    const asked = new URLSearchParams(table.query());
    if (search.value()) asked.set('pattern', search.value());
    const told = await admin('GET', `channels?${asked}`);
    if (!isWanted()) return;
    line.clear();
    put(total, count(told.total));
    table.fill(told.channels, told.matched, search.value() ? t('no-channels') : t('no-channels-yet'));
  }, line.say);

  function refresh(isOther) {
    if (isOther) table.rewind();
    asking.again();
  }
  if (place.channel !== undefined) details({ channel: place.channel, history: true, presence: true }, go);
  return asking.stop;
}

function mark(is) {
  return is ? make('span', 'badge good', t('yes')) : make('span', 'quiet', '–');
}

function details(row, go) {
  const { channel } = row;
  const parts = [];
  if (row.history) parts.push(kept(channel));
  if (row.presence) parts.push(members(channel));
  const opened = panel(
    channel,
    make('div', 'row', button('btn', t('show-subscribers'), () => {
      opened.close();
      go('sessions', { channel });
    })),
    publisher(channel, () => parts.forEach((part) => part.again())),
    ...parts.map((part) => part.element),
  );
  opened.classList.add('wide-dialog');
  for (const part of parts) part.again();
}

function publisher(channel, done) {
  const text = make('textarea', 'input code');
  Object.assign(text, { rows: 3, required: true, spellcheck: false });
  const form = make('form', 'stack', make('label', 'field', make('span', 'label', t('publish-data')), text));
  const press = make('button', 'btn primary', t('publish'));
  press.type = 'submit';
  form.append(make('div', 'row', press));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    press.disabled = true;
    try {
      const told = await api('publish', { channel, data: valueOf(text.value) });
      notice(told?.offset ? t('published', { offset: told.offset }) : t('published-plain'));
      text.value = '';
      done();
    } catch (refusal) {
      notice(sentence(refusal));
    }
    press.disabled = false;
  });
  return form;
}

function valueOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// What the API refuses (a namespace without history) is said in the part itself.
function part(title, read) {
  const body = make('div', 'stack');
  const element = make('section', 'stack', make('h3', '', title), body);
  return {
    element,
    async again() {
      try {
        body.replaceChildren(...(await read()));
      } catch (refusal) {
        body.replaceChildren(make('p', 'quiet', sentence(refusal)));
      }
    },
  };
}

function kept(channel) {
  const shown = part(t('history'), async () => {
    const told = await api('history', { channel, limit: HISTORY_MAX, reverse: true });
    const found = told.publications ?? [];
    if (found.length === 0) return [make('p', 'quiet', t('history-none'))];
    return [
      make('p', 'quiet small-text', t('history-top', { n: found.length, epoch: told.epoch, offset: told.offset })),
      make('ol', 'publications', ...found.map(publication)),
      make('div', 'row', button('btn danger', t('history-remove'), () => removal(channel, shown))),
    ];
  });
  return shown;
}

function publication(item) {
  const text = item.b64data !== undefined && item.data === undefined ? `${t('bytes64')}: ${item.b64data}` : JSON.stringify(item.data, null, 1);
  const who = item.info?.user ? make('span', 'quiet', item.info.user) : '';
  return make('li', '', make('span', 'offset numbers', String(item.offset)), make('pre', 'grow', text), who);
}

async function removal(channel, shown) {
  const answer = await ask({ title: t('history-remove').replace('…', ''), text: t('history-remove-text', { channel }), confirm: t('remove'), danger: true });
  if (answer === null) return;
  try {
    await api('history_remove', { channel });
    notice(t('removed'));
  } catch (refusal) {
    notice(sentence(refusal));
  }
  shown.again();
}

function members(channel) {
  return part(t('presence'), async () => {
    const told = await api('presence', { channel });
    const found = Object.values(told.presence ?? {});
    if (found.length === 0) return [make('p', 'quiet', t('presence-none'))];
    const list = make('ul', 'chips', ...found.map((one) => {
      const item = make('li', 'chip', one.user || t('anonymous'));
      item.title = one.client;
      return item;
    }));
    return [list];
  });
}
