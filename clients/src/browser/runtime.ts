//! The platform as browsers give it: `WebSocket`, `XMLHttpRequest`, `EventSource`, and the events
//! of page and network. It works in a worker, too, where there is no document, and in old
//! browsers, where one or the other is missing.

import { words } from '../core/codes';
import type {
  Cancel, Hint, HttpRequest, HttpResponse, Runtime, Socket, SocketEvents, SocketRequest,
  StreamEvents,
} from '../runtime';

/** Makes the runtime of a client. */
export function browserRuntime(): Runtime {
  const runtime: Runtime = {
    setsHeader: false,
    request,
    watch,
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    now: () => Date.now(),
  };
  // Not by whether they are functions: old Safari calls its constructors objects.
  if (typeof WebSocket !== 'undefined') runtime.openSocket = openSocket;
  if (typeof EventSource !== 'undefined') runtime.openStream = openStream;
  return runtime;
}

/** A page of an origin that may not ask is told no more than one without a network. */
const NO_ANSWER = 'no network, or client.origins does not name this page: no answer from ';

/** Runs soon, not now. */
function soon(run: () => void): void {
  void Promise.resolve().then(run);
}

function openSocket(request: SocketRequest, events: SocketEvents): Socket {
  let over = false;
  let isOpen = false;
  let socket: WebSocket | null = null;
  const letGo = (): void => {
    over = true;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
  };
  const end = (code: number, reason: string): void => {
    if (over) return;
    letGo();
    events.closed(code, reason);
  };
  try {
    socket = new WebSocket(request.url);
    socket.onopen = () => {
      isOpen = true;
      events.opened();
    };
    socket.onmessage = (event) => events.message(String(event.data));
    // An error says nothing; it is followed by this.
    socket.onclose = (event) => {
      end(event.code, event.reason || (isOpen ? '' : 'no WebSocket to ' + request.url));
    };
  } catch (thrown) {
    soon(() => end(1006, words(thrown)));
  }
  return {
    send(text) {
      try {
        socket!.send(text);
      } catch (thrown) {
        soon(() => end(1006, words(thrown)));
      }
    },
    close(code, reason) {
      letGo();
      if (socket) socket.close(code, reason);
    },
    buffered: () => (socket ? socket.bufferedAmount : 0),
  };
}

function request(asked: HttpRequest, done: (response: HttpResponse) => void): Cancel {
  let xhr: XMLHttpRequest | null = null;
  let over = false;
  const end = (response: HttpResponse): void => {
    if (!over) done(response);
    over = true;
  };
  const changed = (asking: XMLHttpRequest): void => {
    if (asking.readyState !== 4) return;
    const { status } = asking;
    // Where other origins may not read it, a browser complains of the mere question.
    const after = status === 429 || status === 503 ? asking.getResponseHeader('Retry-After') : null;
    const body = status ? asking.responseText : NO_ANSWER + asked.url;
    end({ status, body, retryAfter: Number(after) || 0 });
  };
  try {
    // Node, where pages are made before they are sent, has none.
    const made = (xhr = new XMLHttpRequest());
    made.onreadystatechange = () => changed(made);
    xhr.open(asked.method, asked.url, true);
    xhr.timeout = asked.timeout;
    for (const name in asked.header) xhr.setRequestHeader(name, asked.header[name]!);
    xhr.send(asked.body === undefined ? null : asked.body);
  } catch (thrown) {
    soon(() => end({ status: 0, body: words(thrown), retryAfter: 0 }));
  }
  return () => {
    if (over) return;
    over = true;
    if (xhr) xhr.abort();
  };
}

function openStream(url: string, events: StreamEvents): Cancel {
  let stream: EventSource;
  let over = false;
  try {
    stream = new EventSource(url);
  } catch {
    soon(() => {
      if (!over) events.closed();
    });
    return () => {
      over = true;
    };
  }
  stream.onopen = () => {
    if (!over) events.opened();
  };
  stream.onmessage = (event) => {
    if (!over) events.message(event.data);
  };
  const cancel = (): void => {
    over = true;
    stream.close();
  };
  stream.onerror = () => {
    if (over) return;
    // It would come back by itself, with the old connect command.
    cancel();
    events.closed();
  };
  return cancel;
}

function watch(listener: (hint: Hint) => void): Cancel {
  const page = typeof document === 'object' ? document : null;
  const scope = typeof window === 'object' ? window : typeof self === 'object' ? self : null;
  const offs: Cancel[] = [];
  let over = false;
  const tell = (hint: Hint): void => {
    if (!over) listener(hint);
  };
  type Told = (event: Event) => Hint | null;
  const on = (target: EventTarget | null, name: string, hint: Told): void => {
    if (!target || !target.addEventListener) return;
    const run = (event: Event): void => {
      const told = hint(event);
      if (told) tell(told);
    };
    target.addEventListener(name, run);
    offs.push(() => target.removeEventListener(name, run));
  };
  on(scope, 'online', () => 'online');
  on(scope, 'offline', () => 'offline');
  // Whatever it says of being kept: a page that goes needs no connection, one with a connection
  // may not be kept for it, and one that is kept may come back after hours.
  on(scope, 'pagehide', () => 'frozen');
  on(scope, 'pageshow', (event) => {
    return (event as PageTransitionEvent).persisted ? 'thawed' : null;
  });
  on(page, 'visibilitychange', () => (page!.hidden ? 'hidden' : 'shown'));
  on(page, 'resume', () => 'shown');
  soon(() => {
    if (page && page.hidden) tell('hidden');
    if (typeof navigator === 'object' && navigator.onLine === false) tell('offline');
  });
  return () => {
    over = true;
    for (let i = 0; i < offs.length; i++) offs[i]!();
  };
}
