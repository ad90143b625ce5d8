//! Turns a mini program's folder into what the page of `boot.mjs` loads: templates compiled by
//! glass-easel, styles with rpx made lengths, and the scripts as they are. Pure, but for reading.
//! It must not change the scripts.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { TmplGroup } from 'glass-easel-template-compiler';

/** The tags of built-in.mjs. */
const BUILT_IN = ['view', 'text', 'input', 'scroll-view'];
/** The height of the bar in index.html. */
const BAR_PX = 64;

/** The whole mini program, as JSON. */
export function compile(folder) {
  const files = Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [relative(folder, path), readFileSync(path, 'utf8')]),
  );
  const of = (ending) =>
    Object.entries(files)
      .filter(([name]) => name.endsWith(ending))
      .map(([name, text]) => [name.slice(0, -ending.length), text]);
  const app = JSON.parse(files['app.json']);
  const group = new TmplGroup();
  for (const [path, wxml] of of('.wxml')) {
    const problems = group.addTmpl(path, renamed(wxml));
    if (problems.length > 0) throw new Error(`${path}.wxml: ${JSON.stringify(problems)}`);
  }
  for (const name of BUILT_IN) group.addTmpl(`built-in/${name}`, '<slot/>');
  return {
    pages: app.pages,
    window: app.window,
    templates: group.getTmplGenObjectGroups(),
    styles: Object.fromEntries(of('.wxss').map(([path, wxss]) => [path, lengths(wxss)])),
    configs: Object.fromEntries(app.pages.map((page) => [page, JSON.parse(files[`${page}.json`])])),
    scripts: Object.fromEntries(of('.js')),
  };
}

function renamed(wxml) {
  return wxml.replace(
    new RegExp(`<(/?)(${BUILT_IN.join('|')})(?=[\\s>/])`, 'g'),
    (_, slash, name) => `<${slash}wx-${name}`,
  );
}

// A page's 100vh ends below the bar that WeChat draws above it.
function lengths(wxss) {
  return wxss
    .replace(/(-?[\d.]+)rpx/g, 'calc($1 * 100vw / 750)')
    .replace(/(-?[\d.]+)vh/g, `calc($1 * (100vh - ${BAR_PX}px) / 100)`);
}
