//! A client of the official SDK that counts what it gets; for `fire-clients.mjs`. It reconnects by the SDK alone.

import { Client } from './client.mjs';

/** Listens to one channel through the SDK. */
export class SdkListener {
  constructor(way, origin, channel, tally) {
    const options = { minReconnectDelay: 100, maxReconnectDelay: 500 };
    const client = new Client(way, origin, options);
    this.ready = false;
    const subscription = client.sdk.newSubscription(channel);
    subscription.on('subscribed', ({ wasRecovering, recovered }) => {
      this.ready = true;
      if (wasRecovering) tally.back(recovered);
    });
    subscription.on('publication', ({ data }) => tally.take(client.open(data).n));
    subscription.subscribe();
    client.sdk.connect();
  }
}
