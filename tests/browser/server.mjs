//! The real server for the page's tests: a configuration in a temporary folder, the binary of FANFARE_BIN, a port of its own.
//! Owned by the test that starts it. Bounds: 45 s to get ready, 30 s to end. It must not outlive the test, nor serve
//! anything but loopback.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../nginx/until.mjs';

const READY_MAX_MS = 15_000;
const END_MAX_MS = 10_000;

const begun = [];

/** What `starting` comes to is ended by `endAll`, also where what starts beside it fails first. Answers with it. */
export function ended(starting, end) {
  begun.push(starting.then((one) => () => end(one), () => () => {}));
  return starting;
}

/** Ends all that was started, the newest first, and what is still on its way too: without it a test file never ends. */
export async function endAll() {
  const failures = [];
  for (const one of begun.splice(0).reverse()) {
    const end = await one;
    await Promise.resolve().then(end).catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

/** A server process that can be ended and started again on the same port. */
export class Server {
  #process = null;
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-page-'));
  #output = '';

  /** Starts one on a free port and waits until it is ready. `endAll` ends it. */
  static start(settings = configuration) {
    return ended(new Server().#start(settings), (server) => server.remove());
  }

  async #start(settings) {
    try {
      this.port = await freePort();
      this.origin = `http://127.0.0.1:${this.port}`;
      this.address = `ws://127.0.0.1:${this.port}`;
      writeFileSync(join(this.#folder, 'fanfare.toml'), settings(this.port));
      await this.again();
    } catch (error) {
      await this.remove();
      throw error;
    }
    return this;
  }

  /** Starts the process (anew) and waits for /ready. */
  async again() {
    const binary = process.env.FANFARE_BIN;
    if (!binary) throw new Error('FANFARE_BIN must name the fanfare binary');
    this.#process = spawn(binary, ['serve', '--config', join(this.#folder, 'fanfare.toml')], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on('data', (piece) => { this.#output = (this.#output + piece).slice(-8000); });
    }
    this.#process.on('error', (error) => { this.#output += error.message; });
    await until('the server is ready', () => this.#ready(), READY_MAX_MS, () => this.#output);
  }

  /** Ends the process by a signal and waits until it is gone. */
  async end(signal = 'SIGTERM') {
    const gone = this.#process;
    this.#process = null;
    if (gone === null || gone.pid === undefined || gone.exitCode !== null || gone.signalCode !== null) return;
    const exit = once(gone, 'exit');
    gone.kill(signal);
    const timer = setTimeout(() => gone.kill('SIGKILL'), SLOWEST * END_MAX_MS);
    await exit;
    clearTimeout(timer);
  }

  /** Ends the process for good and removes its folder. */
  async remove() {
    await this.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ready() {
    if (this.#process.exitCode !== null || this.#process.pid === undefined) throw new Error(`the server ended:\n${this.#output}`);
    try {
      return (await fetch(`${this.origin}/ready`)).ok;
    } catch {
      return false;
    }
  }
}

/** So many times a deadline is what a machine may take on which ten others run: it bounds what never comes, and is no claim. */
export const SLOWEST = 3;

/** Waits until `condition` holds and answers what it gave; fails with `what` after the deadline, `SLOWEST` times over. */
export async function until(what, condition, deadlineMs = 10_000, detail = () => '') {
  const waitMs = SLOWEST * deadlineMs;
  const end = Date.now() + waitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${waitMs} ms: ${what}\n${detail()}`);
    await new Promise((next) => { setTimeout(next, 25); });
  }
}

function configuration(port) {
  return `listen = ["127.0.0.1:${port}"]

[drain]
spread = "1s"

[[raw]]
path = "/ws"
on_message = "relay"
subprotocols = ["chat"]
channels = ["page"]

[[raw]]
path = "/echo"
on_message = "echo"
subprotocols = ["*"]

[[push]]
every = "1s"
channel = "page"
data = "push {seq}"
`;
}

/** Channels that keep history, for anyone, and a danmaku screen. */
export function keeping(port) {
  return `${configuration(port)}
[page]
danmaku = "danmaku"

[channels]
history_size = 100
recovery = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
allow.history = ["client", "anonymous"]
`;
}
