//! One row of the log: a message as a bubble, received left and sent right, with its figures beside; an event as a line.
//! Owned by logview.js. Bounds: 4,000 characters, of which the sheet shows twelve lines. It must put every content into a
//! text node, since peers choose it, and hold nothing that takes the focus: the list does.

import { readableSize } from './bytes.js';
import { make } from './dom.js';
import { t } from './i18n.js';
import { clock, gap } from './log.js';
import { written } from './tell.js';

const BODY_CHARS_MAX = 4000;
// This fits into twelve lines of the narrowest screen, and a box that need not be cut is laid out faster.
const SHORT_CHARS_MAX = 240;

/** The element of an entry in a form (`text`, `json` or `hex`); `width` is how many bytes a line of hex has. */
export function makeRow(entry, form, width) {
  const element = make('div', 'entry');
  element.id = `entry-${entry.id}`;
  element.setAttribute('role', 'option');
  element.dataset.id = entry.id;
  element.dataset.direction = entry.direction;
  element.dataset.kind = entry.kind;
  const time = make('time', '', clock(entry.at));
  time.dateTime = new Date(entry.at).toISOString();
  const text = written(entry, entry.kind === 'binary' ? 'hex' : form, BODY_CHARS_MAX, width);
  const body = make('pre', text.length > SHORT_CHARS_MAX || text.includes('\n') ? 'body long' : 'body', text);
  if (entry.kind === 'info') {
    element.dataset.event = entry.key;
    element.append(time, body);
    return element;
  }
  if (entry.kind === 'binary' || form === 'hex') body.classList.add('dump');
  const figures = [make('span', 'unseen', t(`dir-${entry.direction}`)), time];
  const { place } = entry;
  if (entry.delta !== null) figures.push(make('span', 'delta', gap(entry.delta)));
  if (place?.channel) figures.push(make('span', 'place', place.offset === undefined ? place.channel : `${place.channel} #${place.offset}`));
  if (place?.recovered) figures.push(make('span', 'badge accent', t('recovered-badge')));
  if (entry.kind === 'binary') figures.push(make('span', 'kind', t('kind-binary')));
  figures.push(make('span', 'size', readableSize(entry.size)));
  // A blank between them is where a line may end.
  element.append(make('div', 'bubble', body), make('div', 'meta', ...figures.flatMap((figure) => [figure, ' '])));
  return element;
}
