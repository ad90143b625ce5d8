//! The edges of the protocol by a bare WebSocket, where no SDK keeps the rules, and what time does to a session. Bounds: loopback
//! only, 10 s for each wait but those that wait out the 25 s in which an expired token may still be renewed.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { until, within } from '../nginx/until.mjs';
import { Client, WAYS } from './client.mjs';
import { Fanfare, SETTINGS } from './server.mjs';
import { inSeconds, token } from './token.mjs';

/** A WebSocket that speaks the protocol by hand. */
class Bare {
  frames = [];
  closed = null;

  static async open(fanfare, { protocols = [], query = '' } = {}) {
    const bare = new Bare();
    bare.socket = new WebSocket(`${fanfare.origin.replace('http', 'ws')}/connection/websocket${query}`, protocols);
    bare.socket.on('message', (data, binary) => bare.frames.push(binary ? data : data.toString()));
    bare.socket.on('close', (code, reason) => { bare.closed = { code, reason: reason.toString() }; });
    bare.socket.on('error', () => {});
    await within('the handshake', new Promise((done) => { bare.socket.on('open', done); }));
    return bare;
  }

  /** Sends each command as a line of one frame; text goes as it is. */
  send(...commands) {
    this.socket.send(commands.map((command) => (typeof command === 'string' ? command : JSON.stringify(command))).join('\n'));
  }

  /** All replies so far. */
  get replies() {
    return this.frames.flatMap((frame) => frame.split('\n').filter(Boolean).map((line) => JSON.parse(line)));
  }

  reply(id) { return until(`reply ${id}`, () => this.replies.find((reply) => reply.id === id), 10_000, () => this.told); }

  end(deadlineMs) { return until('the end', () => this.closed, deadlineMs, () => this.told); }

  get told() { return JSON.stringify({ frames: this.frames, closed: this.closed }); }
}

const connect = (id = 1, claims = { sub: 'ann' }) => ({ id, connect: { token: token({ exp: inSeconds(600), ...claims }) } });

describe('the protocol by hand', { concurrency: true }, () => {
  let fanfare;
  let quick;
  let patient;
  let bystander;
  let seen;
  before(async () => {
    fanfare = await Fanfare.start();
    quick = await Fanfare.start(`${SETTINGS}
[heartbeat]
ping_interval = "1s"
pong_timeout = "950ms"

[client]
connect_timeout = "1s"
`);
    // A busy machine leaves a process without its turn for a second.
    patient = await Fanfare.start(`${SETTINGS}
[heartbeat]
ping_interval = "4s"
pong_timeout = "3900ms"
`);
    bystander = await Client.open(WAYS[0], fanfare.origin, { user: 'bystander' });
    seen = await bystander.subscribe('room:bystander');
  });
  after(async () => {
    await bystander.publish('room:bystander', 'unharmed');
    await seen.received(1);
    assert.equal(bystander.connects.length, 1);
    bystander.close();
    for (const server of [fanfare, quick, patient]) {
      server?.mustRun();
      await server?.remove();
    }
  });

  test('a batch: the connect and what follows from it, a newline at the end', async () => {
    const bare = await Bare.open(fanfare);
    const [channel, data] = ['room:batch', [1, 2]];
    bare.send(connect(), { id: 2, subscribe: { channel } }, { id: 3, publish: { channel, data } }, '');
    const [welcome, subscribed] = [await bare.reply(1), await bare.reply(2)];
    assert.equal(welcome.connect.pong, true);
    assert.equal(welcome.connect.ping, 25);
    assert.equal(welcome.connect.expires, true);
    assert.ok(welcome.connect.ttl > 590);
    assert.equal(subscribed.subscribe.recoverable, true);
    assert.deepEqual((await bare.reply(3)).publish, {});
    const push = await until('the push', () => bare.replies.find((reply) => reply.push));
    assert.deepEqual(push.push.pub.data, [1, 2]);
    bare.socket.terminate();
  });

  test('the second subscribe to a channel is error 105, and harms nothing', async () => {
    const bare = await Bare.open(fanfare);
    bare.send(connect(), { id: 2, subscribe: { channel: 'room:twice' } }, { id: 3, subscribe: { channel: 'room:twice' } });
    assert.equal((await bare.reply(3)).error.code, 105);
    bare.send({ id: 4, unsubscribe: { channel: 'room:never' } }, { id: 5, ping: {} });
    assert.deepEqual((await bare.reply(4)).unsubscribe, {});
    assert.equal((await bare.reply(5)).error.code, 108);
    bare.socket.terminate();
  });

  test('more channels than allowed is error 106', async () => {
    const bare = await Bare.open(fanfare);
    const many = Array.from({ length: 129 }, (_, index) => ({ id: index + 2, subscribe: { channel: `plain:${index}` } }));
    bare.send(connect(), ...many);
    assert.equal((await bare.reply(130)).error.code, 106);
    assert.ok((await bare.reply(129)).subscribe);
    bare.socket.terminate();
  });

  test('a position that cannot be recovered is error 112 for who asks for that (flag 2)', async () => {
    const bare = await Bare.open(fanfare);
    bare.send(connect(), { id: 2, subscribe: { channel: 'room:flag', recover: true, offset: 7, epoch: 'other', flag: 2 } });
    assert.equal((await bare.reply(2)).error.code, 112);
    bare.send({ id: 3, history: { channel: 'room:flag', limit: 1, since: { offset: 1, epoch: 'other' } } });
    assert.equal((await bare.reply(3)).error.code, 112);
    bare.socket.terminate();
  });

  const garbage = {
    'no JSON': 'garbage', 'an empty frame': '', 'an unclosed object': '{"id":2,', 'a list': '[]', 'a number': '7',
    'null': 'null', 'no method': '{"id":2}', 'two methods': '{"id":2,"presence":{"channel":"a"},"history":{"channel":"a"}}',
    'id 0': '{"presence":{"channel":"room:a"}}', 'a negative id': '{"id":-1,"presence":{"channel":"room:a"}}',
    'an id of 1e30': '{"id":1e30,"presence":{"channel":"room:a"}}', 'half an id': '{"id":1.5,"presence":{"channel":"room:a"}}',
    'a null method': '{"id":2,"subscribe":null}', 'a wrong type': '{"id":2,"subscribe":{"channel":7}}',
    'a huge offset': '{"id":2,"subscribe":{"channel":"room:a","recover":true,"offset":1e40}}',
    'an empty channel': '{"id":2,"subscribe":{"channel":""}}', 'a pong without a ping': '{}',
    'a second connect': '{"id":2,"connect":{}}',
    'deep nesting': `{"id":2,"publish":{"channel":"room:a","data":${'['.repeat(20_000)}}}`,
    'a broken one behind a good one': '{"id":2,"presence":{"channel":"room:a"}}\n{"id":3,',
  };
  for (const [name, text] of Object.entries(garbage)) {
    test(`3501 for ${name}`, async () => {
      const bare = await Bare.open(fanfare);
      bare.send(connect());
      await bare.reply(1);
      bare.send(text);
      assert.equal((await bare.end()).code, 3501);
    });
  }

  test('JSON may come as bytes; 3501 for bytes that are no JSON, and for what is no Protobuf', async () => {
    const bytes = await Bare.open(fanfare);
    bytes.socket.send(Buffer.from(JSON.stringify(connect())));
    assert.ok((await bytes.reply(1)).connect.client);
    bytes.socket.send(Buffer.from([255, 0]));
    assert.equal((await bytes.end()).code, 3501);
    const frames = [[255, 255, 255, 255, 255, 255], [5, 1], [2, 0x0a, 0x7f], []].map((list) => Buffer.from(list));
    for (const sent of ['{}', ...frames]) {
      const other = await Bare.open(fanfare, { protocols: ['centrifuge-protobuf'] });
      assert.equal(other.socket.protocol, 'centrifuge-protobuf');
      other.socket.send(sent);
      assert.equal((await other.end()).code, 3501);
    }
  });

  test('a command before the connect is 3501', async () => {
    const bare = await Bare.open(fanfare);
    bare.send({ id: 1, subscribe: { channel: 'room:a' } });
    assert.equal((await bare.end()).code, 3501);
  });

  test('after a refused connect the next command is 3501', async () => {
    const bare = await Bare.open(fanfare);
    bare.send(connect(1, { sub: 'ann', exp: inSeconds(-5) }));
    assert.equal((await bare.reply(1)).error.code, 109);
    bare.send({ id: 2, subscribe: { channel: 'room:a' } });
    assert.equal((await bare.end()).code, 3501);
  });

  test('a send that nobody takes is 3508', async () => {
    const bare = await Bare.open(fanfare);
    bare.send(connect(), { send: { data: {} } });
    assert.equal((await bare.end()).code, 3508);
  });

  test('a token in the address or as a subprotocol counts, and only the name is echoed', async () => {
    const jwt = token({ sub: 'ann', exp: inSeconds(600) });
    const named = await Bare.open(fanfare, { query: `?token=${jwt}` });
    const offered = await Bare.open(fanfare, { protocols: ['fanfare', `token.${jwt}`] });
    assert.equal(offered.socket.protocol, 'fanfare');
    for (const bare of [named, offered]) {
      bare.send({ id: 1, connect: {} });
      assert.ok((await bare.reply(1)).connect.client);
      bare.socket.terminate();
    }
  });

  test('no connect, or nothing after a refused one, is 3502', async () => {
    const [idle, refused] = [await Bare.open(quick), await Bare.open(quick)];
    refused.send(connect(1, { sub: 'ann', exp: inSeconds(-5) }));
    assert.equal((await idle.end()).code, 3502);
    assert.equal((await refused.end()).code, 3502);
  });

  test('a client that answers no ping is closed with 3012', async () => {
    const bare = await Bare.open(quick);
    bare.send(connect());
    assert.equal((await bare.reply(1)).connect.ping, 1);
    assert.equal((await bare.end()).code, 3012);
    assert.ok(bare.frames.includes('{}'));
  });

  for (const way of WAYS) {
    test(`the SDK answers pings, and is told of them: ${way.name}`, async () => {
      const client = await Client.open(way, patient.origin, { user: 'ann', maxServerPingDelay: 4000 });
      const opened = Date.now();
      // A pong that does not come is told at 7.9 s, a ping that does not come at 8.
      await until('two pings long', () => {
        assert.equal(client.connects.length, 1, client.told);
        assert.equal(client.sdk.state, 'connected', client.told);
        return Date.now() - opened > 9000;
      }, 20_000);
      await client.publish('plain:alive', {});
      client.close();
    });
  }

  test('a server that goes away says 3001, over every transport', async () => {
    const leaving = await Fanfare.start();
    const clients = [];
    try {
      for (const way of WAYS) clients.push(await Client.open(way, leaving.origin, { user: 'ann' }));
      assert.equal(await leaving.stop(), 0);
      for (const client of clients) {
        const { code } = await until('it is told', () => client.connecting[1], 10_000, () => client.told);
        assert.equal(code, 3001, client.way.name);
      }
    } finally {
      for (const client of clients) client.close();
      await leaving.remove();
    }
  });

  test('an expired token that nobody renews ends the session with 3005, and a subscription with 2501', async () => {
    const [session, subscription] = [await Bare.open(fanfare), await Bare.open(fanfare)];
    for (const bare of [session, subscription]) {
      // Answers pings as a client does.
      bare.socket.on('message', (data) => { if (data.toString().split('\n').includes('{}')) bare.socket.send('{}'); });
    }
    session.send(connect(1, { sub: 'ann', exp: inSeconds(2) }));
    const of = token({ sub: 'ann', channel: 'gate:ends', exp: inSeconds(2) });
    subscription.send(connect(), { id: 2, subscribe: { channel: 'gate:ends', token: of } });
    assert.equal((await subscription.reply(2)).subscribe.expires, true);
    const { code } = await session.end(40_000);
    assert.equal(code, 3005);
    const push = await until('the unsubscribe push', () => (
      subscription.replies.find((reply) => reply.push?.unsubscribe)
    ), 40_000, () => subscription.told);
    assert.equal(push.push.unsubscribe.code, 2501);
    subscription.socket.terminate();
  });
});
