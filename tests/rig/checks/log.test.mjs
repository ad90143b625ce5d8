//! Which lines of a log a fault explains: those of its kind, its process and its time.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Verdict } from '../book/verdict.mjs';
import { Explanations, checkLog, lookAtFiles } from './log.mjs';

const DAMAGED = '0000000001.log is damaged: what can be read of it is kept, and every stream gets a new epoch';
const STUCK = 'thread main has given no sign of life for 10s';

/** The lines that nothing explains. */
function left(explanations, ...lines) {
  const verdict = new Verdict(1);
  checkLog(verdict, lines.map(([life, at, message, level = 'error']) => ({ life, at, message, level })), explanations);
  return verdict.faults.map(({ text }) => text);
}

test('a fault explains lines of its kind, process and time', () => {
  let now = 1000;
  const explanations = new Explanations(() => now);
  const end = explanations.begin('stop', 2);
  now = 5000;
  end(2);
  assert.deepEqual(left(explanations, [2, 3000, STUCK], [2, 15_000, STUCK]), []);
  assert.equal(left(explanations, [2, 900, STUCK], [2, 60_000, STUCK], [1, 3000, STUCK], [3, 5500, STUCK], [2, 3000, DAMAGED]).length, 5);
  assert.equal(left(explanations, [2, 3000, 'thread main panicked: no sign', 'warn'], [2, 3000, 'anything else', 'warn']).length, 1);
});

// One crash excused damaged files in every life of the run.
test('a crash explains damage of the lives behind it until all is written anew', async () => {
  let now = 1000;
  const explanations = new Explanations(() => now);
  const end = explanations.begin('crash', 1);
  const look = (whole) => lookAtFiles({ explanations, node: { status: async () => ({ state: { whole } }) } });
  now = 2000;
  end(2);
  await look(false);
  assert.deepEqual(left(explanations, [2, 1800, DAMAGED], [3, 60_000, DAMAGED]), []);
  assert.equal(left(explanations, [1, 1500, DAMAGED]).length, 1);
  await look(true);
  assert.deepEqual(left(explanations, [2, 1800, DAMAGED]), []);
  assert.equal(left(explanations, [3, 60_000, DAMAGED]).length, 1);
});

test('a fault that goes on over a hand-over explains what both say', () => {
  const explanations = new Explanations(() => 0);
  explanations.begin('backend', 1)(1);
  assert.deepEqual(left(explanations, [1, 100, 'events dropped']), []);
  assert.deepEqual(left(new Explanations(), [1, 100, 'events dropped']), ['life 1: stderr: events dropped']);
});
