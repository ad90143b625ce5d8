//! The real server, which can be killed, drained and started again on its port. Owned by the test
//! that starts it. Bounds: 15 s to get ready. Loopback only.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Child } from '../nginx/process.mjs';
import { freePort, until } from '../nginx/until.mjs';
import { API_KEY, SETTINGS } from '../sdk/server.mjs';
import { closeClients } from './client.mjs';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const BINARY = process.env.FANFARE_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/fanfare');
// Its variables are for the tests; to the server they would look like misspelt settings.
delete process.env.FANFARE_BIN;

/** A running server. */
export class Server {
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-clients-'));
  #child = null;

  /** Starts one; `settings` stand behind those of the SDK tests. */
  static async start(t, settings = '') {
    const server = new Server();
    server.port = await freePort();
    server.origin = `http://127.0.0.1:${server.port}`;
    server.settings = `${SETTINGS}\n${settings}`;
    t.after(() => server.#remove());
    await server.start();
    return server;
  }

  /** Starts it on its port. */
  async start() {
    const file = join(this.#folder, 'fanfare.toml');
    writeFileSync(file, `listen = ["127.0.0.1:${this.port}"]\n${this.settings}`);
    this.#child = new Child(BINARY, ['serve', '--config', file]);
    await until('fanfare is ready', async () => {
      this.#child.mustRun();
      try {
        return (await fetch(`${this.origin}/ready`)).ok;
      } catch {
        return false;
      }
    }, 15_000, () => this.#child.output);
  }

  /** What it logged last. */
  get output() { return this.#child.output; }

  /** Ends it without a word. */
  kill() { return this.#child.end('SIGKILL'); }

  /** Lets it go away in its own time. */
  drain() { return this.#child.end('SIGTERM'); }

  /** Calls a method of the server API and answers its result. */
  async api(method, request) {
    const response = await fetch(`${this.origin}/api/${method}`, {
      method: 'POST', headers: { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }, body: JSON.stringify(request),
    });
    const { result, error } = await response.json();
    if (error) throw new Error(`/api/${method}: error ${error.code}: ${error.message}`);
    return result;
  }

  publish(channel, data) { return this.api('publish', { channel, data }); }

  async #remove() {
    closeClients();
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
