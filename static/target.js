//! Where to connect: the form's fields put together into an address, and the same connection in other clients' words.
//! Owned by page.js. Bounds: none. It must not put a token into a link or a snippet, since those are passed around.

const DEFAULT_PATH = 'ws';

/** The address of this page's own server: its scheme, host and path, so that it holds behind a proxy's prefix. */
export function ownAddress(base = document.baseURI) {
  const url = new URL(DEFAULT_PATH, base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = '';
  url.hash = '';
  return url.href;
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

/** `{url, protocols}` from the form's values; null when the address is none. */
export function compose({ address, channels, protocols, token, heartbeat }) {
  let url;
  try {
    url = new URL(address.trim());
  } catch {
    return null;
  }
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return null;
  // The WebSocket constructor refuses a fragment on older browsers.
  url.hash = '';
  for (const channel of channelNames(channels)) url.searchParams.append('channel', channel);
  if (heartbeat) url.searchParams.set('heartbeat', '1');
  if (token) url.searchParams.set('token', token);
  return { url: url.href, protocols: list(protocols) };
}

/** The connection as a line for a shell, or some for a mini program or a browser. */
export function snippet(kind, { url, protocols }) {
  switch (kind) {
    case 'wscat':
      return ['npx wscat -c', quote(url), ...protocols.map((name) => `-s ${quote(name)}`)].join(' ');
    case 'websocat':
      return ['websocat', ...(protocols.length ? [`--protocol ${quote(protocols.join(', '))}`] : []), quote(url)].join(' ');
    case 'wx':
      return [
        'const task = wx.connectSocket({',
        `  url: ${JSON.stringify(url)},`,
        ...(protocols.length ? [`  protocols: ${JSON.stringify(protocols)},`] : []),
        '})',
        "task.onOpen(() => task.send({ data: 'hello' }))",
        'task.onMessage(({ data }) => console.log(data))',
        'task.onClose(({ code, reason }) => console.log(code, reason))',
      ].join('\n');
    default:
      return [
        `const socket = new WebSocket(${JSON.stringify(url)}${protocols.length ? `, ${JSON.stringify(protocols)}` : ''})`,
        "socket.onopen = () => socket.send('hello')",
        'socket.onmessage = ({ data }) => console.log(data)',
        'socket.onclose = ({ code, reason }) => console.log(code, reason)',
      ].join('\n');
  }
}

/** A link that opens this page with the same form. */
export function shareLink({ address, channels, protocols, heartbeat }) {
  const link = new URL(document.baseURI);
  const values = new URLSearchParams({ url: address });
  if (channels) values.set('channel', channels);
  if (protocols) values.set('protocol', protocols);
  if (heartbeat) values.set('heartbeat', '1');
  link.hash = values.toString();
  return link.href;
}

/** What such a link carries; it only fills the form, since a link must not connect anybody anywhere. */
export function fromLink(hash = location.hash) {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  return {
    address: values.get('url') ?? '',
    channels: values.get('channel') ?? '',
    protocols: values.get('protocol') ?? '',
    heartbeat: values.get('heartbeat') === '1',
  };
}

// For a POSIX shell: nothing inside single quotes is special but the quote itself.
function quote(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}
