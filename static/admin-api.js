//! The administrator's credential, and every request that the page makes. Owned by admin.js. Bounds: 20 s a request. The key is
//! sent once and kept nowhere; the token that it is exchanged for lives in this module's memory only, never in storage.

const REQUEST_MAX_MS = 20_000;
// A third of what a token lasts, but no oftener than this.
const RENEW_MIN_MS = 500;

let token = null;
let renewEvery = 0;
let renewedAt = 0;
let renewTimer = 0;
let toldOver = () => {};

/** A refusal: `code` is a word of the server's, `network` or `disabled`; `seconds` to wait, where it says so. */
export class Refusal extends Error {
  constructor(status, code, message, seconds = null) {
    super(message);
    Object.assign(this, { status, code, seconds });
  }
}

/** Is called once the token is over. */
export function onOver(callback) {
  toldOver = callback;
}

/** The token of now, for what connects by itself; empty without one. */
export function currentToken() {
  return token ?? '';
}

/** Exchanges the key for a token; answers what the server says of it. */
export async function login(key) {
  const told = await send('POST', 'admin/login', undefined, key);
  take(told);
  return told;
}

/** Ends the token, at the server too. */
export async function logout() {
  const gone = token;
  forget();
  if (gone !== null) await send('POST', 'admin/logout', undefined, gone).catch(() => {});
}

/** A request below `admin/`; answers its JSON, or throws a Refusal. */
export function admin(method, path, body) {
  return asked(method, `admin/${path}`, body);
}

/** A call of the HTTP API; answers its `result`, or throws a Refusal. */
export async function api(method, body) {
  const told = await asked('POST', `api/${method}`, body).catch((refusal) => {
    throw refusal.status === 404 && refusal.code === 'unknown' ? new Refusal(404, 'disabled', 'the API is switched off') : refusal;
  });
  if (told.error) throw new Refusal(200, String(told.error.code), told.error.message);
  return told.result;
}

async function asked(method, path, body) {
  const used = token;
  try {
    return await send(method, path, body, used);
  } catch (refusal) {
    // Only of the token that is still ours: another request may have told it already.
    if (refusal.status === 401 && used !== null && used === token) {
      forget();
      toldOver();
    }
    throw refusal;
  }
}

async function send(method, path, body, credential) {
  const headers = { Authorization: `Bearer ${credential ?? ''}` };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  let text;
  try {
    response = await fetch(path, {
      method, headers, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(REQUEST_MAX_MS),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch (error) {
    throw new Refusal(0, 'network', error.message);
  }
  const told = parse(text);
  if (response.ok) return told;
  const error = told?.error ?? {};
  throw new Refusal(response.status, String(error.code ?? 'unknown'), error.message ?? `${response.status} ${text.slice(0, 200)}`, error.retry_after ?? null);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function take(told) {
  token = told.token;
  renewEvery = Math.max(RENEW_MIN_MS, (told.expires_in * 1000) / 3);
  renewedAt = Date.now();
  arm();
}

function arm() {
  clearTimeout(renewTimer);
  if (token === null) return;
  renewTimer = setTimeout(renew, Math.max(0, renewedAt + renewEvery - Date.now()));
}

// Who does not look lets the token end; who comes back in time goes on.
async function renew() {
  if (token === null || document.visibilityState !== 'visible') return;
  try {
    take(await asked('POST', 'admin/renew'));
  } catch {
    if (token === null) return;
    // The line is down, or the server: tried again, until it says that the token is over.
    renewedAt = Date.now() - renewEvery / 2;
    arm();
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') arm();
});

function forget() {
  token = null;
  clearTimeout(renewTimer);
}
