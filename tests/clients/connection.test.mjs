//! The life of a connection, against a server that the test plays and a clock that the test moves.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { hide, tell } from './browser.mjs';
import { client } from './client.mjs';
import { begin, FakeSocket, pass, settle, sleep } from './fake.mjs';

const ORIGIN = 'https://push.example.com';
/** The defaults: 500 ms to 20 s. */
const RULES = { minDelay: 500, maxDelay: 20000, transports: ['websocket'] };

function start(t, options = {}) {
  begin(t);
  const made = client(t, ORIGIN, { ...RULES, ...options });
  made.connect();
  return made;
}

async function welcomed(t, options, result) {
  const made = start(t, options);
  FakeSocket.last.welcome(result);
  await settle();
  assert.equal(made.state, 'connected');
  return made;
}

test('a client goes from disconnected over connecting to connected, and tells each step', async (t) => {
  // Apps draw what they are told; a step that is not told is a screen that is wrong.
  begin(t);
  const made = client(t, ORIGIN, RULES);
  assert.equal(made.state, 'disconnected');
  assert.equal(made.transport, null);
  made.connect();
  assert.equal(made.state, 'connecting');
  assert.equal(FakeSocket.last.url, 'wss://push.example.com/connection/websocket');
  FakeSocket.last.welcome();
  assert.equal(made.state, 'connected');
  assert.equal(made.transport, 'websocket');
  made.close();
  assert.equal(made.state, 'disconnected');
  assert.deepEqual(made.told.state.map(({ state }) => state), ['connecting', 'connected', 'disconnected']);
  assert.deepEqual(made.told.close, [{ code: 1000, reason: 'closed by the app' }]);
  assert.equal(FakeSocket.last.closed.code, 1000);
});

test('a second connect and a second close do nothing', async (t) => {
  // Pages call both more than once; a second socket would count against five, a second event end a page twice.
  const made = await welcomed(t);
  made.connect();
  made.close();
  made.close();
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(made.told.close.length, 1);
});

test('every close that nobody asked for reconnects, 1000 of WeChat in the background included', async (t) => {
  // Tutorials take 1000 for the user's own close; then an app that was in the background stays dead.
  for (const [code, reason] of [[1000, 'interrupted'], [1000, ''], [1001, ''], [1005, ''], [1006, ''], [1011, ''],
    [1012, ''], [1013, ''], [3000, ''], [3001, ''], [3004, ''], [3008, ''], [3012, ''], [3499, ''], [4000, ''], [4499, '']]) {
    await t.test(`${code} ${reason}`, async (t) => {
      const made = await welcomed(t);
      FakeSocket.last.drop(code, reason);
      assert.equal(made.state, 'connecting');
      assert.deepEqual(made.told.close, []);
      const last = made.told.state.at(-1);
      assert.deepEqual([last.code, last.reason], [code, reason]);
      await pass(last.retryIn);
      assert.equal(FakeSocket.all.length, 2);
    });
  }
});

test('3500 to 3999, 4500 to 4999 and 1009 are final, and are told once', async (t) => {
  // A client that comes back against the server's word is a load that never ends, and tells the app nothing.
  for (const code of [1009, 3500, 3503, 3999, 4500, 4999]) {
    await t.test(String(code), async (t) => {
      const made = await welcomed(t);
      const socket = FakeSocket.last;
      const { onclose } = socket;
      socket.drop(code, 'go');
      // A platform that reports the end again.
      onclose({ code: 1006, reason: '' });
      await pass(60_000);
      assert.equal(made.state, 'disconnected');
      assert.deepEqual(made.told.close, [{ code, reason: 'go' }]);
      assert.equal(FakeSocket.all.length, 1);
      made.connect();
      FakeSocket.last.welcome();
      assert.equal(made.state, 'connected', 'the app may begin anew');
    });
  }
});

test('the delay is random between minDelay and 1 s · 2ⁿ, at most maxDelay', async (t) => {
  // Without the random part, all clients of a server come back at the same moment; without growth they hammer it.
  for (const [draw, expected] of [[0, [500, 500, 500, 500, 500, 500, 500]], [0.999999, [1000, 2000, 4000, 8000, 16000, 20000, 20000]]]) {
    await t.test(`at ${draw}`, async (t) => {
      const made = start(t);
      Math.random = () => draw;
      const delays = [];
      for (let n = 0; n < expected.length; n++) {
        FakeSocket.last.drop();
        const { retryIn } = made.told.state.at(-1);
        delays.push(retryIn);
        await pass(retryIn - 1);
        assert.equal(FakeSocket.all.length, n + 1, 'not before its time');
        await pass(1);
        assert.equal(FakeSocket.all.length, n + 2, 'at its time');
      }
      assert.deepEqual(delays, expected);
    });
  }
});

test('the count of failures begins anew after five seconds of connection, not before', async (t) => {
  // A server that takes everyone and drops them would else be met by all of them twice a second.
  const made = start(t);
  Math.random = () => 0.999999;
  const dropAfter = async (ms) => {
    FakeSocket.last.welcome();
    await pass(ms);
    FakeSocket.last.drop();
    const { retryIn } = made.told.state.at(-1);
    await pass(retryIn);
    return retryIn;
  };
  assert.equal(await dropAfter(100), 1000);
  assert.equal(await dropAfter(4900), 2000);
  assert.equal(await dropAfter(100), 4000);
  assert.equal(await dropAfter(5000), 1000);
});

test('an attempt that leads nowhere is given up after the timeout, and its socket is closed', async (t) => {
  // Half of all hotel networks swallow the handshake; a socket left behind counts against the five of a mini program.
  const made = start(t, { timeout: 3000 });
  await pass(2999);
  assert.equal(made.told.state.length, 1);
  await pass(1);
  assert.match(made.told.state.at(-1).reason, /no connection within 3000 ms/);
  assert.ok(FakeSocket.all[0].closed);
  FakeSocket.all[0].onopen?.({});
  await pass(made.told.state.at(-1).retryIn);
  assert.equal(FakeSocket.open.length, 1);
  // The same where the socket opens and nothing more comes.
  FakeSocket.last.accept();
  await pass(3000);
  assert.equal(made.told.state.at(-1).code, 1006);
});

test('pings are answered, and a connection on which nothing comes for ping and 10 s is given up', async (t) => {
  // A half-open line reports no close: without a watch the client sits there for good and gets nothing.
  const made = await welcomed(t);
  const socket = FakeSocket.last;
  for (let n = 0; n < 3; n++) {
    await pass(25_000);
    socket.say({});
    assert.deepEqual(socket.sent.at(-1), {});
  }
  assert.equal(socket.sent.filter((command) => Object.keys(command).length === 0).length, 3);
  await pass(34_999);
  assert.equal(made.state, 'connected');
  await pass(1);
  assert.equal(made.state, 'connecting');
  assert.match(made.told.state.at(-1).reason, /nothing came for 35000 ms/);
  assert.ok(socket.closed);
});

test('anything that comes proves that the connection lives', async (t) => {
  // A busy server may send its ping late; who only counts pings closes a line that is full of messages.
  const made = await welcomed(t);
  for (let n = 0; n < 10; n++) {
    await pass(30_000);
    FakeSocket.last.say({ push: { message: { data: n } } });
  }
  assert.equal(made.state, 'connected');
  assert.deepEqual(made.told.message.at(-1), { data: 9 });
});

test('a server that wants no pongs gets none, and one without pings is not watched', async (t) => {
  // A pong that nobody asked for is a protocol error, 3501, which is final.
  const made = await welcomed(t, {}, { ping: 25, pong: false });
  FakeSocket.last.say({});
  assert.equal(FakeSocket.last.sent.length, 1);
  made.close();
  made.connect();
  FakeSocket.last.welcome({ ping: 0, pong: false });
  await pass(3_600_000);
  assert.equal(made.state, 'connected');
});

test('a timer that is late closes nothing: the server is probed, and an answer keeps the connection', async (t) => {
  // Browsers throttle timers of hidden tabs to one a minute and stop them in sleep; what is late proves nothing.
  const made = await welcomed(t);
  hide(true);
  sleep(90_000);
  await pass(1);
  assert.equal(made.state, 'connected');
  const probe = FakeSocket.last.command('ping');
  assert.ok(probe, 'it asks');
  FakeSocket.last.say({ id: probe.id, error: { code: 108, message: 'not available' } });
  await pass(10_000);
  assert.equal(made.state, 'connected');
  assert.deepEqual(made.told.error, []);
});

test('a probe without an answer ends the connection, and the next attempt is at once', async (t) => {
  // After sleep the line is often dead; each second of waiting for a timeout is a second without messages.
  const made = await welcomed(t);
  hide(true);
  sleep(90_000);
  await pass(1);
  await pass(4000);
  assert.equal(made.state, 'connecting');
  assert.equal(made.told.state.at(-1).retryIn, 0);
  await pass(0);
  assert.equal(FakeSocket.all.length, 2);
});

test('what was on its way when a line died does not answer for it', async (t) => {
  // A message that comes right behind a change of network was taken for the answer to the probe, and a dead line then stood for 35 s.
  const made = await welcomed(t);
  tell('online');
  await pass(100);
  FakeSocket.last.say({ push: { message: { data: 1 } } });
  await pass(3900);
  assert.equal(made.state, 'connecting');
  // What comes later than anything can be on its way proves that the line lives, though the answer itself is late.
  await pass(0);
  FakeSocket.last.welcome();
  tell('online');
  await pass(1000);
  FakeSocket.last.say({ push: { message: { data: 2 } } });
  await pass(4000);
  assert.equal(made.state, 'connected');
});

test('coming back to the page, or to the network, probes a connection and hurries an attempt', async (t) => {
  // A phone that changes from Wi-Fi to mobile data tells its sockets nothing, and users look at the page now.
  for (const back of ['visibilitychange', 'online']) {
    await t.test(back, async (t) => {
      const made = await welcomed(t);
      tell(back);
      assert.ok(FakeSocket.last.command('ping'));
      FakeSocket.last.say({ id: FakeSocket.last.command('ping').id, error: { code: 108, message: '' } });
      Math.random = () => 0.999999;
      FakeSocket.last.drop();
      for (let n = 0; n < 3; n++) {
        await pass(made.told.state.at(-1).retryIn);
        FakeSocket.last.drop();
      }
      assert.equal(made.told.state.at(-1).retryIn, 8000);
      await pass(600);
      const before = FakeSocket.all.length;
      tell(back);
      await pass(0);
      assert.equal(FakeSocket.all.length, before + 1);
    });
  }
});

test('hints that flap make no more attempts than minDelay lets', async (t) => {
  // A network at its edge says online several times a second; each would be a handshake.
  const made = start(t);
  FakeSocket.last.drop();
  for (let n = 0; n < 50; n++) {
    tell('online');
    await pass(10);
    if (FakeSocket.last.readyState === 0) FakeSocket.last.drop();
  }
  assert.ok(FakeSocket.all.length <= 3, `${FakeSocket.all.length} attempts in half a second`);
  assert.equal(made.state, 'connecting');
});

test('offline is a hint: it is looked into, and attempts become rare', async (t) => {
  // Chrome leaves an open socket open when it goes offline, and some machines say offline for ever though they are not.
  const made = await welcomed(t);
  tell('offline');
  assert.ok(FakeSocket.last.command('ping'));
  await pass(4000);
  await pass(0);
  FakeSocket.last.drop();
  assert.ok(made.told.state.at(-1).retryIn >= 20_000);
  const before = FakeSocket.all.length;
  await pass(15_000);
  assert.equal(FakeSocket.all.length, before);
  await pass(6000);
  assert.equal(FakeSocket.all.length, before + 1, 'it tries even so');
  FakeSocket.last.drop();
  await pass(600);
  tell('online');
  await pass(0);
  assert.equal(FakeSocket.all.length, before + 2);
});

test('a connection that stands is the proof that the machine is not offline', async (t) => {
  // Behind some VPNs browsers say offline all day; each restart of the server would cost those users twenty seconds.
  for (const prove of ['connect', 'probe']) {
    await t.test(prove, async (t) => {
      const made = prove === 'connect' ? start(t) : await welcomed(t);
      tell('offline');
      if (prove === 'connect') FakeSocket.last.welcome();
      else FakeSocket.last.refuse('ping', 107);
      FakeSocket.last.drop();
      assert.ok(made.told.state.at(-1).retryIn <= 1000, `${made.told.state.at(-1).retryIn}`);
    });
  }
});

test('a page that goes into the back/forward cache closes, tries nothing, and connects when it is back', async (t) => {
  // A page with an open socket is not cached, or is cached with a dead one; both look broken after "back".
  const made = await welcomed(t);
  tell('pagehide', { persisted: true });
  assert.equal(FakeSocket.last.closed.code, 1000);
  assert.equal(made.state, 'connecting');
  await pass(120_000);
  tell('online');
  await pass(60_000);
  assert.equal(FakeSocket.all.length, 1);
  tell('pageshow', { persisted: true });
  await pass(0);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.welcome();
  assert.equal(made.state, 'connected');
  assert.deepEqual(made.told.close, []);
});

test('a page closes on its way out whatever it is told, so that it can be kept, and a first pageshow does nothing', async (t) => {
  // A browser may say "not kept" because of the very socket that the page leaves open; and the server should know at once.
  const made = await welcomed(t);
  tell('pageshow', { persisted: false });
  assert.equal(FakeSocket.last.command('ping'), undefined);
  tell('pagehide', { persisted: false });
  assert.equal(FakeSocket.open.length, 0);
  tell('pageshow', { persisted: true });
  await pass(0);
  FakeSocket.last.welcome();
  assert.equal(made.state, 'connected');
});

test('close while connecting, while waiting and while frozen leaves no timer and no listener behind', async (t) => {
  // A page that goes leaves its client; a timer of it would open a socket for nobody.
  const ends = {
    connecting: () => {},
    waiting: () => FakeSocket.last.drop(),
    frozen: () => tell('pagehide', { persisted: true }),
  };
  for (const [name, bring] of Object.entries(ends)) {
    await t.test(name, async (t) => {
      const made = start(t);
      bring();
      made.close();
      const { length } = FakeSocket.all;
      tell('online');
      tell('pageshow', { persisted: true });
      await pass(3_600_000);
      assert.equal(FakeSocket.all.length, length);
      assert.equal(FakeSocket.open.length, 0);
      assert.equal(made.told.close.length, 1);
    });
  }
});

test('a listener that throws harms neither the others nor the connection', async (t) => {
  // A page's mistake in one handler would else cut off every other page of the app.
  const made = start(t);
  const thrown = [];
  const keep = (error) => thrown.push(error.message);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', keep);
  t.after(() => {
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
  });
  let heard = 0;
  const off = made.on('state', () => {
    off();
    throw new Error('of the page');
  });
  made.on('state', () => { heard += 1; });
  FakeSocket.last.welcome();
  await settle();
  await settle();
  assert.equal(heard, 1);
  assert.equal(made.state, 'connected');
  assert.deepEqual(thrown, ['of the page']);
});

test('a listener is stopped by off and by what on answered, and may stop itself while told', async (t) => {
  const made = start(t);
  const heard = [];
  const off = made.on('state', () => { heard.push('one'); off(); });
  const two = () => heard.push('two');
  made.on('state', two);
  FakeSocket.last.welcome();
  made.off('state', two);
  FakeSocket.last.drop();
  assert.deepEqual(heard, ['one', 'two']);
});

test('close within a listener ends everything at once', async (t) => {
  // The usual handler of "kicked" calls close; what still came in the same message must not revive it.
  const made = await welcomed(t);
  made.on('message', () => made.close());
  FakeSocket.last.say({ push: { message: { data: 1 } } }, { push: { message: { data: 2 } } });
  assert.deepEqual(made.told.message, [{ data: 1 }]);
  await pass(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test('what is not the protocol ends the connection, which is made again', async (t) => {
  // A captive portal answers everything with its page.
  const made = await welcomed(t);
  FakeSocket.last.onmessage({ data: '<html>' });
  assert.equal(made.state, 'connecting');
  assert.equal(made.told.state.at(-1).code, 1002);
  assert.equal(FakeSocket.open.length, 0);
});

test('an address that is none is refused where it is written', (t) => {
  begin(t);
  for (const bad of ['push.example.com', 'ftp://x', '']) assert.throws(() => client(t, bad), /begins with https/);
  assert.throws(() => client(t, ORIGIN, { transports: ['sse'] }), /none of these transports is here/);
  const made = client(t, 'WSS://push.example.com/base/?x#y', RULES);
  made.connect();
  assert.equal(FakeSocket.last.url, 'wss://push.example.com/base/connection/websocket');
});

test('header fields go into the connect command, where a browser can set none, with data and name', async (t) => {
  const made = start(t, { header: { 'X-Trace': '1' }, data: { room: 7 } });
  FakeSocket.last.accept();
  const { connect } = FakeSocket.last.command('connect');
  assert.deepEqual(connect.headers, { 'X-Trace': '1' });
  assert.deepEqual(connect.data, { room: 7 });
  assert.equal(made.state, 'connecting');
});

test('mocked time is really mocked', (t) => {
  begin(t);
  const before = Date.now();
  mock.timers.tick(5);
  assert.equal(Date.now(), before + 5);
});
