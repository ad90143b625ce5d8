//! The client protocol over server-sent events: replies come as a stream, commands go by
//! `POST /emulation`, one request after another. The connect command stands in the stream's
//! address; what is sent before its answer waits, for only the answer names the session.

import { encode, decode, type Command, type Reply } from '../protocol';
import { ABNORMAL, BAD_REQUEST, MALFORMED, words } from '../core/codes';
import type { Link, LinkEvents, LinkRequest } from './link';
import { Requests } from './requests';

/** How often a full inbox (503) is asked again, and after how long. */
const FULL_TRIES = 5;
const FULL_WAIT_MS = 300;

/** Opens a stream; the runtime must have them. */
export function openSse(request: LinkRequest, events: LinkEvents): Link {
  const { runtime, base, timeout } = request;
  const requests = new Requests(runtime);
  const connect = encodeURIComponent(JSON.stringify(request.connect));
  let place: { session: string; node: string } | null = null;
  let waiting: Command[] = [];
  let over = false;

  const stop = (): void => {
    over = true;
    requests.stop();
    cancel();
  };
  const end = (code: number, reason: string): void => {
    if (over) return;
    stop();
    events.closed({ code, reason });
  };
  const hear = (reply: Reply): void => {
    const result = reply.connect;
    if (result && reply.id === request.connect.id) {
      place = { session: result.session || '', node: result.node || '' };
      const commands = waiting;
      waiting = [];
      // Its own commands are the core's next; what waited was sent before them.
      link.send(commands);
    }
    events.reply(reply);
  };

  const post = (data: string, commands: readonly Command[]): void => {
    const body = JSON.stringify({ session: place!.session, node: place!.node, data });
    // As plain text it needs no preflight from another origin.
    const header = { 'Content-Type': 'text/plain;charset=UTF-8' };
    let tries = 0;
    const request = { method: 'POST' as const, url: base + '/emulation', header, body, timeout };
    requests.add(request, (response) => {
      const { status } = response;
      const text = response.body.trim();
      if (status === 204 || status === 200) return;
      if (status === 503 && ++tries < FULL_TRIES) return FULL_WAIT_MS;
      if (status !== 400 && status !== 413) {
        return end(ABNORMAL, 'a command did not arrive: ' + (text || status));
      }
      // The server did none of it, and would not another time.
      for (let i = 0; i < commands.length && !over; i++) {
        const { id } = commands[i]!;
        if (id) events.reply({ id, error: { code: BAD_REQUEST, message: text } });
      }
    });
  };

  const cancel = runtime.openStream!(base + '/connection/sse?cf_connect=' + connect, {
    // A proxy may open a stream and hold back all that comes: only a reply proves anything.
    opened() {},
    message(text) {
      try {
        const replies = decode(text);
        for (let i = 0; i < replies.length && !over; i++) hear(replies[i]!);
      } catch (thrown) {
        end(MALFORMED, words(thrown));
      }
    },
    closed() {
      end(ABNORMAL, 'the stream of events ended');
    },
  });
  const link: Link = {
    takesMessages: true,
    send(commands) {
      if (!place) {
        waiting = waiting.concat(commands);
        return;
      }
      // Each text takes as many commands as fit, so the commands are counted off by its lines.
      const texts = encode(commands);
      let at = 0;
      for (let i = 0; i < texts.length && !over; i++) {
        const count = texts[i]!.split('\n').length;
        post(texts[i]!, commands.slice(at, at + count));
        at += count;
      }
    },
    close() {
      if (!over) stop();
    },
    buffered: () => requests.size(),
  };
  return link;
}
