//! One open page in the browser, with the steps that the tests repeat. Owned by the test that opens it.
//! Bounds: every wait has a deadline. It must notice each breach of the Content-Security-Policy and each script error,
//! whether the test looks for them or not.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { ended, SLOWEST, until } from './server.mjs';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  // This machine by a name that no browser takes for loopback.
  '--host-resolver-rules=MAP far.example 127.0.0.1',
];

const LAUNCH_MAX_MS = 30_000;

/** Starts Chromium with a fresh profile; fails where there is none, since a skipped test looks like a passed one. `endAll` ends it. */
export function launch() {
  return ended(start(), (browser) => browser.close());
}

async function start() {
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  if (!existsSync(executablePath)) throw new Error(`no Chromium at ${executablePath}; install it or set CHROMIUM`);
  return chromium.launch({ executablePath, headless: true, args: FLAGS, timeout: SLOWEST * LAUNCH_MAX_MS });
}

/** A page, its element ids as methods. */
export class Tab {
  /** What the browser complained of: policy breaches and script errors. */
  complaints = [];
  /** Every address the page asked for. */
  requests = [];

  /** Opens the server's page in a browser context of its own. */
  static async open(browser, server, { locale = 'en-US', width = 1280, height = 900, hash = '', before, ...rest } = {}) {
    const tab = new this();
    tab.server = server;
    tab.context = await browser.newContext({ locale, viewport: { width, height }, ...rest });
    tab.page = await tab.context.newPage();
    tab.page.setDefaultTimeout(SLOWEST * 20_000);
    tab.page.setDefaultNavigationTimeout(SLOWEST * 30_000);
    tab.page.on('pageerror', (error) => tab.complaints.push(`script error: ${error.message}`));
    tab.page.on('request', (request) => tab.requests.push(request.url()));
    tab.page.on('console', (line) => {
      if (/content.security.policy|trusted ?(script|html|types)/i.test(line.text())) tab.complaints.push(line.text());
    });
    try {
      await before?.(tab.page);
      await tab.page.goto(`${server.origin}/${hash}`);
      await tab.started();
    } catch (error) {
      await tab.close().catch(() => {});
      throw error;
    }
    return tab;
  }

  /** Waits until the script has run, and the server has said what it offers. */
  async started() {
    await this.until('the page has started', async () => (await this.text('state')) !== '' && (await this.page.inputValue('#url')) !== '');
  }

  /** Chooses one of a few: a radio button, by its id, which looks like a part of one control. */
  async choose(id) {
    await this.page.locator(`label:has(#${id})`).click();
  }

  /** Connects to a path of the server (or any address) and waits until it is open. */
  async connect(path = '/ws') {
    const isFolded = !(await this.page.isVisible('#url'));
    if (isFolded) await this.page.click('#settings-toggle');
    await this.page.fill('#url', path.startsWith('/') ? `${this.server.address}${path}` : path);
    await this.page.click('#connect');
    await this.state('open');
  }

  /** Sends the text by the box and the Enter key. */
  async send(text) {
    await this.page.fill('#message', text);
    await this.page.press('#message', 'Enter');
  }

  /** Waits for one more look at the server's status: time enough for a page that wanted to connect. */
  async heardStatusAgain() {
    const asked = () => this.requests.filter((url) => url.endsWith('/status')).length;
    const before = asked();
    await this.until('another look at the status', () => asked() > before);
  }

  /** Opens the folded options of the form. */
  async openOptions() {
    await this.page.evaluate(() => { document.getElementById('options').open = true; });
  }

  /** Takes an item of the log's menu. */
  async logMenu(id) {
    await this.page.click('#log-menu summary');
    await this.page.click(`#${id}`);
  }

  /** Connects by the client protocol in one of its transports. */
  async connectBy(transport, channels) {
    await this.choose(`transport-${transport}`);
    await this.page.fill('#channel', channels);
    await this.page.click('#connect');
    await this.state('open', 15_000);
    for (const channel of channels.split(' ')) await this.heard(new RegExp(`^Subscribed to ${channel} `), { direction: 'info' });
  }

  /** Waits for a connection state: idle, connecting, open, closing, waiting or cut. */
  async state(name, deadlineMs = 10_000) {
    await this.until(`state ${name}`, async () => (await this.page.getAttribute('#state', 'data-state')) === name, deadlineMs);
  }

  /** The text of an element by id. */
  async text(id) {
    return (await this.page.textContent(`#${id}`)) ?? '';
  }

  /** The bodies of the log's entries in one direction. */
  async bodies(direction) {
    return this.page.locator(`#log .entry[data-direction="${direction}"] .body`).allTextContents();
  }

  /** Waits for an entry whose whole body is `body`, or matches it. */
  async heard(body, { direction = 'in', deadlineMs = 10_000 } = {}) {
    const fits = (text) => (body instanceof RegExp ? body.test(text) : text === body);
    return this.until(`${direction}: ${body}`, async () => (await this.bodies(direction)).find(fits), deadlineMs);
  }

  /** The same of what was sent. */
  async heardOut(body) {
    return this.heard(body, { direction: 'out' });
  }

  /** Keeps every finding from now on: one may give way to another, or go, before a slow test looks. */
  async keepFindings() {
    await this.page.evaluate(() => {
      const finding = document.getElementById('finding');
      window.findings = [finding.textContent];
      window.findingsKept ??= new MutationObserver(() => window.findings.push(finding.textContent));
      window.findingsKept.observe(finding, { childList: true });
    });
  }

  /** Waits until one of those that were kept matches. */
  async found(pattern) {
    await this.until(`the finding ${pattern}`, async () => (await this.page.evaluate(() => window.findings)).some((text) => pattern.test(text)));
  }

  /** Waits for a condition, telling the log when it fails. */
  async until(what, condition, deadlineMs) {
    let told = '';
    try {
      return await until(what, condition, deadlineMs);
    } catch (error) {
      told = await this.page.innerText('body').catch(() => 'the page is gone');
      throw new Error(`${error.message}\nthe page shows:\n${told}`);
    }
  }

  /** Closes the page; fails if the browser complained of anything. */
  async close() {
    // A route that is fetching for the page just now fails when the page goes, with nobody there to catch it.
    await this.page.unrouteAll({ behavior: 'ignoreErrors' });
    await this.context.close();
    assert.deepEqual(this.complaints, []);
  }
}

/** Runs `steps` with a page for each of `options`, and closes them; the closing checks for complaints. */
export async function withTabs(browser, server, options, steps) {
  const tabs = [];
  try {
    for (const one of options) tabs.push(await Tab.open(browser, server, one));
    await steps(...tabs);
  } catch (error) {
    await Promise.allSettled(tabs.map((tab) => tab.close()));
    throw error;
  }
  for (const tab of tabs) await tab.close();
}
