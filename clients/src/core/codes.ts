//! Codes that the client reads or makes, by name, and what they mean for it. Pure.

import type { FanfareError } from '../types';

/** A close without trouble; also what WeChat closes with when an app goes to the background. */
export const NORMAL = 1000;
/** What came is not the protocol. */
export const MALFORMED = 1002;
/** No Close frame came. */
export const ABNORMAL = 1006;
/** A message was larger than the server takes: it would be so again. */
export const TOO_BIG = 1009;
/** No room now. */
export const TRY_AGAIN = 1013;
/** The credentials are over; come back with new ones. */
export const EXPIRED = 3005;
/** The token is none that counts. */
export const INVALID_TOKEN = 3500;
/** The client may not do what it asks for. */
export const PERMISSION_DENIED = 3507;

/** The server ended a subscription, and it is to be made again from this code on. */
export const RESUBSCRIBE_FROM = 2500;

/** The server takes the client out of a channel. */
export const SERVER_UNSUBSCRIBE = 2000;
/** The time of a subscription is over. */
export const SUBSCRIPTION_EXPIRED = 2501;

/** Errors of replies. */
export const UNKNOWN_CHANNEL = 102;
export const NOT_ALLOWED = 103;
export const ALREADY_SUBSCRIBED = 105;
export const LIMIT_EXCEEDED = 106;
export const BAD_REQUEST = 107;
export const NOT_AVAILABLE = 108;
export const TOKEN_EXPIRED = 109;
export const TOO_MANY_REQUESTS = 111;
export const INTERNAL = 100;

/** Whether a close code says not to come back. Everything else, 1000 included, reconnects. */
export function isTerminal(code: number): boolean {
  return (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999) || code === TOO_BIG;
}

/** Whether an error of a reply passes by itself. */
export function isTemporary(error: { code: number; temporary?: boolean }): boolean {
  return error.code < 100 || error.temporary === true;
}

/** What a call is rejected with. */
export function failure(code: FanfareError['code'], message: string): FanfareError {
  return { code, message };
}

/** The words of whatever was thrown. */
export function words(thrown: unknown): string {
  const error = thrown as { message?: unknown; errMsg?: unknown } | null | undefined;
  return String((error && (error.message || error.errMsg)) || thrown);
}

/** A rejection of the core's own, or a passing error of the server's: worth another try. */
export function isPassing(error: FanfareError): boolean {
  const { code } = error;
  return typeof code !== 'number' || isTemporary(error as { code: number });
}
