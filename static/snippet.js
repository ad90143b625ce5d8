//! The connection of the form in other clients' words: lines for a shell, for a mini program, for a browser.
//! Owned by console.js. Bounds: none. It must quote whatever stands in the form, and is given no token or key.

/** The kinds that there are for a transport. */
export function kindsOf(transport) {
  return transport === 'raw' ? ['wscat', 'websocat', 'curl', 'wx', 'browser'] : ['fanfare', 'curl'];
}

/** The lines. `message` is sent once connected, if there is one. */
export function snippet(kind, target, message = '') {
  switch (kind) {
    case 'wscat': return wscat(target, message);
    case 'websocat': return websocat(target, message);
    case 'curl': return curl(target);
    case 'wx': return wx(target, message);
    case 'fanfare': return fanfare(target, message);
    default: return browser(target, message);
  }
}

/** For a POSIX shell: nothing inside single quotes is special but the quote itself. */
export function quote(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}

function wscat({ url, protocols }, message) {
  return ['npx wscat -c', quote(url), ...protocols.map((name) => `-s ${quote(name)}`), ...(message ? [`-x ${quote(message)} -w 60`] : [])].join(' ');
}

function websocat({ url, protocols }, message) {
  const say = message ? `printf '%s\\n' ${quote(message)} | ` : '';
  return `${say}${['websocat', ...(message ? ['-n'] : []), ...(protocols.length ? [`--protocol ${quote(protocols.join(', '))}`] : []), quote(url)].join(' ')}`;
}

function curl({ transport, url, base, protocols, channels }) {
  if (transport === 'raw') {
    const address = new URL(url);
    address.protocol = address.protocol === 'wss:' ? 'https:' : 'http:';
    return [
      `curl -i -N -g --http1.1 ${quote(address.href)} \\`,
      "  -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\",
      "  -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='"
        + (protocols.length ? ` \\\n  -H ${quote(`Sec-WebSocket-Protocol: ${protocols.join(', ')}`)}` : ''),
    ].join('\n');
  }
  const query = new URLSearchParams(channels.map((name) => ['channel', name]));
  if (transport === 'poll') return `curl -g ${quote(`${base}/poll?${query}`)}`;
  return `curl -N -g ${quote(`${base}/sse?${query}`)}`;
}

function wx({ url, protocols }, message) {
  return [
    'const task = wx.connectSocket({',
    `  url: ${JSON.stringify(url)},`,
    ...(protocols.length ? [`  protocols: ${JSON.stringify(protocols)},`] : []),
    '})',
    `task.onOpen(() => task.send({ data: ${JSON.stringify(message || 'hello')} }))`,
    'task.onMessage(({ data }) => console.log(data))',
    'task.onClose(({ code, reason }) => console.log(code, reason))',
  ].join('\n');
}

function browser({ url, protocols }, message) {
  return [
    `const socket = new WebSocket(${JSON.stringify(url)}${protocols.length ? `, ${JSON.stringify(protocols)}` : ''})`,
    `socket.onopen = () => socket.send(${JSON.stringify(message || 'hello')})`,
    'socket.onmessage = ({ data }) => console.log(data)',
    'socket.onclose = ({ code, reason }) => console.log(code, reason)',
  ].join('\n');
}

function fanfare({ transport, base, channels, token }, message) {
  const options = [
    ...(transport === 'client' ? [] : [`transports: [${JSON.stringify(transport)}]`]),
    ...(token ? ["token: () => fetch('/token').then((it) => it.text())"] : []),
  ];
  return [
    `import Fanfare from ${JSON.stringify(`${base}/fanfare.mjs`)}`,
    `const client = new Fanfare(${JSON.stringify(base)}${options.length ? `, { ${options.join(', ')} }` : ''})`,
    ...channels.flatMap((name, at) => [
      `const room${at || ''} = client.subscribe(${JSON.stringify(name)})`,
      `room${at || ''}.on('publication', ({ data }) => console.log(data))`,
    ]),
    'client.connect()',
    ...(message && channels.length ? [`await room.publish(${JSON.stringify(message)})`] : []),
  ].join('\n');
}
