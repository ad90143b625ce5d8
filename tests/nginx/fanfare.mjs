//! The real server behind the proxy: the binary of FANFARE_BIN with a configuration in a temporary folder. Owned by the
//! test that starts it. Bounds: 15 s to get ready. It must not listen beyond loopback.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './process.mjs';
import { freePort, until } from './until.mjs';

const READY_MAX_MS = 15_000;

/** The administrator's key in all tests. */
export const ADMIN_KEY = 'key-of-the-nginx-tests';

/** A key of the API in all tests. */
export const API_KEY = 'api-key-of-the-nginx-tests';

/** A server that can be ended and started again on its port. */
export class Fanfare {
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-behind-nginx-'));
  #child = null;

  /**
   * Starts one on a free port. `pingInterval` and `pongTimeout` are written into its settings as they are, `more` behind
   * all others.
   */
  static async start(pingInterval, pongTimeout, more = '') {
    const fanfare = new Fanfare();
    fanfare.port = await freePort();
    fanfare.origin = `http://127.0.0.1:${fanfare.port}`;
    writeFileSync(fanfare.#file, settings(fanfare.port, pingInterval, pongTimeout) + more);
    await fanfare.again();
    return fanfare;
  }

  get #file() { return join(this.#folder, 'fanfare.toml'); }

  /** Starts the process (anew) and waits until it is ready. */
  async again() {
    const binary = process.env.FANFARE_BIN;
    if (!binary) throw new Error('FANFARE_BIN must name the fanfare binary');
    this.#child = new Child(binary, ['serve', '--config', this.#file]);
    await until('fanfare is ready', async () => {
      this.#child.mustRun();
      try {
        return (await fetch(`${this.origin}/ready`)).ok;
      } catch {
        return false;
      }
    }, READY_MAX_MS, () => this.#child.output);
  }

  /** Ends the process; answers its exit status. */
  async end(signal = 'SIGTERM') { return this.#child.end(signal); }

  /** What it logged last. */
  get output() { return this.#child.output; }

  /** Ends the process for good and removes its folder. */
  async remove() {
    await this.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

// Only 127.0.0.1 is trusted, and the clients of these tests come from another loopback address.
function settings(port, pingInterval, pongTimeout) {
  return `listen = ["127.0.0.1:${port}"]
trusted_proxies = ["127.0.0.1"]

[heartbeat]
ping_interval = "${pingInterval}"
pong_timeout = "${pongTimeout}"

[drain]
spread = "100ms"

[admin]
key = "${ADMIN_KEY}"

[api]
key = "${API_KEY}"

[log]
filter = "info,fanfare=debug"

[[raw]]
path = "/wss"
greeting = "欢迎 (welcome)"
on_message = "reply"
reply = "Server: Received({message})"

[[raw]]
path = "/echo"
on_message = "echo"
subprotocols = ["superchat", "chat"]
`;
}
