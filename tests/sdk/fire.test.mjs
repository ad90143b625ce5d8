//! Recovery under fire, small enough for every run: `fire.mjs` in each of its modes. Bounds: loopback only, RUN_MAX_MS for each.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const RUN_MAX_MS = 90_000;

describe('recovery under fire', { concurrency: false }, () => {
  for (const mode of ['websocket', 'protobuf', 'sse', 'poll']) {
    test(`by ${mode}: every publication once and in order`, async () => {
      const words = ['fire.mjs', '--mode', mode, '--clients', '30', '--seconds', '8', '--rate', '200'];
      const cwd = fileURLToPath(new URL('.', import.meta.url));
      const ran = await promisify(execFile)(process.execPath, words, { cwd, timeout: RUN_MAX_MS }).catch((error) => error);
      const figures = JSON.parse(ran.stdout || '{}');
      assert.equal(figures.good, true, `${ran.stdout}${ran.stderr}`);
      assert.equal(figures.deliveries, 30 * 8 * 200);
      assert.ok(figures.recoveries > 0, ran.stdout);
    });
  }
});
