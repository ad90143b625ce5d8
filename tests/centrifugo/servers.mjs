//! Both servers with equivalent settings, and the backend that their hooks ask. Owned by the run that starts them: each process is
//! ended by its own id, its folder removed. Bounds: loopback only, 15 s to get ready.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from '../nginx/process.mjs';
import { freePort, until } from '../nginx/until.mjs';

const READY_MAX_MS = 15_000;
/** The key of the API, and what tokens are signed with: the tests' own, in both files of settings. */
export const API_KEY = 'key-of-these-tests';
export const TOKEN_SECRET = 'a secret of these tests, long enough for HS256';

/** A server that runs. */
class Server {
  #child;
  #folder;

  static async start({ binary, words, file, health, backend, connects }) {
    const server = new Server();
    server.#folder = mkdtempSync(join(tmpdir(), 'fanfare-centrifugo-'));
    const port = await freePort();
    server.origin = `http://127.0.0.1:${port}`;
    const settings = readFileSync(new URL(file, import.meta.url), 'utf8');
    const path = join(server.#folder, file);
    writeFileSync(path, connects(settings).replaceAll('"{port}"', port).replaceAll('{port}', port).replaceAll('{backend}', backend.url));
    // Variables of the tests would look like misspelt settings to it.
    const kept = process.env.FANFARE_BIN;
    delete process.env.FANFARE_BIN;
    server.#child = new Child(binary, words(path));
    if (kept !== undefined) process.env.FANFARE_BIN = kept;
    await until(`${binary} is ready`, async () => {
      server.#child.mustRun();
      return fetch(`${server.origin}${health}`).then((answer) => answer.ok, () => false);
    }, READY_MAX_MS, () => server.#child.output);
    return server;
  }

  mustRun() { this.#child.mustRun(); }

  async remove() {
    await this.#child.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** fanfare; with `hooked`, the backend is asked who connects, and what is published goes to it as bytes. */
export function startFanfare(binary, backend, hooked) {
  const connects = (text) => (hooked
    ? text.replace('[hooks.publish]\n', '[hooks.publish]\nbinary_encoding = true\n')
    : text.replace(/^\[hooks\.(connect|refresh)\]\n(.+\n)+/gm, ''));
  return Server.start({ binary, words: (path) => ['serve', '--config', path], file: 'fanfare.toml', health: '/ready', backend, connects });
}

/** Centrifugo 6.9.1; with `hooked`, the backend is asked who connects, and what is published goes to it as bytes. */
export function startCentrifugo(binary, backend, hooked) {
  const connects = (text) => {
    const settings = JSON.parse(text);
    for (const proxy of Object.values(settings.client.proxy)) proxy.enabled = hooked;
    settings.channel.proxy.publish.binary_encoding = hooked;
    return JSON.stringify(settings);
  };
  return Server.start({ binary, words: (path) => ['-c', path], file: 'centrifugo.json', health: '/health', backend, connects });
}

/** A backend whose answers the data of each question asks for: `{"answer": …}` in the data, or the words of a channel's name. */
export class Backend {
  #calls = [];
  #server;

  static async start() {
    const backend = new Backend();
    backend.#server = createServer((request, response) => { backend.#answer(request, response); }).listen(0, '127.0.0.1');
    await once(backend.#server, 'listening');
    backend.url = `http://127.0.0.1:${backend.#server.address().port}`;
    return backend;
  }

  async #answer(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = JSON.parse(Buffer.concat(pieces));
    this.#calls.push({ hook: request.url.slice(1), body });
    const data = body.data ?? (body.b64data ? textOf(body.b64data) : undefined);
    const answer = data?.answer ?? { result: request.url === '/connect' ? { user: 'somebody' } : {} };
    response.writeHead(data?.status ?? 200, { 'Content-Type': 'application/json' });
    response.end(data?.text ?? JSON.stringify(answer));
  }

  /** The calls of one case: those whose client, channel or data carry its number. */
  takeCalls(number) {
    const mine = ({ body }) => JSON.stringify(body).includes(`case ${number}.`) || body.channel?.endsWith(`c${number}`);
    const calls = this.#calls.filter(mine);
    this.#calls = this.#calls.filter((call) => !mine(call));
    return calls;
  }

  async remove() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function textOf(base64) {
  try {
    return JSON.parse(Buffer.from(base64, 'base64'));
  } catch {
    return undefined;
  }
}
