//! The real server of these tests: the binary of FANFARE_BIN with a configuration in a temporary
//! folder. Owned by the test that starts it. Bounds: 15 s to get ready. It must not listen beyond
//! loopback.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from '../nginx/process.mjs';
import { freePort, until } from '../nginx/until.mjs';
import { begun, over } from './left.mjs';

const READY_MAX_MS = 15_000;

/** The key of the server API in these tests. */
export const API_KEY = 'key-of-the-mini-program-tests';
/** What tokens of these tests are signed with. */
export const TOKEN_SECRET = 'a secret of the mini program tests, long enough for HS256';

/** Everyone may do everything in `room:…`, which keeps its history; `short:…` keeps two. */
export const SETTINGS = `
[drain]
spread = 0

[client]
anonymous = true
origins = ["*"]

[token]
hmac_secret = "${TOKEN_SECRET}"

[api]
key = "${API_KEY}"

[log]
filter = "info,fanfare=debug"

[[namespace]]
name = "room"
history_size = 1000
recovery = true
presence = true
join_leave = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
allow.history = ["client", "anonymous"]
allow.presence = ["client", "anonymous"]

[[namespace]]
name = "short"
history_size = 2
recovery = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]

[[namespace]]
name = "delta"
history_size = 10
recovery = true
delta = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
`;

/** A server that can be ended and started again on its port. */
export class Server {
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-mini-'));
  #child = null;

  /** Starts one on a free port, with `more` behind the settings of all tests. */
  static async start(more = '', settings = SETTINGS) {
    const server = new Server();
    begun(server);
    server.port = await freePort();
    server.origin = `http://127.0.0.1:${server.port}`;
    server.address = `ws://127.0.0.1:${server.port}`;
    const listen = `listen = ["127.0.0.1:${server.port}"]\n`;
    writeFileSync(join(server.#folder, 'fanfare.toml'), listen + settings + more);
    await server.again();
    return server;
  }

  /** Starts the process (anew) and waits until it is ready. */
  async again() {
    const binary = process.env.FANFARE_BIN;
    if (!binary) throw new Error('FANFARE_BIN must name the fanfare binary');
    const words = ['serve', '--config', join(this.#folder, 'fanfare.toml')];
    // To the server its variable would look like a misspelt setting.
    this.#child = new Child('env', ['-u', 'FANFARE_BIN', binary, ...words]);
    await until(
      'fanfare is ready',
      async () => {
        this.#child.mustRun();
        try {
          return (await fetch(`${this.origin}/ready`)).ok;
        } catch {
          return false;
        }
      },
      READY_MAX_MS,
      () => this.output,
    );
  }

  /** What it logged last. */
  get output() {
    return this.#child.output;
  }

  /** Calls a method of the server API and answers its result. */
  async api(method, request) {
    const response = await fetch(`${this.origin}/api/${method}`, {
      method: 'POST',
      headers: { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' },
      body: JSON.stringify(request),
    });
    const { result, error } = await response.json();
    if (error) throw new Error(`/api/${method}: error ${error.code}: ${error.message}`);
    return result;
  }

  publish(channel, data) {
    return this.api('publish', { channel, data });
  }

  /** Ends the process by a signal. */
  async end(signal = 'SIGTERM') {
    await this.#child?.end(signal);
  }

  /** Ends it for good and removes its folder. */
  async remove() {
    over(this);
    await this.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
