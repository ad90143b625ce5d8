//! `Fanfare` for browsers: all transports, over what the browser has.

import { Client } from '../core/client';
import type { Platform } from '../platform';
import { openPoll } from '../transports/poll';
import { openSse } from '../transports/sse';
import { openWebSocket } from '../transports/websocket';
import type { FanfareConstructor, Options } from '../types';
import { browserRuntime } from './runtime';

const platform: Platform = {
  runtime: browserRuntime,
  transports: { websocket: openWebSocket, sse: openSse, poll: openPoll },
  order: ['websocket', 'sse', 'poll'],
  resolve: (baseUrl) => {
    if (typeof location !== 'object') return baseUrl;
    if (/^\/\//.test(baseUrl)) return location.protocol + baseUrl;
    return baseUrl === '' || baseUrl.charAt(0) === '/' ? location.origin + baseUrl : baseUrl;
  },
};

class Fanfare extends Client {
  constructor(baseUrl: string, options?: Options) {
    super(platform, baseUrl, options || {});
  }
}

// That it is what the types promise is checked here.
const checked: FanfareConstructor = Fanfare;
export default checked;
