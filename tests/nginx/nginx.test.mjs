//! The repository's nginx.conf in a real nginx, in front of the real binary: what a client sees through it, and what it
//! keeps closed. Needs FANFARE_BIN, nginx (or NGINX) and openssl; it fails without them and never skips on Linux.
//! Bounds: loopback only, some 50 s.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, describe, test } from 'node:test';

import { CLIENT_ADDRESS, Client, get, getPlain, handshakeByHand } from './client.mjs';
import { ADMIN_KEY, API_KEY, Fanfare } from './fanfare.mjs';
import { Proxy, substitute } from './proxy.mjs';
import { until, within } from './until.mjs';

const AS_ADMIN = { authorization: `Bearer ${ADMIN_KEY}` };
// The file says 75 s against pings each 25 s; here it is 4 s against 1.5 s.
const READ_TIMEOUT_MS = 4000;
const SHORT_READ_TIMEOUT = { 'read-timeout': `proxy_read_timeout ${READ_TIMEOUT_MS}ms;` };

describe('through nginx', () => {
  let fanfare;
  let proxy;

  before(async () => {
    fanfare = await Fanfare.start('1500ms', '1400ms');
    proxy = await Proxy.start(fanfare.port, SHORT_READ_TIMEOUT);
  });
  after(async () => {
    await proxy?.remove();
    await fanfare?.remove();
  });

  test('a handshake written by hand gets a complete 101', async () => {
    const { line, headers } = await handshakeByHand(proxy, [
      'GET /echo HTTP/1.1', 'Host: localhost', 'Upgrade: websocket', 'Connection: keep-alive, Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: chat, superchat',
    ]);
    assert.match(line, /^HTTP\/1\.1 101 /);
    const all = (name) => headers.filter(([key]) => key === name).map(([, value]) => value);
    assert.deepEqual(all('upgrade').map((value) => value.toLowerCase()), ['websocket']);
    assert.deepEqual(all('connection').map((value) => value.toLowerCase()), ['upgrade']);
    // The example of RFC 6455 §1.3.
    assert.deepEqual(all('sec-websocket-accept'), ['s3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
    assert.deepEqual(all('sec-websocket-protocol'), ['chat']);
    assert.deepEqual(all('content-length'), []);
    assert.deepEqual(all('transfer-encoding'), []);
  });

  test('Upgrade in another case is passed on, another upgrade is not', async () => {
    const head = (upgrade) => [
      'GET /echo HTTP/1.1', 'Host: localhost', `Upgrade: ${upgrade}`, 'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13',
    ];
    assert.match((await handshakeByHand(proxy, head('WebSocket'))).line, /^HTTP\/1\.1 101 /);
    assert.match((await handshakeByHand(proxy, head('h2c'))).line, /^HTTP\/1\.1 426 /);
  });

  test('scenario 1: a greeting, then each message comes back as Received', async () => {
    const client = await Client.open(proxy, '/wss');
    assert.equal(await client.message(0), '欢迎 (welcome)');
    client.socket.send('你好');
    assert.equal(await client.message(1), 'Server: Received(你好)');
    client.socket.close(1000, 'bye');
    assert.equal((await client.end()).code, 1000);
    await until('the end is logged', () => /code=1000\b.*bye/.test(fanfare.output), 10_000, () => fanfare.output);
  });

  test('permessage-deflate is agreed on end to end', async () => {
    const client = await Client.open(proxy, '/echo', ['chat'], { perMessageDeflate: { threshold: 0 } });
    assert.match(client.socket.extensions, /^permessage-deflate/);
    const text = 'fanfare '.repeat(4000);
    const before = client.bytesRead;
    client.socket.send(text);
    assert.equal(await client.message(0), text);
    assert.ok(client.bytesRead - before < text.length / 10, `${client.bytesRead - before} bytes came back`);
    client.drop();
  });

  test('binary passes unchanged, up to the message limit', async () => {
    const client = await Client.open(proxy, '/echo');
    const bytes = Buffer.alloc(64 * 1024, 0xa5);
    client.socket.send(bytes);
    assert.deepEqual(await client.message(0), bytes);
    client.socket.send(Buffer.alloc(64 * 1024 + 1));
    assert.equal((await client.end()).code, 1009);
  });

  test('pings keep an idle connection beyond the read timeout', async () => {
    const client = await Client.open(proxy, '/echo');
    const opened = Date.now();
    await until('idle for twice the read timeout', () => {
      assert.equal(client.closed, null, `closed after ${Date.now() - opened} ms`);
      return Date.now() - opened > 2 * READ_TIMEOUT_MS && client.pings >= 3;
    }, 5 * READ_TIMEOUT_MS);
    client.socket.send('still here');
    assert.equal(await client.message(0), 'still here');
    client.drop();
  });

  test('without pings it is cut there: the test above can fail', async () => {
    const quiet = await Fanfare.start('60s', '8s');
    const behind = await Proxy.start(quiet.port, SHORT_READ_TIMEOUT);
    try {
      const client = await Client.open(behind, '/echo');
      const opened = Date.now();
      // A first ping may come at any time (it is spread over the interval); it only puts the cut off.
      const { code } = await client.end(75_000);
      assert.equal(code, 1006);
      assert.ok(Date.now() - opened > READ_TIMEOUT_MS - 500);
    } finally {
      await behind.remove();
      await quiet.remove();
    }
  });

  // While a message was with the backend the client was not read and got no pings, so that a proxy cut it before the
  // answer. Only the verdict on its silence may wait.
  test('a backend slower than the read timeout: pings go on, and its answer arrives', async () => {
    const backend = createServer((request, response) => {
      request.resume();
      setTimeout(() => response.setHeader('content-type', 'text/plain').end('late'), 14_000);
    }).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const url = `http://127.0.0.1:${backend.address().port}/`;
    const asking = await Fanfare.start('5s', '4s', `
[[raw]]
path = "/socket"
on_message = "hook"

[hooks.message]
url = "${url}"
timeout = "30s"
`);
    const behind = await Proxy.start(asking.port, { 'read-timeout': 'proxy_read_timeout 10s;' });
    try {
      const client = await Client.open(behind, '/socket');
      const asked = Date.now();
      client.socket.send('how long?');
      await until('the answer', () => {
        assert.equal(client.closed, null, `closed after ${Date.now() - asked} ms`);
        return client.messages.length > 0;
      }, 25_000);
      assert.deepEqual(client.messages, ['late']);
      assert.ok(Date.now() - asked >= 13_900, 'it took longer than the read timeout');
      assert.ok(client.pings >= 2, `${client.pings} pings meanwhile`);
      client.drop();
    } finally {
      await behind.remove();
      await asking.remove();
      backend.closeAllConnections();
      backend.close();
    }
  });

  test('a restart behind it: 1012, then 502, then as before', async () => {
    const client = await Client.open(proxy, '/echo');
    const status = await fanfare.end('SIGTERM');
    assert.equal((await client.end()).code, 1012);
    assert.equal(status, 0);
    assert.equal((await Client.refused(proxy, '/echo')).status, 502);
    await fanfare.again();
    const again = await Client.open(proxy, '/echo');
    again.socket.send('back');
    assert.equal(await again.message(0), 'back');
    again.drop();
  });

  test('the client is known by its own address, whatever it claims', async () => {
    const claims = {
      'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9', forwarded: 'for=203.0.113.9',
      'x-forwarded-host': 'claimed.example',
    };
    const seen = JSON.parse((await get(proxy, '/diag', { headers: claims })).body);
    assert.deepEqual(seen.address, { peer: '127.0.0.1', resolved: CLIENT_ADDRESS });
    assert.equal(seen.http_version, '1.1');
    assert.equal(seen.headers['x-forwarded-proto'], 'https');
    assert.equal(seen.headers['x-forwarded-for'], CLIENT_ADDRESS);
    assert.equal(seen.headers['x-real-ip'], CLIENT_ADDRESS);
    assert.match(seen.headers['x-real-port'], /^\d+$/);
    // With its port, by which a page of the same origin is known.
    assert.equal(seen.headers.host, `127.0.0.1:${proxy.httpsPort}`);
    assert.equal(seen.headers['x-forwarded-host'], undefined);
    assert.equal(seen.headers.forwarded, undefined);
    assert.deepEqual(seen.problems, []);

    const client = await Client.open(proxy, '/echo', ['chat'], { headers: claims });
    const sessions = await listed(fanfare, '?endpoint=/echo');
    assert.deepEqual(sessions.map(({ address, subprotocol }) => ({ address, subprotocol })), [
      { address: CLIENT_ADDRESS, subprotocol: 'chat' },
    ]);
    client.drop();
  });

  test('an appended X-Forwarded-For is read from the right', {
    skip: CLIENT_ADDRESS === '127.0.0.1' && 'only Linux has a second loopback address to come from',
  }, async () => {
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    const { body } = await getPlain(proxy.barePort, '/diag', { headers, localAddress: CLIENT_ADDRESS });
    const seen = JSON.parse(body);
    assert.equal(seen.headers['x-forwarded-for'], `203.0.113.9, ${CLIENT_ADDRESS}`);
    assert.equal(seen.address.resolved, CLIENT_ADDRESS);
  });

  test('the operator\'s routes are closed, in every spelling', async () => {
    const closed = [
      '/metrics', '/metrics/', '//metrics', '/%6detrics', '/x/../metrics', '/./metrics?x=1', '/static/../metrics',
      '/static/%2e%2e/metrics', '/status/sessions', '/status/sessions/', '/status//sessions', '/status%2Fsessions',
      '/status/sessions?limit=1', '/status/sessions/some-id', '/api', '/api/', '/api/publish', '/admin', '/admin/x',
    ];
    for (const path of closed) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const { status, body } = await get(proxy, path, { method, headers: AS_ADMIN });
        assert.deepEqual([path, method, status, body], [path, method, 404, 'not served here\n']);
      }
    }
    assert.equal((await get(proxy, '/nothing')).status, 404);
    // And they do exist: what closes them is nginx.
    assert.equal((await getPlain(fanfare.port, '/metrics', { headers: AS_ADMIN })).status, 200);
    assert.equal((await getPlain(fanfare.port, '/status/sessions', { headers: AS_ADMIN })).status, 200);
  });

  test('the page, its files and what it asks pass', async () => {
    const page = await get(proxy, '/');
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'none'/);
    assert.equal(page.headers.server, 'nginx');
    const [, script] = /src="(static\/[^"]+\.js)"/.exec(page.body);
    assert.match((await get(proxy, `/${script}`)).headers['content-type'], /javascript/);
    for (const path of ['/status', '/health', '/ready', '/diag']) {
      assert.equal((await get(proxy, path)).status, 200, path);
    }
    assert.equal((await byHttp2(proxy, '/status')).status, 200);
    // The client and the worker of shared tabs: a proxy that drops them leaves pages without a connection.
    for (const path of ['/fanfare.mjs', '/fanfare.js', '/fanfare-worker.js']) {
      const file = await get(proxy, path);
      assert.equal(file.status, 200, path);
      assert.match(file.headers['content-type'], /^text\/javascript/);
      assert.equal(file.headers['access-control-allow-origin'], '*');
    }
  });

  test('a page of the same origin is let in, one of another port is not', async () => {
    const from = async (origin) => (await get(proxy, '/poll?channel=a', { headers: { origin } })).status;
    assert.equal(await from(`https://127.0.0.1:${proxy.httpsPort}`), 200);
    assert.equal(await from(`http://127.0.0.1:${proxy.httpsPort}`), 403);
    assert.equal(await from(`https://127.0.0.1:${proxy.httpsPort + 1}`), 403);
    assert.equal(await from('https://127.0.0.1'), 403);
  });

  test('by HTTP/2, a WebSocket endpoint answers with its sentence', async () => {
    const { status, body } = await byHttp2(proxy, '/echo');
    assert.equal(status, 426);
    assert.match(body, /this is a WebSocket endpoint/);
  });

  test('200 API calls by kept connections, each with Connection: upgrade, and none is lost', async () => {
    const headers = { 'x-api-key': API_KEY };
    const body = JSON.stringify({ channel: 'kept', data: 'x' });
    for (let number = 0; number < 50; number += 1) {
      const calls = Array.from({ length: 4 }, () => getPlain(proxy.barePort, '/api/publish', { method: 'POST', headers, body }));
      for (const answer of await Promise.all(calls)) assert.equal(answer.status, 200, `${number}: ${answer.body}`);
    }
  });

  test('port 80 leads to https', async () => {
    const { status, headers } = await getPlain(proxy.httpPort, '/ws?channel=a');
    assert.equal(status, 301);
    assert.equal(headers.location, 'https://localhost/ws?channel=a');
  });

  test('a location that forgets the headers gets an answer that names them', async () => {
    const handshake = {
      upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    const old = await getPlain(proxy.barePort, '/wss', { headers: handshake });
    assert.equal(old.status, 400);
    const bare = await getPlain(proxy.barePort, '/echo', { headers: handshake });
    assert.equal(bare.status, 426);
    for (const { body } of [old, bare]) {
      assert.match(body, /proxy_http_version 1\.1/);
      assert.match(body, /proxy_set_header Upgrade/);
      assert.match(body, /proxy_set_header Connection/);
    }
    const plain = JSON.parse((await get(proxy, '/diag')).body);
    assert.equal(plain.headers.upgrade, undefined);
  });

  test('the access log has the session, and no token', async () => {
    const client = await Client.open(proxy, '/echo?token=secret-of-a-client');
    const [{ id }] = await listed(fanfare, '?endpoint=/echo');
    client.drop();
    const line = await until('the session is in the access log', () => {
      return proxy.accesses().split('\n').find((entry) => entry.startsWith(CLIENT_ADDRESS) && entry.includes('GET /echo '));
    });
    assert.match(line, / 101 /);
    await until('fanfare logs its end too', () => fanfare.output.includes(`session ended id=${id}`), 10_000,
      () => fanfare.output);
    for (const log of [proxy.accesses(), fanfare.output]) assert.ok(!log.includes('secret-of-a-client'));
  });
});

test('too many sessions of one address: 429, and the others live', async () => {
  const fanfare = await Fanfare.start('25s', '8s');
  const proxy = await Proxy.start(fanfare.port, { 'limit-sessions': 'limit_conn sessions_of_address 2;' });
  try {
    const clients = [await Client.open(proxy, '/echo'), await Client.open(proxy, '/echo')];
    assert.equal((await Client.refused(proxy, '/echo')).status, 429);
    clients[0].drop();
    await until('the place is free again', async () => (await listed(fanfare)).length === 1);
    clients[0] = await Client.open(proxy, '/echo');
    for (const client of clients) {
      client.socket.send('here');
      assert.equal(await client.message(0), 'here');
      client.drop();
    }
  } finally {
    await proxy.remove();
    await fanfare.remove();
  }
});

test('a marked line that is missing or new fails the tests', () => {
  const text = readFileSync(new URL('../../nginx.conf', import.meta.url), 'utf8');
  const [mark] = /# @read-timeout$/m.exec(text);
  assert.throws(() => substitute(text, {}), /nothing is said about the line @user/);
  assert.throws(() => substitute(`a; ${mark}\nb; ${mark}`, { 'read-timeout': '' }), /two lines @read-timeout/);
  assert.throws(() => substitute('a;', { 'read-timeout': '' }), /has no line @read-timeout/);
  assert.equal(substitute(`x {\n  a 75s;   ${mark}\n}`, { 'read-timeout': 'a 1s;' }), 'x {\na 1s;\n}');
});

async function listed(fanfare, query = '') {
  const { body } = await getPlain(fanfare.port, `/status/sessions${query}`, { headers: AS_ADMIN });
  return JSON.parse(body).sessions;
}

async function byHttp2(proxy, path) {
  const session = connectHttp2(`https://127.0.0.1:${proxy.httpsPort}`, { ca: proxy.certificate });
  try {
    return await within('an answer by HTTP/2', new Promise((answer, fail) => {
      session.on('error', fail);
      const stream = session.request({ ':path': path });
      let [status, body] = [0, ''];
      stream.on('response', (headers) => { status = headers[':status']; });
      stream.on('data', (piece) => { body += piece; });
      stream.on('end', () => answer({ status, body }));
      stream.on('error', fail);
      stream.end();
    }));
  } finally {
    session.destroy();
  }
}
