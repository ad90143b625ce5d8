//! A seed that can be replayed: what a fault draws depends on the seed and on which fault it is, and on nothing that happened before.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WHILE_IT_LIVES } from '../faults/index.mjs';
import { Draws } from '../random.mjs';

const FAULTS = 40;
const NAMES = Object.keys(WHILE_IT_LIVES);

/** The faults of a run with this seed; each draws as often more as `more` says, by what it meets. */
function faults(seed, more) {
  const draws = new Draws(seed);
  return Array.from({ length: FAULTS }, () => {
    const random = draws.of('long 1');
    const told = [random.of(NAMES), random.between(300, 3000)];
    for (let left = more(); left > 0; left -= 1) random.next();
    return told;
  });
}

test('the faults of a seed are the same, whatever they meet', () => {
  assert.deepEqual(faults(7, () => 0), faults(7, () => Math.floor(Math.random() * 100)));
  assert.notDeepEqual(faults(7, () => 0), faults(8, () => 0));
});

test('one fault says nothing of the next, nor one part of the run of another', () => {
  assert.ok(new Set(faults(7, () => 0).map(([name]) => name)).size > NAMES.length / 3);
  const draws = new Draws(7);
  assert.notEqual(draws.of('long 1').next(), draws.of('long 2').next());
});

test('what is drawn first is spread over all seeds and ordinals', () => {
  const counts = new Map(NAMES.map((name) => [name, 0]));
  for (let seed = 1; seed <= 50; seed += 1) for (const [name] of faults(seed, () => 0)) counts.set(name, counts.get(name) + 1);
  const due = (50 * FAULTS) / NAMES.length;
  for (const [name, count] of counts) assert.ok(count > due / 2 && count < due * 2, `${name}: ${count} of ${due}`);
});
