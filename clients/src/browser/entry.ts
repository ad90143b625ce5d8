//! `Fanfare` for browsers: all transports, or a connection that the tabs of a user share.

import { Client } from '../core/client';
import { SHARED, Sharing } from '../share/tab';
import type { FanfareConstructor, Options, TransportName } from '../types';
import { browser } from './platform';

class Fanfare extends Client {
  private readonly shared: Sharing | null;

  constructor(baseUrl: string, options: Options = {}) {
    const { share } = options;
    if (share && !(share.name && share.worker)) throw new TypeError('share must be {name, worker}');
    const isShared = share && typeof SharedWorker === 'function';
    const shared = isShared ? new Sharing(browser, options) : null;
    super(shared ? shared.platform : browser, baseUrl, shared ? shared.options : options);
    this.shared = shared;
  }

  protected override transportName(name: TransportName | null): TransportName | null {
    return name === SHARED ? this.shared!.transport : name;
  }
}

// That it is what the types promise is checked here.
const checked: FanfareConstructor = Fanfare;
export default checked;
