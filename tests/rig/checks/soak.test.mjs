//! Whether memory grew, by what it was at each look: as much as is kept more is right, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { growth } from '../soak.mjs';

const MIB = 1024;
const LOOKS = 150;
/** Looks of an hour: in the first third of them these MiB of memory and of what is kept, in the last those, and between on the way. */
const looks = (from, to, kept = [18, 18]) => Array.from({ length: LOOKS }, (_, index) => {
  const way = Math.min(1, Math.max(0, (3 * index) / LOOKS - 1));
  const at = (one, other) => one + (other - one) * way;
  return { kib: at(from, to) * MIB, kept: at(...kept) * MIB * 1024 };
});

test('memory that grows by more than a fiftieth is told, and less is not', () => {
  assert.equal(growth(looks(40, 42)).grew, true);
  assert.equal(growth(looks(40, 40.5)).grew, false);
  assert.equal(growth(looks(42, 40)).grew, false);
});

test('a growth all the while is told by what it is in all, of which the middles see two thirds', () => {
  const steady = (percent) => Array.from({ length: LOOKS }, (_, index) => ({ kib: 40 * MIB * (1 + (percent / 100) * (index / LOOKS)), kept: 0 }));
  assert.equal(growth(steady(2.2)).grew, true);
  assert.equal(growth(steady(1.8)).grew, false);
});

test('what is kept more explains as much, and what is kept less explains nothing', () => {
  assert.equal(growth(looks(40, 42, [18, 20])).grew, false);
  assert.equal(growth(looks(40, 44, [18, 20])).grew, true);
  assert.equal(growth(looks(40, 42, [20, 18])).grew, true);
});

test('looks that are unlike the others change nothing', () => {
  const found = looks(40, 40);
  for (const place of [0, 3, 20]) found[place].kib /= 2;
  for (const place of [1, 2, 9]) found[LOOKS - place].kib *= 2;
  assert.equal(growth(found).grew, false);
});

test('what could not be read is no proof that nothing grew', () => {
  assert.equal(growth(looks(40, 40).map((one) => ({ ...one, kept: NaN }))).grew, true);
});
