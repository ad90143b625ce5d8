//! One phone's screen in Chromium with the example on it, and what a finger does there. Owned by
//! the test that opens it. Bounds: every wait has a deadline. It must notice each script error.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

import { until } from '../../nginx/until.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts Chromium with a fresh profile; fails where there is none. */
export async function launch() {
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(`no Chromium at ${executablePath}; install it or set CHROMIUM`);
  }
  return chromium.launch({ executablePath, headless: true, args: FLAGS, timeout: 90_000 });
}

/** A screen. */
export class Screen {
  #complaints = [];

  /** Opens what `hosted` serves, on a phone of this width. */
  static async open(browser, hosted, { width = 375, height = 667, nickname } = {}) {
    const screen = new Screen();
    screen.context = await browser.newContext({
      viewport: { width, height },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
      locale: 'zh-CN',
    });
    screen.page = await screen.context.newPage();
    screen.page.setDefaultTimeout(30_000);
    screen.page.on('pageerror', (error) => screen.#complaints.push(error.stack));
    screen.page.on('console', (line) => {
      // glass-easel tells of mistakes in templates by these.
      if (['error', 'warning'].includes(line.type())) screen.#complaints.push(line.text());
    });
    const name = nickname ? `?nickname=${encodeURIComponent(nickname)}` : '';
    await screen.page.goto(`${hosted.origin}/${name}`);
    await screen.page.waitForSelector('html[data-ready=yes]');
    return screen;
  }

  #find(id) {
    return this.page.locator(`[id$="--${id}"]`);
  }

  tap(id) {
    return this.#find(id).tap();
  }

  /** Taps the box and writes, as an input method hands it over. */
  async write(text) {
    await this.page.locator('[id$="--box"] input').tap();
    await this.page.keyboard.insertText(text);
  }

  async say(text) {
    await this.write(text);
    await this.tap('send');
  }

  async connect() {
    await this.tap('connect');
    await this.shows('state', '已连接 · WebSocket');
  }

  /** Keeps what flies from now on, frame by frame: it is gone before a slow machine has looked. */
  async keepBullets() {
    await this.page.evaluate(() => {
      const kept = { places: [], own: 0 };
      window.bullets = kept;
      const look = () => {
        const [first] = document.querySelectorAll('.bullet');
        if (first) kept.places.push(first.getBoundingClientRect().x);
        kept.own = Math.max(kept.own, document.querySelectorAll('.bullet.mine').length);
        requestAnimationFrame(look);
      };
      look();
    });
  }

  /** Where the first one was in each frame, and how many of one's own there were at a time. */
  bullets() {
    return this.page.evaluate(() => window.bullets);
  }

  /** Waits until an element shows this text, or one that matches. */
  shows(id, expected) {
    const fits = (text) => (expected instanceof RegExp ? expected.test(text) : text === expected);
    return this.until(`${id}: ${expected}`, async () => {
      return fits(
        (
          (await this.#find(id)
            .textContent()
            .catch(() => '')) ?? ''
        ).trim(),
      );
    });
  }

  /** Waits for a line of the list. */
  heard(text) {
    return this.page.locator('.line-text', { hasText: text }).first().waitFor();
  }

  /** Waits for the toast. */
  toast(text) {
    return this.until(`toast ${text}`, async () => {
      return (await this.page.evaluate(() => window.phone.toasts)).includes(text);
    });
  }

  until(what, condition) {
    const shown = async () => this.page.innerText('body').catch(() => 'the page is gone');
    return until(what, condition, 30_000).catch(async (error) => {
      throw new Error(`${error.message}\nthe screen shows:\n${await shown()}`);
    });
  }

  /** Closes it; fails if anything was complained of but `expected`. */
  async close(expected = /^$/) {
    await this.context.close();
    assert.deepEqual(
      this.#complaints.filter((text) => !expected.test(text)),
      [],
    );
  }
}
