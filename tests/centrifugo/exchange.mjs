//! A case as it runs against one server: what is sent, and the masked answers in order. Owned by the run. It judges nothing; how
//! answers compare is for `compare.mjs` to say.

import { createHmac } from 'node:crypto';

import { masker } from './mask.mjs';
import { Socket, Stream, ask } from './peer.mjs';
import { API_KEY, TOKEN_SECRET } from './servers.mjs';

/** Letters of what was sent that name an answer. */
const WHAT_MAX = 120;

/** Unix seconds from now. */
export const inSeconds = (seconds) => Math.ceil(Date.now() / 1000) + seconds;

/** A token (JWT, HS256) with these claims. */
export function token(claims, secret = TOKEN_SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** One connection of a case. */
class Connection {
  #next = 1;

  constructor(exchange, peer, name) {
    Object.assign(this, { exchange, peer, name });
  }

  /** Sends commands and tells the answer to each: a reply, the end of the connection, or `nothing`. */
  async ask(...commands) {
    const numbered = commands.map((command) => (command.id === undefined ? { id: this.#next, ...command } : command));
    this.#next = Math.max(this.#next, ...numbered.map((command) => command.id)) + commands.length;
    this.send(...numbered);
    return this.answers(numbered);
  }

  send(...commands) {
    this.peer.send(commands);
  }

  async answers(commands) {
    let last;
    for (const command of commands) {
      await this.peer.until(() => this.peer.replies.has(command.id));
      last = this.peer.replies.get(command.id);
      const { id, ...reply } = last ?? {};
      this.exchange.tell(`${this.name} ${label(command)}`, last ? reply : this.#nothing());
    }
    return last;
  }

  /** The reply to the connect command, and no word of it: for cases about what comes later. */
  async connect(request = {}) {
    const [command] = [{ id: this.#next, connect: request }];
    this.#next += 1;
    this.send(command);
    await this.peer.until(() => this.peer.replies.has(command.id));
    return this.peer.replies.get(command.id)?.connect;
  }

  /** Tells so many pushes, sorted by kind and offset, since servers may mix them. */
  async pushes(count) {
    await this.peer.until(() => this.peer.pushes.length >= count);
    this.tellPushes();
  }

  /** Tells the pushes that have come when the server has answered once more. */
  async settle() {
    const id = this.#next;
    this.#next += 1;
    this.send({ id, unsubscribe: { channel: 'nowhere' } });
    await this.peer.until(() => this.peer.replies.has(id));
    this.tellPushes();
  }

  tellPushes() {
    const kind = (push) => `${Object.keys(push).filter((key) => key !== 'channel').join()} ${push.channel} ${push.pub?.offset ?? ''}`;
    const pushes = this.peer.pushes.splice(0).sort((a, b) => (kind(a) < kind(b) ? -1 : Number(kind(a) > kind(b))));
    this.exchange.tell(`${this.name} pushes`, pushes);
  }

  /** Tells how it ends. */
  async closes() {
    await this.peer.until(() => this.peer.end);
    this.exchange.tell(`${this.name} ends`, this.#nothing());
  }

  #nothing() {
    return this.peer.end ? { end: this.peer.end } : 'nothing';
  }
}

/** A command as differences are named by it: short, and the same in each run. */
function label(command) {
  return shortened(JSON.stringify(command, (key, value) => (key === 'token' && value ? '…' : value)));
}

function shortened(text = '') {
  const masked = masker()(text.replace(/"/g, ''));
  return masked.replace(/epoch:(?!other\b|x\b)[^,}]+/g, 'epoch:…').replace(/expire_at:\d{9,}/g, 'expire_at:…');
}

/** What a case works with. */
export class Exchange {
  told = [];
  #mask = masker();
  #peers = [];

  constructor(server, backend, number) {
    Object.assign(this, { server, backend, number });
  }

  /** A channel of this case alone. */
  channel(namespace = 'open', name = 'c') {
    return namespace ? `${namespace}:${name}${this.number}` : `${name}${this.number}`;
  }

  /** Writes an answer down. */
  tell(what, answer) {
    const own = (text) => text.replaceAll(`case ${this.number}.`, 'case').replaceAll(new RegExp(`(?<=[a-z])${this.number}\\b`, 'g'), '');
    const masked = JSON.stringify(this.#mask(answer));
    this.told.push({ what: own(what).slice(0, WHAT_MAX), answer: JSON.parse(own(masked)) });
  }

  async open(options = {}) {
    const { path = '/connection/websocket', name = 'ws', ...how } = options;
    const peer = await Socket.open(`${this.server.origin}${path}`, how);
    this.#peers.push(peer);
    return new Connection(this, peer, name);
  }

  /** A WebSocket that is connected. */
  async connected(request = {}, options = {}) {
    const connection = await this.open(options);
    connection.client = await connection.connect(request);
    return connection;
  }

  async stream(path, options = {}) {
    const peer = await Stream.open(`${this.server.origin}${path}`, options);
    this.#peers.push(peer);
    return new Connection(this, peer, options.name ?? 'stream');
  }

  /** A call of the API; tells status and body. Bodies of errors that are no results are for people, and are left out. */
  async api(method, body, { key = API_KEY, headers = {}, raw, tell = true } = {}) {
    const path = method === '' ? '/api' : `/api/${method}`;
    const answer = await ask(`${this.server.origin}${path}`, {
      headers: { 'Content-Type': 'application/json', ...(key ? { 'X-API-Key': key } : {}), ...headers },
      body: raw ?? JSON.stringify(body),
    });
    const isBare = headers['X-Centrifugo-Error-Mode'] === 'transport';
    const told = answer.status === 200 || isBare ? answer.body.split('\n').filter(Boolean).map(json) : '…';
    const what = `api ${method || '/'} ${shortened(raw ?? JSON.stringify(body))}`;
    if (tell) this.tell(what, { status: answer.status, body: told.length === 1 ? told[0] : told });
    return told === '…' ? undefined : told[0];
  }

  /** A plain request; tells its status. */
  async http(path, options = {}) {
    const answer = await ask(`${this.server.origin}${path}`, options);
    this.tell(`${options.method ?? 'POST'} ${path} ${options.say ?? ''}`, { status: answer.status });
    return answer;
  }

  /** What the backend was asked about this case, in order. */
  asked() {
    for (const { hook, body } of this.backend.takeCalls(this.number)) this.tell(`hook ${hook}`, body);
  }

  close() {
    for (const peer of this.#peers) peer.close();
  }
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
