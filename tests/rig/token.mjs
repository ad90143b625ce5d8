//! What the rig shares with its nodes: the key of the API, the secret of the tokens and of the hooks, and tokens made with it.
//! They hold no secret but the rig's own.

import { createHmac } from 'node:crypto';

export const API_KEY = 'the key of the rig, which is long enough';
export const TOKEN_SECRET = 'the secret of the tokens of the rig, long enough for HS256';
export const HOOK_SECRET = 'the secret of the hooks of the rig, long enough';

/** A token of this user. It has no end: the rig moves the clock. */
export function tokenOf(user) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user })}`;
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
}
