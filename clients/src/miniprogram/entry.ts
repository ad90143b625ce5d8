//! `Fanfare` for mini programs: WebSocket and long poll, over the platform's own object.

import { Client } from '../core/client';
import type { Platform } from '../platform';
import { openPoll } from '../transports/poll';
import { openWebSocket } from '../transports/websocket';
import type { FanfareConstructor, Options } from '../types';
import { miniRuntime } from './runtime';

const platform: Platform = {
  runtime: (options) => miniRuntime(options.wx),
  transports: { websocket: openWebSocket, poll: openPoll },
  order: ['websocket', 'poll'],
};

class Fanfare extends Client {
  constructor(baseUrl: string, options?: Options) {
    super(platform, baseUrl, options || {});
  }
}

// That it is what the types promise is checked here.
const checked: FanfareConstructor = Fanfare;
export default checked;
