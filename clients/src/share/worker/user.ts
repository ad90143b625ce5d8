//! What a token says of itself. Two tabs share a connection only where the user is the same. Pure. It is no check
//! of the token, which is the server's; a token that cannot be read stands for itself.

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

/** Whether a token ends before `time`, in milliseconds, by the clock of this machine. */
export function endsBefore(token: string, time: number): boolean {
  const claims = claimsOf(token);
  return !!claims && typeof claims.exp === 'number' && claims.exp * 1000 < time;
}

function claimsOf(token: string): Claims | null {
  const payload = token.split('.')[1] || '';
  try {
    return JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as Claims | null;
  } catch (_) {
    return null;
  }
}
