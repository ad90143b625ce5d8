//! Publishing by requests of their own: the API alone and in batches, raw publish and /send. Each answers what became of a
//! number: `{ ok: place }`, `{ refused: why }` or `{ unknown: why }`. Bounds: CONNECTIONS_MAX connections, REQUEST_MAX_MS.

import { Agent, request } from 'node:http';

import { API_KEY } from '../token.mjs';

const CONNECTIONS_MAX = 24;
const REQUEST_MAX_MS = 25_000;
const DOUBT = 'may have been published';

/** Publishes to a node on this port. */
export class HttpPublisher {
  constructor(port, connections = CONNECTIONS_MAX) {
    this.port = port;
    this.agent = new Agent({ keepAlive: true, maxSockets: connections, timeout: REQUEST_MAX_MS });
  }

  /** A request's `{ status, text }`; or `{ refused }` where it never went out, `{ unknown }` where it did and no answer came. */
  #post(path, headers, body) {
    return new Promise((answer) => {
      let isOut = false;
      const asked = request({ port: this.port, host: '127.0.0.1', path, method: 'POST', agent: this.agent, headers: { ...headers, 'Content-Length': Buffer.byteLength(body) } });
      asked.setTimeout(REQUEST_MAX_MS, () => asked.destroy(new Error('timeout')));
      asked.on('socket', (socket) => { if (socket.connecting) socket.once('connect', () => { isOut = true; }); else isOut = true; });
      asked.on('error', (error) => answer(isOut ? { unknown: error.code ?? error.message } : { refused: error.code }));
      asked.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece) => { text += piece; }).on('error', () => {});
        response.on('close', () => answer(response.complete ? { status: response.statusCode, text } : { unknown: 'half an answer' }));
      });
      asked.end(body);
    });
  }

  async #api(method, body) {
    const answer = await this.#post(`/api/${method}`, { 'X-API-Key': API_KEY }, JSON.stringify(body));
    if (answer.status === undefined) return answer;
    return answer.status === 200 ? { value: JSON.parse(answer.text) } : this.#declined(answer);
  }

  #declined({ status, text }) { return text.includes(DOUBT) ? { unknown: text } : { refused: `${status} ${text}` }; }

  #outcome({ result, error }) {
    if (error) return error.message.includes(DOUBT) ? { unknown: error.message } : { refused: `${error.code} ${error.message}` };
    return { ok: result };
  }

  async single({ channel, data, key }) {
    const answer = await this.#api('publish', { channel, data, ...(key && { idempotency_key: key }) });
    return answer.value ? this.#outcome(answer.value) : answer;
  }

  /** Many at once; answers as many outcomes. */
  async batch(publications) {
    const commands = publications.map(({ channel, data, key }) => ({ publish: { channel, data, ...(key && { idempotency_key: key }) } }));
    const answer = await this.#api('batch', { commands });
    if (!answer.value) return publications.map(() => answer);
    return answer.value.replies.map(({ publish, error }) => this.#outcome({ result: publish, error }));
  }

  async raw({ channel, data, key }) {
    const headers = { 'X-API-Key': API_KEY, ...(key && { 'Idempotency-Key': key }) };
    return this.#place(await this.#post(`/api/channels/${encodeURIComponent(channel)}`, headers, JSON.stringify(data)));
  }

  async send({ channel, data, key }) {
    return this.#place(await this.#post(`/send?${new URLSearchParams({ channel })}`, key ? { 'Idempotency-Key': key } : {}, JSON.stringify(data)));
  }

  #place(answer) {
    if (answer.status === undefined) return answer;
    return answer.status === 200 || answer.status === 202 ? { ok: JSON.parse(answer.text) } : this.#declined(answer);
  }

  remove() { this.agent.destroy(); }
}
