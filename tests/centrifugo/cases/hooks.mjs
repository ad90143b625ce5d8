//! What the backend is asked, and what its answers do. The data of each question says how it is to be answered.

const CODINGS = [['JSON', {}], ['Protobuf', { binary: true }]];

const RESULTS = [
  ['nothing but a user', { result: { user: 'ann' } }],
  ['no user', { result: {} }],
  ['information and data', { result: { user: 'ann', info: { name: 'Ann' }, data: { welcome: true } } }],
  ['data in base64', { result: { user: 'ann', b64data: 'eyJhIjoxfQ==' } }],
  ['an end', { result: { user: 'ann', expire_at: 4000000000 } }],
  ['meta', { result: { user: 'ann', meta: { kept: 1 } } }],
  ['an error', { error: { code: 1000, message: 'not you' } }],
  ['a temporary error', { error: { code: 1001, message: 'later', temporary: true } }],
  ['an error of the protocol', { error: { code: 103, message: 'permission denied' } }],
  ['a disconnect', { disconnect: { code: 4501, reason: 'go away' } }],
  ['a disconnect that may come back', { disconnect: { code: 4001, reason: 'later' } }],
  ['{}', {}],
  ['null as result', { result: null }],
  ['an unknown field', { result: { user: 'ann', unknown: 1 } }],
];

const connects = CODINGS.flatMap(([word, how]) => RESULTS.map(([name, answer]) => ({
  name: `the connect hook answers ${name} (${word})`,
  hooked: true,
  run: async (t) => {
    const ws = await t.open(how);
    const reply = await ws.ask({ connect: { name: 'js', version: '1', data: { said: `case ${t.number}.`, answer } } });
    // Where one server refuses, what the other does next has no counterpart.
    if (!('result' in answer) || answer.result === null) return t.asked();
    if (reply?.connect) await ws.ask({ rpc: { method: 'who', data: { said: `case ${t.number}.` } } });
    return t.asked();
  },
})));

const channelsOf = CODINGS.map(([word, how]) => ({
  name: `the connect hook gives channels (${word})`,
  hooked: true,
  run: async (t) => {
    for (const result of [{ user: 'ann', channels: [t.channel(), t.channel('bare')] }, { user: 'ann', subs: { [t.channel()]: { info: { seat: 1 }, data: { topic: 'x' } } } }, { user: 'ann', channels: ['nosuch:x'] }]) {
      const ws = await t.open(how);
      await ws.ask({ connect: { data: { said: `case ${t.number}.`, answer: { result } } } });
      await ws.settle();
      ws.peer.close();
    }
    t.asked();
  },
}));

const bodies = [['no JSON', { text: 'x' }], ['status 500', { status: 500 }], ['a list', { text: '[]' }], ['nothing', { text: '' }]].map(([name, data]) => ({
  name: `the connect hook answers with ${name}`,
  hooked: true,
  run: async (t) => {
    const ws = await t.open();
    await ws.ask({ connect: { data: { said: `case ${t.number}.`, ...data } } });
  },
}));

const others = CODINGS.flatMap(([word, how]) => [
  { name: `the rpc hook (${word})`, run: async (t) => {
    const ws = await t.connected({}, how);
    for (const answer of [{ result: { data: { sum: 3 } } }, { result: { b64data: 'eyJhIjoxfQ==' } }, { result: {} }, { error: { code: 1000, message: 'no' } }]) {
      await ws.ask({ rpc: { method: 'add', data: { said: `case ${t.number}.`, answer } } });
    }
    await ws.ask({ rpc: { method: '', data: { said: `case ${t.number}.` } } });
    await ws.ask({ rpc: { data: { said: `case ${t.number}.`, answer: { disconnect: { code: 4000, reason: 'out' } } } } });
    t.asked();
  } },
  { name: `the subscribe hook (${word})`, run: async (t) => {
    const answers = [{ result: {} }, { result: { info: { seat: 1 }, data: { topic: 'x' } } }, { result: { b64data: 'eyJhIjoxfQ==' } }, { result: { expire_at: 4000000000 } },
      { result: { override: { presence: { value: false }, join_leave: { value: true } } } }, { error: { code: 1000, message: 'no' } }, { error: { code: 103, message: 'x' } }, { disconnect: { code: 4000, reason: 'out' } }];
    for (const [index, answer] of answers.entries()) {
      const ws = await t.connected({}, how);
      const channel = t.channel('hook', `v${String.fromCharCode(97 + index)}`);
      await ws.ask({ subscribe: { channel, data: { said: `case ${t.number}.`, answer } } });
    }
    const ws = await t.connected({}, how);
    await ws.ask({ subscribe: { channel: t.channel('hook') } });
    t.asked();
  } },
  { name: `the publish hook (${word})`, run: async (t) => {
    const answers = [{ result: {} }, { result: { data: { checked: true } } }, { result: { b64data: 'eyJhIjoxfQ==' } }, { result: { tags: { by: 'backend' } } }, { result: { skip_history: true } },
      { error: { code: 1000, message: 'no' } }, { disconnect: { code: 4000, reason: 'out' } }];
    const listener = await t.connected({}, { ...how, name: 'listener' });
    const channel = t.channel('hook');
    await listener.ask({ subscribe: { channel } });
    for (const answer of answers) {
      const ws = await t.connected({}, how);
      await ws.ask({ publish: { channel, data: { said: `case ${t.number}.`, answer } } });
    }
    await listener.pushes(5);
    t.asked();
  } },
]);

const odd = [
  ...CODINGS.map(([word, how]) => ({ name: `a hook that wants bytes (${word})`, hooked: true, run: async (t) => {
    const ws = await t.connected({}, how);
    const channel = t.channel('hook');
    for (const answer of [{ result: {} }, { result: { b64data: 'eyJhIjoxfQ==' } }, { error: { code: 1000, message: 'no' } }]) {
      await ws.ask({ publish: { channel, data: { said: `case ${t.number}.`, answer } } });
    }
    for (const { hook, body } of t.backend.takeCalls(t.number)) {
      if (hook === 'publish') t.tell('hook publish', { ...body, b64data: body.b64data?.length > 0 });
    }
  } })),
  ...CODINGS.map(([word, how]) => ({ name: `hooks that answer {} (${word})`, run: async (t) => {
    const data = { said: `case ${t.number}.`, answer: {} };
    for (const command of [{ rpc: { data } }, { subscribe: { channel: t.channel('hook'), data } }, { publish: { channel: t.channel('hook'), data } }]) {
      const ws = await t.connected({}, how);
      await ws.ask(command);
    }
  } })),
  { name: 'rpc of another namespace', run: async (t) => {
    const ws = await t.connected();
    await ws.ask({ rpc: { method: 'nosuch:x', data: { said: `case ${t.number}.` } } });
  } },
  { name: 'bytes that are no JSON for the rpc hook (Protobuf)', run: async (t) => {
    const ws = await t.connected({}, { binary: true });
    await ws.ask({ rpc: { method: `case ${t.number}.` } });
    await ws.ask({ rpc: { method: `case ${t.number}.`, data: null } });
    t.asked();
    await ws.ask({ rpc: { method: `case ${t.number}.`, data: { $bytes: '/wD+' } } });
    t.asked();
  } },
];

/** The cases. */
export default [...connects, ...channelsOf, ...bodies, ...others, ...odd];
