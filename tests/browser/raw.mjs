//! Chromium without a driver between, over its debugging pipe: drivers switch off the back/forward cache and the throttling
//! of hidden tabs, and tell every page that it is shown. Owned by the test that starts it. Bounds: 15 s for each command;
//! the profile is a temporary folder, removed at the end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ended } from './server.mjs';

const COMMAND_MAX_MS = 45_000;

/** A browser as a user has it, but without a window to look at. */
export class RawBrowser {
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-chromium-'));
  #process;
  #waiting = new Map();
  #tabs = new Map();
  #last = 0;
  #rest = '';

  /** Starts it; `endAll` ends it. */
  static start() {
    return ended(new RawBrowser().#start(), (browser) => browser.#end());
  }

  async #start() {
    const program = process.env.CHROMIUM || '/usr/bin/chromium';
    if (!existsSync(program)) throw new Error(`no Chromium at ${program}; install it or set CHROMIUM`);
    this.#process = spawn(program, [
      '--headless=new', '--remote-debugging-pipe', `--user-data-dir=${this.#folder}`, '--no-sandbox', '--disable-gpu', '--disable-quic',
      '--no-first-run', '--no-default-browser-check', '--disable-background-networking', '--disable-component-update', '--disable-sync', 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.#process.stdio[4].setEncoding('utf8').on('data', (piece) => this.#read(piece));
    this.#process.stdio[3].on('error', () => {});
    try {
      // It says of pages that crash.
      await this.send('Target.setDiscoverTargets', { discover: true });
    } catch (error) {
      await this.#end();
      throw error;
    }
    return this;
  }

  /** A command and its result; `sessionId` says of which page. */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), COMMAND_MAX_MS);
      this.#waiting.set(id, {
        sessionId,
        settle: (told) => {
          clearTimeout(timer);
          if (told.error) reject(new Error(`${method}: ${told.error.message}`));
          else resolve(told.result);
        },
      });
    });
  }

  /** Opens a tab and waits for its address. */
  async open(url) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = new RawTab(this, targetId, sessionId);
    this.#tabs.set(targetId, tab);
    await tab.send('Page.navigate', { url });
    return tab;
  }

  /** Ends it and removes its folder. */
  async #end() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exit = once(this.#process, 'exit');
      this.send('Browser.close').catch(() => {});
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), COMMAND_MAX_MS);
      await exit;
      clearTimeout(timer);
    }
    for (const { settle } of this.#waiting.values()) settle({ error: { message: 'the browser is gone' } });
    // What it left behind may still write there.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20 });
  }

  #read(piece) {
    const parts = (this.#rest + piece).split('\0');
    this.#rest = parts.pop();
    for (const part of parts) {
      const told = JSON.parse(part);
      if (told.method === 'Target.targetCrashed') this.#crashed(told.params.targetId);
      this.#waiting.get(told.id)?.settle(told);
      this.#waiting.delete(told.id);
    }
  }

  /** What a page was asked before it crashed is never answered. */
  #crashed(targetId) {
    const tab = this.#tabs.get(targetId);
    if (!tab) return;
    tab.hasCrashed = true;
    for (const [id, { sessionId, settle }] of this.#waiting) {
      if (sessionId !== tab.sessionId) continue;
      this.#waiting.delete(id);
      settle({ error: { message: 'the page crashed' } });
    }
  }
}

/** A tab of it. */
export class RawTab {
  /** Its process ended, by a fault of the browser. */
  hasCrashed = false;

  constructor(browser, targetId, sessionId) {
    this.browser = browser;
    this.targetId = targetId;
    this.sessionId = sessionId;
  }

  send(method, params) { return this.browser.send(method, params, this.sessionId); }

  /** Evaluates an expression in the page, and waits for its promise. */
  async evaluate(expression) {
    const told = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (told.exceptionDetails) throw new Error(told.exceptionDetails.exception?.description ?? told.exceptionDetails.text);
    return told.result.value;
  }

  /** Closes it. */
  close() { return this.browser.send('Target.closeTarget', { targetId: this.targetId }); }

  /** Brings it to the front, which hides the one that was there. */
  front() { return this.browser.send('Target.activateTarget', { targetId: this.targetId }); }
}
