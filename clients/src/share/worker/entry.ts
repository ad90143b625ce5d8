//! `fanfare-worker.js`: the SharedWorker that holds the connections of all tabs of an origin that
//! name it alike. Tabs of one user share one; another user's token gets another one.
//!
//! A tab is counted out when it says so, when the lock that it holds as long as it lives is free
//! (Web Locks), or, where there are no locks, when it was silent for too long. A tab that was
//! counted out and speaks again is told to come back.

import type { Command } from '../../protocol';
import { ABNORMAL } from '../../core/codes';
import type { FromTab, Port } from '../messages';
import { Hub } from './hub';
import { Seat } from './seat';
import { userOf } from './user';

/** Milliseconds between looks at the tabs, each of which is pinged and answers. */
const PING_MS = 25000;
/** Milliseconds of silence after which a tab without a lock is counted out. */
const SILENCE_MAX_MS = 60000;

let seats: Seat[] = [];
const hubs: { [key: string]: Hub } = Object.create(null);

/** Joins the connection of the tab's user, or makes it. */
function join(seat: Seat, command: Command): void {
  const connect = command.connect!;
  const terms = seat.terms!;
  const user = userOf(connect.token || '');
  const key = JSON.stringify([terms.base, terms.transports, user, connect.data, connect.headers]);
  const make = (): Hub => {
    const made: Hub = new Hub(terms, connect, user, () => {
      if (hubs[key] === made) delete hubs[key];
    });
    return made;
  };
  (hubs[key] || (hubs[key] = make())).join(seat, connect);
}

function gone(seat: Seat): void {
  seats = seats.filter((other) => other !== seat);
  seat.leave();
}

/** Waits for the end of the tab's life. */
function outlive(seat: Seat, lock: string): void {
  if (!lock) return;
  seat.isLocked = true;
  void navigator.locks.request(lock, () => gone(seat));
}

function onMessage(seat: Seat, told: FromTab): void {
  const { hello, open, commands, hint, token } = told;
  seat.heard = Date.now();
  if (told.bye) return gone(seat);
  if (seats.indexOf(seat) < 0) seats.push(seat);
  if (hello) outlive(seat, hello.lock);
  if (open) {
    seat.open(open);
    seat.post({ ready: true });
  }
  if (told.close === seat.link) seat.drop();
  if (hint && seat.hub) seat.hub.hint(hint);
  if (token && seat.hub) seat.hub.token(seat, token);
  if (!commands) return;
  const { link } = commands;
  if (link !== seat.link) {
    return seat.post({ closed: { link, code: ABNORMAL, reason: 'the tab was silent' } });
  }
  for (let i = 0; i < commands.commands.length && link === seat.link; i++) {
    seat.onCommand(commands.commands[i]!, join);
  }
}

function look(): void {
  const now = Date.now();
  const all = seats;
  for (let i = 0; i < all.length; i++) {
    const seat = all[i]!;
    if (!seat.isLocked && now - seat.heard > SILENCE_MAX_MS) gone(seat);
    else if (seat.isConnected) seat.reply({});
  }
}

setInterval(look, PING_MS);
(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0] as Port;
  const seat = new Seat(port);
  port.onmessage = (message) => onMessage(seat, message.data as FromTab);
  seat.post({ ready: true });
};
