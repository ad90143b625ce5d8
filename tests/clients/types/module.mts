// The module as TypeScript sees it: what is used as documented passes, what is not does not.

import Fanfare, { type Position, type Publication, type Subscription } from '../../../clients/browser/fanfare.mjs';

const client = new Fanfare('https://push.example.com', {
  token: async () => 'token', data: { room: 7 }, header: { 'X-Trace': '1' }, transports: ['websocket', 'poll'],
  minDelay: 500, maxDelay: 20000, timeout: 10000, maxQueue: 100,
  share: { name: 'user-7', worker: new URL('https://app.example.com/fanfare-worker.js') },
});
// A page that demands trusted types gives what its policy made.
declare const trusted: { toJSON(): string };
new Fanfare('', { share: { name: 'user-7', worker: trusted } });
const typed: Fanfare = client;
const off: () => void = typed.on('state', ({ state, code, reason, retryIn }) => {
  const known: 'disconnected' | 'connecting' | 'connected' = state;
  console.log(known, code.toFixed(), reason.trim(), retryIn?.toFixed());
});
off();
typed.on('close', ({ code, reason }) => console.log(code.toFixed(), reason.trim()));
const since: Position | null = null;
const part: Subscription = typed.subscribe('room', { since, token: (channel) => channel, data: 1 });
part.on('publication', (publication: Publication) => console.log(publication.data.anything, publication.offset?.toFixed()));
part.on('subscribed', ({ recovered, position }) => console.log(recovered, position?.epoch.trim()));
const history: Promise<Publication[]> = part.history({ limit: 1, since: part.position, reverse: true }).then(({ publications }) => publications);
const nothing: Promise<void> = typed.publish('room', history);
nothing.catch((error: { code: unknown }) => console.log(error.code));

// @ts-expect-error: no such event
typed.on('open', () => {});
// @ts-expect-error: no such option
new Fanfare('https://push.example.com', { reconnect: true });
new Fanfare('https://push.example.com', { share: false });
// @ts-expect-error: a name alone says no worker
new Fanfare('https://push.example.com', { share: { name: 'user-7' } });
// @ts-expect-error: no such transport
new Fanfare('https://push.example.com', { transports: ['carrier pigeon'] });
// @ts-expect-error: it is for reading
typed.state = 'connected';
