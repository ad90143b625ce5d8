//! The ten failures over WebSocket, see failures.mjs; and a token that is renewed, which is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { until } from '../nginx/until.mjs';
import { inSeconds, token } from '../sdk/token.mjs';
import { connected, received, subscribed } from './client.mjs';
import { failuresOver } from './failures.mjs';
import { Server } from './server.mjs';

failuresOver('websocket');

test('a token is renewed over a connection that stands, which does not break', async (t) => {
  const server = await Server.start(t);
  for (const name of ['websocket', 'sse']) {
    let asked = 0;
    // Not one second: on a busy machine it would be over before it is used, which is another test.
    const give = async () => token({ sub: '42', exp: inSeconds(asked++ === 0 ? 3 : 600) });
    const made = await connected(t, server.origin, { transports: [name], token: give });
    const part = await subscribed(made, 'room:a');
    await until('renewed', () => asked === 2);
    await part.publish(name);
    assert.deepEqual(await received(part, 1), [name]);
    assert.deepEqual(made.told.state.map(({ state }) => state), ['connecting', 'connected']);
    made.close();
  }
});
