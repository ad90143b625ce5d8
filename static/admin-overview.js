//! The first view: the node's facts, live charts, its workers, and the drain. Owned by admin.js. Bounds: charts are drawn once a
//! second at most, and not while hidden.

import { admin } from './admin-api.js';
import { Chart, LINES_MAX } from './admin-chart.js';
import { every } from './admin-every.js';
import { count, delay, rate, size, span } from './admin-format.js';
import { figures, onFigures } from './admin-stats.js';
import { Table } from './admin-table.js';
import { sentence, trouble } from './admin-trouble.js';
import { ask } from './dialog.js';
import { button, make, notice, put, show } from './dom.js';
import { t } from './i18n.js';
import { recall, remember } from './store.js';

const NODE_EVERY_MS = 5000;
const WINDOWS = [1, 5, 15];

const perSecond = (name) => (point) => point[name] / (point.seconds || 1);
// What each chart shows: its lines in total, and its one line a worker.
const CHARTS = [
  { title: 'chart-sessions', format: count, least: 3, lines: [['view-sessions', (point) => point.sessions]] },
  { title: 'chart-messages', format: rate, lines: [['out', perSecond('messages_out')], ['in', perSecond('messages_in')]] },
  { title: 'chart-bytes', format: size, base: 1024, least: 3, lines: [['out', perSecond('bytes_out')], ['in', perSecond('bytes_in')]] },
  { title: 'chart-delay', format: delay, lines: [['p99', (point) => point.delay.p99], ['median', (point) => point.delay.p50]] },
  { title: 'chart-published', format: rate, lines: [['published-rate', perSecond('published')]], isWhole: true },
  { title: 'chart-slow', format: rate, lines: [['disconnects', perSecond('slow_disconnects')], ['dropped', perSecond('dropped')]] },
];

/** Shows the view in `root`; answers what ends it. */
export function overview(root) {
  const fact = facts();
  const line = trouble();
  const controls = choices();
  const charts = CHARTS.map((chart) => ({ ...chart, drawn: new Chart(t(chart.title), chart) }));
  const workers = workerTable();
  const none = make('p', 'callout');
  root.append(
    line.element, fact.element,
    make('div', 'row view-head', make('h2', '', t('view-overview')), controls.state, make('span', 'grow'), controls.split, controls.window),
    none, make('div', 'charts', ...charts.map((chart) => chart.drawn.element)),
    make('h2', '', t('workers')), workers.element,
    make('div', 'row', button('btn danger', t('drain'), () => drain(fact.node))),
  );

  const draw = () => {
    const { points, state } = figures();
    controls.tell(state);
    put(none, t('live-none'));
    show(none, state === 'none');
    for (const chart of charts) chart.drawn.draw(points, lines(chart, controls.bySplit(), points), controls.minutes() * 60_000);
    const last = points.at(-1);
    if (last) workers.fill(last.workers.map((worker) => ({ ...worker, seconds: last.seconds })));
  };
  controls.changed = draw;
  const silent = onFigures(() => document.visibilityState === 'visible' && draw());
  const asking = every(NODE_EVERY_MS, async () => {
    const node = await admin('GET', 'node');
    line.clear();
    fact.fill(node);
  }, line.say);
  draw();
  return () => {
    silent();
    asking.stop();
  };
}

function lines(chart, isSplit, points) {
  if (!isSplit || chart.isWhole) return chart.lines.map(([label, value]) => ({ label: t(label), value }));
  const value = chart.lines[0][1];
  const workers = points.at(-1)?.workers ?? [];
  return workers.slice(0, LINES_MAX).map(({ worker }) => ({
    label: t('worker', { n: worker }),
    value: (point) => (point.workers[worker] ? value({ ...point.workers[worker], seconds: point.seconds }) : null),
  }));
}

function facts() {
  const list = make('dl', 'tiles');
  const tiles = new Map();
  const held = { node: null, element: list };
  const tile = (key, value, more = '') => {
    if (!tiles.has(key)) {
      const parts = [make('dt', ''), make('dd', 'tile-value'), make('dd', 'quiet small-text')];
      list.append(make('div', 'card tile', ...parts));
      tiles.set(key, parts);
    }
    const [label, big, small] = tiles.get(key);
    put(label, t(key));
    put(big, value);
    put(small, more);
  };
  held.fill = (node) => {
    held.node = node;
    tile('view-sessions', count(node.sessions), `${t('peak')} ${count(node.sessions_peak)} · ${t('limit')} ${count(node.sessions_max)}`);
    tile('view-channels', count(node.channels), t('total', { n: count(node.sessions_total) }));
    tile('uptime', span(node.uptime_seconds), node.draining ? t('phase-draining') : t('phase-running'));
    const process = node.process ?? {};
    tile('memory', size(process.rss_bytes), process.cpu_percent === undefined ? '' : `${t('cpu')} ${process.cpu_percent.toFixed(1)} %`);
    tile('node', node.node, [`${t('version')} ${node.version}`, ...(node.listen ?? [])].join(' · '));
  };
  return held;
}

function choices() {
  const dot = make('span', 'dot');
  const text = make('span', 'quiet small-text');
  const state = make('span', 'row live', dot, text);
  state.setAttribute('role', 'status');
  const held = { state, changed() {} };
  let minutes = WINDOWS.includes(recall('admin-window', 5)) ? recall('admin-window', 5) : 5;
  let split = 'total';
  held.minutes = () => minutes;
  held.bySplit = () => split === 'workers';
  held.window = segmented('window', WINDOWS.map((n) => [n, t('window-minutes', { n })]), minutes, (chosen) => {
    minutes = Number(chosen);
    remember('admin-window', minutes);
    held.changed();
  });
  held.split = segmented('split', [['total', t('split-total')], ['workers', t('split-workers')]], split, (chosen) => {
    split = chosen;
    held.changed();
  });
  held.tell = (now) => {
    dot.className = now === 'live' ? 'dot good' : 'dot';
    put(text, now === 'live' ? t('live') : now === 'wait' ? t('live-wait') : '');
  };
  return held;
}

function segmented(name, options, chosen, choose) {
  const frame = make('fieldset', 'segmented', make('legend', 'unseen', t(name)));
  for (const [value, label] of options) {
    const input = make('input');
    Object.assign(input, { type: 'radio', name, value: String(value), checked: value === chosen });
    input.addEventListener('change', () => choose(input.value));
    frame.append(make('label', '', input, make('span', '', label)));
  }
  return frame;
}

function workerTable() {
  const each = (name) => (row) => rate(row[name] / (row.seconds || 1));
  return new Table({
    caption: t('workers'), key: (row) => row.worker, empty: t('live-wait'), changed() {}, limit: 1000,
    columns: [
      { label: t('worker-name'), cell: (row) => String(row.worker) },
      { label: t('view-sessions'), number: true, cell: (row) => count(row.sessions) },
      { label: t('view-channels'), number: true, cell: (row) => count(row.channels) },
      { label: t('a-second', { what: t('messages-in') }), number: true, cell: each('messages_in') },
      { label: t('a-second', { what: t('messages-out') }), number: true, cell: each('messages_out') },
      { label: t('bytes'), number: true, cell: (row) => `${size(row.bytes_in / (row.seconds || 1))} / ${size(row.bytes_out / (row.seconds || 1))}` },
      { label: `${t('chart-delay')} ${t('p99')}`, number: true, cell: (row) => delay(row.delay.p99) },
      { label: t('dropped-title'), number: true, cell: (row) => count(row.dropped) },
    ],
  });
}

async function drain(node) {
  if (!node) return;
  const answer = await ask({
    title: t('drain-title'), text: t('drain-text', { node: node.node }), confirm: t('drain-confirm'), danger: true,
    fields: [{ name: 'node', label: t('drain-name'), required: true }],
  });
  if (answer === null) return;
  try {
    await admin('POST', 'drain', { node: answer.node });
    notice(t('draining'));
  } catch (refusal) {
    notice(sentence(refusal));
  }
}
