//! Reads what a platform told: words, codes, headers and contents, wherever it put them. Pure. It
//! must not trust `instanceof`: what comes may be of another realm.

import { Told } from './api';
import { fromBase64 } from './base64';

/** The platform's own words for a failure, for people to read. */
export function wordsOf(told: unknown): string {
  if (typeof told === 'string') return told;
  const inner = unwrapped(told as Told | undefined);
  const words = inner.errMsg || inner.errorMessage || inner.message;
  return typeof words === 'string' ? words : '';
}

/** The content of a message. */
export function contentOf(told: Told): string | ArrayBuffer {
  const { data, isBuffer } = unwrapped(told);
  if (isBuffer && typeof data === 'string') return fromBase64(data);
  return data as string | ArrayBuffer;
}

/** How a socket was closed; 1006 where the platform does not say. */
export function closeOf(told: Told | undefined): { code: number; reason: string } {
  const { code, reason } = unwrapped(told);
  const number = Number(code);
  return { code: number > 0 ? number : 1006, reason: reason ? String(reason) : '' };
}

/** A header field of a response, '' where there is none or the platform hides it. */
export function headerOf(told: Told | undefined, name: string): string {
  const { header, headers } = unwrapped(told);
  const fields = (header || headers || {}) as { [name: string]: unknown };
  for (const key in fields) {
    if (key.toLowerCase() === name) return String(fields[key]);
  }
  return '';
}

/** The status of a response, 0 where there was none. */
export function statusOf(told: Told): number {
  const status = Number(told.statusCode || told.status);
  return status > 0 ? status : 0;
}

// Alipay wraps what a SocketTask tells in `data`. The content of a message may be an object too, an
// ArrayBuffer, so it is the plain objects that are looked into.
function unwrapped(told: Told | undefined): Told {
  const data = told && told.data;
  const isPlain = Object.prototype.toString.call(data) === '[object Object]';
  return (isPlain ? data : told || {}) as Told;
}
