//! The tests' own page: what must hold of it on a slow machine. Owned by this folder. Bounds: loopback only.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { endAll, Server, SLOWEST, until } from './server.mjs';
import { launch, Tab } from './tab.mjs';

// A test that ended while one of its routes was fetching failed its whole file, by a rejection that nobody awaited.
test('a page is closed while one of its routes still waits for an answer', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  const [server, browser] = await Promise.all([Server.start(), launch(), once(silent, 'listening')]);
  try {
    const slow = `http://127.0.0.1:${silent.address().port}/slow`;
    const tab = await Tab.open(browser, server, {});
    let outcome = 'waits';
    const isAsked = once(silent, 'request');
    await tab.page.route('**/slow', (route) => route.fetch({ url: slow }).then(
      () => { outcome = 'answered'; },
      (error) => { outcome = 'failed'; throw error; },
    ));
    await tab.page.evaluate(() => { fetch('/slow').catch(() => {}); });
    await isAsked;
    assert.equal(outcome, 'waits');
    await tab.close();
    // A rejection that nobody awaits fails the file a turn later.
    await until('the route has failed', () => outcome === 'failed');
    await new Promise((next) => { setImmediate(next); });
  } finally {
    silent.closeAllConnections();
    silent.close();
    await endAll();
  }
});

// The browser that was started beside it kept the file going until the whole run was ended.
test('a file whose server does not start fails, and ends, and its browser with it', async () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const file = fileURLToPath(new URL('looks.test.mjs', import.meta.url));
  const run = spawn(process.execPath, [file], { env: { ...env, FANFARE_BIN: '/nowhere/fanfare' }, stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  run.stdout.on('data', (piece) => { output += piece; });
  const timer = setTimeout(() => run.kill('SIGKILL'), SLOWEST * 30_000);
  const [code] = await once(run, 'close');
  clearTimeout(timer);
  assert.equal(code, 1);
  assert.match(output, /the server ended/, 'it was the server that did not start');
});
