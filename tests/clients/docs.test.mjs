//! The pages that exist in English and in Chinese say the same, and every link of a page leads somewhere. Reads the documents as text;
//! needs no server.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['.', 'docs', 'docs/decisions', 'clients', 'clients/miniprogram'];
const PAGES = FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.md')).map((name) => join(folder, name)));
const TWINS = PAGES.filter((page) => page.endsWith('.zh-CN.md')).map((page) => [page.replace('.zh-CN', ''), page]);
const text = (page) => readFileSync(join(ROOT, page), 'utf8');
const code = /^```(\w*)\n([\s\S]*?)^```$/gm;
const prose = (page) => text(page).replace(code, '');

/** As GitHub makes them: letters, digits, `_` and `-` stay, blanks become `-`, the rest goes. */
function anchors(page) {
  const headings = [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, words]) => words.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
  return headings.map((words) => words.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-'));
}

/** Code without its comments, blank lines and the texts that people read. */
function bones(source) {
  return source.split('\n').map((line) => line.replace(/\s*(?:\/\/|#).*$/, '').replace(/(['"`])[^'"`]*[^\x00-\x7f][^'"`]*\1/g, '…').trimEnd()).filter(Boolean);
}

test('there are twins to compare', () => {
  assert.ok(TWINS.length >= 8, TWINS.join(' '));
  assert.ok(TWINS.some(([, page]) => page === 'docs/close-codes.zh-CN.md'));
});

for (const [english, chinese] of TWINS) {
  // A rule that is mended on one page only is wrong on the other, and its readers cannot tell.
  test(`${chinese} has the parts of ${english}`, () => {
    const levels = (page) => [...prose(page).matchAll(/^(#+) /gm)].map(([, signs]) => signs.length);
    assert.deepEqual(levels(chinese), levels(english), 'headings');
    const tables = (page) => [...prose(page).matchAll(/(?:^\|.*\n)+/gm)].map(([table]) => table.trim().split('\n').length);
    assert.deepEqual(tables(chinese), tables(english), 'rows of the tables');
    const points = (page) => [...prose(page).matchAll(/^(?:\*|\d\.) /gm)].length;
    assert.equal(points(chinese), points(english), 'points of lists');
  });

  test(`${chinese} shows the commands and settings of ${english}`, () => {
    const settings = (page) => [...text(page).matchAll(code)].filter(([, language]) => language && language !== 'js')
      .map(([, language, source]) => [language, bones(source)]);
    assert.deepEqual(settings(chinese), settings(english));
  });
}

test('every link of a page leads to a file, and to a heading that is there', () => {
  // A page that is renamed, or a heading that is mended, leaves links behind that nobody tries.
  const broken = [];
  for (const page of PAGES) {
    for (const [, target] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, anchor] = decodeURIComponent(target).split('#');
      const file = path ? join(dirname(page), path) : page;
      if (!existsSync(join(ROOT, file))) broken.push(`${page}: ${target}`);
      else if (anchor && statSync(join(ROOT, file)).isFile() && !anchors(file).includes(anchor)) broken.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('a Chinese page sends its readers to Chinese pages, where there are any', () => {
  const lost = [];
  for (const [english, chinese] of TWINS) {
    for (const [, target] of prose(chinese).matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g)) {
      const file = relative(ROOT, join(ROOT, dirname(chinese), target));
      if (file !== english && TWINS.some(([twin]) => twin === file)) lost.push(`${chinese}: ${target}`);
    }
  }
  assert.deepEqual(lost, []);
});
