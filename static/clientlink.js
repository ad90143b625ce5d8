//! A line by the product's own client (`/fanfare.mjs`): the client protocol on a WebSocket, by events (SSE), or by long polls.
//! It is a Connection to those who use it. Owned by links.js. Bounds: one client, the channels of the form. Under trusted
//! types the client shares no connection between tabs. It must send no binary, for the protocol is JSON here.

const TRANSPORTS = { client: 'websocket', sse: 'sse', poll: 'poll' };
// What was missed follows the word that it was recovered at once; this much later it is told how many came.
const RECOVERED_AFTER_MS = 100;

/** The line. `on` holds what Connection's does. */
export class ClientLink {
  state = 'idle';
  reconnect = true;
  attempt = 0;
  retryAt = 0;
  readyState = null;
  bufferedAmount = 0;

  #on;
  #client = null;
  #subscriptions = [];
  #began = 0;
  #openedAt = 0;
  #connectedBefore = false;
  #refusedBefore = false;

  constructor(on) {
    this.#on = on;
  }

  /** `[{channel, since}]` of the channels that keep history. */
  get positions() {
    return this.#subscriptions.filter(({ position }) => position !== null)
      .map(({ channel, position }) => ({ channel, since: `${position.offset}@${position.epoch}` }));
  }

  /** Connects anew. Throws what the client throws on an address that is none, or where the module cannot be had. */
  async open({ transport, base, channels, token }) {
    this.#leave();
    this.#began = performance.now();
    this.attempt = 0;
    this.#connectedBefore = false;
    this.#refusedBefore = false;
    this.#enter('connecting');
    const client = {};
    this.#client = client;
    try {
      const { default: Fanfare } = await import('../fanfare.mjs');
      // Somebody pressed Cancel while the module was on its way.
      if (this.#client !== client) return;
      this.#client = new Fanfare(base, { transports: [TRANSPORTS[transport]], ...(token ? { token } : {}) });
    } catch (error) {
      if (this.#client !== client) return;
      this.#client = null;
      this.#enter('idle');
      throw error;
    }
    this.#listen(this.#client);
    this.#subscriptions = channels.map((channel) => this.#subscribe(this.#client, channel));
    this.#client.connect();
  }

  /** Disconnects; there is no code to choose. */
  close() {
    if (this.#client === null) return;
    const wasOpen = this.#openedAt !== 0;
    const livedMs = wasOpen ? performance.now() - this.#openedAt : 0;
    this.#leave();
    this.#on.close({ code: 1000, reason: '', wasClean: true, opened: wasOpen, livedMs, terminal: false, wanted: false, firstRefusal: false });
    this.#enter('idle');
  }

  cut() {
    if (this.state !== 'open') return;
    this.#enter('cut');
    this.#openedAt = 0;
    this.#client.close();
  }

  restore() {
    if (this.state !== 'cut') return;
    this.#began = performance.now();
    this.#enter('connecting');
    this.#client.connect();
  }

  setReconnect(wanted) {
    this.reconnect = wanted;
    if (!wanted && this.state === 'waiting') this.close();
  }

  hurry() {
    if (this.state === 'waiting') this.#client.connect();
  }

  /** Publishes to a channel of the form; a text that is JSON goes as what it says. False when not connected. */
  send(data, to) {
    const subscription = this.#subscriptions.find(({ channel }) => channel === to) ?? this.#subscriptions[0];
    if (this.state !== 'open' || !subscription || typeof data !== 'string') return false;
    subscription.publish(read(data)).catch(({ code, message }) => {
      this.#on.event('publish-refused', { channel: subscription.channel, number: code, text: message });
    });
    return true;
  }

  #listen(client) {
    const mine = (handler) => (told) => this.#client === client && handler(told);
    client.on('state', mine((told) => this.#moved(client, told)));
    client.on('close', mine((end) => this.#over(end)));
    client.on('error', mine(({ code, message }) => this.#on.event('client-error', { number: code, text: message })));
    client.on('message', mine(({ data }) => this.#on.message(written(data), null)));
    // Channels that the server put this client into.
    client.on('subscribed', mine(({ channel, position }) => this.#on.event('subscribed', { channel, position: place(position) })));
    client.on('publication', mine((told) => this.#on.message(written(told.data), told)));
  }

  #subscribe(client, channel) {
    const subscription = client.subscribe(channel);
    const mine = (handler) => (told) => this.#client === client && handler(told);
    let missed = 0;
    subscription.on('subscribed', mine(({ wasRecovering, recovered, position }) => {
      missed = 0;
      if (!wasRecovering) return this.#on.event('subscribed', { channel, position: place(position) });
      setTimeout(mine(() => this.#on.recovered({ channel, recovered, since: place(position), asked: true, count: missed })), RECOVERED_AFTER_MS);
      return undefined;
    }));
    subscription.on('publication', mine(({ data, offset, recovered }) => {
      if (recovered) missed += 1;
      this.#on.message(written(data), { channel, offset, ...(recovered ? { recovered } : {}) });
    }));
    for (const kind of ['join', 'leave']) subscription.on(kind, mine(({ user, client: id }) => this.#on.event(kind, { channel, who: user || id })));
    subscription.on('error', mine(({ code, message }) => this.#on.event('channel-error', { channel, number: code, text: message })));
    subscription.on('unsubscribed', mine(({ code, reason }) => this.#on.event('unsubscribed', { channel, number: code, text: reason })));
    return subscription;
  }

  #moved(client, { state, code, reason, retryIn }) {
    if (state === 'connected') {
      this.#openedAt = performance.now();
      this.#refusedBefore = false;
      const again = this.#connectedBefore;
      this.#connectedBefore = true;
      this.attempt = 0;
      this.#enter('open');
      this.#on.open({ again, ms: this.#openedAt - this.#began, key: 'opened-client', values: { transport: client.transport } });
    } else if (state === 'connecting' && retryIn !== undefined) {
      this.#lost({ code, reason }, retryIn);
    } else if (state === 'connecting' && this.state !== 'cut') {
      this.#began = performance.now();
      this.#enter('connecting');
    }
  }

  #lost({ code, reason }, retryIn) {
    this.attempt += 1;
    this.retryAt = performance.now() + retryIn;
    this.#ended({ code, reason, terminal: false });
    // Who heard of it may have closed it meanwhile.
    if (this.#client === null) return;
    this.#enter('waiting');
    if (!this.reconnect) this.close();
  }

  #over(end) {
    if (this.state === 'cut') return;
    this.#leave();
    this.#ended({ ...end, terminal: true });
    this.#enter('idle');
  }

  #ended({ code, reason, terminal }) {
    const opened = this.#openedAt !== 0;
    const livedMs = opened ? performance.now() - this.#openedAt : 0;
    this.#openedAt = 0;
    const firstRefusal = !opened && !this.#refusedBefore;
    this.#refusedBefore ||= !opened;
    this.#on.close({ code, reason, wasClean: terminal, opened, livedMs, terminal, wanted: true, firstRefusal });
  }

  #leave() {
    const old = this.#client;
    this.#client = null;
    this.#subscriptions = [];
    old?.close?.();
    this.#openedAt = 0;
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.#on.state(state);
  }
}

/** A text as what a publication holds: JSON where it is an object or an array, else the text. */
function read(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function written(data) {
  return typeof data === 'string' ? data : JSON.stringify(data);
}

function place(position) {
  return position ? `${position.offset}@${position.epoch}` : null;
}
