//! Tokens (JWT, HS256) made by hand, as a backend would make them. They hold no secret but the tests' own.

import { createHmac } from 'node:crypto';

import { TOKEN_SECRET } from './server.mjs';

/** A token with these claims; `secret` may be a wrong one. */
export function token(claims, secret = TOKEN_SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Unix seconds from now, and never sooner: what ends within this second may be over before it is told. */
export function inSeconds(seconds) {
  return Math.ceil(Date.now() / 1000) + seconds;
}
