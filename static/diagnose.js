//! Why a handshake failed: a browser tells a page only 1006, so this asks the server by plain HTTP and concludes.
//! Owned by console.js. Bounds: two requests of 4 s each, 300 characters of an answer. It must ask this page's own server
//! only (the Content-Security-Policy allows no other), and claim no more than the answers show.

const ANSWER_MAX_MS = 4000;
const BODY_CHARS_MAX = 300;

// Findings that stay true however often it is tried: somebody has to change something first.
const FINAL = ['found-200', 'found-400', 'found-401', 'found-403', 'found-404', 'found-upgrade', 'found-protocol', 'found-wss'];
// Findings of the moment: the next try may meet something else. Not 429: who is told to wait is not to be asked more.
const PASSING = ['found-unreachable', 'found-500', 'found-502', 'found-503'];

/** Findings, each `{key, values}` for the page's texts: what it is put down to, then what that is concluded from. */
export async function diagnose({ url, protocols }) {
  const target = new URL(url);
  if (target.host !== location.host) return [{ key: 'found-foreign', values: { host: target.host } }];
  if (target.protocol === 'wss:' && location.protocol === 'http:') return [{ key: 'found-wss', values: { host: target.host } }];
  target.protocol = location.protocol;
  // Channels and the token are left out: the path alone is asked for, and logs need not see it.
  target.search = '';
  const [endpoint, diag] = await Promise.all([ask(target.href), askDiag()]);
  const { host, origin, protocol } = location;
  return conclude({ endpoint, diag, protocols, path: target.pathname, host, origin, secure: protocol === 'https:' });
}

/** Whether another try can only meet the same end. */
export function isFinal(findings) {
  return findings.length > 0 && FINAL.includes(findings[0].key);
}

/** Whether they are of this moment: nobody answered in time, or a proxy alone, or a server that cannot now. */
export function isPassing(findings) {
  return findings.length > 0 && PASSING.includes(findings[0].key);
}

/** The pure part: answers in, findings out. `endpoint` is `{status, body}` or null, `diag` the server's JSON or null. */
export function conclude({ endpoint, diag, protocols, path, host, origin, secure = false }) {
  if (endpoint === null) return [{ key: 'found-unreachable', values: { host } }];
  const { status } = endpoint;
  const lead = { key: leadOf(status, protocols, isProxied(diag, host, secure)), values: { path, status, origin, protocols: protocols.join(', ') } };
  const asked = { key: 'found-endpoint', values: { path, status, body: endpoint.body || '–' } };
  return [lead, asked, ...notPassed(diag, host, secure), ...told(diag)];
}

function leadOf(status, protocols, proxied) {
  if ([401, 403, 404, 429, 502, 503].includes(status)) return `found-${status}`;
  if (status === 504) return 'found-502';
  if (status >= 500) return 'found-500';
  if (status < 400) return 'found-200';
  if (status >= 400 && status !== 426 && !proxied) return 'found-400';
  if (proxied) return 'found-upgrade';
  return protocols.length > 0 ? 'found-protocol' : 'found-origin';
}

/** What a proxy in between kept to itself. */
function notPassed(diag, host, secure) {
  if (diag === null || diag === undefined) return [];
  const findings = [];
  const version = text(diag.http_version);
  const headers = lowered(diag);
  if (/1\.0/.test(version)) findings.push({ key: 'found-http10', values: { version } });
  if (headers.host !== undefined && headers.host !== host && headers['x-forwarded-host'] === undefined) {
    findings.push({ key: 'found-host', values: { host, seen: clip(text(headers.host)) } });
  }
  if (secure && diag.tls === false && headers['x-forwarded-proto'] === undefined) findings.push({ key: 'found-proto', values: {} });
  if (isProxied(diag, host, secure) && ['x-forwarded-for', 'x-real-ip', 'forwarded'].every((name) => headers[name] === undefined)) {
    findings.push({ key: 'found-for', values: {} });
  }
  return findings;
}

/** What the server says itself. */
function told(diag) {
  const findings = [];
  for (const problem of Array.isArray(diag?.problems) ? diag.problems.slice(0, 8) : []) {
    // Of the version it is told already, in the page's language.
    if (/HTTP\/1\.0/.test(problem)) continue;
    findings.push({ key: 'found-problem', values: { text: clip(text(problem)) } });
  }
  if (diag?.address) {
    const { peer, resolved } = diag.address;
    findings.push({ key: 'found-seen', values: { peer: text(peer), resolved: text(resolved), version: text(diag.http_version) } });
  }
  return findings;
}

async function ask(href) {
  try {
    const answer = await fetch(href, { cache: 'no-store', redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    return { status: answer.status, body: clip(await answer.text()) };
  } catch {
    return null;
  }
}

async function askDiag() {
  try {
    const answer = await fetch(new URL('diag', document.baseURI), { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** Whether something stands in between: it says so, or the request arrived as no browser sends it. */
function isProxied(diag, host, secure) {
  if (diag === null || diag === undefined) return false;
  const headers = lowered(diag);
  const says = ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via', 'x-forwarded-proto'].some((name) => headers[name] !== undefined);
  const isOther = headers.host !== undefined && headers.host !== host;
  return says || isOther || /1\.0/.test(text(diag.http_version)) || (secure && diag.tls === false);
}

function lowered(diag) {
  return Object.fromEntries(Object.entries(diag?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

function clip(body) {
  const line = body.replace(/\s+/g, ' ').trim();
  return line.length > BODY_CHARS_MAX ? `${line.slice(0, BODY_CHARS_MAX)}…` : line;
}

function text(value) {
  return value === undefined || value === null ? '–' : String(value);
}
