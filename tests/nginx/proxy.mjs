//! A real nginx with the repository's nginx.conf: the lines marked `# @name` replaced, nothing else. Owned by the test
//! that starts it. Bounds: 10 s to listen. It must not need privileges, nor write outside its temporary folder.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Child } from './process.mjs';
import { freePort, until } from './until.mjs';

const FILE = new URL('../../nginx.conf', import.meta.url);
const LISTEN_MAX_MS = 10_000;
const MARK = /^(?<line>.*?) *# @(?<name>[a-z0-9-]+)$/;
/** As a replacement: the line stays as it stands in the file. */
export const KEEP = Symbol('keep');

/** Replaces every marked line of `text`. Every mark needs an answer, every answer a mark, each exactly once. */
export function substitute(text, replacements) {
  const seen = new Set();
  const lines = text.split('\n').map((line) => {
    const mark = MARK.exec(line)?.groups;
    if (!mark) return line;
    if (seen.has(mark.name)) throw new Error(`nginx.conf has two lines @${mark.name}`);
    if (!(mark.name in replacements)) throw new Error(`nothing is said about the line @${mark.name} of nginx.conf`);
    seen.add(mark.name);
    const replacement = replacements[mark.name];
    return replacement === KEEP ? mark.line : replacement;
  });
  const missing = Object.keys(replacements).filter((name) => !seen.has(name));
  if (missing.length > 0) throw new Error(`nginx.conf has no line @${missing.join(', @')}`);
  return lines.join('\n');
}

/** An nginx of its own. */
export class Proxy {
  #folder = mkdtempSync(join(tmpdir(), 'fanfare-nginx-'));
  #child = null;

  /** Starts one in front of `upstreamPort`. `changes` are replacements by name, beside the usual ones. */
  static async start(upstreamPort, changes = {}) {
    const proxy = new Proxy();
    try {
      await proxy.#start(upstreamPort, changes);
    } catch (error) {
      await proxy.remove();
      throw error;
    }
    return proxy;
  }

  /** The access log so far. */
  accesses() { return readFileSync(this.#path('access.log'), 'utf8'); }

  /** The error log so far. */
  errors() {
    try {
      return readFileSync(this.#path('error.log'), 'utf8');
    } catch {
      return '';
    }
  }

  /** Ends nginx (SIGTERM: master and workers, at once) and removes its folder. */
  async remove() {
    await this.#child?.end('SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #start(upstreamPort, changes) {
    this.httpPort = await freePort();
    this.httpsPort = await freePort();
    this.barePort = await freePort();
    this.#makeCertificate();
    mkdirSync(this.#path('temp'));
    const file = this.#path('nginx.conf');
    writeFileSync(file, substitute(readFileSync(FILE, 'utf8'), { ...this.#usual(upstreamPort), ...changes }));
    this.#child = new Child(process.env.NGINX ?? 'nginx', [
      '-p', this.#folder, '-e', this.#path('error.log'), '-c', file, '-g', 'daemon off;',
    ]);
    await until('nginx listens', () => {
      this.#child.mustRun();
      return listens(this.httpsPort);
    }, LISTEN_MAX_MS, () => this.#child.output + this.errors());
  }

  #path(name) { return join(this.#folder, name); }

  #usual(upstreamPort) {
    // Started by root, workers would become somebody who may not enter the temporary folder.
    const user = process.getuid() === 0 && process.platform === 'linux' ? 'user root;' : '';
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${this.#path(`temp/${kind}`)};`).join(' ');
    return {
      user,
      'error-log': `error_log ${this.#path('error.log')} warn;`,
      pid: `pid ${this.#path('nginx.pid')};`,
      'access-log': `access_log ${this.#path('access.log')} fanfare;`,
      upstream: `server 127.0.0.1:${upstreamPort} max_fails=0;`,
      'listen-http': `listen 127.0.0.1:${this.httpPort};`,
      'listen-http-6': '',
      'name-http': 'server_name localhost;',
      'listen-https': `listen 127.0.0.1:${this.httpsPort} ssl http2;`,
      'listen-https-6': '',
      'name-https': 'server_name localhost;',
      certificate: `ssl_certificate ${this.#path('certificate.pem')};`,
      'certificate-key': `ssl_certificate_key ${this.#path('key.pem')};`,
      'read-timeout': KEEP,
      'websocket-paths': KEEP,
      'limit-sessions': KEEP,
      'http-begin': `http { ${places}`,
      'http-end': `${this.#bareServer()} }`,
    };
  }

  // What a first attempt at a proxy looks like, and the other usual way to pass on addresses.
  #bareServer() {
    return `server {
  listen 127.0.0.1:${this.barePort};
  location / { proxy_http_version 1.0; proxy_pass http://fanfare; }
  location = /echo { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://fanfare; }
  location = /api/publish {
    proxy_http_version 1.1;
    proxy_set_header Connection "upgrade";
    proxy_pass http://fanfare;
  }
  location = /diag {
    proxy_http_version 1.1;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_pass http://fanfare;
  }
}`;
  }

  #makeCertificate() {
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
      '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-keyout', this.#path('key.pem'), '-out', this.#path('certificate.pem'),
    ], { stdio: 'pipe' });
    this.certificate = readFileSync(this.#path('certificate.pem'));
  }
}

function listens(port) {
  return new Promise((answer) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); answer(true); });
    socket.once('error', () => answer(false));
  });
}
