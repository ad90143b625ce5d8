//! The administrator's page in the browser, with the steps that its tests repeat. Owned by the test that opens it. Bounds: every
//! wait has a deadline.

import { Tab } from './tab.mjs';

export class Admin extends Tab {
  static async open(browser, server, options = {}) {
    return super.open(browser, server, { ...options, hash: `admin${options.hash ?? ''}` });
  }

  async started() {
    await this.until('the login', () => this.page.isVisible('#login-key'));
  }

  /** Types a key and presses the button. */
  async enter(key) {
    await this.page.fill('#login-key', key);
    await this.page.click('#login-button');
  }

  /** Logs in, and waits for the views. */
  async login(key) {
    await this.enter(key);
    await this.until('the room', () => this.page.isVisible('#room'));
  }

  /** A wrong key, whose refusal is waited for. */
  async refused(key) {
    const answer = this.page.waitForResponse((response) => response.url().endsWith('/admin/login'));
    await Promise.all([answer, this.enter(key)]);
    await this.until('the button again', () => this.page.isEnabled('#login-button'));
  }

  /** Goes to a view, and waits until it has something. */
  async view(name) {
    const isThere = new URL(this.page.url()).hash === `#${name}`;
    // The view before has a heading too, and stands until the page hears of the new address.
    if (!isThere) await this.page.evaluate(() => { document.querySelector('#view').firstElementChild.dataset.before = ''; });
    await this.page.click(`#views a[href="#${name}"]`);
    await this.until(`the view ${name}`, async () => (await this.page.locator('#view [data-before]').count()) === 0
      && (await this.page.locator(`#views a[href="#${name}"][aria-current=page]`).count()) === 1 && this.page.locator('#view h2').first().isVisible());
  }

  /** Looks for something, and waits until the server has answered. */
  async search(text) {
    await Promise.all([this.#answerTo(text), this.page.fill('#view .search input', text)]);
  }

  /** The same without a click or a key of its own, so that a pressed pointer stays where it is. */
  async searchUnseen(text) {
    await Promise.all([this.#answerTo(text), this.page.locator('#view .search input').evaluate((field, value) => {
      field.value = value;
      field.dispatchEvent(new Event('change'));
    }, text)]);
  }

  #answerTo(text) {
    return this.page.waitForResponse((response) => {
      const asked = new URL(response.url()).searchParams;
      return (asked.get('q') ?? asked.get('pattern')) === text;
    });
  }

  /** The rows of the first table, as texts. */
  async rows() {
    return this.page.locator('#view .table-frame').first().locator('tbody tr').allTextContents();
  }

  /** What the open dialog says; empty without one. */
  async dialog() {
    return (await this.page.locator('dialog[open]').allTextContents()).join(' ');
  }

  /** Asks for the drain with this name. */
  async drain(name) {
    await this.page.click('#view > .row > .btn.danger');
    await this.page.fill('dialog [name=node]', name);
    await this.page.click('dialog [type=submit]');
  }

  /** Presses a key until something is so, at most 40 times; then once more from the start the other way, where one is given. */
  async press(key, condition, otherWay = null) {
    for (const one of [key, otherWay].filter(Boolean)) {
      for (let at = 0; at < 40; at += 1) {
        if (await this.page.evaluate(condition)) return;
        await this.page.keyboard.press(one);
      }
    }
    throw new Error(`not reached by ${key}`);
  }
}
