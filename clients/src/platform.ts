//! What a packaging puts together for the core: a runtime and the transports that make sense on it.
//! Each packaging has one of them, in its `entry.ts`; what it does not name is not in its file.

import type { OpenLink } from './transports/link';
import type { Runtime } from './runtime';
import type { Options, TransportName } from './types';

/** A platform with its transports. */
export interface Platform {
  /** Makes the runtime of one client. */
  runtime(options: Options): Runtime;
  /** The transports that there are here. */
  readonly transports: { readonly [name in TransportName]?: OpenLink };
  /** Which of them are tried, in this order, unless the options say otherwise. */
  readonly order: readonly TransportName[];
  /** The base address in full, where the platform knows what a relative one is relative to. */
  resolve?(baseUrl: string): string;
}
