//! The one-way transports, which no SDK is needed for, and the edges of `/emulation`, by plain HTTP. Bounds: loopback only, 10 s
//! for each wait.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { until } from '../nginx/until.mjs';
import { Client, WAYS } from './client.mjs';
import { Fanfare } from './server.mjs';
import { inSeconds, token } from './token.mjs';

describe('one way', { concurrency: true }, () => {
  let fanfare;
  let ann;
  before(async () => {
    fanfare = await Fanfare.start();
    ann = await Client.open(WAYS[0], fanfare.origin, { user: 'ann' });
  });
  after(async () => {
    ann?.close();
    fanfare?.mustRun();
    await fanfare?.remove();
  });

  const request = (channel) => ({
    token: token({ sub: 'listener', exp: inSeconds(600), channels: [channel] }), subs: { 'room:asked': {}, 'closed:a': {} },
  });

  /** Reads an answer's pushes as they come. */
  async function pushesOf(response, prefix) {
    assert.equal(response.status, 200);
    const pushes = [];
    (async () => {
      let text = '';
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (text + piece).split('\n');
        text = lines.pop();
        for (const line of lines) {
          if (line.startsWith(prefix) && line.trim()) pushes.push(JSON.parse(line.slice(prefix.length)));
        }
      }
    })().catch(() => {});
    return pushes;
  }

  const openers = {
    uni_sse: async (channel, signal) => {
      const url = `${fanfare.origin}/connection/uni_sse?cf_connect=${encodeURIComponent(JSON.stringify(request(channel)))}`;
      return pushesOf(await fetch(url, { signal }), 'data: ');
    },
    uni_http_stream: async (channel, signal) => {
      const body = JSON.stringify(request(channel));
      const headers = { 'Content-Type': 'application/json' };
      const response = await fetch(`${fanfare.origin}/connection/uni_http_stream`, { method: 'POST', body, headers, signal });
      return pushesOf(response, '');
    },
    uni_websocket: async (channel, signal) => {
      const pushes = [];
      const socket = new WebSocket(`${fanfare.origin.replace('http', 'ws')}/connection/uni_websocket`);
      socket.on('message', (data) => pushes.push(...data.toString().split('\n').map((line) => JSON.parse(line))));
      socket.on('open', () => socket.send(JSON.stringify(request(channel))));
      signal.addEventListener('abort', () => socket.terminate());
      return pushes;
    },
  };

  for (const [name, open] of Object.entries(openers)) {
    test(`${name}: the connect first, then what is published, and the end with its reason`, async () => {
      const channel = `given:${name}`;
      const stop = new AbortController();
      try {
        const pushes = await open(channel, stop.signal);
        const first = await until('the connect push', () => pushes[0]);
        assert.equal(first.connect.pong ?? false, false);
        assert.equal(first.connect.ping, 25);
        // What the token gives and what the client may have anyway, and nothing else.
        assert.deepEqual(Object.keys(first.connect.subs).sort(), [channel, 'room:asked']);
        await ann.publish(channel, { n: 1 });
        await ann.publish('room:asked', { from: name });
        const pub = await until('a publication', () => pushes.find((push) => push.channel === channel));
        assert.deepEqual([pub.pub.data, pub.pub.offset], [{ n: 1 }, 1]);
        await until('the other one', () => pushes.find(({ pub: other }) => other?.data.from === name));
        if (name === 'uni_websocket') return;
        await fanfare.api('disconnect', { user: 'listener', client: first.connect.client });
        const end = await until('the disconnect push', () => pushes.find(({ disconnect }) => disconnect));
        assert.equal(end.disconnect.code, 3503);
      } finally {
        stop.abort();
      }
    });
  }

  test('emulation: an unknown node or session is 404, what is no request 400, too much 413', async () => {
    const post = async (body) => (await fetch(`${fanfare.origin}/emulation`, {
      method: 'POST', body, headers: { 'Content-Type': 'application/json' },
    })).status;
    assert.equal(await post(JSON.stringify({ session: 'a', node: 'elsewhere', data: '{}' })), 404);
    assert.equal(await post('garbage'), 400);
    assert.equal(await post(JSON.stringify({ session: 'a', node: 'b', data: 'x'.repeat(70_000) })), 413);
  });

  test('pages of another origin are refused, and those of the same host may ask first', async () => {
    const ask = (origin) => fetch(`${fanfare.origin}/connection/http_stream`, { method: 'OPTIONS', headers: { Origin: origin } });
    const mine = await ask(fanfare.origin);
    assert.equal(mine.status, 204);
    assert.equal(mine.headers.get('access-control-allow-origin'), fanfare.origin);
    assert.equal((await ask('https://evil.example')).status, 403);
  });
});

describe('a rate', () => {
  test('beyond the allowed rate commands get error 111, and who goes on is closed with 3013', async () => {
    const fanfare = await Fanfare.start('[[namespace]]\nname = "plain"\nallow.publish = ["anonymous"]\n[limits]\nmessages_per_second = 5\n');
    try {
      const socket = new WebSocket(`${fanfare.origin.replace('http', 'ws')}/connection/websocket`);
      const replies = [];
      let closed = null;
      socket.on('message', (data) => replies.push(...data.toString().split('\n').map((line) => JSON.parse(line))));
      socket.on('close', (code) => { closed = code; });
      socket.on('error', () => {});
      socket.on('open', () => {
        const commands = Array.from({ length: 1000 }, (_, index) => ({ id: index + 2, publish: { channel: 'plain:a', data: {} } }));
        socket.send([{ id: 1, connect: {} }, ...commands].map((command) => JSON.stringify(command)).join('\n'));
      });
      assert.equal(await until('the end', () => closed), 3013);
      const codes = replies.filter(({ id }) => id > 1).map(({ error }) => error?.code ?? 0);
      assert.ok(codes.filter((code) => code === 0).length >= 5, JSON.stringify(codes.slice(0, 30)));
      assert.ok(codes.includes(111));
    } finally {
      await fanfare.remove();
    }
  });
});
