//! What the book makes of a history that has given up its oldest: they may have been seen by nobody, and no others.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Book } from '../book/book.mjs';
import { Verdict } from '../book/verdict.mjs';

const CHANNEL = 'kept:1';

/** A book in which `answered` numbers were answered without a place, and of which the history has those from `first` on. */
function faults(answered, first, kept) {
  const verdict = new Verdict(1);
  const book = new Book(verdict, { lasts: true, historySize: 2 });
  const numbers = Array.from({ length: answered }, () => book.issue(CHANNEL, { how: 'client' }));
  for (const number of numbers) book.ok(number);
  const publications = kept.map((number, index) => ({ offset: first + index, data: { n: number } }));
  book.history(CHANNEL, { epoch: 'e', offset: first + kept.length - 1, publications }, numbers);
  return verdict.faults.map(({ text }) => text);
}

// A client's publication is answered without its place, and where nobody listens nobody sees it: a short history made faults of those
// that it had given up. What it cannot have given up is a fault as before.
test('what a history has given up is not missed, and what it cannot have given up is', () => {
  assert.deepEqual(faults(4, 3, [3, 4]), []);
  assert.equal(faults(4, 1, [3, 4]).length, 2);
  assert.equal(faults(4, 2, [3, 4]).length, 2, 'one place for two');
});
