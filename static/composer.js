//! The message box: text, hex, Base64, files; what was sent before comes back with the arrow keys. Owned by console.js.
//! Bounds: 16 MiB a message, 20 remembered, a box of ten lines. It must send nothing while there is no connection, say so,
//! and keep what was written.

import { fromBase64, fromHex, readableSize, textSize, toHex } from './bytes.js';
import { byId, make, notice, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const REMEMBERED_MAX = 20;
// What fits into the box without making the page slow.
const REUSE_CHARS_MAX = 100_000;

/** The message box. `send(data, to)` sends and answers whether it could; `sent(item)` hears of what was sent by hand. */
export class Composer {
  history = [];

  #send;
  #sent;
  #recalled = -1;
  #channels = [];
  #to = '';

  constructor({ send, sent }) {
    this.#send = send;
    this.#sent = sent;
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#sendBox();
    });
    byId('message').addEventListener('keydown', (event) => this.#key(event));
    byId('message').addEventListener('input', () => this.#fit());
    byId('pick').addEventListener('click', () => byId('file').click());
    byId('file').addEventListener('change', () => this.#sendFile());
    onLanguage(() => this.#drawChannels());
  }

  /** What stands in the box: `{mode, text}`. */
  get item() {
    return { mode: document.querySelector('input[name="mode"]:checked').value, text: byId('message').value };
  }

  /** Puts a message into the box. */
  fill({ mode, text }) {
    byId(`mode-${mode}`).checked = true;
    const box = byId('message');
    box.value = text;
    box.setSelectionRange(0, 0);
    this.#fit();
  }

  /** Puts a message of the log into the box. */
  reuse({ kind, data }) {
    const item = kind === 'binary' ? { mode: 'hex', text: toHex(data.subarray(0, REUSE_CHARS_MAX / 3)) } : { mode: 'text', text: data.slice(0, REUSE_CHARS_MAX) };
    this.fill(item);
    byId('message').focus();
  }

  /** The channels to choose from; with one there is nothing to choose. */
  setChannels(channels) {
    this.#channels = channels;
    if (!channels.includes(this.#to)) this.#to = channels[0] ?? '';
    this.#drawChannels();
  }

  /** Sends an item; false, and a word why, if it could not. */
  sendItem({ mode, text }) {
    const data = mode === 'hex' ? fromHex(text) : mode === 'base64' ? fromBase64(text) : text;
    if (data === null) return this.#refuse(`bad-${mode}`);
    if (data.length === 0) return this.#refuse('nothing-to-send');
    return this.#sendData(data);
  }

  #sendBox() {
    const { item } = this;
    if (!this.sendItem(item)) return;
    this.history = [item, ...this.history.filter((old) => old.text !== item.text || old.mode !== item.mode)].slice(0, REMEMBERED_MAX);
    this.#recalled = -1;
    this.#sent(item);
    byId('message').value = '';
    this.#fit();
    byId('message').focus();
  }

  #sendData(data) {
    const size = typeof data === 'string' ? textSize(data) : data.length;
    if (size > MESSAGE_BYTES_MAX) return this.#refuse('too-big', { max: readableSize(MESSAGE_BYTES_MAX) });
    const refusal = this.#send(data, this.#to);
    return refusal === '' || this.#refuse(refusal);
  }

  #refuse(key, values) {
    notice(t(key, values));
    return false;
  }

  #key(event) {
    // While an input method composes, Enter takes a candidate: it must not send half a Chinese sentence.
    if (event.isComposing || event.keyCode === 229) return;
    const box = event.target;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#sendBox();
    } else if (event.key === 'ArrowUp' && box.selectionStart === 0 && this.#recalled + 1 < this.history.length) {
      event.preventDefault();
      this.#recalled += 1;
      this.fill(this.history[this.#recalled]);
    } else if (event.key === 'ArrowDown' && this.#recalled >= 0 && box.selectionEnd === box.value.length) {
      event.preventDefault();
      this.#recalled -= 1;
      this.fill(this.history[this.#recalled] ?? { mode: this.item.mode, text: '' });
    }
  }

  async #sendFile() {
    const input = byId('file');
    const [file] = input.files;
    if (file && file.size <= MESSAGE_BYTES_MAX) this.#sendData(new Uint8Array(await file.arrayBuffer()));
    else if (file) this.#refuse('too-big', { max: readableSize(MESSAGE_BYTES_MAX) });
    // Emptied, so that the same file can be chosen again.
    input.value = '';
  }

  /** As high as what is in it; the sheet bounds it. */
  #fit() {
    const box = byId('message');
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + 2}px`;
  }

  #drawChannels() {
    const place = byId('send-to');
    show(place, this.#channels.length > 1);
    place.setAttribute('aria-label', t('send-to'));
    place.replaceChildren(...this.#channels.slice(0, 8).map((channel) => {
      const choice = make('button', 'chip', channel);
      choice.type = 'button';
      choice.setAttribute('aria-pressed', String(channel === this.#to));
      choice.addEventListener('click', () => {
        this.#to = channel;
        this.#drawChannels();
      });
      return choice;
    }));
  }
}
