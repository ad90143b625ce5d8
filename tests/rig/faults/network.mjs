//! Faults of the network, by the doors that the clients and the backend stand behind, and of those at its ends: slow and dead
//! readers, a backend that is down or slow, floods, connections that say nothing. Each answers what it did.

import { connect } from 'node:net';

import { CHANNELS, ROOMS } from '../settings.mjs';

const pause = (ms) => new Promise((next) => { setTimeout(next, ms); });

/** A fault of some connections of some doors. */
function harm(how, [from, to]) {
  return async ({ doors, random }) => {
    const ms = Math.round(random.between(from, to));
    const share = random.of([10, 30, 100]);
    const chosen = doors.filter(() => random.percent(60));
    const connections = chosen.map((door) => door.harm(random, share, how, ms)).reduce((sum, count) => sum + count, 0);
    return { connections, ms };
  };
}

export const cut = harm('cut', [0, 0]);
export const reset = harm('reset', [0, 0]);
export const stall = harm('stall', [300, 3000]);
export const oneway = harm('oneWay', [300, 3000]);
export const halfopen = harm('halfOpen', [300, 2500]);
export const trickle = harm('trickle', [300, 1500]);

/** A door refuses everybody, after it has cut everybody. */
export async function away({ doors, random }) {
  const door = random.of(doors);
  const ms = Math.round(random.between(200, 2500));
  door.mode = 'refuse';
  const connections = door.harm(random, 100, 'reset');
  await pause(ms);
  door.mode = null;
  return { connections, ms };
}

/** Clients that read nothing for a while; some for longer than the node bears. */
export async function slow({ residents, random }) {
  const ms = Math.round(random.between(300, 6000));
  return { ...await residents.ask('sleep', { share: random.of([5, 20]), ms, seed: random.below(2 ** 32) }), ms };
}

/** What can be done to the connections between node and backend. */
const HARM = ['cut', 'reset', 'stall', 'oneWay', 'halfOpen', 'trickle'];

/** Does it once to each connection that is there at some moment of this time, since they come and go with the events; answers how many. */
async function harmEach(door, how, ms) {
  const harmed = new Set();
  const end = performance.now() + ms;
  for (let left = ms; left > 0; left = end - performance.now()) {
    for (const pair of door.pairs) {
      if (!harmed.has(pair)) pair[how](left);
      harmed.add(pair);
    }
    await pause(Math.min(100, left));
  }
  return harmed.size;
}

/** The backend answers late, wrong, or is not there; or the network between the node and it does what networks do. */
export async function backend(world) {
  const { random, backendDoor } = world;
  const how = random.of(['slow', 'broken', 'down', ...HARM]);
  const ms = Math.round(random.between(300, 3000));
  if (HARM.includes(how)) return { how, ms, connections: await harmEach(backendDoor, how, ms) };
  let connections = 0;
  if (how === 'down') {
    backendDoor.mode = 'refuse';
    connections = backendDoor.harm(random, 100, 'reset');
  } else {
    world.backend.mode = how;
  }
  await pause(ms);
  world.backend.mode = 'ok';
  backendDoor.mode = null;
  return { how, ms, connections };
}

/** Much at once, into few channels. */
export async function flood({ load, random }) {
  const channels = [random.of(CHANNELS), random.of(CHANNELS)];
  const batches = 2 + random.below(4);
  for (let index = 0; index < batches; index += 1) await load.batch(Array.from({ length: 200 }, () => random.of(channels)));
  return { publications: batches * 200 };
}

/** Connections that say nothing, or half of something. */
export async function mute({ node, random }) {
  const count = 50 + random.below(150);
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port: node.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    if (random.percent(50)) socket.write(random.of(['GET /connection/web', 'GET / HTTP/1.1\r\nHost: x\r\n', '\x16\x03\x01']));
    return socket;
  });
  await pause(random.between(500, 3000));
  for (const socket of sockets) socket.destroy();
  return { connections: count };
}

/** Descriptors used up: more connections than the node may open. */
export async function descriptors({ node, random }) {
  const connections = node.descriptorsMax;
  const sockets = [];
  for (let index = 0; index < connections; index += 1) {
    const socket = connect({ port: node.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    sockets.push(socket);
  }
  await pause(random.between(500, 2000));
  for (const socket of sockets) socket.destroy();
  return { connections };
}

/** What the backend orders: sessions are closed, taken out of channels and put into others. */
export async function orders({ node, random, options }) {
  const done = {};
  for (let index = 0; index < 6; index += 1) {
    const user = `${random.of(['sdk-json', 'sdk-protobuf', 'sdk-sse'])}-${random.below(options.clients)}`;
    const [method, request] = random.of([
      ['disconnect', { user, disconnect: { code: 4001, reason: 'come back' } }],
      ['unsubscribe', { user, channel: random.of(CHANNELS) }],
      ['subscribe', { user: `visitor-${random.below(50)}`, channel: random.of(ROOMS) }],
      ['subscribe', { user: `visitor-${random.below(50)}`, channel: random.of(CHANNELS), recover_since: { offset: 0, epoch: 'none' } }],
    ]);
    await node.api(method, request).catch(() => {});
    done[method] = (done[method] ?? 0) + 1;
  }
  return done;
}
