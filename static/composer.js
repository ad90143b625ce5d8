//! The message box: text, hex, Base64, files, repeating, messages saved and sent before. Owned by page.js.
//! Bounds: 16 MiB a message, 20 remembered of each kind, one repeat timer of 50 ms or more that waits while 1 MiB has
//! not left. It must send nothing while there is no connection, and say so.

import { fromBase64, fromHex, readableSize, textSize } from './bytes.js';
import { byId, make, notice } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { recall, remember } from './store.js';

const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const REMEMBERED_MAX = 20;
const REPEAT_MIN_MS = 50;
const UNSENT_BYTES_MAX = 1024 * 1024;

/** The message box. `send(data)` sends and answers whether it could; `unsent()` tells the bytes that have not left. */
export class Composer {
  #send;
  #unsent;
  #history = [];
  #saved = recall('saved', []);
  #recalled = -1;
  #timer = 0;
  #held = false;

  constructor({ send, unsent }) {
    this.#send = send;
    this.#unsent = unsent;
    if (!Array.isArray(this.#saved)) this.#saved = [];
    byId('send').addEventListener('click', () => this.#sendBox());
    byId('message').addEventListener('keydown', (event) => this.#key(event));
    byId('pick').addEventListener('click', () => byId('file').click());
    byId('file').addEventListener('change', () => this.#sendFile());
    byId('save').addEventListener('click', () => this.#save());
    byId('repeat').addEventListener('change', () => this.#repeat());
    byId('repeat-every').addEventListener('change', () => this.#repeat());
    onLanguage(() => this.#drawShelf());
    this.#drawShelf();
  }

  #key(event) {
    // While an input method composes, Enter takes a candidate: it must not send half a Chinese sentence.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#sendBox();
    } else if (event.key === 'ArrowUp' && event.target.selectionStart === 0 && this.#recalled + 1 < this.#history.length) {
      event.preventDefault();
      this.#recalled += 1;
      this.#fill(this.#history[this.#recalled]);
    } else if (event.key === 'ArrowDown' && this.#recalled >= 0 && event.target.selectionEnd === event.target.value.length) {
      event.preventDefault();
      this.#recalled -= 1;
      this.#fill(this.#history[this.#recalled] ?? { mode: byId('mode').value, text: '' });
    }
  }

  #sendBox() {
    const box = byId('message');
    const item = { mode: byId('mode').value, text: box.value };
    if (!this.#sendItem(item)) return false;
    this.#history = [item, ...this.#history.filter((old) => old.text !== item.text || old.mode !== item.mode)].slice(0, REMEMBERED_MAX);
    this.#recalled = -1;
    this.#drawShelf();
    if (!byId('repeat').checked) box.value = '';
    box.focus();
    return true;
  }

  #sendItem({ mode, text }) {
    const data = mode === 'hex' ? fromHex(text) : mode === 'base64' ? fromBase64(text) : text;
    if (data === null) return this.#refuse(`bad-${mode}`);
    if (data.length === 0) return this.#refuse('nothing-to-send');
    return this.#sendData(data);
  }

  #sendData(data) {
    const size = typeof data === 'string' ? textSize(data) : data.length;
    if (size > MESSAGE_BYTES_MAX) return this.#refuse('too-big', { max: readableSize(MESSAGE_BYTES_MAX) });
    return this.#send(data) || this.#refuse('connect-first');
  }

  #refuse(key, values) {
    notice(t(key, values));
    return false;
  }

  async #sendFile() {
    const input = byId('file');
    const [file] = input.files;
    // Emptied, so that the same file can be chosen again.
    if (file && file.size <= MESSAGE_BYTES_MAX) this.#sendData(new Uint8Array(await file.arrayBuffer()));
    else if (file) this.#refuse('too-big', { max: readableSize(MESSAGE_BYTES_MAX) });
    input.value = '';
  }

  #repeat() {
    clearInterval(this.#timer);
    this.#held = false;
    if (!byId('repeat').checked) return;
    const every = Math.max(REPEAT_MIN_MS, Number(byId('repeat-every').value) || 1000);
    byId('repeat-every').value = every;
    if (!this.#sendBox()) {
      byId('repeat').checked = false;
      return;
    }
    this.#timer = setInterval(() => this.#repeatOnce(), every);
  }

  #repeatOnce() {
    if (this.#unsent() > UNSENT_BYTES_MAX) {
      if (!this.#held) notice(t('repeat-skipped', { size: readableSize(this.#unsent()) }));
      this.#held = true;
      return;
    }
    this.#held = false;
    if (!this.#sendItem({ mode: byId('mode').value, text: byId('message').value })) {
      byId('repeat').checked = false;
      clearInterval(this.#timer);
    }
  }

  #fill({ mode, text }) {
    byId('mode').value = mode;
    const box = byId('message');
    box.value = text;
    box.setSelectionRange(0, 0);
  }

  #save() {
    const item = { mode: byId('mode').value, text: byId('message').value };
    if (item.text === '') return this.#refuse('nothing-to-send');
    const saved = [item, ...this.#saved.filter((old) => old.text !== item.text || old.mode !== item.mode)].slice(0, REMEMBERED_MAX);
    const kept = remember('saved', saved);
    if (kept) this.#saved = saved;
    notice(t(kept ? 'saved' : 'not-saved'));
    this.#drawShelf();
    return kept;
  }

  #drawShelf() {
    const pick = (item) => {
      const button = make('button', 'pick', item.text);
      button.type = 'button';
      button.addEventListener('click', () => {
        this.#fill(item);
        byId('message').focus();
      });
      return button;
    };
    byId('saved').replaceChildren(...this.#saved.map((item, index) => {
      const remove = make('button', 'small', t('remove'));
      remove.type = 'button';
      remove.addEventListener('click', () => {
        this.#saved = this.#saved.filter((_, other) => other !== index);
        remember('saved', this.#saved);
        this.#drawShelf();
      });
      return make('li', 'kept', pick(item), remove);
    }));
    const history = this.#history.map((item) => make('li', '', pick(item)));
    byId('history').replaceChildren(...(history.length || this.#saved.length ? history : [make('li', 'quiet', t('shelf-empty'))]));
  }
}
