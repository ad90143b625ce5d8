//! What `planted` takes for found: the rule of what was planted, with client, numbers and seed, in the words in which the rig tells it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Log } from '../book/log.mjs';
import { Verdict } from '../book/verdict.mjs';

const PLANTED = fileURLToPath(new URL('../planted', import.meta.url));
const JUDGE = `
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader("planted", sys.argv[1])
planted = importlib.util.module_from_spec(importlib.util.spec_from_loader("planted", loader))
sys.dont_write_bytecode = True
loader.exec_module(planted)
for fault, seed, line in json.load(sys.stdin):
    match = planted.FAULT.search(line)
    print(planted.is_named(fault, seed, (float(match[1]), int(match[2]), match[3], match[4])))
`;

/** The line in which the rig tells a fault. */
function lineOf(fault) {
  const write = process.stdout.write;
  let line = '';
  process.stdout.write = (text) => { line += text; return true; };
  try {
    new Verdict(7).fault(fault);
  } finally {
    process.stdout.write = write;
  }
  return line;
}

/** What a client's log tells of these offsets. */
function told(...offsets) {
  let found;
  const log = new Log({ fault: (fault) => { found = fault; }, seen: () => {}, deliveries: 0 }, 'sse-12', 'kept:3');
  for (const offset of offsets) log.take(offset, 100 + offset, 'k3v0c2m8');
  return found;
}

test('what was planted is found with its client, its numbers and the seed, and not otherwise', () => {
  const gap = told(1, 2, 4);
  const cases = [
    [true, 'SkipsAnOffset', 7, gap],
    [false, 'SkipsAnOffset', 8, gap],
    [false, 'DeliversTwice', 7, gap],
    [true, 'DeliversTwice', 7, told(1, 2, 2)],
    [false, 'SkipsAnOffset', 7, { ...gap, client: undefined }],
    [false, 'SkipsAnOffset', 7, { rule: 'complete', client: 'sse-12', text: 'is not connected and subscribed, though nothing is done to it' }],
    [true, 'ForgetsALeave', 7, { rule: 'joins', client: 'watcher-3', channel: 'room:1', text: 'was told that 6f1e-2 joined, and never that it left: it is not there any more' }],
    [true, 'LeaksASession', 7, { rule: 'counts', text: 'sessions in /status: 245, and the rig has 244' }],
    [false, 'LeaksASession', 7, { rule: 'counts', text: 'cannot be asked: Error 503' }],
    [true, 'KeepsTheEpochs', 7, { rule: 'place', channel: 'kept:3', epoch: 'e', text: 'offset 12 is number 345, and for a client number 350' }],
  ];
  const input = JSON.stringify(cases.map(([, fault, seed, found]) => [fault, seed, lineOf(found)]));
  const judged = execFileSync('python3', ['-c', JUDGE, PLANTED], { input, encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(judged, cases.map(([isNamed]) => (isNamed ? 'True' : 'False')));
});
