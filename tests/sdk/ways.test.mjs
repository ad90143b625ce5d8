//! What every way in must do the same: the official JavaScript SDK over WebSocket, HTTP streaming and SSE, in JSON and in
//! Protobuf, against the real binary. Bounds: loopback only, 10 s for each wait.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { Client, WAYS, errorOf } from './client.mjs';
import { Cut } from './cut.mjs';
import { Fanfare } from './server.mjs';
import { inSeconds, token } from './token.mjs';

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => ({ n: from + index }));

describe('the SDK', { concurrency: true }, () => {
  let fanfare;
  before(async () => { fanfare = await Fanfare.start(); });
  after(async () => { await fanfare?.remove(); });

  WAYS.forEach((way, index) => describe(way.name, { concurrency: false }, () => {
    const opened = [];
    let cut;
    const channel = (name) => `${name}-${index}`;
    const open = async (user, options = {}, origin = fanfare.origin) => {
      const client = await Client.open(way, origin, { user, ...options });
      opened.push(client);
      return client;
    };
    const openBehindCut = (user, options = {}) => open(user, options, cut.origin);

    before(async () => { cut = await Cut.before(fanfare.port); });
    after(async () => {
      for (const client of opened) client.close();
      await cut?.remove();
      fanfare.mustRun();
    });

    test('connects, and says by which transport', async () => {
      const client = await open('ann');
      assert.match(client.id, /^[0-9a-f-]{36}$/);
      assert.equal(client.connects[0].transport, way.transport);
    });

    test('a publication reaches subscriber and publisher, with who sent it', async () => {
      const [ann, bob] = [await open('ann'), await open('bob')];
      const name = channel('room:publish');
      const [mine, his] = [await ann.subscribe(name), await bob.subscribe(name)];
      const value = { text: '你好, "world"\n', emoji: '🎺', number: 1.5, list: [null, true, []] };
      await ann.publish(name, value);
      for (const subscription of [mine, his]) {
        const [first] = await subscription.received(1);
        assert.deepEqual(first.data, value);
        assert.equal(first.offset, 1);
        assert.equal(first.info.user, 'ann');
        assert.equal(first.info.client, ann.id);
        assert.deepEqual(ann.open(first.info.connInfo), { name: 'Name of ann' });
      }
    });

    test('a batch arrives whole and in order', async () => {
      const ann = await open('ann');
      const name = channel('room:batch');
      const subscription = await ann.subscribe(name);
      ann.sdk.startBatching();
      const sent = numbers(1, 300).map((value) => ann.publish(name, value));
      ann.sdk.stopBatching();
      await Promise.all(sent);
      await subscription.received(300);
      assert.deepEqual(subscription.values, numbers(1, 300));
    });

    test('presence tells who is there, and its stats how many', async () => {
      const name = channel('room:presence');
      const clients = [await open('ann'), await open('ann'), await open('bob')];
      const last = (await Promise.all(clients.map((client) => client.subscribe(name))))[2];
      const { clients: present } = await clients[0].sdk.presence(name);
      assert.deepEqual(Object.keys(present).sort(), clients.map(({ id }) => id).sort());
      assert.equal(present[clients[2].id].user, 'bob');
      assert.deepEqual(clients[0].open(present[clients[2].id].connInfo), { name: 'Name of bob' });
      assert.deepEqual(await clients[0].sdk.presenceStats(name), { numClients: 3, numUsers: 2 });
      last.sdk.unsubscribe();
      await until('one left', async () => (await clients[0].sdk.presenceStats(name)).numClients === 2);
    });

    test('joins and leaves are told to who asks', async () => {
      const name = channel('room:join');
      const [ann, bob] = [await open('ann'), await open('bob')];
      const watching = await ann.subscribe(name, { joinLeave: true });
      const silent = await ann.subscribe(channel('room:other'));
      const his = await bob.subscribe(name);
      await until('the join of bob', () => watching.joins.find(({ info }) => info.client === bob.id), 10_000, () => watching.told);
      his.sdk.unsubscribe();
      const gone = await until('the leave of bob', () => watching.leaves[0]);
      assert.equal(gone.info.user, 'bob');
      assert.deepEqual([silent.joins, silent.leaves], [[], []]);
    });

    test('history by limit, since and in reverse', async () => {
      const ann = await open('ann');
      const name = channel('room:history');
      for (const value of numbers(1, 10)) await ann.publish(name, value);
      const place = await ann.history(name, { limit: 0 });
      assert.equal(place.offset, 10);
      assert.ok(place.epoch);
      assert.deepEqual(place.values, []);
      assert.deepEqual((await ann.history(name, { limit: 3 })).values, numbers(1, 3));
      assert.deepEqual((await ann.history(name, { limit: -1 })).values, numbers(1, 10));
      assert.deepEqual((await ann.history(name, { limit: 3, reverse: true })).values, numbers(8, 10).reverse());
      const since = { offset: 4, epoch: place.epoch };
      assert.deepEqual((await ann.history(name, { limit: 2, since })).values, numbers(5, 6));
      assert.deepEqual((await ann.history(name, { limit: -1, since })).values, numbers(5, 10));
      assert.deepEqual((await ann.history(name, { limit: 2, since, reverse: true })).values, numbers(2, 3).reverse());
      const { publications } = await ann.history(name, { limit: -1, since });
      assert.deepEqual(publications.map(({ offset }) => offset), [5, 6, 7, 8, 9, 10]);
    });

    test('what is missed during a cut is recovered, once and in order', async () => {
      const name = channel('room:cut');
      const [ann, bob] = [await openBehindCut('ann'), await open('bob')];
      const subscription = await ann.subscribe(name);
      for (const value of numbers(1, 5)) await bob.publish(name, value);
      await subscription.received(5);
      for (let round = 0; round < 3; round += 1) {
        const reached = 5 + round * 50;
        cut.cut();
        await until('the cut is noticed', () => subscription.subscribing.length > round + 1, 10_000, () => subscription.told);
        for (const value of numbers(reached + 1, reached + 40)) await bob.publish(name, value);
        cut.mend();
        // The rest goes out while it comes back.
        for (const value of numbers(reached + 41, reached + 50)) await bob.publish(name, value);
        const told = await subscription.ready(round + 2);
        assert.deepEqual([told.wasRecovering, told.recovered], [true, true]);
        await subscription.received(reached + 50);
      }
      await bob.publish(name, { n: 156 });
      await subscription.received(156);
      assert.deepEqual(subscription.values, numbers(1, 156));
      assert.deepEqual(subscription.publications.map(({ offset }) => offset), numbers(1, 156).map(({ n }) => n));
    });

    test('what is gone from a short history is said to be lost, and new publications come', async () => {
      const name = channel('short:cut');
      const [ann, bob] = [await openBehindCut('ann'), await open('bob')];
      const subscription = await ann.subscribe(name);
      await bob.publish(name, { n: 1 });
      await subscription.received(1);
      cut.cut();
      await until('the cut is noticed', () => subscription.subscribing.length > 1, 10_000, () => subscription.told);
      for (const value of numbers(2, 20)) await bob.publish(name, value);
      cut.mend();
      const told = await subscription.ready(2);
      assert.deepEqual([told.wasRecovering, told.recovered], [true, false]);
      assert.equal(told.streamPosition.offset, 20);
      await bob.publish(name, { n: 21 });
      await subscription.received(2);
      assert.deepEqual(subscription.values, numbers(1, 1).concat(numbers(21, 21)));
    });

    test('a position that the page kept is recovered from at the first subscribe', async () => {
      const name = channel('room:since');
      const ann = await open('ann');
      for (const value of numbers(1, 6)) await ann.publish(name, value);
      const { epoch } = await ann.history(name, { limit: 0 });
      const subscription = await ann.subscribe(name, { since: { offset: 2, epoch } });
      assert.equal(subscription.subscribed[0].recovered, true);
      await subscription.received(4);
      assert.deepEqual(subscription.values, numbers(3, 6));
      const other = await open('bob');
      const stale = await other.subscribe(name, { since: { offset: 2, epoch: 'another' } });
      assert.deepEqual([stale.subscribed[0].wasRecovering, stale.subscribed[0].recovered], [true, false]);
      assert.deepEqual(stale.values, []);
    });

    test('cache recovery brings the newest publication at once', async () => {
      const name = channel('newest:a');
      const ann = await open('ann');
      await ann.publish(name, { n: 1 });
      await ann.publish(name, { n: 2 });
      const subscription = await ann.subscribe(name);
      await subscription.received(1);
      await ann.publish(name, { n: 3 });
      await subscription.received(2);
      assert.deepEqual(subscription.values, numbers(2, 3));
    });

    test('after unsubscribing nothing comes; subscribing again recovers', async () => {
      const name = channel('room:leave');
      const [ann, bob] = [await open('ann'), await open('bob')];
      const subscription = await ann.subscribe(name);
      await bob.publish(name, { n: 1 });
      await subscription.received(1);
      subscription.sdk.unsubscribe();
      await bob.publish(name, { n: 2 });
      // An answer to ann from behind the publication: had it been sent to her, it would be here.
      await until('ann is out', async () => (await ann.sdk.presenceStats(name)).numClients === 0);
      assert.deepEqual(subscription.values, numbers(1, 1));
      subscription.sdk.subscribe();
      await subscription.received(2);
      assert.deepEqual(subscription.values, numbers(1, 2));
    });

    test('without history a live subscription takes what comes', async () => {
      const name = channel('plain:a');
      const ann = await open('ann');
      const subscription = await ann.subscribe(name);
      assert.deepEqual([subscription.subscribed[0].positioned, subscription.subscribed[0].recoverable], [false, false]);
      await ann.publish(name, { n: 1 });
      const [first] = await subscription.received(1);
      assert.equal(first.offset ?? 0, 0);
    });

    test('a channel that names its users is theirs alone', async () => {
      const name = channel('given:dialog') + '#ann,bob';
      const [ann, eve] = [await open('ann'), await open('eve')];
      const subscription = await ann.subscribe(name);
      assert.equal((await eve.subscription(name).ended()).code, 103);
      assert.equal(await errorOf(eve.publish(name, {})), 103);
      await ann.publish(name, { n: 1 });
      await subscription.received(1);
    });

    test('errors have the codes of the protocol', async () => {
      const ann = await open('ann');
      const plain = channel('plain:errors');
      assert.equal(await errorOf(ann.history(plain, { limit: 1 })), 108);
      assert.equal(await errorOf(ann.sdk.presence(plain)), 108);
      assert.equal(await errorOf(ann.sdk.presenceStats(plain)), 108);
      assert.equal(await errorOf(ann.rpc('method', {})), 108);
      assert.equal(await errorOf(ann.publish('nowhere:a', {})), 102);
      assert.equal(await errorOf(ann.history('nowhere:a', {})), 102);
      assert.equal(await errorOf(ann.publish('closed:a', {})), 103);
      assert.equal(await errorOf(ann.history('closed:a', { limit: 1 })), 103);
      assert.equal(await errorOf(ann.sdk.presence('closed:a')), 103);
      for (const [name, code] of [['nowhere:a', 102], ['closed:a', 103], ['$own', 107]]) {
        const { code: told } = await ann.subscription(name).ended();
        assert.equal(told, code, name);
      }
      // None of it harmed the session.
      await ann.publish(plain, {});
      assert.equal(ann.connects.length, 1);
    });

    test('a wrong token ends it for good, with 3500; none with 3501', async () => {
      const wrong = new Client(way, fanfare.origin, { token: token({ sub: 'eve' }, 'a secret that the server does not know') });
      wrong.sdk.connect();
      assert.equal((await wrong.end()).code, 3500);
      const none = new Client(way, fanfare.origin);
      none.sdk.connect();
      assert.equal((await none.end()).code, 3501);
    });

    test('an expired token is renewed before it may connect', async () => {
      let asked = 0;
      const getToken = async () => { asked += 1; return token({ sub: 'ann', exp: inSeconds(600) }); };
      const client = new Client(way, fanfare.origin, { token: token({ sub: 'ann', exp: inSeconds(-10) }), getToken });
      opened.push(client);
      await client.connect();
      assert.equal(asked, 1);
    });

    test('a session outlives its token by a new one', async () => {
      let asked = 0;
      const getToken = async () => { asked += 1; return token({ sub: 'ann', exp: inSeconds(asked < 3 ? 2 : 600) }); };
      const client = new Client(way, fanfare.origin, { getToken });
      opened.push(client);
      await client.connect();
      const subscription = await client.subscribe(channel('room:refresh'));
      await until('asked for three tokens', () => asked >= 3, 15_000, () => client.told);
      await client.publish(channel('room:refresh'), { n: 1 });
      await subscription.received(1);
      assert.equal(client.connects.length, 1, 'the session is the same one');
      assert.equal(subscription.subscribed.length, 1);
    });

    test('a subscription by token, renewed when it expires', async () => {
      const name = channel('gate:a');
      const [ann, bob] = [await open('ann'), await open('bob')];
      let asked = 0;
      const getToken = async () => {
        asked += 1;
        return token({ sub: 'ann', channel: name, info: { seat: 7 }, exp: inSeconds(asked < 3 ? 2 : 600) });
      };
      assert.equal((await bob.subscription(name).ended()).code, 103);
      const subscription = await ann.subscribe(name, { getToken });
      const { clients } = await ann.sdk.presence(name);
      assert.deepEqual(ann.open(clients[ann.id].chanInfo), { seat: 7 });
      await until('asked for three tokens', () => asked >= 3, 15_000, () => subscription.told);
      await ann.publish(name, { n: 1 });
      await subscription.received(1);
      assert.equal(subscription.subscribed.length, 1, 'the subscription is the same one');
    });

    test('a subscription token that is wrong is refused with 103, one of another user ends the session', async () => {
      const name = channel('gate:wrong');
      const claims = { sub: 'ann', channel: name, exp: inSeconds(600) };
      const ann = await open('ann');
      const forged = token(claims, 'another secret, also long enough for it');
      assert.equal((await ann.subscription(name, { token: forged }).ended()).code, 103);
      const bob = await open('bob');
      bob.subscription(name, { token: token(claims) });
      assert.equal((await bob.end()).code, 3500);
    });

    test('an expired subscription token is renewed', async () => {
      const name = channel('gate:old');
      const ann = await open('ann');
      const claims = { sub: 'ann', channel: name };
      await ann.subscribe(name, {
        token: token({ ...claims, exp: inSeconds(-5) }),
        getToken: async () => token({ ...claims, exp: inSeconds(600) }),
      });
    });

    test('channels that the token gives are there from the start, and recovered after a cut', async () => {
      const names = [channel('given:a'), channel('given:b')];
      const claims = {
        sub: 'ann', exp: inSeconds(600), subs: { [names[0]]: { info: { seat: 1 }, data: { hello: 'a' } }, [names[1]]: {} },
      };
      const ann = await openBehindCut(undefined, { token: token(claims) });
      const bob = await open('bob');
      const first = await until('subscribed to both', () => ann.subscribed.length === 2 && ann.subscribed, 10_000, () => ann.told);
      assert.deepEqual(first.map(({ channel: name }) => name).sort(), names);
      assert.deepEqual(ann.open(first.find(({ channel: name }) => name === names[0]).data), { hello: 'a' });
      await bob.publish(names[0], { n: 1 });
      await until('a publication', () => ann.publications.length === 1, 10_000, () => ann.told);
      cut.cut();
      await until('the cut is noticed', () => ann.sdk.state !== 'connected');
      for (const value of numbers(2, 20)) await bob.publish(names[0], value);
      cut.mend();
      await until('all came', () => ann.publications.length >= 20, 10_000, () => ann.told);
      await bob.publish(names[0], { n: 21 });
      await until('and the next', () => ann.publications.length >= 21, 10_000, () => ann.told);
      assert.deepEqual(ann.publications.map(({ data }) => data), numbers(1, 21));
      const again = ann.subscribed.slice(2).find(({ channel: name }) => name === names[0]);
      assert.deepEqual([again.wasRecovering, again.recovered], [true, true]);
    });

    test('channels of the claim "channels" too', async () => {
      const name = channel('given:list');
      const ann = await open(undefined, { token: token({ sub: 'ann', exp: inSeconds(600), channels: [name] }) });
      const told = await until('subscribed', () => ann.subscribed[0], 10_000, () => ann.told);
      assert.equal(told.channel, name);
      assert.equal(told.recoverable, true);
    });
  }));
});
