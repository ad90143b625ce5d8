//! The client protocol over a WebSocket. What is sent before the handshake is done goes out in one
//! text with the connect command, which saves a round trip.

import { encode, decode, type Command } from '../protocol';
import { MALFORMED, words } from '../core/codes';
import type { Link, LinkEvents, LinkRequest } from './link';

/** Opens a WebSocket; the runtime must have them. */
export function openWebSocket(request: LinkRequest, events: LinkEvents): Link {
  const { runtime, header, timeout } = request;
  const url = request.base.replace(/^http/i, 'ws') + '/connection/websocket';
  let waiting: Command[] | null = [request.connect];
  let over = false;

  const end = (code: number, reason: string): void => {
    if (over) return;
    over = true;
    events.closed({ code, reason });
  };
  const socket = runtime.openSocket!({ url, header, timeout }, {
    opened() {
      if (over) return;
      const commands = waiting || [];
      waiting = null;
      events.opened();
      link.send(commands);
    },
    message(text) {
      try {
        const replies = decode(text);
        for (let i = 0; i < replies.length && !over; i++) events.reply(replies[i]!);
      } catch (thrown) {
        socket.close(3000, 'not the protocol');
        end(MALFORMED, words(thrown));
      }
    },
    closed: end,
  });
  const link: Link = {
    takesMessages: true,
    send(commands) {
      if (waiting) {
        waiting = waiting.concat(commands);
        return;
      }
      const texts = encode(commands);
      for (let i = 0; i < texts.length && !over; i++) socket.send(texts[i]!);
    },
    close(code, reason) {
      if (over) return;
      over = true;
      socket.close(code, reason);
    },
    buffered: () => socket.buffered(),
  };
  return link;
}
