//! What the documentation of the clients shows is what works: its samples parse, are the same in
//! both languages, look at the answer of a backend before they take it for a token, and the first
//! one runs against a server with the settings that stand beside it.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { until } from '../nginx/until.mjs';
import { Fanfare as Server } from '../sdk/server.mjs';
import { Fanfare } from './client.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const acorn = createRequire(join(ROOT, 'clients/package.json'))('acorn');
/** Each page with its other language, and whether its samples stand in the same order. */
const PAGES = ['docs/clients', 'clients/README', 'clients/miniprogram/README', 'README', 'docs/plain-clients'];

const blocks = (file, language) => {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block);
};

test('every sample parses, and says the same in both languages', () => {
  // A sample is copied before anything is read; one that is a year behind costs its reader an evening.
  for (const page of PAGES) {
    const [english, chinese] = ['.md', '.zh-CN.md'].map((ending) => blocks(`${page}${ending}`, 'js').map((block) => tokensOf(block, page)));
    assert.ok(english.length > 0, page);
    // The package's page begins with the line of its readers, the other one a comment.
    if (page !== 'clients/README') assert.deepEqual(english, chinese, page);
  }
});

test('every sample that asks a backend for a token looks at its status', () => {
  // The page of a backend that is down is no token: sent to the server it ends the client for good, with 3500.
  const asking = PAGES.flatMap((page) => ['.md', '.zh-CN.md'].flatMap((ending) => blocks(`${page}${ending}`, 'js')))
    .filter((block) => /oken: \(\) =>/.test(block) && /fetch\(|wx\.request/.test(block));
  assert.ok(asking.length >= 8, `${asking.length} samples`);
  for (const block of asking) assert.match(block, /\.ok \? \w+\.text\(\) : Promise\.reject|statusCode === 200 \? resolve\(data\) : reject/);
});

for (const ending of ['.md', '.zh-CN.md']) {
  test(`the first sample of docs/clients${ending} runs with the settings beside it`, async (t) => {
    // Without a rule for its channel the sample showed an error, and its reader had to find out why.
    const [settings] = blocks(`docs/clients${ending}`, 'toml');
    const [sample] = blocks(`docs/clients${ending}`, 'js');
    const server = await Server.start(settings);
    t.after(() => server.remove());
    const said = { states: [], ends: [], refusals: [], errors: [], shown: [], loads: 0 };
    const page = {
      Fanfare,
      fetch: async () => ({ ok: true, text: async () => signed(settings) }),
      showState: (state) => said.states.push(state),
      showEnd: (code, reason) => said.ends.push([code, reason]),
      showRefusal: (code, reason) => said.refusals.push([code, reason]),
      showError: (code, message) => said.errors.push([code, message]),
      loadEverything: () => { said.loads += 1; },
      show: (data) => said.shown.push(data),
    };
    const run = new Function(...Object.keys(page), `${sample.replaceAll('https://push.example.com', server.origin)}\nreturn client;`);
    const client = run(...Object.values(page));
    t.after(() => client.close());
    await until('its message is back', () => said.shown.length === 1, 10_000, () => JSON.stringify(said));
    assert.ok(typeof said.shown[0].text === 'string');
    assert.deepEqual(said.states, ['connecting', 'connected']);
    assert.deepEqual([said.loads, said.ends, said.refusals, said.errors], [1, [], [], []]);
  });
}

/** A token that counts with these settings. */
function signed(settings) {
  const [, secret] = /^hmac_secret = "(.+)"$/m.exec(settings);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: '42', exp: Math.floor(Date.now() / 1000) + 600 })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

/** The code of a sample without its comments and its words for people. */
function tokensOf(block, page) {
  const told = [];
  try {
    for (const { type, value } of acorn.tokenizer(block, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true })) {
      told.push(type.label === 'string' || type.label === 'template' ? type.label : value ?? type.label);
    }
    acorn.parse(block, { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true });
  } catch (error) {
    throw new Error(`${page}: ${error.message}\n${block}`);
  }
  return told.map(String).join(' ');
}
