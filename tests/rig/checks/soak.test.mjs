//! Whether memory grew, by what it was at each rest: as much as is kept more is right, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { growth } from '../soak.mjs';

const MIB = 1024;
/** Rests of an hour, from these MiB of memory and of what is kept to those. */
const rests = (from, to, kept = [18, 18]) => Array.from({ length: 11 }, (_, index) => {
  const at = (one, other) => one + ((other - one) * index) / 10;
  return { kib: at(from, to) * MIB, kept: at(...kept) * MIB * 1024 };
});

test('memory that grows by more than a fiftieth is told, and less is not', () => {
  assert.equal(growth(rests(40, 42)).grew, true);
  assert.equal(growth(rests(40, 40.8)).grew, false);
  assert.equal(growth(rests(42, 40)).grew, false);
});

test('what is kept more explains as much, and what is kept less explains nothing', () => {
  assert.equal(growth(rests(40, 42, [18, 20])).grew, false);
  assert.equal(growth(rests(40, 44, [18, 20])).grew, true);
  assert.equal(growth(rests(40, 42, [20, 18])).grew, true);
});

test('one rest that is unlike the others changes nothing', () => {
  const found = rests(40, 40);
  found[0].kib /= 2;
  found[10].kib *= 2;
  assert.equal(growth(found).grew, false);
});

test('what could not be read is no proof that nothing grew', () => {
  assert.equal(growth(rests(40, 40).map((one) => ({ ...one, kept: NaN }))).grew, true);
});
