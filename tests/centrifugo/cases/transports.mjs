//! The other ways: streamed answers with `/emulation`, and those that only listen.

import { encode } from '../schema.mjs';
import { inSeconds, token } from '../exchange.mjs';

const CODINGS = [['JSON', {}], ['Protobuf', { binary: true }]];
const connectUrl = (path, value) => `${path}?cf_connect=${encodeURIComponent(JSON.stringify(value))}`;

/** Sends commands of a streamed session. */
async function emulate(t, { session, node }, commands, binary) {
  const body = binary
    ? Buffer.concat([tag(1), lengthed(Buffer.from(node ?? '')), tag(2), lengthed(Buffer.from(session ?? '')), tag(3), lengthed(Buffer.concat(commands.map((command) => encode('Command', command))))])
    : JSON.stringify({ session, node, data: commands.map((command) => JSON.stringify(command)).join('\n') });
  const type = binary ? 'application/octet-stream' : 'application/json';
  return t.http('/emulation', { headers: { 'Content-Type': type }, body, say: commands.map((command) => Object.keys(command).filter((key) => key !== 'id')).join() });
}
const tag = (number) => Buffer.from([number << 3 | 2]);
const lengthed = (bytes) => {
  const length = bytes.length < 128 ? [bytes.length] : [bytes.length & 127 | 128, bytes.length >> 7];
  return Buffer.concat([Buffer.from(length), bytes]);
};

const emulated = [
  ...CODINGS.map(([word, how]) => ({ name: `http_stream with emulation (${word})`, run: async (t) => {
    const command = { id: 1, connect: { token: token({ sub: `user${t.number}`, exp: inSeconds(600) }) } };
    const stream = await t.stream('/connection/http_stream', { ...how, body: [command] });
    t.tell('answer', { status: stream.peer.status, type: stream.peer.type });
    await stream.answers([command]);
    const { connect } = stream.peer.replies.get(1);
    const channel = t.channel();
    for (const next of [{ id: 2, subscribe: { channel } }, { id: 3, publish: { channel, data: { n: 1 } } }, { id: 4, presence_stats: { channel } }, { id: 5, nothing: {} }]) {
      if (next.id === 5 && how.binary) continue;
      await emulate(t, connect, [next], how.binary);
      await stream.answers([next]);
    }
    if (!how.binary) await stream.closes();
  } })),
  { name: 'sse with emulation', run: async (t) => {
    const command = { id: 1, connect: {} };
    const stream = await t.stream(connectUrl('/connection/sse', command), { method: 'GET' });
    t.tell('answer', { status: stream.peer.status, type: stream.peer.type });
    await stream.answers([command]);
    const { connect } = stream.peer.replies.get(1);
    const channel = t.channel();
    await emulate(t, connect, [{ id: 2, subscribe: { channel } }, { id: 3, presence: { channel } }]);
    await stream.answers([{ id: 2, subscribe: { channel } }, { id: 3, presence: { channel } }]);
    await t.api('publish', { channel, data: { n: 1 } });
    await stream.pushes(1);
    await emulate(t, { ...connect, session: 'other' }, [{ id: 4, presence: { channel } }]);
    await emulate(t, { ...connect, node: 'other' }, [{ id: 5, presence: { channel } }]);
    await emulate(t, {}, [{ id: 6, presence: { channel } }]);
    await t.http('/emulation', { headers: { 'Content-Type': 'application/json' }, body: 'x', say: 'rubbish' });
    await t.http('/emulation', { headers: { 'Content-Type': 'application/json' }, body: '', say: 'nothing' });
  } },
  { name: 'a refused connect of streamed sessions', run: async (t) => {
    for (const request of [{ token: 'x' }, { token: token({ sub: `user${t.number}`, exp: inSeconds(-10) }) }]) {
      const command = { id: 1, connect: request };
      const stream = await t.stream('/connection/http_stream', { body: [command] });
      await stream.peer.until(() => stream.peer.pushes.length || stream.peer.replies.size);
      t.tell('answer', { status: stream.peer.status });
      if (stream.peer.replies.size) await stream.answers([command]);
      else stream.tellPushes();
      const sse = await t.stream(connectUrl('/connection/sse', command), { method: 'GET', name: 'sse' });
      await sse.peer.until(() => sse.peer.pushes.length || sse.peer.replies.size);
      if (sse.peer.replies.size) await sse.answers([command]);
      else sse.tellPushes();
    }
  } },
  { name: 'streamed sessions: requests of another kind', run: async (t) => {
    await t.http('/connection/http_stream', { method: 'GET' });
    await t.http('/connection/sse', { method: 'PUT', body: '' });
  } },
];

const oneWay = [
  { name: 'uni_websocket', run: async (t) => {
    const channel = t.channel();
    const ws = await t.open({ oneWay: true, path: '/connection/uni_websocket' });
    ws.send({ token: token({ sub: `user${t.number}`, channels: [channel] }), name: 'x' });
    await ws.pushes(1);
    await t.api('publish', { channel, data: { n: 1 } });
    await ws.pushes(1);
    await t.api('disconnect', { user: `user${t.number}`, client: 'other' });
    await t.api('unsubscribe', { user: `user${t.number}`, channel });
    await ws.pushes(1);
    ws.send({});
    await t.api('subscribe', { user: `user${t.number}`, channel });
    await ws.pushes(1);
  } },
  { name: 'uni_websocket by its address alone', run: async (t) => {
    const channel = t.channel();
    const ws = await t.open({ oneWay: true, path: connectUrl('/connection/uni_websocket', { token: token({ sub: `user${t.number}`, channels: [channel] }) }) });
    await ws.pushes(1);
    await t.api('publish', { channel, data: 1 });
    await ws.pushes(1);
  } },
  { name: 'uni_websocket: refused, and the end', run: async (t) => {
    for (const request of [{ token: 'x' }, { token: token({ sub: `user${t.number}`, exp: inSeconds(-10) }) }]) {
      const ws = await t.open({ oneWay: true, path: '/connection/uni_websocket' });
      ws.send(request);
      await ws.closes();
      ws.tellPushes();
    }
    for (const raw of ['x', '[]', '{"token":7}']) {
      const ws = await t.open({ oneWay: true, path: '/connection/uni_websocket' });
      ws.peer.sendRaw(raw);
      await ws.closes();
    }
    const user = `user${t.number}`;
    const ws = await t.open({ oneWay: true, path: '/connection/uni_websocket' });
    ws.send({ token: token({ sub: user }) });
    await ws.pushes(1);
    await t.api('disconnect', { user, disconnect: { code: 4001, reason: 'come back' } });
    await ws.closes();
    ws.tellPushes();
  } },
  { name: 'uni_sse', run: async (t) => {
    const channel = t.channel();
    const user = `user${t.number}`;
    const sse = await t.stream(connectUrl('/connection/uni_sse', { token: token({ sub: user, channels: [channel], info: { a: 1 } }) }), { method: 'GET', oneWay: true });
    await sse.pushes(1);
    t.tell('answer', { status: sse.peer.status, type: sse.peer.type });
    await t.api('publish', { channel, data: { n: 1 }, tags: { a: 'b' } });
    await sse.pushes(1);
    await t.api('disconnect', { user });
    await sse.pushes(1);
    await sse.closes();
  } },
  { name: 'uni_sse by POST', run: async (t) => {
    const sse = await t.stream('/connection/uni_sse', { oneWay: true, body: [{ token: token({ sub: `user${t.number}` }) }] });
    await sse.pushes(1);
  } },
  { name: 'uni_http_stream', run: async (t) => {
    const channel = t.channel();
    const stream = await t.stream('/connection/uni_http_stream', { oneWay: true, body: [{ token: token({ sub: `user${t.number}` }), subs: { [channel]: {} } }] });
    await stream.pushes(1);
    t.tell('answer', { status: stream.peer.status, type: stream.peer.type });
  } },
  { name: 'one-way transports: a refused connect', run: async (t) => {
    for (const path of ['/connection/uni_sse', '/connection/uni_http_stream']) {
      for (const request of [{ token: 'x' }, { token: token({ sub: `user${t.number}`, exp: inSeconds(-10) }) }]) {
        const stream = path.endsWith('sse')
          ? await t.stream(connectUrl(path, request), { method: 'GET', oneWay: true })
          : await t.stream(path, { oneWay: true, body: [request] });
        await stream.peer.until(() => stream.peer.pushes.length);
        t.tell(path, { status: stream.peer.status });
        stream.tellPushes();
      }
    }
  } },
];

/** The cases. */
export default [...emulated, ...oneWay];
