//! How a process ended that is nobody's child here, since another one of the node started it: `run` adopts it and says so.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { until } from '../../nginx/until.mjs';
import { endOf } from '../node.mjs';

/** The id of a process whose parent is gone. */
const orphan = (program) => Number(execFileSync('sh', ['-c', `sh -c '${program}' >/dev/null 2>&1 & echo $!`], { encoding: 'utf8' }));

for (const [how, program, expected] of [['with a status', 'sleep 0.2; exit 3', 3], ['by itself', 'sleep 0.2', 0], ['by a signal', 'sleep 0.2; kill -11 $$', 'signal 11']]) {
  test(`who took over ended ${how}`, { skip: process.env.RIG_ENDS ? false : 'this system has no subreapers' }, async () => {
    const pid = orphan(program);
    await until('it is gone', () => !existsSync(`/proc/${pid}`), 5000);
    assert.equal(endOf(pid), expected);
  });
}
