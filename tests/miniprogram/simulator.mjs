//! A page of a mini program in Node: its files unmodified under miniprogram-simulate and jsdom.
//! Owned by the test that opens it; there is one at a time, since a mini program's names are
//! global.

import { createRequire } from 'node:module';
import { join } from 'node:path';

import { JSDOM } from 'jsdom';

const FROM_DOM = [
  'document',
  'Event',
  'CustomEvent',
  'Node',
  'Element',
  'HTMLElement',
  'getComputedStyle',
  'MutationObserver',
  'requestAnimationFrame',
  'cancelAnimationFrame',
];
const require = createRequire(import.meta.url);

// miniprogram-simulate wants a window when it is loaded.
const { window } = new JSDOM('<!doctype html><html><head></head><body></body></html>', {
  pretendToBeVisual: true,
});
global.window = window;
for (const name of FROM_DOM) global[name] = window[name];
const simulate = require('miniprogram-simulate');
// A page is a component whose functions are methods, as WeChat has it too.
global.Page = ({ data, ...rest }) => {
  const methods = {};
  const fields = {};
  for (const [name, value] of Object.entries(rest)) {
    (typeof value === 'function' ? methods : fields)[name] = value;
  }
  global.Component({ data, methods, ...fields });
};

/** Shows the page of a mini program's folder; `wx` and the app must be there. */
export function show(folder, path) {
  const id = simulate.load(join(folder, path), 'page', { rootPath: folder, compiler: 'official' });
  const page = simulate.render(id);
  page.attach(document.body);
  page.instance.onLoad?.({});
  return page;
}
