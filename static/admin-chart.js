//! A chart of the last minutes, drawn as SVG: lines over time, the values of now in the head, those under the pointer while it is
//! there. Owned by admin-overview.js. Bounds: as many points as it is given; eight lines. It must draw only when it is told to.

import { make, put } from './dom.js';
import { t } from './i18n.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 600;
const HEIGHT = 120;
// Above it more lines are no help to anyone; the table of workers has them all.
export const LINES_MAX = 8;
const GRID = 3;

/**
 * One chart; `format` makes a value a text, `base` (10, or 1024 for sizes) makes round numbers of its grid, and `least` is the
 * lowest that its top may be: what is written without fractions needs a grid without them.
 */
export class Chart {
  constructor(title, { format, base = 10, least = 0 }) {
    Object.assign(this, { title, format, base, least, lines: [], points: [], windowMs: 300_000, at: null });
    this.legend = make('ul', 'legend');
    this.svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'plot-svg', role: 'img' });
    this.grid = [...Array(GRID)].map((_, at) => shape('line', { class: 'grid-line', x1: 0, x2: WIDTH, y1: gridAt(at), y2: gridAt(at) }));
    this.cursor = shape('line', { class: 'cursor-line', y1: 0, y2: HEIGHT, visibility: 'hidden' });
    this.paths = shape('g', {});
    this.svg.append(...this.grid, this.paths, this.cursor);
    this.ticks = [...Array(GRID)].map((_, at) => make('span', `tick tick-${at}`));
    this.first = make('span', '');
    this.last = make('span', '', t('now'));
    const plot = make('div', 'plot', this.svg);
    const area = make('div', 'plot-area', make('div', 'value-axis', ...this.ticks), plot);
    this.element = make('figure', 'card chart', make('figcaption', 'chart-head', make('h3', '', title), this.legend), area, make('div', 'time-axis', this.first, this.last));
    plot.addEventListener('pointermove', (event) => this.#point(event, plot));
    plot.addEventListener('pointerleave', () => this.#away());
  }

  /** Shows `points` (`{time, …}`); `lines` are `{label, value(point), soft}`, at most LINES_MAX. */
  draw(points, lines, windowMs) {
    Object.assign(this, { points, lines, windowMs });
    this.end = points.at(-1)?.time ?? Date.now();
    const seen = points.filter((point) => point.time >= this.end - windowMs);
    this.seen = seen;
    this.top = niceTop(Math.max(this.least, ...seen.flatMap((point) => lines.map((line) => line.value(point) ?? 0))), this.base);
    this.#paint();
    this.ticks.forEach((tick, at) => put(tick, this.format((this.top * (GRID - at)) / GRID)));
    put(this.first, t('minutes-ago', { n: windowMs / 60_000 }));
    this.#tell();
  }

  #paint() {
    while (this.paths.children.length > this.lines.length) this.paths.lastChild.remove();
    while (this.paths.children.length < this.lines.length) {
      const at = this.paths.children.length;
      this.paths.append(shape('g', { class: `series series-${at}` }));
      this.paths.lastChild.append(shape('path', { class: 'area' }), shape('path', { class: 'stroke' }));
    }
    this.lines.forEach((line, at) => {
      const [area, stroke] = this.paths.children[at].children;
      const drawn = this.#path(line);
      stroke.setAttribute('d', drawn.line);
      // Several areas over each other say nothing.
      area.setAttribute('d', this.lines.length === 1 ? drawn.area : '');
    });
  }

  // A point without a value breaks the line.
  #path(line) {
    let text = '';
    let area = '';
    let from = null;
    let x = 0;
    const close = () => {
      if (from !== null) area += `L${x} ${HEIGHT}L${from} ${HEIGHT}Z`;
      from = null;
    };
    for (const point of this.seen) {
      const value = line.value(point);
      if (value === null || value === undefined) {
        close();
        continue;
      }
      x = Number(this.#x(point.time).toFixed(1));
      const step = `${from === null ? 'M' : 'L'}${x} ${(HEIGHT - (value / this.top) * HEIGHT).toFixed(1)}`;
      from ??= x;
      text += step;
      area += step;
    }
    close();
    return { line: text, area };
  }

  #x(time) {
    return WIDTH - ((this.end - time) / this.windowMs) * WIDTH;
  }

  #point(event, plot) {
    const box = plot.getBoundingClientRect();
    const time = this.end - (1 - (event.clientX - box.left) / box.width) * this.windowMs;
    this.at = time;
    this.#tell();
  }

  #away() {
    this.at = null;
    this.#tell();
  }

  // The values of now, or those of the moment under the pointer.
  #tell() {
    const { seen } = this;
    if (!seen) return;
    let point = seen.at(-1);
    if (this.at !== null) point = seen.reduce((best, one) => (Math.abs(one.time - this.at) < Math.abs(best.time - this.at) ? one : best), point);
    this.cursor.setAttribute('visibility', this.at !== null && point ? 'visible' : 'hidden');
    if (this.at !== null && point) for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.#x(point.time));
    while (this.legend.children.length > this.lines.length) this.legend.lastChild.remove();
    this.lines.forEach((line, at) => {
      const item = this.legend.children[at] ?? this.legend.appendChild(legendItem(at));
      put(item.children[1], line.label);
      put(item.children[2], point ? this.format(line.value(point)) : '–');
    });
    const said = this.lines.map((line) => `${line.label} ${point ? this.format(line.value(point)) : '–'}`).join(', ');
    this.svg.setAttribute('aria-label', `${this.title}: ${said}`);
  }
}

function legendItem(at) {
  return make('li', '', make('span', `swatch swatch-${at}`), make('span', 'quiet'), make('b', 'numbers'));
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function gridAt(at) {
  return (HEIGHT * at) / GRID;
}

// So that thirds of it are round.
function niceTop(value, base) {
  if (value <= 0) return GRID;
  const power = base ** Math.floor(Math.log(value) / Math.log(base));
  const steps = base === 10 ? [1.5, 3, 6, 9, 15] : [1.5, 3, 6, 15, 30, 60, 150, 300, 600, 1536];
  return (steps.find((step) => step * power >= value) ?? base) * power;
}
