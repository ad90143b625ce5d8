//! A backend for hooks: a small HTTP server whose answers the test writes. Owned by the test that starts it. Bounds: loopback
//! only. It checks the signature of each call, and fails the test that ends it when one was wrong.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** What calls are signed with. */
export const HOOK_SECRET = 'the secret of the hooks in these tests';

/** A backend; `answers` maps the last part of a path to a function of the request's body. */
export class Backend {
  answers = {};
  /** Calls so far: `{ hook, body, headers }`. */
  calls = [];
  /** Events so far, in the order in which they came. */
  events = [];
  #wrong = [];
  #server;

  static async start() {
    const backend = new Backend();
    backend.#server = createServer((request, response) => { backend.#answer(request, response); }).listen(0, '127.0.0.1');
    await once(backend.#server, 'listening');
    backend.url = `http://127.0.0.1:${backend.#server.address().port}`;
    return backend;
  }

  /** The settings that name it for all hooks. */
  get settings() {
    const hooks = ['connect', 'refresh', 'subscribe', 'sub_refresh', 'publish', 'rpc', 'message', 'events'];
    const timeout = (hook) => (hook === 'rpc' ? '1s' : '5s');
    const tables = hooks.map((hook) => `[hooks.${hook}]\nurl = "${this.url}/${hook}"\ntimeout = "${timeout(hook)}"\n`);
    return `[hooks]\nsecret = "${HOOK_SECRET}"\nheaders = ["x-trace"]\n\n${tables.join('\n')}`;
  }

  async #answer(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const raw = Buffer.concat(pieces);
    const hook = request.url.slice(1);
    const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(request.headers['x-fanfare-signature']) ?? [];
    const expected = createHmac('sha256', HOOK_SECRET).update(`${time}.`).update(raw).digest('hex');
    if (signature !== expected || Math.abs(Date.now() / 1000 - time) > 60) this.#wrong.push(request.headers['x-fanfare-signature']);
    const body = hook === 'message' ? raw.toString() : JSON.parse(raw);
    if (hook === 'events') this.events.push(...body.events);
    else this.calls.push({ hook, body, headers: request.headers });
    const answer = hook === 'events' ? {} : await this.answers[hook](body, request.headers);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(answer));
  }

  /** Ends it. */
  async remove() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
    assert.deepEqual(this.#wrong, [], 'every call was signed');
  }
}
