//! What a WebSocket may be constructed with: an address and subprotocols, checked as the standard
//! has it. Pure. It must not let an address through that the platform fails on without a reason.

import { named } from './errors';

/** The address, escaped where it must be. */
export function addressOf(url: unknown): string {
  const address = String(url).replace(/^http(s?):/i, 'ws$1:');
  if (!/^wss?:\/\/[^/?#]/i.test(address)) {
    throw named('SyntaxError', `the address must begin with wss:// or ws://, and is ${url}`);
  }
  if (address.indexOf('#') >= 0) throw named('SyntaxError', 'the address must have no fragment');
  // WeChat fails on characters that belong escaped, with words that name no reason.
  return address.replace(/[^!-~]+|[|"<>\\^`{}]/g, encodeURIComponent);
}

/** The subprotocols that are offered. */
export function protocolsOf(protocols: string | string[] | undefined): string[] {
  const list = typeof protocols === 'string' ? [protocols] : protocols || [];
  list.forEach((protocol, at) => {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(protocol)) {
      throw named('SyntaxError', `"${protocol}" is no subprotocol`);
    }
    if (list.indexOf(protocol) !== at) {
      throw named('SyntaxError', `the subprotocol "${protocol}" is named twice`);
    }
  });
  return list;
}
