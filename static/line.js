//! The line in figures: where it is in each channel, what was recovered, what went and came, the round trip.
//! Owned by console.js. Bounds: three positions are shown. It must not measure where others would see it.

import { readableSize } from './bytes.js';
import { byId, paced, put, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const POSITIONS_SHOWN = 3;
const LEAVING_MS = 300;
const READY_STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

/** The card of the line. */
export class LineCard {
  counts = { in: 0, out: 0, bytesIn: 0, bytesOut: 0, reconnects: 0 };

  /** Draws soon, a few times a second. */
  draw = paced(() => this.#draw());

  #links;
  #recovered = null;
  #roundTrip = null;

  constructor(links) {
    this.#links = links;
    byId('counters-reset').addEventListener('click', () => {
      for (const name of Object.keys(this.counts)) this.counts[name] = 0;
      this.draw();
    });
    onLanguage(() => this.#draw());
  }

  /** Nothing came back yet: a connection begins. */
  forgetRecovered() {
    this.#recovered = null;
    this.draw();
  }

  /** What came back in one channel; of all channels together it is shown. */
  addRecovered({ recovered, count }) {
    const before = this.#recovered ?? { recovered: true, count: 0 };
    this.#recovered = { recovered: before.recovered && recovered, count: before.count + count };
    this.draw();
  }

  /** What was measured: a word and its values. */
  setRoundTrip(key, values = {}) {
    this.#roundTrip = { key, values };
    this.draw();
  }

  /** Where the line is, in a text. */
  get position() {
    const { positions } = this.#links;
    const shown = positions.slice(0, POSITIONS_SHOWN).map(({ channel, since }) => (positions.length > 1 ? `${channel} ${since}` : since));
    return shown.join('\n') + (positions.length > POSITIONS_SHOWN ? '\n…' : '');
  }

  #draw() {
    const { state, isRaw, readyState, bufferedAmount } = this.#links;
    const { in: came, out: went, bytesIn, bytesOut, reconnects } = this.counts;
    put(byId('position'), this.position || t(state === 'idle' ? 'position-idle' : isRaw ? 'position-raw' : 'position-none'));
    const what = this.#recovered;
    const key = what === null ? 'recovered-idle' : !what.recovered ? 'recovered-not' : what.count > 0 ? 'recovered-some' : 'recovered-zero';
    put(byId('recovery'), t(key, what ?? {}));
    byId('recovery').dataset.recovered = what === null ? '' : String(what.recovered);
    put(byId('count-in'), String(came));
    put(byId('count-out'), String(went));
    put(byId('bytes-in'), readableSize(bytesIn));
    put(byId('bytes-out'), readableSize(bytesOut));
    put(byId('count-reconnects'), String(reconnects));
    put(byId('unsent'), readableSize(bufferedAmount));
    // What waits leaves without a word.
    if (bufferedAmount > 0) setTimeout(() => this.draw(), LEAVING_MS);
    put(byId('ready-state'), isRaw ? `${readyState} ${READY_STATES[readyState]}` : '');
    put(byId('tally-in'), String(came));
    put(byId('tally-out'), String(went));
    put(byId('tally-bytes-in'), readableSize(bytesIn));
    put(byId('tally-bytes-out'), readableSize(bytesOut));
    put(byId('cut-label'), t(state === 'cut' ? 'restore-line' : 'cut'));
    show(byId('with-positions'), isRaw && state === 'open' && this.position === '');
    byId('cut').disabled = state !== 'open' && state !== 'cut';
    put(byId('round-trip-result'), this.#roundTrip ? t(this.#roundTrip.key, this.#roundTrip.values) : '');
    show(byId('round-trip-result'), this.#roundTrip !== null);
  }
}
