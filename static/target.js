//! Where to connect: the form's values put together into what a line needs, and a link that carries them.
//! Owned by form.js. Bounds: none. It must not put a token or a key into a link or a text that is shown, since those are
//! passed around.

const TRANSPORTS = ['raw', 'client', 'sse', 'poll'];
// Of the server's own parameters, and of what other servers call theirs.
const SECRET = /(token|secret|passw(or)?d|jwt|signature|api_?key|access_?key)$|(^|[_-])(key|auth|sign|sig)$|^(cf_connect|authorization)$/i;
const PATHS = { client: 'connection/websocket', sse: 'connection/sse', poll: 'poll' };

/** The address of an endpoint of this page's own server: its scheme and host, and the path before it behind a proxy. */
export function ownAddress(path = 'ws', base = document.baseURI) {
  const url = new URL(path.replace(/^\//, ''), base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = '';
  url.hash = '';
  return url.href;
}

/** The base address of this page's own server, for the client. */
export function ownBase(base = document.baseURI) {
  return new URL('.', base).href.replace(/\/$/, '');
}

/** Several values by comma, without blanks and empty ones. */
export function list(text) {
  return text.split(/[,\uff0c]/).map((part) => part.trim()).filter((part) => part !== '');
}

/**
 * Names of channels, by blanks or commas. Only an ASCII comma separates, and behind a `#` it stands between users and
 * belongs to the name (`dialog#42,567`), so what follows such a name stands behind a blank.
 */
export function channelNames(text) {
  const names = text.split(/\s+/).flatMap((word) => {
    const users = word.indexOf('#');
    const begin = users < 0 ? word.length : word.lastIndexOf(',', users) + 1;
    return [...word.slice(0, begin).split(','), word.slice(begin).replace(/,+$/, '')];
  });
  return names.filter((name) => name !== '');
}

/** An address as people read it: text of any script as it is, other escapes as they are. */
export function readable(url) {
  return url.replace(/(?:%[89a-f][0-9a-f])+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** `{transport, url, protocols, …}` from the form's values; null when the address is none. */
export function compose(form) {
  return (form.transport ?? 'raw') === 'raw' ? composeRaw(form) : composeClient(form);
}

function composeRaw({ address, channels, protocols, token, heartbeat, envelope }) {
  const url = parse(address);
  if (url === null) return null;
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  // The WebSocket constructor refuses a fragment on older browsers.
  url.hash = '';
  for (const channel of channelNames(channels)) url.searchParams.append('channel', channel);
  if (heartbeat) url.searchParams.set('heartbeat', '1');
  if (envelope) url.searchParams.set('envelope', '1');
  if (token) url.searchParams.set('token', token);
  return { transport: 'raw', url: url.href, protocols: list(protocols), envelope: envelope === true };
}

function composeClient({ transport, address, channels, token }) {
  const url = parse(address);
  if (url === null) return null;
  if (url.protocol === 'ws:') url.protocol = 'http:';
  if (url.protocol === 'wss:') url.protocol = 'https:';
  url.hash = '';
  url.search = '';
  const base = url.href.replace(/\/+$/, '');
  const names = channelNames(channels);
  const own = new URL(`${base}/${PATHS[transport]}`);
  if (transport === 'client') own.protocol = own.protocol === 'https:' ? 'wss:' : 'ws:';
  return { transport, base, url: own.href, protocols: [], channels: names, token };
}

function parse(address) {
  try {
    const url = new URL(address.trim());
    return ['ws:', 'wss:', 'http:', 'https:'].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/** A copy of the form without what only its owner may know: tokens and keys, wherever they were typed. */
export function withoutSecrets(form, instead = '') {
  const protocols = list(form.protocols).map((name) => (/^token\./.test(name) ? instead && `token.${instead}` : name));
  return {
    ...form,
    address: publicAddress(form.address, instead),
    protocols: protocols.filter((name) => name !== '').join(', '),
    token: form.token && instead,
  };
}

/** The address as it was typed where it holds no secret, else without them. */
function publicAddress(address, instead) {
  const url = parse(address);
  // What is no address is not searched for what might be a secret in it.
  if (url === null) return '';
  const secrets = [...url.searchParams.keys()].filter((name) => SECRET.test(name));
  if (secrets.length === 0 && url.username === '' && url.password === '' && url.hash === '') return address;
  for (const name of secrets) {
    if (instead === '') url.searchParams.delete(name);
    else url.searchParams.set(name, instead);
  }
  Object.assign(url, { username: '', password: '', hash: '' });
  return url.href;
}

/** A link that opens this page with the same form. */
export function shareLink(form) {
  const { transport, address, channels, protocols, heartbeat, envelope } = withoutSecrets(form);
  const link = new URL(document.baseURI);
  const values = new URLSearchParams({ url: address });
  if (transport !== 'raw') values.set('transport', transport);
  if (channels) values.set('channel', channels);
  if (protocols) values.set('protocol', protocols);
  if (heartbeat) values.set('heartbeat', '1');
  if (envelope) values.set('envelope', '1');
  link.hash = values.toString();
  return link.href;
}

/** What such a link carries; it only fills the form, since a link must not connect anybody anywhere, nor bring a token. */
export function fromLink(hash = location.hash) {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  const form = {
    transport: TRANSPORTS.includes(values.get('transport')) ? values.get('transport') : 'raw',
    address: values.get('url') ?? '',
    channels: values.get('channel') ?? '',
    protocols: values.get('protocol') ?? '',
    heartbeat: values.get('heartbeat') === '1',
    envelope: values.get('envelope') === '1',
    token: '',
  };
  return withoutSecrets(form);
}
