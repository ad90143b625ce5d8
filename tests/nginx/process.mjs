//! A child process of a test: its output kept for the failure message, ended by its own id. Owned by the test that
//! starts it. Bounds: the last 8,000 characters of output; 10 s to end after a signal, then it is killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const OUTPUT_MAX = 8000;
const END_MAX_MS = 10_000;

/** A started program. */
export class Child {
  #process;
  #failure = null;
  output = '';

  constructor(program, words) {
    this.#process = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on('data', (piece) => { this.output = (this.output + piece).slice(-OUTPUT_MAX); });
    }
    this.#process.on('error', (error) => { this.#failure = error; });
  }

  /** Fails when the program could not be started or has ended. */
  mustRun() {
    if (this.#failure) throw this.#failure;
    if (this.#over()) throw new Error(`the program ended:\n${this.output}`);
  }

  /** Signals and waits for the end; answers the exit status, null when a signal ended it. */
  async end(signal) {
    if (this.#failure) return null;
    if (!this.#over()) {
      const exit = once(this.#process, 'exit');
      this.#process.kill(signal);
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), END_MAX_MS);
      await exit;
      clearTimeout(timer);
    }
    return this.#process.exitCode;
  }

  #over() {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }
}
