#!/usr/bin/env node
//! fanfare beside Centrifugo 6.9.1: the same commands to a server, and their answers.
//!
//!     compare.mjs record PROGRAM     writes the answers of that Centrifugo to recorded.json
//!     compare.mjs show PROGRAM       prints where that fanfare answers otherwise, and is not listed in differences.json (--json: as lines)
//!     compare.mjs accept PROGRAM     writes fanfare's answers anew for differences that are listed there
//!
//! Each case has channels and users of its own, so that they run beside one another. Bounds: `CASES_AT_A_TIME`; loopback only.

import { readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { pathToFileURL } from 'node:url';

import api from './cases/api.mjs';
import commands from './cases/commands.mjs';
import hooks from './cases/hooks.mjs';
import tokens from './cases/tokens.mjs';
import transports from './cases/transports.mjs';
import { Exchange } from './exchange.mjs';
import { Backend, startCentrifugo, startFanfare } from './servers.mjs';

const CASES_AT_A_TIME = 12;
const RECORDED = new URL('recorded.json', import.meta.url);
const DIFFERENCES = new URL('differences.json', import.meta.url);
/** All cases. The number of a case makes its channels its own. */
export const CASES = [...commands, ...tokens, ...hooks, ...transports, ...api].map((one, index) => ({ ...one, number: 100 + index }));

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
/** What Centrifugo answered: `{ case: [{ what, answer }] }`. */
export const recorded = () => read(RECORDED);
/** Where fanfare is otherwise on purpose: `[{ name, reason, at: { case: { step: answer } } }]`. */
export const differences = () => read(DIFFERENCES);

/** Runs all cases against a server; answers `{ case: [{ what, answer }] }`. */
export async function run(start, binary) {
  const backend = await Backend.start();
  const servers = [];
  const told = {};
  try {
    for (const hooked of [false, true]) servers.push(await start(binary, backend, hooked));
    const waiting = CASES.filter((one) => !one.alone);
    const work = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift()) told[one.name] = await runCase(one, servers[Number(one.hooked ?? false)], backend);
    };
    await Promise.all(Array.from({ length: CASES_AT_A_TIME }, work));
    waiting.push(...CASES.filter((one) => one.alone));
    await work();
    for (const server of servers) server.mustRun();
  } finally {
    for (const server of servers) await server.remove();
    await backend.remove();
  }
  return Object.fromEntries(CASES.map(({ name }) => [name, told[name]]));
}

async function runCase(one, server, backend) {
  const exchange = new Exchange(server, backend, one.number);
  try {
    await one.run(exchange);
  } catch (error) {
    // The servers part ways before this; what was told until here shows where.
    exchange.tell('the case ends early', error.message.split('\n')[0]);
  } finally {
    exchange.close();
  }
  return exchange.told;
}

export const fanfareOf = (binary) => run(startFanfare, binary);

/** Where answers differ: `[{ at, step, theirs, ours }]`. `step` names the place within the case. */
export function compare(theirs, ours) {
  const found = [];
  for (const [at, expected] of Object.entries(theirs)) {
    const answers = ours[at] ?? [];
    for (let index = 0; index < Math.max(expected.length, answers.length); index += 1) {
      const [their, our] = [expected[index], answers[index]];
      if (!isDeepStrictEqual(their, our)) found.push({ at, step: `${index} ${(their ?? our).what}`, theirs: their?.answer ?? null, ours: our?.answer ?? null });
    }
  }
  return found;
}

/** Whether fanfare's answer is one that is listed for this place. */
export function isListed({ at, step, ours }, listed) {
  const row = listed.find((one) => one.at[at]?.[step] !== undefined);
  return row !== undefined && isDeepStrictEqual(row.at[at][step], ours);
}

/** Writes what is listed: an answer a line, so that a change shows as one. */
function list(listed) {
  const text = (value) => JSON.stringify(value);
  const rows = listed.map(({ at, ...row }) => {
    const fields = Object.entries(row).map(([name, value]) => `  ${text(name)}: ${text(value)},\n`).join('');
    const cases = Object.entries(at).map(([name, steps]) => (
      `   ${text(name)}: {\n${Object.entries(steps).map(([step, answer]) => `    ${text(step)}: ${text(answer)}`).join(',\n')}\n   }`
    ));
    return ` {\n${fields}  "at": {\n${cases.join(',\n')}\n  }\n }`;
  });
  writeFileSync(DIFFERENCES, `[\n${rows.join(',\n')}\n]\n`);
}

async function record(binary) {
  const told = await run(startCentrifugo, binary);
  const cases = Object.entries(told).map(([name, steps]) => `${JSON.stringify(name)}: [\n${steps.map((step) => ` ${JSON.stringify(step)}`).join(',\n')}\n]`);
  writeFileSync(RECORDED, `{\n${cases.join(',\n')}\n}\n`);
  console.log(`${Object.keys(told).length} cases, ${Object.values(told).flat().length} answers recorded`);
}

async function show(binary, form) {
  const listed = differences();
  const found = compare(recorded(), await fanfareOf(binary));
  for (const one of found.filter((difference) => !isListed(difference, listed))) {
    if (form === '--json') console.log(JSON.stringify(one));
    else console.log(`${one.at}\n  ${one.step}\n    theirs ${JSON.stringify(one.theirs)}\n    ours   ${JSON.stringify(one.ours)}`);
  }
  if (form !== '--json') console.log(`${found.length} answers differ`);
}

async function accept(binary) {
  const listed = differences();
  const found = compare(recorded(), await fanfareOf(binary));
  for (const row of listed) {
    const places = found.filter(({ at, step }) => row.at[at]?.[step] !== undefined);
    row.at = {};
    for (const { at, step, ours } of places) (row.at[at] ??= {})[step] = ours;
  }
  list(listed.filter((row) => Object.keys(row.at).length));
}

async function main([verb, binary, form]) {
  const verbs = { record, show, accept };
  if (!verbs[verb] || !binary) throw new Error('compare.mjs record|show|accept PROGRAM');
  await verbs[verb](binary, form);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv.slice(2));
