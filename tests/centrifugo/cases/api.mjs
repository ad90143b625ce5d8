//! The API: every method with good and bad parameters, keys, batches, lines of commands, and how errors come.

const TRANSPORT = { headers: { 'X-Centrifugo-Error-Mode': 'transport' } };

/** Requests of a method that say nothing of who is there; the same to every namespace. */
const publishing = (t) => [
  { channel: t.channel(), data: { a: 1 } },
  { channel: t.channel(), data: null },
  { channel: t.channel(), data: 'text' },
  { channel: t.channel(), b64data: 'eyJhIjoxfQ==' },
  { channel: t.channel(), b64data: '?' },
  { channel: t.channel(), data: 1, skip_history: true },
  { channel: t.channel(), data: 1, tags: { a: 'b' } },
  { channel: t.channel(), data: 1, tags: { a: 1 } },
  { channel: t.channel(), data: 1, idempotency_key: 'k' },
  { channel: t.channel(), data: 1, idempotency_key: 'k' },
  { channel: t.channel(), data: 1, delta: true },
  { channel: t.channel(), data: 1, version: 5 },
  { channel: t.channel(), data: 1, version: 4 },
  { channel: t.channel(), data: 1, version: 6, version_epoch: 'x' },
  { channel: t.channel('bare'), data: 1 },
  { channel: t.channel('shut'), data: 1 },
  { channel: t.channel(''), data: 1 },
  { channel: 'nosuch:x', data: 1 },
  { channel: '', data: 1 },
  { data: 1 },
  { channel: t.channel() },
  {},
  { channel: 7, data: 1 },
  { channel: t.channel(), data: 1, unknown: true },
];

const sessions = [
  ['subscribe and unsubscribe a user', async (t) => {
    const user = `user${t.number}`;
    const channel = t.channel('shut');
    const ws = await t.connected({ token: (await import('../exchange.mjs')).token({ sub: user }) });
    await t.api('subscribe', { user, channel });
    await ws.pushes(1);
    await t.api('publish', { channel, data: { n: 1 } });
    await ws.pushes(1);
    await t.api('presence', { channel });
    await t.api('unsubscribe', { user, channel });
    await ws.pushes(1);
    await t.api('subscribe', { user, channel, info: { seat: 1 }, data: { welcome: true }, client: ws.client.client });
    await ws.pushes(1);
    await t.api('presence', { channel });
    await t.api('unsubscribe', { user, channel, client: 'other' });
    await t.api('subscribe', { user, channel: 'nosuch:x' });
    await t.api('subscribe', { user });
    await t.api('subscribe', { user: 'nobody', channel });
    await t.api('unsubscribe', { user });
    await t.api('unsubscribe', { user: 'nobody', channel: 'nosuch:x' });
  }],
  ['subscribe with override and recover_since', async (t) => {
    const user = `user${t.number}`;
    const ws = await t.connected({ token: (await import('../exchange.mjs')).token({ sub: user }) });
    const channel = t.channel('users');
    await t.api('publish', { channel, data: { n: 1 } });
    await t.api('subscribe', { user, channel, override: { force_recovery: { value: true }, presence: { value: false }, join_leave: { value: true } } });
    await ws.pushes(1);
    await t.api('presence', { channel });
    await t.api('subscribe', { user, channel: t.channel('users', 'd'), recover_since: { offset: 0, epoch: '' } });
    await ws.pushes(1);
  }],
  ...[[{}, 'without more'], [{ disconnect: { code: 4001, reason: 'come back' } }, 'with a code'], [{ disconnect: { code: 4999, reason: '' } }, 'with a code alone'],
    [{ disconnect: { code: 3000, reason: 'x' } }, 'with 3000'], [{ disconnect: { code: 3005, reason: 'expired' } }, 'with 3005']].map(([more, name]) => (
    [`disconnect a user ${name}`, async (t) => {
      const user = `user${t.number}`;
      const ws = await t.connected({ token: (await import('../exchange.mjs')).token({ sub: user }) });
      await t.api('disconnect', { user, ...more });
      await ws.closes();
    }]
  )),
  ['disconnect all but one', async (t) => {
    const user = `user${t.number}`;
    const { token } = await import('../exchange.mjs');
    const spared = await t.connected({ token: token({ sub: user }) }, { name: 'spared' });
    const other = await t.connected({ token: token({ sub: user }) }, { name: 'other' });
    await t.api('disconnect', { user, whitelist: [spared.client.client] });
    await other.closes();
    await spared.ask({ presence_stats: { channel: 'open:none' } });
    await t.api('disconnect', { user, client: spared.client.client });
    await spared.closes();
    for (const bad of [{ user: 'nobody' }, { user: 7 }, { user, disconnect: { code: 70000 } }, { user, whitelist: 'x' }]) await t.api('disconnect', bad);
  }],
  ['refresh a user', async (t) => {
    const user = `user${t.number}`;
    const { token, inSeconds } = await import('../exchange.mjs');
    const ws = await t.connected({ token: token({ sub: user, exp: inSeconds(600) }) });
    await t.api('refresh', { user, expire_at: inSeconds(300) });
    await ws.settle();
    await t.api('refresh', { user, expired: true });
    await ws.closes();
    const again = await t.connected({ token: token({ sub: user, exp: inSeconds(600) }) }, { name: 'again' });
    await t.api('refresh', { user, expire_at: 1 });
    await again.closes();
    for (const bad of [{ user: 'nobody' }, { user: 'nobody', expire_at: -1 }]) await t.api('refresh', bad);
  }],
].map(([name, run]) => ({ name: `API: ${name}`, run }));

const channels = [
  { name: 'API: publish', run: async (t) => {
    for (const body of publishing(t)) await t.api('publish', body);
  } },
  { name: 'API: publish, heard by a subscriber', run: async (t) => {
    for (const [word, how] of [['JSON', {}], ['Protobuf', { binary: true }]]) {
      const channel = t.channel('open', word.toLowerCase().slice(0, 1));
      const ws = await t.connected({}, { ...how, name: word });
      await ws.ask({ subscribe: { channel } });
      await t.api('publish', { channel, data: { a: 1 }, tags: { x: 'y' } });
      await t.api('publish', { channel, b64data: 'eyJhIjoxfQ==' });
      await t.api('publish', { channel, data: 'skipped', skip_history: true });
      await ws.pushes(3);
    }
  } },
  { name: 'API: broadcast', run: async (t) => {
    const names = [t.channel(), t.channel('bare'), 'nosuch:x', '', t.channel('shut')];
    await t.api('broadcast', { channels: names, data: { a: 1 } });
    for (const bad of [{}, { channels: [] , data: 1 }, { channels: names }, { channels: 'x', data: 1 }, { channels: [1], data: 1 }, { data: 1 }]) await t.api('broadcast', bad);
    await t.api('broadcast', { channels: [t.channel()], b64data: 'MQ==', idempotency_key: 'k' });
    await t.api('broadcast', { channels: [t.channel()], b64data: 'MQ==', idempotency_key: 'k' });
  } },
  { name: 'API: presence', run: async (t) => {
    const { token } = await import('../exchange.mjs');
    for (const namespace of ['open', 'bare', 'shut', 'nosuch', '']) {
      const channel = t.channel(namespace);
      await t.api('presence', { channel });
      await t.api('presence_stats', { channel });
    }
    const ws = await t.connected({ token: token({ sub: '42', info: { name: 'Ann' } }) });
    await ws.ask({ subscribe: { channel: t.channel() } });
    await t.api('presence', { channel: t.channel() });
    await t.api('presence_stats', { channel: t.channel() });
    for (const method of ['presence', 'presence_stats', 'history_remove']) for (const bad of [{}, { channel: '' }, { channel: 7 }]) await t.api(method, bad);
  } },
  { name: 'API: history', run: async (t) => {
    const channel = t.channel();
    await t.api('history', { channel });
    for (const n of [1, 2, 3, 4]) await t.api('publish', { channel, data: { n }, tags: { n: String(n) } });
    const first = await t.api('history', { channel });
    const { epoch } = first.result;
    for (const wish of [{ limit: 0 }, { limit: -1 }, { limit: 2 }, { limit: -1, reverse: true }, { limit: 2, reverse: true }, { limit: -1, since: { offset: 2, epoch } },
      { limit: -1, since: { offset: 2, epoch: 'other' } }, { limit: -1, since: { offset: 9, epoch } }, { limit: -1, since: { offset: 3, epoch }, reverse: true }, { limit: -5 }, { limit: 'x' }]) {
      await t.api('history', { channel, ...wish });
    }
    for (const namespace of ['bare', 'shut', 'nosuch', '']) await t.api('history', { channel: t.channel(namespace), limit: -1 });
    for (const bad of [{}, { channel: '' }]) await t.api('history', bad);
    await t.api('history_remove', { channel });
    await t.api('history', { channel, limit: -1 });
    await t.api('history_remove', { channel: t.channel('bare') });
    await t.api('history_remove', { channel: 'nosuch:x' });
  } },
  { name: 'API: channels', run: async (t) => {
    const ws = await t.connected();
    for (const namespace of ['open', 'bare']) await ws.ask({ subscribe: { channel: t.channel(namespace) } });
    await t.api('channels', { pattern: t.channel('open') });
    await t.api('channels', { pattern: `*:c${t.number}` });
    await t.api('channels', { pattern: `{open,bare}:c${t.number}` });
    await t.api('channels', { pattern: `[a-b]are:c${t.number}` });
    await t.api('channels', { pattern: 'nothing*' });
  } },
  { name: 'API: info', run: async (t) => {
    const answer = await t.api('info', {}, { tell: false });
    t.tell('fields', Object.keys(answer.result.nodes[0]).filter((name) => !['metrics', 'process', 'num_clients', 'num_users', 'num_subs', 'num_channels', 'uptime'].includes(name)).sort());
  } },
];

const requests = [
  { name: 'API: keys', run: async (t) => {
    for (const headers of [{}, { 'X-API-Key': 'wrong' }, { Authorization: 'apikey wrong' }, { Authorization: 'Bearer key-of-these-tests' }, { Authorization: 'apikey key-of-these-tests' }, { 'X-API-Key': '' }]) {
      await t.api('publish', { channel: t.channel(), data: 1 }, { key: '', headers });
    }
    await t.http('/api/publish?api_key=key-of-these-tests', { body: JSON.stringify({ channel: t.channel(), data: 1 }) });
  } },
  { name: 'API: bodies and methods', run: async (t) => {
    for (const raw of ['', '{}', '[]', 'null', '1', '{', '{"channel":"open:x","data":}', '{"channel":"open:x","data":1} x', ' {"channel":"open:x","data":1} ']) await t.api('publish', undefined, { raw });
    for (const raw of ['', '{}', 'x']) await t.api('nothing', undefined, { raw });
    await t.http('/api/publish', { method: 'GET', headers: { 'X-API-Key': 'key-of-these-tests' } });
    await t.http('/api', { method: 'GET', headers: { 'X-API-Key': 'key-of-these-tests' } });
  } },
  { name: 'API: error mode transport', run: async (t) => {
    for (const [method, body] of [['publish', { channel: 'nosuch:x', data: 1 }], ['publish', { channel: t.channel() }], ['publish', {}], ['presence', { channel: t.channel('bare') }],
      ['history', { channel: t.channel('bare'), limit: 1 }], ['history', { channel: t.channel(), limit: 1, since: { offset: 1, epoch: 'other' } }], ['broadcast', { data: 1 }],
      ['subscribe', {}], ['presence_stats', {}], ['history_remove', { channel: t.channel('bare') }], ['publish', { channel: t.channel(), data: 1 }]]) {
      await t.api(method, body, TRANSPORT);
    }
  } },
  { name: 'API: batch', run: async (t) => {
    const channel = t.channel();
    await t.api('batch', { commands: [{ publish: { channel, data: 1 } }, { publish: { channel: 'nosuch:x', data: 1 } }, { presence_stats: { channel } }, { history: { channel, limit: 10 } }, { broadcast: { channels: [channel], data: 2 } }] });
    await t.api('batch', { commands: [{ publish: { channel, data: 3 } }, { publish: { channel: t.channel('bare'), data: 4 } }], parallel: true });
    for (const bad of [{}, { commands: [] }, { commands: [{}] }, { commands: [{ nothing: {} }] }, { commands: [{ batch: { commands: [] } }] }, { commands: 'x' }, { commands: [1] }]) await t.api('batch', bad);
    await t.api('batch', { commands: [{ unsubscribe: { user: 'x', channel } }, { disconnect: { user: 'x' } }, { refresh: { user: 'x' } }, { subscribe: { user: 'x', channel } }, { presence: { channel } }, { history_remove: { channel } }, { channels: { pattern: 'none' } }] });
  } },
  { name: 'API: lines of commands', run: async (t) => {
    const channel = t.channel();
    const lines = (...commands) => commands.map((command) => JSON.stringify(command)).join('\n');
    for (const raw of [
      lines({ method: 'publish', params: { channel, data: { a: 1 } } }),
      lines({ id: 7, method: 'publish', params: { channel, data: 1 } }),
      lines({ method: 'publish', params: { channel, data: 1 } }, { method: 'history', params: { channel, limit: 10 } }, { id: 3, method: 'presence_stats', params: { channel } }),
      lines({ method: 'broadcast', params: { channels: [channel, 'nosuch:x'], data: 1 } }),
      lines({ method: 'PRESENCE', params: { channel } }),
      lines({ method: 'publish', params: { channel: 'nosuch:x', data: 1 } }, { method: 'publish', params: {} }),
      lines({ method: 'unsubscribe', params: { user: 'x', channel } }, { method: 'disconnect', params: { user: 'x' } }, { method: 'refresh', params: { user: 'x' } }),
      lines({ method: 'subscribe', params: { user: 'x', channel } }, { method: 'history_remove', params: { channel } }, { method: 'channels', params: { pattern: 'none' } }),
      lines({ method: 5, params: { channel } }, { method: 0, params: { channel, data: 1 } }),
      lines({ method: 'publish', params: [] }),
      lines({ method: 'nothing', params: {} }),
      lines({ method: 10, params: {} }),
      lines({ method: 'publish' }),
      lines({ params: { channel, data: 1 } }),
      `${lines({ method: 'publish', params: { channel, data: 1 } })}${lines({ method: 'publish', params: { channel, data: 1 } })}`,
      `${lines({ method: 'publish', params: { channel, data: 1 } })}\n{`,
      '', 'x', '[]', '{}',
    ]) await t.api('', undefined, { raw });
    await t.api('', undefined, { raw: lines({ method: 'publish', params: { channel: 'nosuch:x', data: 1 } }), ...TRANSPORT });
    await t.api('', undefined, { raw: '{}', key: '' });
  } },
];

// Whom nothing names is everybody without a user: it must not meet other cases.
const everybody = { name: 'API: sessions that nothing names', alone: true, run: async (t) => {
  for (const [method, body] of [['subscribe', { channel: t.channel() }], ['unsubscribe', { channel: t.channel() }], ['refresh', {}], ['disconnect', {}]]) {
    const ws = await t.connected({}, { name: method });
    await t.api(method, body);
    await ws.ask({ presence_stats: { channel: t.channel() } });
  }
} };

/** The cases. */
export default [...channels, ...sessions, ...requests, everybody];
