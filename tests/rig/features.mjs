//! What the binary under test can do, asked of the binary itself. Bounds: HANDOVER_MAX_MS for the one that has to be tried.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Node } from './node.mjs';

const HANDOVER_MAX_MS = 2500;

/** Whether it takes settings with this in them. */
function takes(binary, folder, text) {
  const file = join(folder, 'probe.toml');
  writeFileSync(file, `listen = ["127.0.0.1:0"]\n${text}`);
  const { status, stdout, stderr } = spawnSync(binary, ['check', '--config', file], { encoding: 'utf8' });
  return status === 0 || !/unknown|state/.test(`${stdout}${stderr}`);
}

/** `{ state, handover, recorder }`. */
export async function features(binary) {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-rig-probe-'));
  try {
    const state = takes(binary, folder, `[state]\ndir = "${join(folder, 'state')}"\n`);
    const node = new Node(binary, folder, { backend: 'http://127.0.0.1:9' });
    await node.place();
    await node.start();
    node.signal('SIGUSR2');
    const end = performance.now() + HANDOVER_MAX_MS;
    while (node.children().length === 0 && performance.now() < end) await new Promise((next) => { setTimeout(next, 50); });
    const children = node.children();
    for (const child of children) process.kill(child, 'SIGKILL');
    await node.remove();
    return { state, handover: children.length > 0, recorder: process.env.RIG_RECORDER ?? null };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
