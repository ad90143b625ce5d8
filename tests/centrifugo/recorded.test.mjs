//! fanfare answers as Centrifugo 6.9.1 did when recorded.json was made, but for the differences that differences.json names with
//! their reasons and docs/centrifugo.md shows. Needs no Centrifugo. `compare.mjs` records, and tells what differs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';

import { CASES, compare, differences, fanfareOf, isListed, recorded } from './compare.mjs';

const ROOT = new URL('../../', import.meta.url);
const BINARY = process.env.FANFARE_BIN ?? new URL('target/debug/fanfare', ROOT).pathname;

describe('what was made for Centrifugo', { concurrency: false }, () => {
  const theirs = recorded();
  const listed = differences();
  let found;

  before(async () => { found = compare(theirs, await fanfareOf(BINARY)); }, { timeout: 180_000 });

  test('every case was recorded', () => {
    assert.deepEqual(CASES.map(({ name }) => name).sort(), Object.keys(theirs).sort());
    assert.equal(new Set(CASES.map(({ name }) => name)).size, CASES.length, 'names are unique');
  });

  for (const { name } of CASES) {
    test(name, () => {
      for (const one of found.filter(({ at }) => at === name)) {
        const told = `${one.step}\nCentrifugo: ${JSON.stringify(one.theirs)}\nfanfare:    ${JSON.stringify(one.ours)}\nnot in differences.json`;
        assert.ok(isListed(one, listed), told);
      }
    });
  }

  test('every difference that is listed is there, once', () => {
    const places = listed.flatMap(({ at }) => Object.entries(at).flatMap(([name, steps]) => Object.keys(steps).map((step) => `${name}: ${step}`)));
    assert.deepEqual(places.sort(), found.map(({ at, step }) => `${at}: ${step}`).sort());
  });

  test('the documents show every difference with its reason', () => {
    const page = readFileSync(new URL('docs/centrifugo.md', ROOT), 'utf8');
    for (const { name, reason } of listed) assert.ok(page.includes(`| ${name} | ${reason} |`), `docs/centrifugo.md has no row | ${name} | ${reason} |`);
  });
});
