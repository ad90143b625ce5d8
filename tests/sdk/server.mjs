//! The real server of the SDK tests: the binary of FANFARE_BIN with a configuration in a temporary folder. Owned by the
//! test that starts it. Bounds: 15 s to get ready. It must not listen beyond loopback.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Child } from '../nginx/process.mjs';
import { freePort, until } from '../nginx/until.mjs';

const READY_MAX_MS = 15_000;
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The settings of most tests: namespaces, each named after what it is for. */
export const SETTINGS = readFileSync(new URL('settings.toml', import.meta.url), 'utf8');
/** What tokens of these tests are signed with. */
export const TOKEN_SECRET = /^hmac_secret = "(.+)"$/m.exec(SETTINGS)[1];
/** The key of the server API in these tests. */
export const API_KEY = /^key = "(.+)"$/m.exec(SETTINGS)[1];

/** A running server. */
export class Fanfare {
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-sdk-'));
  #child = null;

  /** Starts one on a free port, with `settings` behind what every test needs. */
  static async start(settings = SETTINGS) {
    const fanfare = new Fanfare();
    fanfare.port = await freePort();
    fanfare.origin = `http://127.0.0.1:${fanfare.port}`;
    const file = join(fanfare.#folder, 'fanfare.toml');
    writeFileSync(file, `listen = ["127.0.0.1:${fanfare.port}"]\n${settings}`);
    const binary = process.env.FANFARE_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/fanfare');
    // Its variables are for the tests; to the server they would look like misspelt settings.
    delete process.env.FANFARE_BIN;
    fanfare.#child = new Child(binary, ['serve', '--config', file]);
    process.env.FANFARE_BIN = binary;
    await until('fanfare is ready', async () => {
      fanfare.#child.mustRun();
      try {
        return (await fetch(`${fanfare.origin}/ready`)).ok;
      } catch {
        return false;
      }
    }, READY_MAX_MS, () => fanfare.output);
    return fanfare;
  }

  /** What it logged last. */
  get output() { return this.#child.output; }

  /** Fails when the process is gone. */
  mustRun() { this.#child.mustRun(); }

  /** Calls a method of the server API and answers its result; fails on an error, with its code in the text. */
  async api(method, request) {
    const response = await fetch(`${this.origin}/api/${method}`, {
      method: 'POST', headers: { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' }, body: JSON.stringify(request),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`/api/${method}: ${response.status} ${text}`);
    const { result, error } = JSON.parse(text);
    if (error) throw new Error(`/api/${method}: error ${error.code}: ${error.message}`);
    return result;
  }

  /** Lets it go away in its own time (SIGTERM); answers its exit status. */
  stop() { return this.#child.end('SIGTERM'); }

  /** Ends the process and removes its folder. */
  async remove() {
    await this.#child.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
