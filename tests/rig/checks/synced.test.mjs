//! What the book makes of histories behind a crash of the machine: what was on the disk is there, in order, and nobody is accused of
//! what cannot be known.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Book } from '../book/book.mjs';
import { Verdict } from '../book/verdict.mjs';
import { HISTORY_TTL_MS } from '../settings.mjs';

const CHANNEL = 'kept:1';
const HISTORY_SIZE = 6;
const LONG_MS = 10_000;

/** A node that says that all is well, and wrote last a moment ago. */
const word = (state = {}, rest = {}) => ({ state: { whole: true, sync_age_seconds: 0.4, ...state }, evicted_publications: 0, history_bytes: 1, history_bytes_max: 100, ...rest });
const history = (numbers, epoch = 'new', first = 1) => ({ epoch, offset: first + numbers.length - 1, publications: numbers.map((n, index) => ({ offset: first + index, data: { n } })) });

/** A book with a node that goes down after five answers at 0, and one right before that. */
function crashed({ status = word(), stays = 0, at = LONG_MS, answered = [0, 0, 0, 0, 0, LONG_MS - 500], prepare = () => {} } = {}) {
  const verdict = new Verdict(1);
  const book = new Book(verdict, { lasts: true, historySize: HISTORY_SIZE });
  answered.forEach((when, index) => {
    const number = book.issue(CHANNEL, { how: 'single' });
    prepare(book.synced, number);
    book.synced.answered(CHANNEL, number, { epoch: 'old', offset: index + 1 }, when);
  });
  const due = book.synced.crashed({ at, asked: at - 10, status, stays });
  return { synced: book.synced, due, faults: () => verdict.faults.map(({ rule, text }) => `${rule}: ${text}`) };
}

/** What is found where the node has these numbers afterwards. */
function found(numbers, options) {
  const { synced, due, faults } = crashed(options);
  for (const channel of due) synced.check(channel, history(numbers), LONG_MS + 500);
  return faults();
}

test('what was on the disk is missed, and what may not have been is not', () => {
  assert.deepEqual(found([1, 2, 3, 4, 5, 6]), []);
  assert.deepEqual(found([1, 2, 3, 4, 5]), []);
  assert.deepEqual(found([1, 2, 3, 4, 5, 7, 8]), []);
  assert.match(found([1, 2, 3, 4]).join(), /^synced: of 5 .* 1 are not in the history: numbers 5$/);
  assert.match(found([1, 2, 4, 5]).join(), /numbers 3$/);
  assert.match(found([2, 3, 4, 5]).join(), /numbers 1$/);
});

// Everything that the rig asked so far was about later numbers: a node that lost everything passed.
test('a node that has lost everything is found', () => {
  assert.match(found([]).join(), /of 5 .* 5 are not in the history: numbers 1 2 3 4 5/);
  assert.match(found([7, 8]).join(), /5 are not in the history/);
});

test('what is there is in its order', () => {
  assert.match(found([1, 2, 4, 3, 5]).join(), /number 4 is at 3 .* number 3, which was before it, at 4/);
});

test('what a full history has given up is not missed, and what is behind that is', () => {
  assert.deepEqual(found([4, 5, 7, 8, 9, 10]), []);
  assert.deepEqual(found([7, 8, 9, 10, 11, 12]), []);
  assert.match(found([3, 5, 7, 8, 9, 10]).join(), /numbers 4$/);
});

// A history has no gap: where a part stays of what was not synced, nothing before a hole in it is there.
test('what is before a gap is not missed, where there can be one', () => {
  assert.deepEqual(found([6], { stays: 50 }), []);
  assert.deepEqual(found([], { stays: 50 }), []);
  assert.match(found([1, 2, 3, 4], { stays: 50 }).join(), /numbers 5$/);
});

test('nothing is due of which the node does not say that it is synced', () => {
  const unsure = [{ reading: true }, { whole: false }, { sync_age_seconds: LONG_MS / 1000 }].map((state) => word(state));
  const thrownOut = [{ evicted_publications: 1 }, { history_bytes: 90 }].map((rest) => word({}, rest));
  for (const status of [null, { state: null }, ...unsure, ...thrownOut]) assert.deepEqual(crashed({ status }).due, []);
  assert.match(crashed({ status: word({ sync_age_seconds: 60 }) }).faults().join(), /60000 ms old/);
});

test('what may have expired is not due, nor what is before it', () => {
  assert.deepEqual(crashed({ at: HISTORY_TTL_MS }).due, []);
  const jump = (from, to) => ({ prepare: (synced, number) => { if (number === 3) synced.clockIs(to, -5000); else if (number === 1) synced.clockIs(from, -10_000); } });
  // What was before a jump ahead may be over.
  assert.match(found([], jump(0, 1790)).join(), /of 3 .* numbers 3 4 5$/);
  assert.match(found([], jump(0, -1000)).join(), /of 5/);
  assert.deepEqual(found([], jump(0, -1790)), [], 'what was written under a clock that was put back may be over, and with it all before');
  // A moment behind the jump nobody knows whether the node has seen it.
  assert.deepEqual(found([], { prepare: (synced, number) => { if (number === 1) synced.clockIs(1790, -100); } }), []);
});

test('what is found behind one crash is due at the next one, and an answer of the life before is not', () => {
  const { synced, due, faults } = crashed();
  synced.check(due[0], history([1, 2, 3, 4, 5]), LONG_MS + 500);
  synced.answered(CHANNEL, 6, { epoch: 'old', offset: 6 }, LONG_MS + 600);
  synced.answered(CHANNEL, 7, { epoch: 'new', offset: 6 }, LONG_MS + 700);
  const at = 2 * LONG_MS;
  assert.deepEqual(synced.crashed({ at, asked: at - 10, status: word(), stays: 0 }), [CHANNEL]);
  synced.check(CHANNEL, history([1, 2, 3, 4, 5], 'newer'), at + 500);
  assert.match(faults().join(), /of 6 .* numbers 7$/);
});

test('where nothing can be asked, nothing is known afterwards', () => {
  const { synced } = crashed();
  const at = 2 * LONG_MS;
  assert.deepEqual(synced.crashed({ at, asked: at - 10, status: word(), stays: 0 }), []);
});
