//! The rig: drives real nodes with real clients, breaks things, and decides by its own book whether anything was lost. `run` starts
//! it with what it needs installed.
//!
//!     node main.mjs [--seed S] [--minutes M] [--faults a,b] [--clients N] [--soak S] [--soak-restarts S]
//!
//! A minute is a long life of the node under faults that leave the process alone, a quiet in which everything must agree, and some
//! short lives, of which one ends by each of the faults that end a process. Prints each fault as it is found and one JSON line of figures; the exit status is
//! 0 only when no rule was broken and the load was as promised. Bounds: loopback only. It owns the node, its threads and its
//! folder, and ends them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Backend } from './backend.mjs';
import { Book } from './book/book.mjs';
import { RULES, Verdict } from './book/verdict.mjs';
import { Explanations, checkLog, lookAtFiles } from './checks/log.mjs';
import { checkQuiet, checkZero } from './checks/quiet.mjs';
import { checkBlocked } from './faults/access.mjs';
import { Certificates } from './faults/certificate.mjs';
import { Clock, faketime } from './faults/clock.mjs';
import { ENDS, WHILE_IT_LIVES, begin, choose } from './faults/index.mjs';
import { features } from './features.mjs';
import { Machine } from './crash/crash.mjs';
import { Node } from './node.mjs';
import { parse } from './options.mjs';
import { Door } from './proxy.mjs';
import { Load } from './publishers/load.mjs';
import { Draws, Random } from './random.mjs';
import { CHANNELS, DRAIN_MAX_MS, ROOMS, SYNC_MS, WIDE } from './settings.mjs';
import { soak, soakRestarts } from './soak.mjs';
import { Thread } from './thread.mjs';

const DOORS = 8;
/** What the node may open where descriptors are to run out: enough for the load, and not for what comes on top. */
const DESCRIPTORS_MAX = 1800;
/** By so many of them publishers go too. */
const PUBLISHERS_DOORS = 4;
const WATCHERS = 6;
const READY_MAX_MS = 20_000;
/** Of a minute: the long life, what the short ones last, and the one behind them. */
const LONG_MS = 22_000;
/** The long life brings so many sessions, if need be by lasting twice as long: what is wrong with one of 5,000 must show. */
const LONG_SESSIONS = 6000;
const SHORT_MS = [2000, 3500];
const LAST_MS = [6000, 8000];
/** How much longer the last one may be where the machine has other things to do too. */
const LATE_MAX_MS = 20_000;
const SHORT_LIVES_MIN = 3;
const CALM_MS = [300, 1500];
/** What a minute must bring, or the run has shown less than it says. */
const DUE = { publications: 20_000, sessions: 10_000, joinsAndLeaves: 2000, restarts: 3 };

const say = (text) => process.stdout.write(`rig: ${(performance.now() / 1000).toFixed(1)} s: ${text}\n`);
const pause = (ms) => new Promise((next) => { setTimeout(next, ms); });

async function open(options) {
  const folder = mkdtempSync(join(tmpdir(), 'fanfare-rig-'));
  const verdict = new Verdict(options.seed);
  const can = await features(options.binary);
  const certificates = Certificates.in(folder);
  const { chosen, left } = choose(options.faults, { ...can, certificates });
  const state = can.state ? join(folder, 'state') : null;
  const machine = state && can.recorder ? new Machine(can.recorder, folder, state) : null;
  const book = new Book(verdict, { lasts: state !== null, historySize: options.historySize });
  const backend = new Backend(verdict);
  await backend.start();
  const backendDoor = await Door.before(backend.port);
  const clock = chosen.includes('clock') && faketime() ? new Clock(folder) : null;
  const preload = [clock?.library, machine?.library].filter(Boolean).join(' ');
  const env = () => ({ ...clock?.env, ...machine?.env, ...(preload && { LD_PRELOAD: preload }) });
  const node = new Node(options.binary, folder, {
    env, backend: `http://127.0.0.1:${backendDoor.port}`, extra: state ? `[state]\ndir = "${state}"\nsync = "${SYNC_MS}ms"\n` : '',
    historySize: options.historySize, keysTtl: options.keysTtl, certificates, descriptorsMax: chosen.includes('descriptors') ? DESCRIPTORS_MAX : null,
  });
  await node.place();
  const doors = [];
  for (let index = 0; index < DOORS; index += 1) doors.push(await Door.before(node.port));
  const world = {
    options, folder, verdict, book, backend, backendDoor, certificates, clock, machine, state, node, doors, chosen, left,
    say, draws: new Draws(options.seed), random: null, minute: 0, explanations: new Explanations(), restarts: 0, done: new Set(),
    lost: 0, blocks: 0, blocked: new Set(), crashes: 0,
  };
  return world;
}

/** Starts whoever is to be there all the time. */
async function populate(world) {
  const { options, node, doors, verdict, book } = world;
  const heard = {
    fault: ({ fault }) => verdict.fault(fault),
    seen: ({ places }) => { for (const [channel, epoch, offset, number] of places) book.seen(channel, epoch, offset, number, 'a client'); },
    lost: ({ client, channel, from, to }) => {
      world.lost += 1;
      book.lost(client, channel, from, to);
    },
    drained: ({ client, had }) => book.drained(client, had),
    run: ({ client, channel, numbers }) => book.run(client, channel, numbers),
  };
  const ports = [...doors.map(({ port }) => port), ...doors.map(() => node.port)];
  world.residents = new Thread('clients/residents.mjs', { seed: options.seed, clients: options.clients, doors: ports, channels: CHANNELS, wide: WIDE }, heard);
  world.churn = new Thread('clients/churn.mjs', { seed: options.seed, port: node.port, doors: doors.map(({ port }) => port), rooms: ROOMS, channels: CHANNELS, watchers: WATCHERS }, heard);
  world.load = new Load(book, new Random(options.seed, 'load'), node.port, doors.slice(0, PUBLISHERS_DOORS).map(({ port }) => port));
  await world.churn.ask('watch');
  await ready(world);
}

/** Waits until whoever is to be there is. */
async function ready({ residents, churn, load, verdict }) {
  const end = performance.now() + READY_MAX_MS;
  let late;
  do {
    await pause(50);
    late = (await residents.ask('behind', { tops: {} })).late;
  } while ((late.length > 0 || !load.ready || !(await churn.ask('quiet')).ready) && performance.now() < end);
  for (const one of late) verdict.fault({ rule: 'complete', ...one, text: `${one.text}, though nothing is done to it` });
}

async function act(world, name, fault) {
  const over = begin(world, name);
  try {
    say(`${name} ${JSON.stringify(await fault(world))}`);
  } catch (error) {
    if (name in ENDS) throw error;
    say(`${name} could not be done: ${error.message}`);
  } finally {
    over();
  }
}

/** The load and the faults that leave the process alone, for so long, and up to twice as long until so many sessions were there. */
async function long(world, ms, sessions = 0) {
  const { chosen, load, churn, options } = world;
  const names = chosen.filter((name) => name in WHILE_IT_LIVES);
  load.rate = options.rate;
  await churn.ask('rate', { rate: options.visits });
  const { opened } = await churn.ask('figures');
  const isDue = async () => (await churn.ask('figures')).opened < opened + sessions;
  const began = performance.now();
  while (performance.now() < began + ms || (performance.now() < began + 2 * ms && await isDue())) {
    // How many there is time for depends on the machine; the first, second and so on of a minute are the same.
    world.random = world.draws.of(`long ${world.minute}`);
    await pause(world.random.between(...CALM_MS));
    const name = world.random.of(names.length > 0 ? names : [null]);
    if (name) await act(world, name, WHILE_IT_LIVES[name]);
  }
}

async function quiet(world) {
  world.load.rate = 0;
  await world.churn.ask('rate', { rate: 0 });
  await checkQuiet(world);
  await lookAtFiles(world);
}

/** What is due of the minutes so far, and is not there. */
async function shortfalls({ options, book, churn, restarts, minute }) {
  const { opened, joins, leaves } = await churn.ask('figures');
  const are = { publications: book.figures().answered, sessions: opened, joinsAndLeaves: joins + leaves, restarts };
  const few = Object.entries(DUE).filter(([what, least]) => are[what] < least * minute);
  return options.isWhole ? few.map(([what, least]) => `${what} ${are[what]}, and ${least * minute} are due`) : [];
}

async function shorts(world) {
  const { chosen, load, churn, options } = world;
  const random = world.draws.of('ends');
  const ends = random.shuffled(chosen.filter((name) => name in ENDS));
  if (ends.length === 0) return;
  // In each run, so that each end shows whether blocks outlive it.
  if (chosen.includes('block')) await act(world, 'block', WHILE_IT_LIVES.block);
  load.rate = options.rate;
  await churn.ask('rate', { rate: options.visits });
  // Each of them once, before chance decides.
  while (ends.length < SHORT_LIVES_MIN) ends.push(random.of(ends));
  for (const name of ends) {
    world.random = world.draws.of('end');
    await pause(world.random.between(...SHORT_MS));
    await act(world, name, ENDS[name]);
    await pause(500);
    await checkBlocked(world);
    await lookAtFiles(world);
    world.book.checkRuns();
  }
  await pause(random.between(...LAST_MS));
  const end = performance.now() + LATE_MAX_MS;
  while (options.isWhole && performance.now() < end && (await shortfalls(world)).length > 0) await pause(500);
}

/** All that the run is asked for; answers figures of its own. */
async function live(world) {
  const { options, chosen } = world;
  const ends = chosen.filter((name) => name in ENDS).map((name) => [name, ENDS[name]]);
  if (options.soaks.memory) return soak(world, options.soakMs, long, quiet);
  if (options.soaks.restarts) return soakRestarts(world, options.soakRestartsMs, long, quiet, ends);
  for (let minute = 0; minute < options.minutes; minute += 1) {
    world.minute = minute + 1;
    await long(world, LONG_MS, options.isWhole ? LONG_SESSIONS : 0);
    await quiet(world);
    await shorts(world);
    await quiet(world);
  }
  return {};
}

/** Everybody goes; nothing is left. */
async function leave(world, before) {
  const { residents, churn, load, node, verdict, book } = world;
  load.stop();
  await residents.ask('stop');
  await churn.ask('stop');
  await checkZero(world, before);
  node.signal('SIGTERM');
  const status = await node.ended(DRAIN_MAX_MS);
  if (status !== 0) verdict.fault({ rule: 'exit', text: `with nobody there, the node ended with ${status}` });
  await pause(200);
  book.checkRuns();
  checkLog(verdict, node.lines, world.explanations);
}

function report(world, began, few) {
  const { verdict, book, options, load, figures } = world;
  const { publications, answered, refused, unknown, by } = book.figures();
  const told = {
    seed: options.seed, minutes: options.minutes, seconds: Math.round((performance.now() - began) / 1000), clients: options.clients,
    publications, answered, refused, unknown, by, ...figures, restarts: world.restarts, told_lost: world.lost,
    tried_again: load.again, slowest_answer_ms: Math.round(load.slowest), faults: [...world.done], left_out: [...world.left.keys()], rules: Object.keys(RULES).length, rules_broken: verdict.counts, good: verdict.isGood,
  };
  if (few.length > 0) {
    told.good = false;
    say(`this run shows less than it should: ${few.join('; ')}`);
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
  return told.good;
}

async function main() {
  const options = parse(process.argv.slice(2));
  const began = performance.now();
  say(`seed ${options.seed}, ${options.minutes} min, ${options.clients} clients that stay, ${options.binary}`);
  const world = await open(options);
  for (const [name, why] of world.left) say(`left out: ${name}: ${why}`);
  let good = false;
  try {
    await world.node.start();
    const before = world.node.descriptors();
    await populate(world);
    const soaked = await live(world);
    world.figures = { ...await world.residents.ask('figures'), ...soaked };
    const { deliveries, ...churned } = await world.churn.ask('figures');
    Object.assign(world.figures, churned);
    const few = await shortfalls(world);
    await leave(world, before);
    good = report(world, began, few);
  } finally {
    await world.node.remove();
    if (good) rmSync(world.folder, { recursive: true, force: true });
    else say(`the node's log and settings are in ${world.folder}; again with --seed ${options.seed}`);
  }
  process.exit(good ? 0 : 1);
}

await main();
