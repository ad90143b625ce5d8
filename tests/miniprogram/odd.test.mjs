//! What platforms may do beside what their fakes do: the built module on a `wx` whose every word
//! the test says. Bounds: no server, no network; every wait has a deadline.

import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { until } from '../nginx/until.mjs';
import { removeLeft } from './left.mjs';
import { plain } from './mini.mjs';
import { Phone } from './phone/phone.mjs';
import { Realm } from './phone/realm.mjs';

const MODULE = fileURLToPath(new URL('../../clients/miniprogram/fanfare.js', import.meta.url));
const CONNECTED = { client: 'c', version: '', ping: 25, pong: true };

after(removeLeft);

/** A client on a scripted `wx`; `made(n)` may stand in for the n-th task, counted from 0. */
function scripted(made = (task) => task, options = {}) {
  const tasks = [];
  const told = { state: [], close: [], message: [] };
  const wx = {
    connectSocket(asked) {
      const listeners = {};
      const task = { asked, sent: [], closed: [], tell: (name, event) => listeners[name]?.(event) };
      for (const name of ['Open', 'Message', 'Close', 'Error']) {
        task[`on${name}`] = (listener) => {
          listeners[name] = listener;
        };
      }
      task.send = (sending) => {
        task.sent.push(sending);
        task.onSend?.(sending);
      };
      task.close = (closing) => task.closed.push(closing);
      tasks.push(task);
      return made(task, tasks.length - 1);
    },
    request() {
      throw new Error('no requests here');
    },
  };
  const phone = new Phone();
  const Fanfare = new Realm(phone, { wx }).require(MODULE);
  const client = new Fanfare('https://example.com', {
    minDelay: 20,
    maxDelay: 40,
    timeout: 3000,
    transports: ['websocket'],
    ...options,
  });
  for (const name of Object.keys(told)) client.on(name, (event) => told[name].push(plain(event)));
  client.connect();
  const stop = () => {
    client.close();
    phone.remove();
  };
  return { client, tasks, told, phone, stop };
}

/** Opens a task as the server would: it is open, and the connect command is answered. */
async function open(task, encode = (text) => text) {
  task.tell('Open', { header: {} });
  await until('the connect command', () => task.sent.length > 0);
  const { id } = JSON.parse(task.sent[0].data.split('\n')[0]);
  task.tell('Message', { data: encode(JSON.stringify({ id, connect: CONNECTED })) });
}

const connecting = ({ told }) => told.state.filter(({ retryIn }) => retryIn !== undefined);

describe('a platform that', { concurrency: true }, () => {
  // The code decides whether to come back, and some platforms tell of an error first. The close
  // behind it must be waited for, and must not count as a second failure.
  test('tells an error and then a close: the code of the close counts', async () => {
    const mini = scripted();
    await open(mini.tasks[0]);
    await until('connected', () => mini.client.state === 'connected');
    mini.tasks[0].tell('Error', { errMsg: 'something' });
    // Not in the same breath: a phone tells its two words one after the other. No timer, which on
    // a machine that is busy may come behind the one that waits for the close.
    setImmediate(() => mini.tasks[0].tell('Close', { code: '3503', reason: '再见' }));
    await until('the end', () => mini.told.close.length > 0);
    assert.deepEqual(mini.told.close, [{ code: 3503, reason: '再见' }]);
    assert.equal(mini.tasks.length, 1);
    mini.stop();
  });

  test('tells an error alone: it is one end, and the socket is given back', async () => {
    const mini = scripted();
    mini.tasks[0].tell('Error', { errMsg: 'first' });
    mini.tasks[0].tell('Error', { errMsg: 'second' });
    await until('another attempt', () => mini.tasks.length === 2);
    mini.tasks[0].tell('Close', { code: 1006, reason: 'late' });
    assert.equal(mini.tasks[0].closed.length, 1);
    assert.deepEqual(
      connecting(mini).map(({ code, reason }) => [code, reason]),
      [[1006, 'first']],
    );
    mini.stop();
  });

  // Alipay's typings know no code. Without one it must not be taken for a wish to end.
  test('tells a close without a code: it comes back', async () => {
    for (const event of [
      undefined,
      {},
      { data: { socketTaskID: '1' } },
      { code: 0 },
      { code: '' },
    ]) {
      const mini = scripted();
      await open(mini.tasks[0]);
      mini.tasks[0].tell('Close', event);
      await until('another attempt', () => mini.tasks.length === 2);
      assert.equal(connecting(mini)[0].code, 1006);
      mini.stop();
    }
  });

  // A close before the open is passed over on some phones. The socket would then be open with
  // nobody who knows of it.
  test('passes over a close while opening: it is closed once it is open', async () => {
    const mini = scripted();
    mini.client.close();
    assert.equal(mini.tasks[0].closed.length, 1);
    mini.tasks[0].tell('Open', {});
    assert.equal(mini.tasks[0].closed.length, 2);
    mini.tasks[0].tell('Message', { data: '{}' });
    assert.equal(mini.told.close.length, 1);
    mini.stop();
  });

  // Some base libraries hand text over as bytes, and phones have no TextDecoder.
  test('hands text over as bytes: it is decoded, whatever it is', async () => {
    const mini = scripted();
    const bytes = (text) => Uint8Array.from(Buffer.from(text)).buffer;
    await open(mini.tasks[0], bytes);
    await until('connected', () => mini.client.state === 'connected');
    const texts = ['弹幕', '🎺👨‍👩‍👧', 'é', '\u0000\u007f', 'x'.repeat(70_000)];
    for (const data of texts)
      mini.tasks[0].tell('Message', {
        data: bytes(JSON.stringify({ push: { message: { data } } })),
      });
    assert.deepEqual(
      mini.told.message.map(({ data }) => data),
      texts,
    );
    // What is no text at all ends the connection, and not the mini program.
    mini.tasks[0].tell('Message', { data: Uint8Array.from([0xff, 0xfe, 0x80]).buffer });
    await until('another attempt', () => mini.tasks.length === 2);
    mini.stop();
  });

  test('throws, or gives no task: it is an end with words like any other', async () => {
    const answers = [
      () => {
        throw new Error('not today');
      },
      () => undefined,
      () => ({}),
      () => Promise.reject({ errMsg: 'no' }),
    ];
    const mini = scripted((task, at) => (answers[at] ? answers[at]() : task));
    await until('the fifth attempt', () => mini.tasks.length === 5);
    const words = connecting(mini).map(({ reason }) => reason);
    assert.match(words[0], /not today/);
    assert.match(words[1], /1\.7\.0/);
    assert.match(words[3], /^no$/);
    await open(mini.tasks[4]);
    await until('connected', () => mini.client.state === 'connected');
    mini.stop();
  });

  // A message that a phone does not take is lost. A client that goes on as if nothing had happened
  // waits for its answer in vain.
  test('does not take a message: the connection is made anew', async () => {
    const mini = scripted();
    await open(mini.tasks[0]);
    await until('connected', () => mini.client.state === 'connected');
    mini.tasks[0].onSend = ({ fail }) => fail({ errMsg: 'sendSocketMessage:fail' });
    const sent = mini.client.publish('room:1', 1);
    await assert.rejects(sent, { code: 'closed' });
    await until('another attempt', () => mini.tasks.length === 2);
    assert.equal(mini.tasks[0].closed.length, 1);
    mini.stop();
  });

  test('knows no events of the app and no network: it works all the same', async () => {
    const mini = scripted();
    await open(mini.tasks[0]);
    await until('connected', () => mini.client.state === 'connected');
    assert.deepEqual(Object.keys(mini.tasks[0].asked).sort(), [
      'fail',
      'header',
      'success',
      'tcpNoDelay',
      'timeout',
      'url',
    ]);
    mini.stop();
  });
});
