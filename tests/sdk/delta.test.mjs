//! Fossil delta and payloads that are no JSON, through the official SDK and its own patch code. Bounds: loopback only, 10 s for
//! each wait.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { until, within } from '../nginx/until.mjs';
import { Client, WAYS } from './client.mjs';
import { Cut } from './cut.mjs';
import { Fanfare } from './server.mjs';
import { inSeconds, token } from './token.mjs';

const JSON_SOCKET = WAYS[0];
const PROTOBUF_SOCKET = WAYS[1];

/** Version `n` of a document of some 3 KiB, of which each version changes two places. */
function version(n) {
  const rows = Array.from({ length: 40 }, (_, row) => ({
    id: row, title: `第${row}行 🎺 "row" \\ ${row}`, count: (row === n % 40 || row === (n * 7) % 40) ? n : 0,
  }));
  return { version: n, rows };
}

/** A plain client of /relay that publishes what it is told, as text or binary. */
async function relay(fanfare, channel) {
  const query = new URLSearchParams({ channel, token: token({ sub: 'raw', exp: inSeconds(600) }) });
  const socket = new WebSocket(`${fanfare.origin.replace('http', 'ws')}/relay?${query}`);
  await within('the raw endpoint', new Promise((opened, failed) => {
    socket.on('open', opened);
    socket.on('error', failed);
  }));
  return socket;
}

describe('fossil delta', { concurrency: true }, () => {
  let fanfare;
  let cut;
  const opened = [];
  const open = async (way, user, origin = fanfare.origin) => {
    const client = await Client.open(way, origin, { user });
    opened.push(client);
    return client;
  };
  before(async () => {
    fanfare = await Fanfare.start();
    cut = await Cut.before(fanfare.port);
  });
  after(async () => {
    for (const client of opened) client.close();
    await cut?.remove();
    fanfare?.mustRun();
    await fanfare?.remove();
  });

  WAYS.forEach((way, index) => {
    test(`versions of one document, by ${way.name}`, async () => {
      const name = `delta:versions-${index}`;
      const [ann, bob] = [await open(way, 'ann'), await open(JSON_SOCKET, 'bob')];
      const subscription = await ann.subscribe(name, { delta: 'fossil' });
      const plain = await bob.subscribe(name);
      const versions = Array.from({ length: 60 }, (_, n) => version(n));
      for (const document of versions) await bob.publish(name, document);
      await subscription.received(versions.length);
      assert.deepEqual(subscription.values, versions);
      const stats = subscription.sdk.deltaStats();
      assert.equal(stats.numDeltaPayloads, versions.length - 1);
      assert.ok(stats.compressionRatio > 0.85, JSON.stringify(stats));
      await plain.received(versions.length);
      assert.deepEqual(plain.values, versions);
    });
  });

  test('changes that share nothing come whole', async () => {
    const ann = await open(JSON_SOCKET, 'ann');
    const subscription = await ann.subscribe('delta:whole', { delta: 'fossil' });
    const values = ['一', 2, { three: 3 }, [4], null, 'six 🎺🎺', { seven: 'x'.repeat(300) }, 'y'];
    for (const value of values) await ann.publish('delta:whole', value);
    await subscription.received(values.length);
    assert.deepEqual(subscription.values, values);
  });

  for (const way of [JSON_SOCKET, PROTOBUF_SOCKET]) {
    test(`what is recovered comes as patches too, and live ones go on from there: ${way.name}`, async () => {
      const name = `delta:cut-${way.binary}`;
      const alone = await Cut.before(fanfare.port);
      try {
        const [ann, bob] = [await open(way, 'ann', alone.origin), await open(JSON_SOCKET, 'bob')];
        const subscription = await ann.subscribe(name, { delta: 'fossil' });
        const publish = async (from, to) => { for (let n = from; n <= to; n += 1) await bob.publish(name, version(n)); };
        await publish(1, 5);
        await subscription.received(5);
        alone.cut();
        await until('the cut is noticed', () => subscription.subscribing.length > 1);
        await publish(6, 30);
        alone.mend();
        await publish(31, 40);
        await subscription.received(40);
        await publish(41, 45);
        await subscription.received(45);
        assert.deepEqual(subscription.values, Array.from({ length: 45 }, (_, n) => version(n + 1)));
        assert.equal(subscription.subscribed[1].recovered, true);
        assert.ok(subscription.sdk.deltaStats().numDeltaPayloads >= 40, JSON.stringify(subscription.sdk.deltaStats()));
      } finally {
        await alone.remove();
      }
    });
  }

  test('text that is no JSON becomes a JSON string, as patches as well', async () => {
    const name = 'delta:text';
    const [ann, bob] = [await open(JSON_SOCKET, 'ann'), await open(JSON_SOCKET, 'bob')];
    const [patched, plain] = [await ann.subscribe(name, { delta: 'fossil' }), await bob.subscribe(name)];
    const raw = await relay(fanfare, name);
    const texts = Array.from({ length: 20 }, (_, n) => `${'今天天气很好 🎺 "quoted"\n'.repeat(30)} line ${n} \u2028 end`);
    for (const text of texts) raw.send(text);
    for (const subscription of [patched, plain]) {
      await subscription.received(texts.length);
      assert.deepEqual(subscription.values, texts);
    }
    assert.equal(patched.sdk.deltaStats().numDeltaPayloads, texts.length - 1);
    raw.terminate();
  });

  test('JSON over several lines arrives as what it means', async () => {
    const name = 'delta:lines';
    const ann = await open(JSON_SOCKET, 'ann');
    const subscription = await ann.subscribe(name);
    const raw = await relay(fanfare, name);
    raw.send('{\r\n  "a": [1,\n 2],\n  "b": "x\\ny"\n}\n');
    const [{ data }] = await subscription.received(1);
    assert.deepEqual(data, { a: [1, 2], b: 'x\ny' });
    raw.terminate();
  });

  test('any bytes pass through Protobuf, and reach JSON as base64', async () => {
    const name = 'delta:bytes';
    const [ann, eve] = [await open(PROTOBUF_SOCKET, 'ann'), await open(PROTOBUF_SOCKET, 'eve')];
    const bob = await open(JSON_SOCKET, 'bob');
    const bytes = Uint8Array.from({ length: 1024 }, (_, index) => (index * 7) % 256);
    const listen = async (client, delta) => {
      const got = [];
      const subscription = client.sdk.newSubscription(name, delta ? { delta: 'fossil' } : {});
      subscription.on('publication', ({ data }) => got.push(data));
      subscription.subscribe();
      await subscription.ready(10_000);
      return got;
    };
    const [mine, text, patched] = [await listen(ann), await listen(bob), await listen(eve, true)];
    const raw = await relay(fanfare, name);
    await ann.sdk.publish(name, bytes);
    await until('the first one came', () => patched.length === 1);
    raw.send(Uint8Array.from(bytes, (byte, index) => (index === 500 ? 0 : byte)));
    await until('both came to all', () => [mine, text, patched].every((got) => got.length === 2));
    const second = Buffer.from(bytes);
    second[500] = 0;
    for (const got of [mine, patched]) {
      assert.deepEqual(Buffer.from(got[0]), Buffer.from(bytes));
      assert.deepEqual(Buffer.from(got[1]), second);
    }
    assert.deepEqual(text, [Buffer.from(bytes).toString('base64'), second.toString('base64')]);
    raw.terminate();
  });
});
