//! Certificates that change under a node: a new one is served from the next connection on, one that cannot be read changes nothing,
//! and whoever is connected stays so. Bounds: two certificates, made by openssl.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';

const NAMES = ['one', 'two'];
const TAKEN_UP_MAX_MS = 5000;

/** The files of a node's certificate, or null where openssl is not installed. */
export class Certificates {
  static in(folder) {
    const made = new Certificates(folder);
    return NAMES.every((name) => made.#make(name)) ? made.use(NAMES[0]) : null;
  }

  constructor(folder) { Object.assign(this, { folder, cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }); }

  #file(name, what) { return join(this.folder, `${name}-${what}.pem`); }

  #make(name) {
    const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650', '-subj', `/CN=${name}`,
      '-keyout', this.#file(name, 'key'), '-out', this.#file(name, 'cert')];
    return spawnSync('openssl', words, { stdio: 'ignore' }).status === 0;
  }

  /** The files are those of this name from now on. */
  use(name) {
    this.name = name;
    for (const what of ['cert', 'key']) writeFileSync(this[what], readFileSync(this.#file(name, what)));
    return this;
  }

  get other() { return NAMES.find((name) => name !== this.name); }

  /** Half of a certificate. */
  spoil() { writeFileSync(this.cert, readFileSync(this.cert).subarray(0, 200)); }
}

/** A TLS connection that is established. */
async function dial({ tlsPort }) {
  const socket = connect({ port: tlsPort, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

/** The name in the certificate that a new connection is shown. */
async function shown(node) {
  const socket = await dial(node);
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

/** Whether the connection still answers. */
async function answers(socket) {
  socket.write('HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [piece] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])]);
  return /^HTTP\/1.1 200/.test(piece.toString());
}

/** A broken certificate, then another one. */
export async function certificate({ node, verdict, certificates }) {
  const fault = (text) => verdict.fault({ rule: 'certificate', text: `life ${node.life}: ${text}` });
  const [before, after] = [certificates.name, certificates.other];
  const standing = await dial(node);
  certificates.spoil();
  node.signal('SIGHUP');
  if (await shown(node) !== before) fault(`a certificate that cannot be read took the place of ${before}`);
  certificates.use(after);
  node.signal('SIGHUP');
  const end = performance.now() + TAKEN_UP_MAX_MS;
  let now = await shown(node);
  while (now !== after && performance.now() < end) {
    await new Promise((next) => { setTimeout(next, 50); });
    now = await shown(node);
  }
  if (now !== after) fault(`${TAKEN_UP_MAX_MS} ms after ${after} took its place, ${now} is shown`);
  if (!(await answers(standing))) fault('a connection that was there before does not answer any more');
  standing.destroy();
  return { now };
}
