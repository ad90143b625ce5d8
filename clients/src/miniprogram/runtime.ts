//! The runtime of mini programs, over the object of the platform: `wx` and its kin. Made for each
//! client. Bounds: those of its parts. It must not decide anything (see ../runtime.ts).

import { Runtime, Socket, SocketEvents, SocketRequest } from '../runtime';
import { Found, findPlatform } from './platforms';
import { send } from './request';
import { MiniSocket } from './socket';
import { utf8Text } from './utf8';
import { watch } from './watch';

declare const document: unknown;

/** The runtime over the object that is given, or over the one that is found. */
export function miniRuntime(given?: unknown): Runtime {
  const found = findPlatform(given);
  if (!found) {
    throw new Error('this is no mini program: give its object (uni, Taro) as the option "wx"');
  }
  const now = (): number => Date.now();
  return {
    // uni-app's web page is a browser underneath, where a WebSocket has no header of its own.
    setsHeader: !(found.platform.name === 'uni' && typeof document !== 'undefined'),
    openSocket: (request, events) => openSocket(found, request, events),
    request: (request, done) => send(found, request, done),
    watch: (listener) => watch(found, listener, now),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    now,
  };
}

function openSocket(found: Found, request: SocketRequest, events: SocketEvents): Socket {
  let waiting = 0;
  let failing: unknown = null;
  const { url, header, timeout } = request;
  const socket = new MiniSocket(found, { url, header, timeout, tcpNoDelay: true }, {
    opened: () => events.opened(),
    message: (content) => {
      events.message(typeof content === 'string' ? content : utf8Text(content));
    },
    closed: (code, reason) => events.closed(code, reason),
  });
  // What a socket does not take is lost, so the socket is as good as gone.
  const fail = (words: string): void => {
    if (socket.over) return;
    socket.close(1000, '');
    failing = setTimeout(() => events.closed(1006, words), 0);
  };
  return {
    send: (text) => {
      waiting += text.length;
      socket.send(text, (failure) => {
        waiting -= text.length;
        if (failure !== null) fail(failure);
      });
    },
    close: (code, reason) => {
      clearTimeout(failing as number);
      socket.close(code, reason);
    },
    buffered: () => waiting,
  };
}
