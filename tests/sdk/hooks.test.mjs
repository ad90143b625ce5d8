//! Hooks as clients of the official SDK see them, in JSON and in Protobuf: the backend decides who comes in, who subscribes, what
//! is published, and answers rpc. Bounds: loopback only, 10 s for each wait.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { Backend } from './backend.mjs';
import { Client, WAYS, errorOf } from './client.mjs';
import { Fanfare, SETTINGS } from './server.mjs';
import { inSeconds } from './token.mjs';

const HOOKED = `
[[namespace]]
name = "asked"
history_size = 100
recovery = true
presence = true
allow.subscribe = ["hook"]
allow.publish = ["hook"]
allow.presence = ["hook"]
`;

describe('hooks', { concurrency: false }, () => {
  let backend;
  let fanfare;
  const opened = [];

  before(async () => {
    backend = await Backend.start();
    fanfare = await Fanfare.start(`${SETTINGS}${HOOKED}${backend.settings}`);
  });
  after(async () => {
    for (const client of opened) client.close();
    fanfare?.mustRun();
    await fanfare?.remove();
    await backend?.remove();
  });

  // JSON comes as JSON, from Protobuf clients too; a backend may answer them in base64.
  const withData = (way, value) => (
    way.binary ? { b64data: Buffer.from(JSON.stringify(value)).toString('base64') } : { data: value }
  );
  const letIn = (user, more = {}) => { backend.answers.connect = () => ({ result: { user, ...more } }); };

  async function open(way, user, more, options) {
    letIn(user, more);
    const client = await Client.open(way, fanfare.origin, options);
    opened.push(client);
    return client;
  }

  for (const [index, way] of WAYS.slice(0, 3).entries()) {
    describe(way.name, { concurrency: false }, () => {
      // What expires is asked for again, with the answers of the next test.
      afterEach(() => { for (const client of opened.splice(0)) client.close(); });

      test('connect: the backend says who it is, and what it has from the start', async () => {
        const given = `given:hook-${index}`;
        const more = { ...withData(way, { welcome: '你好' }), info: { name: 'Ann' }, meta: { kept: 1 }, channels: [given] };
        const data = way.binary ? new TextEncoder().encode('{"from":"ann"}') : { from: 'ann' };
        const headers = { 'X-Trace': 'abc', 'X-Other': 'no' };
        const client = await open(way, 'ann', more, { data, headers, name: 'tests', version: '1.2' });
        assert.deepEqual(client.open(client.connects[0].data), { welcome: '你好' });
        const call = backend.calls.at(-1);
        assert.deepEqual(call.body.data, { from: 'ann' });
        const { client: id, transport, protocol, encoding, name, version } = call.body;
        assert.deepEqual({ id, transport, protocol, encoding, name, version }, {
          id: client.id, transport: way.transport, protocol: way.binary ? 'protobuf' : 'json',
          encoding: 'json', name: 'tests', version: '1.2',
        });
        assert.equal(call.headers['x-trace'], 'abc');
        assert.equal(call.headers['x-other'], undefined);
        await until('subscribed', () => client.subscribed[0], 10_000, () => client.told);
        await client.publish(given, { n: 1 });
        const publication = await until('the publication', () => client.publications[0]);
        assert.deepEqual([publication.channel, publication.data], [given, { n: 1 }]);
        assert.equal(publication.info.user, 'ann');
      });

      test('connect: an error goes to the client, a temporary one makes it try again, a disconnect ends it', async () => {
        backend.answers.connect = () => ({ error: { code: 1403, message: 'not you' } });
        const refused = new Client(way, fanfare.origin);
        refused.sdk.connect();
        assert.deepEqual(await refused.end(), { code: 1403, reason: 'not you' });

        let asked = 0;
        backend.answers.connect = () => {
          asked += 1;
          return asked < 3 ? { error: { code: 1503, message: 'later', temporary: true } } : { result: { user: 'ann' } };
        };
        const patient = new Client(way, fanfare.origin);
        opened.push(patient);
        await patient.connect();
        assert.equal(asked, 3);

        backend.answers.connect = () => ({ disconnect: { code: 4500, reason: 'go away' } });
        const ended = new Client(way, fanfare.origin);
        ended.sdk.connect();
        assert.deepEqual(await ended.end(), { code: 4500, reason: 'go away' });
      });

      test('refresh: the backend is asked when the session expires, until it says no', async () => {
        let asked = 0;
        backend.answers.refresh = ({ user, meta }) => {
          assert.deepEqual({ user, meta }, { user: 'ann', meta: { kept: 2 } });
          asked += 1;
          return { result: asked < 3 ? { expire_at: inSeconds(1) } : { expired: true } };
        };
        const client = await open(way, 'ann', { expire_at: inSeconds(1), meta: { kept: 2 } });
        letIn('ann');
        await until('it had to come back', () => client.connects.length === 2, 10_000, () => client.told);
        assert.equal(asked, 3);
      });

      test('subscribe: allowed with more rights, refused, expiring', async () => {
        const client = await open(way, 'ann', { meta: { kept: 3 } });
        const name = `asked:subscribe-${index}`;
        backend.answers.subscribe = ({ channel, user, meta }) => {
          assert.deepEqual({ user, meta }, { user: 'ann', meta: { kept: 3 } });
          if (channel.endsWith('no')) return { error: { code: 1404, message: 'none of that' } };
          return { result: { expire_at: inSeconds(1), info: { seat: 1 }, allow: ['prs'], ...withData(way, { topic: 'x' }) } };
        };
        let renewed = 0;
        backend.answers.sub_refresh = ({ channel }) => {
          assert.equal(channel, name);
          renewed += 1;
          return { result: renewed < 2 ? { expire_at: inSeconds(1) } : { expired: true } };
        };
        const subscription = await client.subscribe(name);
        assert.deepEqual(client.open(subscription.subscribed[0].data), { topic: 'x' });
        const { clients } = await client.sdk.presence(name);
        assert.deepEqual(client.open(clients[client.id].chanInfo), { seat: 1 });
        assert.equal((await client.subscription(`${name}-no`).ended()).code, 1404);
        // 2501 makes the SDK subscribe again.
        await subscription.ready(2);
        assert.equal(renewed, 2);
        assert.equal(client.connects.length, 1);
      });

      test('publish: the backend may change it, refuse it, and be down', async () => {
        const name = `asked:publish-${index}`;
        backend.answers.subscribe = () => ({ result: {} });
        backend.answers.publish = (body) => {
          const { n } = body.data;
          if (n === 2) return { error: { code: 1402, message: 'too rude' } };
          return { result: { ...withData(way, { n, checked: true }), tags: { by: 'backend' } } };
        };
        const client = await open(way, 'ann');
        const subscription = await client.subscribe(name);
        await client.publish(name, { n: 1 });
        assert.equal(await errorOf(client.publish(name, { n: 2 })), 1402);
        backend.answers.publish = () => ({ unexpected: true });
        assert.equal(await errorOf(client.publish(name, { n: 3 })), 100);
        backend.answers.publish = () => ({ result: {} });
        await client.publish(name, { n: 4 });
        await subscription.received(2);
        assert.deepEqual(subscription.values, [{ n: 1, checked: true }, { n: 4 }]);
        assert.deepEqual(subscription.publications[0].tags, { by: 'backend' });
      });

      test('rpc: an answer, an error, nothing in time, a disconnect; others do not wait', async () => {
        const client = await open(way, 'ann', { meta: { kept: 4 } });
        let release;
        const held = new Promise((go) => { release = go; });
        backend.answers.rpc = async (body) => {
          assert.deepEqual([body.user, body.meta], ['ann', { kept: 4 }]);
          switch (body.method) {
            case 'add': { const { a, b } = body.data; return { result: withData(way, { sum: a + b }) }; }
            case 'fail': return { error: { code: 1400, message: 'cannot', temporary: true } };
            case 'slow': await held; return { result: {} };
            default: return { disconnect: { code: 4501, reason: 'enough' } };
          }
        };
        assert.deepEqual(await client.rpc('add', { a: 2, b: 3 }), { sum: 5 });
        assert.equal(await errorOf(client.rpc('fail', {})), 1400);
        const started = Date.now();
        let answered = false;
        const slow = errorOf(client.rpc('slow', {})).finally(() => { answered = true; });
        const before = await client.rpc('add', { a: 1, b: 1 });
        assert.deepEqual([before, answered], [{ sum: 2 }, false], 'a later call is answered first');
        assert.equal(await slow, 100);
        assert.ok(Date.now() - started < 4000, 'the timeout of 1 s counts');
        release();
        client.rpc('leave', {}).catch(() => {});
        assert.deepEqual(await client.end(), { code: 4501, reason: 'enough' });
      });

      test('send: the backend\'s answer comes as messages', async () => {
        const client = await open(way, 'ann');
        backend.answers.message = (text) => [{ got: JSON.parse(text) }, { n: 2 }];
        await client.sdk.send(client.pack({ n: 1 }));
        await until('two messages', () => client.messages.length === 2 || client.ends.length > 0, 10_000, () => client.told);
        assert.deepEqual(client.messages, [{ got: { n: 1 } }, { n: 2 }]);
      });
    });
  }

  test('events tell the life of a session in order', async () => {
    const client = await open(WAYS[0], 'events');
    backend.answers.subscribe = () => ({ result: {} });
    const { id } = client;
    const subscription = await client.subscribe('asked:events');
    subscription.sdk.unsubscribe();
    await until('unsubscribed', () => backend.events.some(({ type, client: of }) => type === 'unsubscribed' && of === id));
    await client.subscribe('asked:again');
    client.close();
    const mine = () => backend.events.filter(({ client: of }) => of === id);
    await until('the end is told', () => mine().some(({ type }) => type === 'disconnected'), 10_000, () => JSON.stringify(mine()));
    assert.deepEqual(mine().map(({ type, channel = '' }) => `${type} ${channel}`.trim()), [
      'connected', 'subscribed asked:events', 'unsubscribed asked:events', 'subscribed asked:again',
      'unsubscribed asked:again', 'disconnected',
    ]);
    assert.equal(mine()[0].user, 'events');
    await until('channels are told', () => ['occupied', 'vacated'].every((word) => backend.events.some(
      ({ type, channel }) => type === `channel_${word}` && channel === 'asked:again',
    )), 10_000, () => JSON.stringify(backend.events.slice(-10)));
  });
});
