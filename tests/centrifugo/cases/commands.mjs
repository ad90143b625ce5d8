//! The client protocol's commands, each in JSON and in Protobuf: good and bad parameters, rights, order.

const CODINGS = [['JSON', {}], ['Protobuf', { binary: true }]];
const both = (name, run) => CODINGS.map(([word, options]) => ({ name: `${name} (${word})`, run: (t) => run(t, options) }));
const json = (name, run) => [{ name: `${name} (JSON)`, run }];

const connecting = [
  ...both('connect says who one is and how pings go', async (t, how) => {
    const ws = await t.open(how);
    await ws.ask({ connect: {} });
    await ws.ask({ connect: {} });
  }),
  ...both('connect with a name, a version and data', async (t, how) => {
    const ws = await t.open(how);
    await ws.ask({ connect: { name: 'js', version: '5.7.1', data: { a: 1 } } });
  }),
  ...both('the first command is connect', async (t, how) => {
    for (const command of [{ subscribe: { channel: 'bare:x' } }, { publish: { channel: 'bare:x', data: 1 } }, { rpc: { data: 1 } }, { presence: { channel: 'bare:x' } }]) {
      const ws = await t.open(how);
      await ws.ask(command);
      await ws.closes();
    }
  }),
  ...json('commands behind connect in one frame', async (t) => {
    const ws = await t.open();
    await ws.ask({ connect: {} }, { subscribe: { channel: t.channel() } }, { publish: { channel: t.channel(), data: { n: 1 } } }, { presence_stats: { channel: t.channel() } });
    await ws.settle();
  }),
  ...json('connect that asks for channels', async (t) => {
    const ws = await t.open();
    await ws.ask({ connect: { subs: { [t.channel()]: {} } } });
    const none = await t.open();
    await none.ask({ connect: { subs: {} } });
  }),
];

const subscribing = [
  ...both('subscribe, again, and unsubscribe', async (t, how) => {
    for (const namespace of ['open', 'bare', 'short', 'cache', 'delta', 'member', '']) {
      const ws = await t.connected({}, how);
      const channel = t.channel(namespace);
      await ws.ask({ subscribe: { channel } });
      await ws.ask({ subscribe: { channel } });
      await ws.ask({ unsubscribe: { channel } });
      await ws.ask({ unsubscribe: { channel } });
      await ws.ask({ subscribe: { channel } });
    }
  }),
  ...both('channels that one may not subscribe to', async (t, how) => {
    const ws = await t.connected({}, how);
    for (const channel of ['users:c', 'shut:c', 'nosuch:c', 'nosuch:', ':c', 'open:', 'shut:']) await ws.ask({ subscribe: { channel } });
  }),
  ...both('no channel', async (t, how) => {
    for (const command of [{ subscribe: {} }, { unsubscribe: {} }, { publish: { data: 1 } }, { presence: {} }, { presence_stats: {} }, { history: {} }, { sub_refresh: { token: 'x' } }]) {
      const ws = await t.connected({}, how);
      await ws.ask(command);
    }
  }),
  ...both('a channel of 255 bytes, and one of 256', async (t, how) => {
    for (const length of [255, 256, 1000]) {
      const ws = await t.connected({}, how);
      await ws.ask({ subscribe: { channel: 'x'.repeat(length) } });
    }
  }),
  ...both('subscribe as positioned, recoverable, with joins and leaves', async (t, how) => {
    for (const namespace of ['open', 'bare', 'member']) {
      for (const wish of [{ positioned: true }, { recoverable: true }, { join_leave: true }, { positioned: true, recoverable: true, join_leave: true }]) {
        const ws = await t.connected({}, how);
        await ws.ask({ subscribe: { channel: t.channel(namespace), ...wish } });
        ws.peer.close();
        await ws.peer.until(() => ws.peer.end);
      }
    }
  }),
  ...both('joins and leaves', async (t, how) => {
    const watcher = await t.connected({}, { ...how, name: 'watcher' });
    const channel = t.channel();
    await watcher.ask({ subscribe: { channel, join_leave: true } });
    await watcher.pushes(1);
    const other = await t.connected({}, { ...how, name: 'other' });
    await other.ask({ subscribe: { channel } });
    await watcher.pushes(1);
    await other.ask({ unsubscribe: { channel } });
    await watcher.pushes(1);
    await other.settle();
  }),
];

const loud = both('joins and leaves for everyone', async (t, how) => {
  const watcher = await t.connected({}, { ...how, name: 'watcher' });
  const channel = t.channel('loud');
  await watcher.ask({ subscribe: { channel } });
  await watcher.pushes(1);
  const other = await t.connected({}, { ...how, name: 'other' });
  await other.ask({ subscribe: { channel } });
  await watcher.pushes(1);
  await other.pushes(1);
  await other.ask({ unsubscribe: { channel } });
  await watcher.pushes(1);
  await other.settle();
});

const recovering = [
  ...both('recover what was missed', async (t, how) => {
    const publisher = await t.connected({}, { ...how, name: 'publisher' });
    for (const namespace of ['open', 'short', 'cache', 'delta', 'bare']) {
      const channel = t.channel(namespace);
      const first = await t.connected({}, how);
      const { subscribe } = await first.ask({ subscribe: { channel } });
      await first.ask({ unsubscribe: { channel } });
      for (const n of [1, 2, 3, 4, 5]) await publisher.ask({ publish: { channel, data: { n } } });
      const { epoch = 'x' } = subscribe ?? {};
      for (const wish of [{ offset: 5, epoch }, { offset: 4, epoch }, { offset: 2, epoch }, { offset: 1, epoch }, { offset: 0, epoch }, { epoch: 'other', offset: 4 }, { offset: 9, epoch }, {}, { offset: 3 }]) {
        await first.ask({ subscribe: { channel, recover: true, ...wish } });
        await first.ask({ unsubscribe: { channel } });
      }
    }
  }),
  ...both('recover where nothing was ever published', async (t, how) => {
    for (const namespace of ['open', 'cache']) {
      const ws = await t.connected({}, how);
      for (const wish of [{}, { offset: 3, epoch: 'other' }]) {
        await ws.ask({ subscribe: { channel: t.channel(namespace), recover: true, ...wish } });
        await ws.ask({ unsubscribe: { channel: t.channel(namespace) } });
      }
    }
  }),
  ...both('a late comer of a cache', async (t, how) => {
    const channel = t.channel('cache');
    await t.api('publish', { channel, data: { n: 1 } });
    await t.api('publish', { channel, data: { n: 2 } });
    const ws = await t.connected({}, how);
    await ws.ask({ subscribe: { channel } });
    await ws.settle();
  }),
  ...json('flag bit 1: an error where the position is lost', async (t) => {
    const channel = t.channel();
    await t.api('publish', { channel, data: 1 });
    const ws = await t.connected();
    await ws.ask({ subscribe: { channel, recover: true, offset: 1, epoch: 'other', flag: 2 } });
    await ws.ask({ subscribe: { channel, recover: true, offset: 1, epoch: 'other' } });
  }),
  ...json('differences (fossil)', async (t) => {
    const channel = t.channel('delta');
    const ws = await t.connected();
    await ws.ask({ subscribe: { channel, delta: 'fossil' } });
    const text = 'a text that is long enough that a difference is shorter than all of it';
    for (const n of [1, 2, 3]) await t.api('publish', { channel, data: { text, n } });
    await ws.pushes(3);
    const plain = await t.connected();
    await plain.ask({ subscribe: { channel: t.channel('open'), delta: 'fossil' } });
    await plain.ask({ subscribe: { channel: t.channel('open', 'd'), delta: 'other' } });
  }),
];

const names = both('names of channels', async (t, how) => {
  for (const name of ['弹幕', '直播间', '👩‍👧', 'é', 'a b', 'a\tb', 'a\u3000b', 'a\u0007b', '*', 'a,b', 'a/b', '']) {
    const ws = await t.connected({}, how);
    const channel = `open:${name}c${t.number}`;
    await ws.ask({ subscribe: { channel } });
    await ws.ask({ publish: { channel, data: { n: 1 } } });
  }
  for (const channel of ['$private', '弹幕:x', '弹幕']) {
    const ws = await t.connected({}, how);
    await ws.ask({ subscribe: { channel } });
  }
});

const publishing = [
  ...both('publish and hear it', async (t, how) => {
    for (const namespace of ['open', 'bare', 'delta']) {
      const ws = await t.connected({}, how);
      const channel = t.channel(namespace);
      await ws.ask({ publish: { channel, data: { before: true } } });
      await ws.ask({ subscribe: { channel } });
      for (const data of [{ a: 1 }, [1, 2], 'text', 0, false, '弹幕', { deep: { deeper: [null] } }, '', {}]) await ws.ask({ publish: { channel, data } });
      await ws.pushes(9);
    }
  }),
  ...both('publish where one may not', async (t, how) => {
    const ws = await t.connected({}, how);
    for (const channel of [t.channel('member'), 'users:c', 'shut:c', 'nosuch:c', 'none', '#1', 'open:#1']) await ws.ask({ publish: { channel, data: 1 } });
    await ws.ask({ subscribe: { channel: t.channel('member') } });
    await ws.ask({ publish: { channel: t.channel('member'), data: 1 } });
    await ws.pushes(1);
  }),
  ...both('publish nothing', async (t, how) => {
    const ws = await t.connected({}, how);
    await ws.ask({ publish: { channel: t.channel() } });
  }),
  ...[{ name: 'bytes that are no JSON (Protobuf)', run: async (t) => {
    const ws = await t.connected({}, { binary: true });
    const channel = t.channel();
    await ws.ask({ subscribe: { channel } });
    await ws.ask({ publish: { channel, data: { $bytes: '/wD+' } } });
    await ws.pushes(1);
    await ws.ask({ history: { channel, limit: 1 } });
  } }],
];

const asking = [
  ...both('presence', async (t, how) => {
    const ws = await t.connected({}, how);
    for (const namespace of ['open', 'bare', 'short', 'member', 'users', 'shut', 'nosuch', '']) {
      const channel = t.channel(namespace);
      await ws.ask({ presence: { channel } });
      await ws.ask({ presence_stats: { channel } });
      if (['open', 'member'].includes(namespace)) {
        await ws.ask({ subscribe: { channel } });
        await ws.ask({ presence: { channel } });
        await ws.ask({ presence_stats: { channel } });
      }
    }
  }),
  ...both('history', async (t, how) => {
    const ws = await t.connected({}, how);
    const channel = t.channel();
    await ws.ask({ history: { channel } });
    for (const n of [1, 2, 3, 4]) await ws.ask({ publish: { channel, data: { n } } });
    const { history } = await ws.ask({ history: { channel } });
    const { epoch } = history;
    for (const wish of [{ limit: 0 }, { limit: -1 }, { limit: 2 }, { limit: 100 }, { limit: -2 }, { limit: -1, reverse: true }, { limit: 2, reverse: true },
      { limit: -1, since: { offset: 2, epoch } }, { limit: 1, since: { offset: 2, epoch } }, { limit: -1, since: { offset: 4, epoch } },
      { limit: -1, since: { offset: 9, epoch } }, { limit: -1, since: { offset: 2, epoch: 'other' } }, { limit: -1, since: { offset: 2 } },
      { limit: -1, since: { offset: 3, epoch }, reverse: true }, { limit: 1, since: { offset: 3, epoch }, reverse: true }, { limit: -1, since: {} }]) {
      await ws.ask({ history: { channel, ...wish } });
    }
    for (const namespace of ['bare', 'member', 'users', 'shut', 'nosuch', 'short']) await ws.ask({ history: { channel: t.channel(namespace), limit: -1 } });
  }),
  ...both('history that was trimmed', async (t, how) => {
    const ws = await t.connected({}, how);
    const channel = t.channel('short');
    for (const n of [1, 2, 3, 4, 5]) await ws.ask({ publish: { channel, data: { n } } });
    const { history } = await ws.ask({ history: { channel, limit: -1 } });
    const { epoch } = history;
    for (const offset of [0, 1, 2, 3]) await ws.ask({ history: { channel, limit: -1, since: { offset, epoch } } });
  }),
  ...both('commands that nobody answers', async (t, how) => {
    for (const command of [{ ping: {} }, { refresh: {} }, { refresh: { token: 'x' } }, { sub_refresh: { channel: 'bare:x', token: 'x' } }, { sub_refresh: { channel: 'bare:x' } }]) {
      const ws = await t.connected({}, how);
      await ws.ask(command);
    }
    const ws = await t.connected({}, how);
    ws.send({ send: { data: 1 } });
    await ws.closes();
  }),
];

const framing = [
  ...json('what is no command', async (t) => {
    for (const text of ['', '\n', ' ', 'x', '[]', '1', 'null', '"x"', '{', '{}', '{"id":1}', '{"id":0,"subscribe":{"channel":"bare:x"}}', '{"id":-1,"rpc":{}}',
      '{"id":1.5,"rpc":{}}', '{"id":"1","rpc":{}}', '{"id":5,"unknown":{}}', '{"id":5,"subscribe":[]}', '{"id":5,"subscribe":{"channel":7}}', '{"id":4294967296,"presence_stats":{"channel":"open:x"}}']) {
      const ws = await t.connected();
      ws.peer.sendRaw(text);
      if (text.includes('"id":5')) {
        await ws.answers([{ id: 5, said: text }]);
      } else {
        await ws.closes();
      }
    }
  }),
  ...json('null where a value may be', async (t) => {
    for (const text of ['{"id":5,"subscribe":{"channel":"bare:x","token":null,"data":null}}', '{"id":5,"publish":null}', '{"id":5,"history":{"channel":"open:none","since":null,"limit":null}}',
      '{"id":5,"rpc":null,"presence_stats":{"channel":"open:none"}}', '{"id":5,"error":null,"presence_stats":{"channel":"open:none"}}']) {
      const ws = await t.connected();
      ws.peer.sendRaw(text);
      await ws.answers([{ id: 5, said: text }]);
    }
    const ws = await t.open();
    ws.peer.sendRaw('{"id":1,"connect":{"token":null,"data":null,"subs":null,"name":null,"headers":null}}');
    await ws.answers([{ id: 1, said: 'connect with nulls' }]);
  }),
  ...json('several commands, with blank lines and without', async (t) => {
    for (const between of ['\n', '\n\n', '\r\n', ' ', '']) {
      const ws = await t.connected();
      ws.peer.sendRaw(['{"id":5,"presence_stats":{"channel":"open:none"}}', '{"id":6,"presence_stats":{"channel":"open:none"}}', ''].join(between));
      await ws.answers([{ id: 5, between }, { id: 6, between }]);
    }
  }),
  ...json('JSON in a binary frame', async (t) => {
    const ws = await t.open();
    ws.peer.sendRaw(Buffer.from('{"id":1,"connect":{}}'));
    await ws.answers([{ id: 1, said: 'connect' }]);
  }),
  { name: 'text to a Protobuf connection, and rubbish', run: async (t) => {
    for (const raw of ['{"id":1,"connect":{}}', Buffer.from([0xff]), Buffer.from([]), Buffer.from([0]), Buffer.from([5, 8, 1])]) {
      const ws = await t.open({ binary: true });
      ws.peer.sendRaw(raw);
      await ws.closes();
    }
  } },
  ...json('filters and types that are not there', async (t) => {
    for (const wish of [{ tf: { op: 'eq', key: 'a', val: 'b' } }, { type: 1 }, { type: 2 }, { type: 4 }, { type: 9 }]) {
      const ws = await t.connected();
      await ws.ask({ subscribe: { channel: t.channel(), ...wish } });
    }
  }),
  { name: 'subprotocols', run: async (t) => {
    for (const protocols of [[], ['centrifuge-json'], ['centrifuge-protobuf'], ['other', 'centrifuge-json']]) {
      const ws = await t.open({ protocols });
      t.tell(`offered ${protocols}`, { chosen: ws.peer.protocol });
    }
  } },
  { name: 'Protobuf by the address', run: async (t) => {
    for (const query of ['format=protobuf', 'cf_protocol=protobuf']) {
      const ws = await t.open({ path: `/connection/websocket?${query}`, binary: true, protocols: [] });
      await ws.ask({ connect: {} });
    }
  } },
];

/** The cases. */
export default [...connecting, ...subscribing, ...loud, ...names, ...recovering, ...publishing, ...asking, ...framing];
