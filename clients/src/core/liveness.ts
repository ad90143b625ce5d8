//! Whether the connection lives: anything that comes proves it. Where nothing came for the server's
//! ping interval and ten seconds more, it is dead. Timers of hidden pages run late, and those of
//! frozen ones much too late: a timer that is late proves nothing, so then the server is probed
//! before anything is closed.

import type { Runtime, Timer } from '../runtime';

/** Milliseconds beyond the ping interval. */
const PING_DELAY_MAX_MS = 10000;
/** A timer that is later than this ran on a page that was throttled or frozen. */
const LATE_MS = 2000;
/** Milliseconds that the answer to a probe may take. */
const PROBE_MS = 4000;
/** What comes so soon after a probe may have been on its way before the line died. */
const IN_FLIGHT_MS = 500;

/** What the watch does when it must. */
export interface LivenessActions {
  /** Sends something that the server answers. */
  probe(): void;
  /** Nothing came: by the server's own pace, or after a probe. */
  dead(reason: string, isProbed: boolean): void;
}

/** Watches one connection, from `constructor` to `stop`. */
export class Liveness {
  private heard: number;
  private watch: Timer | null = null;
  private probing: Timer | null = null;
  private probed = 0;

  constructor(
    private readonly runtime: Runtime,
    /** Seconds between the server's pings; 0: it sends none, and only probes tell. */
    pingSeconds: number,
    private readonly actions: LivenessActions,
  ) {
    this.heard = runtime.now();
    if (pingSeconds > 0) this.arm(pingSeconds * 1000 + PING_DELAY_MAX_MS);
  }

  /** Something came. */
  touch(): void {
    this.heard = this.runtime.now();
    if (this.heard >= this.probed + IN_FLIGHT_MS) this.answered();
  }

  /** The server answered a probe. */
  answered(): void {
    if (this.probing !== null) this.runtime.clearTimeout(this.probing);
    this.probing = null;
  }

  /** Asks the server for a sign, unless it is being asked. */
  probe(): void {
    if (this.probing !== null) return;
    this.probed = this.runtime.now();
    this.probing = this.runtime.setTimeout(() => {
      this.actions.dead('no answer to a probe within ' + PROBE_MS + ' ms', true);
    }, PROBE_MS);
    this.actions.probe();
  }

  /** Ends the watch. */
  stop(): void {
    if (this.watch !== null) this.runtime.clearTimeout(this.watch);
    if (this.probing !== null) this.runtime.clearTimeout(this.probing);
    this.watch = this.probing = null;
  }

  /** Looks again `silence` after what was heard last. */
  private arm(silence: number): void {
    const due = this.heard + silence;
    this.watch = this.runtime.setTimeout(() => {
      const now = this.runtime.now();
      if (now < this.heard + silence) return this.arm(silence);
      if (now < due + LATE_MS) {
        return this.actions.dead('nothing came for ' + silence + ' ms', false);
      }
      this.probe();
      this.heard = now;
      this.arm(silence);
    }, Math.min(silence, Math.max(0, due - this.runtime.now())));
  }
}
