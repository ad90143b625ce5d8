//! Why a handshake failed: a browser tells a page only 1006, so this asks the server by plain HTTP and concludes.
//! Owned by page.js. Bounds: two requests of 4 s each, 300 characters of an answer. It must ask this page's own server
//! only (the Content-Security-Policy allows no other), and claim no more than the answers show.

const ANSWER_MAX_MS = 4000;
const BODY_CHARS_MAX = 300;

/** Findings, each `{key, values}` for the page's texts, the most telling first. */
export async function diagnose({ url, protocols }) {
  const target = new URL(url);
  if (target.host !== location.host) return [{ key: 'found-foreign', values: {} }];
  target.protocol = location.protocol;
  // Channels and the token are left out: the path alone is asked for, and logs need not see it.
  target.search = '';
  const [endpoint, diag] = await Promise.all([ask(target.href), askDiag()]);
  return conclude({ endpoint, diag, protocols, path: target.pathname, host: target.host, origin: location.origin });
}

/** The pure part: answers in, findings out. `endpoint` is `{status, body}` or null, `diag` the server's JSON or null. */
export function conclude({ endpoint, diag, protocols, path, host, origin }) {
  if (endpoint === null) return [{ key: 'found-unreachable', values: { host } }];
  const findings = [];
  const { status } = endpoint;
  const version = text(diag?.http_version);
  const asked = { key: 'found-endpoint', values: { path, status, body: endpoint.body || '–' } };

  if (status === 404) findings.push({ key: 'found-404', values: {} });
  else if (status === 403) findings.push({ key: 'found-403', values: { origin } });
  else if (status === 429) findings.push({ key: 'found-429', values: {} });
  else if (status === 502 || status === 504) findings.push({ key: 'found-502', values: {} });
  else if (status === 503) findings.push({ key: 'found-503', values: {} });
  else if (isProxied(diag)) findings.push({ key: 'found-upgrade', values: {} });
  else findings.push({ key: 'found-origin', values: {} });

  findings.push(asked);
  if (/1\.0/.test(version)) findings.push({ key: 'found-http10', values: { version } });
  if ((status === 400 || status === 426) && protocols.length > 0) {
    findings.push({ key: 'found-protocol', values: { protocols: protocols.join(', ') } });
  }
  for (const problem of Array.isArray(diag?.problems) ? diag.problems.slice(0, 8) : []) {
    findings.push({ key: 'found-problem', values: { text: clip(text(problem)) } });
  }
  if (diag?.address) {
    findings.push({ key: 'found-seen', values: { peer: text(diag.address.peer), resolved: text(diag.address.resolved), version } });
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

function isProxied(diag) {
  const names = Object.keys(diag?.headers ?? {}).map((name) => name.toLowerCase());
  return ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via', 'x-forwarded-proto'].some((name) => names.includes(name));
}

function clip(body) {
  const line = body.replace(/\s+/g, ' ').trim();
  return line.length > BODY_CHARS_MAX ? `${line.slice(0, BODY_CHARS_MAX)}…` : line;
}

function text(value) {
  return value === undefined || value === null ? '–' : String(value);
}
