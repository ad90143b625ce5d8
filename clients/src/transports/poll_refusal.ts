//! What refusals of `/poll` and `/send` mean, as the protocol has it. Pure.

import * as codes from '../core/codes';
import type { ReplyError } from '../protocol';
import type { HttpResponse } from '../runtime';
import type { LinkEnd } from './link';

/**
 * The status, if the server gave it: its refusals are sentences. A page, JSON or nothing at all is of
 * something in between, such as the portal of a hotel or a gateway, whose word does not count.
 */
export function statusOf(response: HttpResponse): number {
  const { status, body } = response;
  return (status === 200 ? /^\s*</ : /^\s*([<{]|$)/).test(body) ? 0 : status;
}

/** Whether a refusal is of one channel, which stands at its end then, and not of the client. */
export function isAbout(response: HttpResponse, channel: string): boolean {
  const { body } = response;
  const name = ': ' + channel;
  const at = body.trim().length - name.length;
  return (response.status === 403 || response.status === 404) && body.indexOf(name, at) === at;
}

/** Whether a 401 is for a token that was good once. */
export function isExpired(response: HttpResponse): boolean {
  return /expired/i.test(response.body);
}

/** The end of a link that is refused. */
export function endOf(response: HttpResponse): LinkEnd {
  const { retryAfter } = response;
  const status = statusOf(response);
  // Without any answer the body is the platform's words.
  const isTold = status || !response.status;
  const reason = (isTold && response.body.trim()) || 'status ' + response.status;
  let code = codes.ABNORMAL;
  if (status === 401) code = isExpired(response) ? codes.EXPIRED : codes.INVALID_TOKEN;
  else if (status === 403) code = codes.PERMISSION_DENIED;
  else if (status === 429 || status === 503) code = codes.TRY_AGAIN;
  return { code, reason, retryAfter };
}

/** A refusal of one command as the error that the protocol has for it. */
export function errorOf(response: HttpResponse): ReplyError {
  const { status } = response;
  const message = response.body.trim() || 'status ' + status;
  if (status === 403) return { code: codes.NOT_ALLOWED, message };
  if (status === 404) return { code: codes.UNKNOWN_CHANNEL, message };
  if (status === 429) return { code: codes.TOO_MANY_REQUESTS, message, temporary: true };
  if (status >= 500) return { code: codes.INTERNAL, message, temporary: true };
  return { code: codes.BAD_REQUEST, message };
}

/** The error of what cannot be done by polling. */
export function notAvailable(): ReplyError {
  return { code: codes.NOT_AVAILABLE, message: 'not available while polling' };
}
