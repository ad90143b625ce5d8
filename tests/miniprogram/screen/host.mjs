//! Serves the page that runs a mini program, to the browser of the tests. Owned by the test that
//! starts it. Bounds: loopback only, on a port of the system's choice.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { compile } from './compile.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript' };

/** Serves the mini program in `folder`, with `config` in place of its config.js. */
export async function host(folder, config) {
  const program = JSON.stringify(compile(folder));
  const made = { 'program.json': program, 'config.json': JSON.stringify(config) };
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://host').pathname).slice(1) || 'index.html';
    const file = path.startsWith('modules/')
      ? join(HERE, '../node_modules', path.slice('modules/'.length))
      : join(HERE, path);
    try {
      const body = made[path] ?? (await readFile(file));
      response.setHeader('content-type', TYPES[extname(path)] ?? 'application/json');
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
