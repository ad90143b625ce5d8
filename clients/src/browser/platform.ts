//! Browsers as a platform: all transports, over what a page or a worker has.

import type { Platform } from '../platform';
import { openPoll } from '../transports/poll';
import { openSse } from '../transports/sse';
import { openWebSocket } from '../transports/websocket';
import { browserRuntime } from './runtime';

export const browser: Platform = {
  runtime: browserRuntime,
  transports: { websocket: openWebSocket, sse: openSse, poll: openPoll },
  order: ['websocket', 'sse', 'poll'],
  resolve: (given) => {
    const baseUrl = String(given);
    if (typeof location !== 'object') return baseUrl;
    if (/^\/\//.test(baseUrl)) return location.protocol + baseUrl;
    return baseUrl === '' || baseUrl.charAt(0) === '/' ? location.origin + baseUrl : baseUrl;
  },
};
