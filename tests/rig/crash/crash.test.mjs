//! The imitated crash of a machine: what was synced is there afterwards, what was not is taken back, names too. The writer is a
//! small program that says how far it got.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Random } from '../random.mjs';
import { Machine } from './crash.mjs';

const LIBRARY = process.env.RIG_RECORDER;
const NEVER = { of: () => 0, percent: () => false, below: () => 0 };

/** Runs a program in Python with the recorder, then crashes the machine; `kept` is told what was kept for that. */
function crashed(program, random = NEVER, kept = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-crash-'));
  const dir = join(folder, 'state');
  mkdirSync(dir);
  writeFileSync(join(dir, 'old'), 'what was there before');
  const machine = new Machine(LIBRARY, folder, dir);
  const prelude = 'import os\nF = lambda name, flags: os.open(name, flags, 0o600)\n';
  execFileSync('python3', ['-c', prelude + program], { cwd: dir, env: { ...process.env, ...machine.env, LD_PRELOAD: LIBRARY } });
  const journals = () => readdirSync(folder).filter((name) => name.startsWith('journal.'));
  const before = journals().length;
  // What a crash needs is there behind it too.
  machine.prune();
  kept(before, journals().length);
  machine.crash(random);
  assert.deepEqual(journals(), []);
  const files = Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'latin1')]));
  rmSync(folder, { recursive: true });
  return files;
}

// A rig that takes back too much finds faults that are none; one that takes back too little finds nothing.
test('what was synced stays, and what was not is taken back', { skip: !LIBRARY && 'there is no recorder' }, () => {
  const files = crashed(`
f = F('log', os.O_CREAT | os.O_RDWR)
os.write(f, b'a' * 700); os.fdatasync(f)
d = os.open('.', os.O_RDONLY); os.fsync(d)
os.write(f, b'b' * 700)
`);
  assert.equal(files.log, 'a'.repeat(700));
});

test('what was written over comes back as it was', { skip: !LIBRARY && 'there is no recorder' }, () => {
  const files = crashed(`
f = F('old', os.O_RDWR)
os.fsync(f)
os.pwrite(f, b'X' * 8, 5)
`);
  assert.equal(files.old, 'what was there before');
});

test('names that no sync of the directory holds are undone', { skip: !LIBRARY && 'there is no recorder' }, () => {
  const files = crashed(`
f = F('new', os.O_CREAT | os.O_RDWR); os.write(f, b'n'); os.fsync(f)
d = os.open('.', os.O_RDONLY); os.fsync(d)
os.rename('new', 'old')
g = F('later', os.O_CREAT | os.O_RDWR)
`);
  assert.deepEqual(files, { new: 'n', old: 'what was there before' });
});

test('a removed file comes back, and a synced removal does not', { skip: !LIBRARY && 'there is no recorder' }, () => {
  assert.deepEqual(crashed("os.unlink('old')\n"), { old: 'what was there before' });
  assert.deepEqual(crashed("os.unlink('old')\nd = os.open('.', os.O_RDONLY); os.fsync(d)\n"), {});
});

// What was kept of files that were written anew was more than a gigabyte each five minutes, and the disk of the machine was full.
test('what no crash needs any more is not kept', { skip: !LIBRARY && 'there is no recorder' }, () => {
  const told = [];
  const files = crashed(`
f = F('old', os.O_RDWR)
os.pwrite(f, b'X', 0); os.fdatasync(f)
os.unlink('old')
d = os.open('.', os.O_RDONLY); os.fsync(d)
g = F('new', os.O_CREAT | os.O_RDWR); os.write(g, b'n'); os.fsync(g); os.fsync(d)
os.pwrite(g, b'Y', 0)
`, NEVER, (...counts) => told.push(counts));
  assert.deepEqual(told, [[3, 1]]);
  assert.deepEqual(files, { new: 'n' });
});

test('of what was not synced a random part stays, the same for the same seed', { skip: !LIBRARY && 'there is no recorder' }, () => {
  const program = `
f = F('old', os.O_RDWR)
os.fsync(f)
for i in range(64): os.pwrite(f, b'%02d' % i * 256, i * 512)
`;
  const [one, same] = [crashed(program, new Random(7)), crashed(program, new Random(7))];
  assert.deepEqual(one, same);
});

// Who was killed in the middle of a sync left its beginning in the journal, and each later sync counted only from the one before it.
test('a sync counts from its own beginning, also behind one that never ended', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-crash-'));
  const file = join(folder, 'log');
  const machine = new Machine(LIBRARY, folder, folder);
  writeFileSync(file, 'aabbcc');
  const write = (at) => `W\t${file}\t${at}\t${at}\t2`;
  const steps = [`C\t${file}`, `B\t${folder}\t7`, `D\t${folder}\t7`, write(0), `B\t${file}\t7`, write(2), `B\t${file}\t8`, `S\t${file}\t8`, write(4), ''];
  writeFileSync(machine.journal, steps.join('\n'));
  machine.crash(NEVER);
  assert.equal(readFileSync(file, 'latin1'), 'aabb');
  rmSync(folder, { recursive: true });
});

test('the boot id is another one after a crash', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-crash-'));
  const machine = new Machine(LIBRARY, folder, join(folder, 'state'));
  const before = readFileSync(machine.boot, 'utf8');
  machine.crash(NEVER);
  assert.notEqual(readFileSync(machine.boot, 'utf8'), before);
  assert.ok(!existsSync(machine.journal));
  rmSync(folder, { recursive: true });
});
