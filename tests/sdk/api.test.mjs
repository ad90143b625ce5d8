//! What a backend says through the server API, as clients of the official SDK see it over each transport and protocol. Bounds:
//! loopback only, 10 s for each wait.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { Client, WAYS } from './client.mjs';
import { Fanfare } from './server.mjs';
import { inSeconds, token } from './token.mjs';

describe('the server API', { concurrency: true }, () => {
  let fanfare;
  before(async () => { fanfare = await Fanfare.start(); });
  after(async () => {
    fanfare?.mustRun();
    await fanfare?.remove();
  });

  WAYS.forEach((way, index) => describe(way.name, { concurrency: false }, () => {
    const opened = [];
    const user = (name) => `${name}-${index}`;
    const channel = (name) => `${name}-${index}`;
    const open = async (name, options = {}) => {
      const client = await Client.open(way, fanfare.origin, options.token ? options : { user: user(name), ...options });
      opened.push(client);
      return client;
    };
    after(() => { for (const client of opened) client.close(); });

    test('publish reaches subscribers, but not whom it leaves out', async () => {
      const name = channel('room:api');
      const [ann, bob] = [await open('ann'), await open('bob')];
      const [hers, his] = [await ann.subscribe(name), await bob.subscribe(name)];
      const { offset } = await fanfare.api('publish', { channel: name, data: { n: 1 }, tags: { a: 'b' } });
      assert.equal(offset, 1);
      await fanfare.api('publish', { channel: name, data: { n: 2 }, exclude: [bob.id] });
      await fanfare.api('publish', { channel: name, data: { n: 3 } });
      await hers.received(3);
      await his.received(2);
      assert.deepEqual(hers.values, [{ n: 1 }, { n: 2 }, { n: 3 }]);
      assert.deepEqual(his.values, [{ n: 1 }, { n: 3 }]);
      assert.deepEqual(hers.publications[0].tags, { a: 'b' });
      assert.equal(his.subscribed.length, 1, 'what one is left out of is no gap');
    });

    test('bytes arrive as bytes, in JSON as base64', async () => {
      const name = channel('plain:bytes');
      const ann = await open('ann');
      const got = [];
      const subscription = ann.sdk.newSubscription(name);
      subscription.on('publication', ({ data }) => got.push(data));
      subscription.subscribe();
      await subscription.ready(10_000);
      const bytes = Buffer.from([0, 1, 2, 0xff, 0xfe, 0x80]);
      await fanfare.api('publish', { channel: name, b64data: bytes.toString('base64') });
      const [data] = await until('the publication', () => got.length === 1 && got);
      assert.deepEqual(way.binary ? Buffer.from(data) : data, way.binary ? bytes : bytes.toString('base64'));
    });

    test('send reaches a user, one session, or everyone, without a channel', async () => {
      const [first, second, other] = [await open('sent'), await open('sent'), await open('other')];
      await fanfare.api('send', { user: user('sent'), data: { to: 'user' } });
      await fanfare.api('send', { client: second.id, data: { to: 'session' } });
      await fanfare.api('send', { client: other.id, data: { to: 'other' } });
      const told = (client, to) => until(`a message to ${to}`, () => (
        client.messages.find((message) => message.to === to)
      ), 10_000, () => client.told);
      await told(first, 'user');
      await told(second, 'session');
      await told(other, 'other');
      await fanfare.api('send', { all: true, data: { to: `all ${index}` } });
      for (const client of [first, second, other]) await told(client, `all ${index}`);
      const mine = (client) => client.messages.map(({ to }) => to).filter((to) => !to.startsWith('all'));
      assert.deepEqual([first, second, other].map(mine), [['user'], ['user', 'session'], ['other']]);
    });

    test('subscribe, from a position on, and unsubscribe', async () => {
      const name = channel('given:api');
      const bob = await open('bob');
      for (let n = 1; n <= 5; n += 1) await bob.publish(name, { n });
      const { epoch } = await fanfare.api('history', { channel: name, limit: 0 });
      const ann = await open('subscribed');
      await fanfare.api('subscribe', {
        user: user('subscribed'), channel: name, data: { hello: 1 }, recover_since: { offset: 2, epoch },
      });
      const told = await until('subscribed', () => ann.subscribed[0], 10_000, () => ann.told);
      assert.deepEqual([told.channel, ann.open(told.data)], [name, { hello: 1 }]);
      await bob.publish(name, { n: 6 });
      await until('four publications', () => ann.publications.length === 4, 10_000, () => JSON.stringify(ann.publications));
      assert.deepEqual(ann.publications.map(({ data }) => data.n), [3, 4, 5, 6]);
      await fanfare.api('unsubscribe', { user: user('subscribed'), channel: name });
      assert.equal((await until('unsubscribed', () => ann.unsubscribed[0], 10_000, () => ann.told)).channel, name);
    });

    test('unsubscribe of a channel that the client took itself is 2000', async () => {
      const name = channel('room:api-leave');
      const ann = await open('leaver');
      const subscription = await ann.subscribe(name);
      await fanfare.api('unsubscribe', { user: user('leaver'), channel: name });
      assert.equal((await subscription.ended()).code, 2000);
    });

    test('disconnect: for good with 3503, or with a code that lets it come back', async () => {
      const ann = await open('leaving');
      await fanfare.api('disconnect', { user: user('leaving'), disconnect: { code: 4100, reason: 'come back' } });
      // The order goes from worker to worker: who comes back at once may meet it again on another one.
      await until('it came back, to stay', async () => {
        const { connections } = await fanfare.api('connections', { user: user('leaving') });
        return ann.connects.length > 1 && Object.keys(connections).join() === ann.id;
      }, 10_000, () => ann.told);
      await fanfare.api('disconnect', { user: user('leaving') });
      assert.equal((await ann.end()).code, 3503);
    });

    test('refresh gives a session more time, or none', async () => {
      const ann = await open('refreshed', { token: token({ sub: user('refreshed'), exp: inSeconds(600) }) });
      await fanfare.api('refresh', { user: user('refreshed'), expire_at: inSeconds(1200) });
      await ann.publish('plain:refreshed', {});
      assert.equal(ann.connects.length, 1);
      await fanfare.api('refresh', { user: user('refreshed'), expired: true });
      await until('it had to come back', () => ann.connects.length > 1, 10_000, () => ann.told);
    });

    test('connections lists a user\'s sessions', async () => {
      const ann = await open('listed');
      const { connections } = await fanfare.api('connections', { user: user('listed') });
      assert.deepEqual(Object.keys(connections), [ann.id]);
      assert.equal(connections[ann.id].user, user('listed'));
      assert.equal(connections[ann.id].protocol, way.binary ? 'protobuf' : 'json');
    });
  }));
});
