//! What a token says of itself. Two tabs share a connection only where the user is the same. Pure.
//! It is no check of the token, which is the server's; one that cannot be read stands for itself.

/** Milliseconds that a token must be good for to be worth a try. */
const LEFT_MIN_MS = 2000;

/** What is read of a token. */
interface Claims {
  iss?: unknown;
  aud?: unknown;
  sub?: unknown;
  exp?: unknown;
}

/** The user of a token, as a text to compare. */
export function userOf(token: string): string {
  const claims = claimsOf(token);
  // An anonymous user is nobody in particular, but the same nobody for every tab.
  return claims ? JSON.stringify([claims.iss, claims.aud, claims.sub || '']) : token;
}

/** Whether a token is good for a while, by the clock of this machine, which may be wrong. */
export function isGood(token: string): boolean {
  const claims = claimsOf(token);
  const isLimited = !!claims && typeof claims.exp === 'number';
  return !isLimited || (claims.exp as number) * 1000 > Date.now() + LEFT_MIN_MS;
}

function claimsOf(token: string): Claims | null {
  const payload = token.split('.')[1] || '';
  try {
    return JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as Claims | null;
  } catch (_) {
    return null;
  }
}
