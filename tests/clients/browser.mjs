//! What browsers have and Node has not, for the built browser module: `WebSocket` of ws,
//! `EventSource`, `XMLHttpRequest` over Node's own HTTP, and a page with its events. Owned by the
//! test file that imports it. What it lacks of the real ones the module does not use.

import { request as httpRequest } from 'node:http';

import { EventSource } from 'eventsource';
import WebSocket from 'ws';

/** Sockets that were opened, the newest last; tests look at them and break them. */
export const sockets = [];

class PageSocket extends WebSocket {
  constructor(url) {
    super(url);
    sockets.push(this);
    // A browser reports an error and then a close; a listener keeps Node from taking it for fatal.
    this.on('error', () => {});
  }
}

/** XMLHttpRequest as the module uses it. */
class Xhr {
  readyState = 0;
  status = 0;
  responseText = '';
  timeout = 0;
  onreadystatechange = () => {};
  #headers = {};
  #answer = {};
  #request = null;
  #timer = null;
  #over = false;

  open(method, url) {
    this.method = method;
    this.url = new URL(url);
  }

  setRequestHeader(name, value) { this.#headers[name] = value; }

  getResponseHeader(name) { return this.#answer[name.toLowerCase()] ?? null; }

  send(body) {
    const options = { method: this.method, headers: this.#headers, agent: false };
    this.#request = httpRequest(this.url, options, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', () => this.#end(0, '', {}));
      response.on('end', () => this.#end(response.statusCode, Buffer.concat(pieces).toString(), response.headers));
    });
    this.#request.on('error', () => this.#end(0, '', {}));
    if (this.timeout > 0) this.#timer = setTimeout(() => this.#end(0, '', {}), this.timeout);
    this.#request.end(body ?? undefined);
  }

  abort() { this.#end(0, '', {}); }

  #end(status, text, headers) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#request.destroy();
    [this.readyState, this.status, this.responseText, this.#answer] = [4, status, text, headers];
    this.onreadystatechange();
  }
}

/** The page: `window` and `document` as targets of events. */
class Page extends EventTarget {
  hidden = false;
}

export const page = new Page();

/** Tells what a browser tells: `tell('pagehide', { persisted: true })`. */
export function tell(name, fields = {}) {
  page.dispatchEvent(Object.assign(new Event(name), fields));
}

/** Puts the page into the background, or back. */
export function hide(hidden) {
  page.hidden = hidden;
  tell('visibilitychange');
}

/** What this page's browser has; a test takes away what an older one lacks. */
export function have({ websocket = true, sse = true } = {}) {
  globalThis.WebSocket = websocket ? PageSocket : undefined;
  globalThis.EventSource = sse ? EventSource : undefined;
}

globalThis.XMLHttpRequest = Xhr;
globalThis.window = page;
globalThis.document = page;
have();
