//! Publishers behind a door of the fault proxy: an answer that is lost on its way is no refusal, and is asked for again with the key.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { until } from '../../nginx/until.mjs';
import { Book } from '../book/book.mjs';
import { Verdict } from '../book/verdict.mjs';
import { Door } from '../proxy.mjs';
import { HttpPublisher } from '../publishers/http.mjs';
import { Load } from '../publishers/load.mjs';

const CHANNEL = 'kept:1';
const ANSWER_AFTER_MS = 80;
const words = { channel: CHANNEL, data: { n: 1 }, key: 'one of its own' };
/** What the server was asked for, and where it put each key. */
const node = { asked: [], places: new Map() };
let [server, door] = [];

/** A node that takes each key once and answers a while later. */
async function answer(request, response) {
  let text = '';
  for await (const piece of request) text += piece;
  if (!request.url.startsWith('/api/')) {
    response.writeHead(404).end();
    return;
  }
  const body = JSON.parse(text);
  const place = (key) => {
    if (!node.places.has(key)) node.places.set(key, { offset: node.places.size + 1, epoch: 'e' });
    return node.places.get(key);
  };
  node.asked.push(request.url);
  const told = body.commands
    ? { replies: body.commands.map(({ publish }) => ({ publish: place(publish.idempotency_key) })) }
    : { result: place(body.idempotency_key) };
  setTimeout(() => response.end(JSON.stringify(told)), ANSWER_AFTER_MS);
}

before(async () => {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  door = await Door.before(server.address().port);
});
after(() => {
  server.closeAllConnections();
  server.close();
  door.remove();
});

/** Cuts whoever is behind the door once the node has been asked so often. */
async function cutAfter(count) {
  await until('the node is asked', () => node.asked.length >= count, 2000);
  for (const pair of door.pairs) pair.cut();
}

test('an answer that is lost behind a door is unknown, and so is what a door refuses', async () => {
  const publisher = new HttpPublisher(door.port, 2);
  const lost = publisher.single(words);
  await cutAfter(node.asked.length + 1);
  assert.ok((await lost).unknown);
  assert.deepEqual(await publisher.single(words), { ok: { offset: 1, epoch: 'e' } });
  door.mode = 'refuse';
  for (const pair of door.pairs) pair.reset();
  assert.ok((await publisher.single(words)).unknown);
  door.mode = null;
  publisher.remove();
});

test('what was not answered is tried again with its key, and is in the stream once', async () => {
  const verdict = new Verdict(1);
  const book = new Book(verdict, { lasts: true, historySize: 10 });
  const random = { percent: () => true, below: () => 0, between: (from) => from, of: (list) => list[0], next: () => 0 };
  const load = new Load(book, random, server.address().port, [door.port, door.port]);
  const [asked, placed] = [node.asked.length, node.places.size];
  const batch = load.batch([CHANNEL, CHANNEL], load.doors[0]);
  await cutAfter(asked + 1);
  await batch;
  await until('all is answered', () => load.waiting === 0, 2000);
  load.stop();
  assert.equal(load.again, 2);
  assert.equal(load.behind, 0);
  assert.equal(node.places.size - placed, 2);
  assert.equal(book.figures().answered, 2);
  assert.deepEqual(verdict.faults, []);
});
