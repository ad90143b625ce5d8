//! What the rig's backend makes of events: lives that begin, go on beside another and are over, and batches that come twice.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import { Backend } from '../backend.mjs';
import { Verdict } from '../book/verdict.mjs';
import { HOOK_SECRET } from '../token.mjs';

const began = (node, handover = false) => ({ type: 'node_started', name: 'rig', handover, node });
const connected = (node, client) => ({ type: 'connected', client, node });
const disconnected = (node, client) => ({ type: 'disconnected', client, node });

/** Posts batches to a backend; answers what it found. */
async function told(...batches) {
  const verdict = new Verdict(1);
  const backend = new Backend(verdict);
  await backend.start();
  for (const events of batches) {
    const body = JSON.stringify({ events });
    const signature = `t=1,v1=${createHmac('sha256', HOOK_SECRET).update('1.').update(body).digest('hex')}`;
    await fetch(`http://127.0.0.1:${backend.port}/events`, { method: 'POST', body, headers: { 'X-Fanfare-Signature': signature } });
  }
  backend.remove();
  return { backend, faults: verdict.faults.map(({ text }) => text) };
}

// A rule that takes what is right for wrong makes every run of the rig useless, and one that misses what is wrong makes it worse.
test('a life ends by a kill without a word, and the next one begins', async () => {
  const { backend, faults } = await told([began('a'), connected('a', '1')], [began('b'), connected('b', '2')]);
  assert.deepEqual(faults, []);
  assert.equal(backend.lives, 2);
  assert.equal(backend.life('b').sessions.size, 1);
});

test('a life that was taken over goes on beside the other one', async () => {
  const { faults } = await told([began('a'), connected('a', '1')], [began('b', true)], [disconnected('a', '1')]);
  assert.deepEqual(faults, []);
});

test('a batch whose answer was lost comes again', async () => {
  const first = [began('a'), connected('a', '1')];
  assert.deepEqual((await told(first, first, [disconnected('a', '1')])).faults, []);
});

test('a life that is over says nothing more', async () => {
  const { faults } = await told([began('a'), connected('a', '1')], [began('b')], [disconnected('a', '1')]);
  assert.match(faults.join(), /life a: tells of disconnected, and another process began without it/);
});

test('what comes before the beginning, and a second beginning, are faults', async () => {
  assert.match((await told([connected('a', '1')])).faults.join(), /tells of connected first/);
  assert.match((await told([began('a')], [began('a'), connected('a', '1')])).faults.join(), /began twice/);
});

test('a session that disconnects in another life than its own is a fault', async () => {
  const { faults } = await told([began('a'), connected('a', '1')], [began('b', true), disconnected('b', '1')]);
  assert.match(faults.join(), /life b: 1 disconnected, and never connected/);
});
