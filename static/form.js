//! The form of the connection: what is in it, which fields a transport has, the endpoints that the server offers, hints while
//! it is filled in. Owned by console.js. Bounds: eight endpoints are offered. It must not connect, nor keep a token.

import { byId, make, notice, put, show } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { recall, remember } from './store.js';
import { channelNames, fromLink, ownAddress, ownBase } from './target.js';

const ENDPOINTS_MAX = 8;

/** The form. `changed(values)` hears of every change. */
export class ConnectForm {
  #endpoints = null;
  #transports = null;
  #raw = '';
  #base = ownBase();
  #touched = false;
  #suggested = '';
  // The transport whose address stands in the field.
  #shown = 'raw';
  #changed;

  constructor(changed) {
    this.#changed = changed;
    this.#fill(fromLink());
    for (const input of document.querySelectorAll('input[name="transport"]')) input.addEventListener('change', () => this.#switch());
    byId('address').addEventListener('input', ({ target }) => {
      if (target.id === 'url') this.#touched = true;
      this.#draw();
    });
    addEventListener('hashchange', () => location.hash.includes('=') && this.#fill(fromLink()));
    byId('reconnect').checked = recall('reconnect', true) === true;
    byId('reconnect').addEventListener('change', () => remember('reconnect', byId('reconnect').checked));
    onLanguage(() => this.#draw());
  }

  get transport() {
    return document.querySelector('input[name="transport"]:checked').value;
  }

  get values() {
    return {
      transport: this.transport,
      address: byId('url').value,
      channels: byId('channel').value,
      protocols: this.transport === 'raw' ? byId('protocol').value : '',
      token: byId('token').value,
      heartbeat: byId('heartbeat').checked,
      envelope: byId('envelope').checked,
    };
  }

  /** Puts an address into the form. */
  setAddress(address) {
    byId('url').value = address;
    this.#touched = true;
    this.#draw();
  }

  setEnvelope(wanted) {
    byId('envelope').checked = wanted;
    this.#draw();
  }

  /** What the server says that it offers, as `offers` of status.js has it. */
  offer({ raw, transports, channel }) {
    this.#endpoints = raw === null ? null : raw.map(({ path }) => path).slice(0, ENDPOINTS_MAX);
    this.#transports = transports;
    for (const name of ['client', 'sse', 'poll']) byId(`transport-${name}`).disabled = transports?.includes(name) === false;
    this.#suggested = channel;
    if (!this.#touched && this.#raw === '') this.#suggest();
    this.#draw();
  }

  // The address that is offered is one that is there.
  #suggest() {
    const [first] = this.#endpoints ?? ['/ws'];
    const isWs = this.#endpoints?.includes('/ws');
    if (first !== undefined) this.#raw = ownAddress(isWs ? '/ws' : first);
    else if (this.#transports?.includes('client') !== false) byId('transport-client').checked = true;
    this.#show();
  }

  #fill(form) {
    byId(`transport-${form.transport}`).checked = true;
    if (form.address !== '') {
      if (form.transport === 'raw') this.#raw = form.address;
      else if (form.transport === 'client') this.#base = form.address;
      this.#touched = true;
    }
    byId('channel').value = form.channels;
    byId('protocol').value = form.protocols;
    byId('heartbeat').checked = form.heartbeat;
    byId('envelope').checked = form.envelope;
    byId('options').open = form.protocols !== '' || form.heartbeat || form.envelope;
    this.#show();
  }

  #switch() {
    // What was typed for one transport is there again when one comes back to it.
    const address = byId('url').value;
    if (this.#shown === 'raw') this.#raw = address;
    else if (this.#shown === 'client') this.#base = address;
    this.#show();
  }

  #show() {
    const { transport } = this;
    this.#shown = transport;
    const isOwn = transport === 'sse' || transport === 'poll';
    byId('url').value = transport === 'raw' ? this.#raw : isOwn ? ownBase() : this.#base;
    byId('url').readOnly = isOwn;
    if (transport !== 'raw' && byId('channel').value === '' && this.#suggested) byId('channel').value = this.#suggested;
    this.#draw();
  }

  #draw() {
    const { transport } = this;
    const isRaw = transport === 'raw';
    for (const element of document.querySelectorAll('.raw-only')) show(element, isRaw);
    put(byId('transport-hint'), t(`hint-${transport}`));
    byId('channel').placeholder = t(isRaw ? 'by-blank' : 'by-blank-needed');
    const fullWidth = /[\uff1a\uff03\uff0c]/.test(byId('channel').value);
    this.#hint('channel-hint', fullWidth ? 'full-width' : '');
    this.#hint('url-hint', this.#addressHint(isRaw));
    this.#drawEndpoints(isRaw);
    this.#changed(this.values);
  }

  #addressHint(isRaw) {
    const address = byId('url').value;
    if (/^ws:/i.test(address) && location.protocol === 'https:') return 'hint-mixed';
    if (isRaw && this.#endpoints?.length === 0 && address === '') return 'no-endpoint';
    try {
      const url = new URL(address);
      return url.protocol === 'wss:' && location.protocol === 'http:' && url.host === location.host ? 'hint-wss' : '';
    } catch {
      return '';
    }
  }

  #hint(id, key) {
    show(byId(id), key !== '');
    put(byId(id), key === '' ? '' : t(key));
    byId(id).classList.toggle('warn', key !== '');
  }

  #drawEndpoints(isRaw) {
    const offered = isRaw ? this.#endpoints ?? [] : [];
    const place = byId('endpoints');
    show(place, offered.length > 0);
    const now = byId('url').value;
    const wanted = offered.map((path) => [path, ownAddress(path) === now]);
    // Asked every few seconds: what is the same keeps its focus.
    if (JSON.stringify(wanted) === place.dataset.drawn) return;
    const focused = place.contains(document.activeElement) ? document.activeElement.textContent : null;
    place.dataset.drawn = JSON.stringify(wanted);
    place.replaceChildren(...wanted.map(([path, isChosen]) => {
      const chip = make('button', 'chip', path);
      chip.type = 'button';
      chip.setAttribute('aria-pressed', String(isChosen));
      chip.addEventListener('click', () => this.setAddress(ownAddress(path)));
      return chip;
    }));
    [...place.children].find((chip) => chip.textContent === focused)?.focus();
  }
}

/** Says why a form cannot be connected with, if it cannot: a word's key, or empty. */
export function refusalOf(values, target) {
  if (target === null) return 'bad-url';
  return values.transport !== 'raw' && channelNames(values.channels).length === 0 ? 'no-channel' : '';
}

/** Tells it, where the eye is, and puts the caret there. */
export function tellRefusal(key) {
  notice(t(key));
  byId(key === 'no-channel' ? 'channel' : 'url').focus();
}
