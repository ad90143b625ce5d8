//! The options of a client with their defaults, read once. Pure.

import type { Options } from '../types';

/** Numbers of the options, all of them there. */
export interface Settings {
  readonly minDelay: number;
  readonly maxDelay: number;
  readonly timeout: number;
  readonly maxQueue: number;
}

/** Longest time that timers take. */
export const TIMER_MAX = 0x7fffffff;

/** Reads the numbers of the options; what is no number is as if it were not there. */
export function settingsOf(options: Options): Settings {
  const number = (value: number | undefined, otherwise: number): number =>
    typeof value === 'number' && value >= 0 ? Math.min(value, TIMER_MAX) : otherwise;
  const minDelay = number(options.minDelay, 500);
  return {
    minDelay,
    maxDelay: Math.max(minDelay, number(options.maxDelay, 20000)),
    timeout: number(options.timeout, 10000),
    maxQueue: number(options.maxQueue, 100),
  };
}

/** A copy of what the app gives, as JSON has it; throws where JSON cannot say it. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** The base address as HTTP, without a slash at its end, nor the path that an SDK is given. */
export function httpBase(baseUrl: string): string {
  const http = String(baseUrl).replace(/^(?:ws|http)(s?):/i, (_, secure: string) => {
    return 'http' + secure.toLowerCase() + ':';
  });
  if (!/^https?:\/\/[^/]/.test(http)) {
    throw new TypeError('the address of the server begins with https://, not "' + baseUrl + '"');
  }
  return http.replace(/[?#].*$/, '').replace(/(?:\/+connection\/websocket)?\/*$/, '');
}
