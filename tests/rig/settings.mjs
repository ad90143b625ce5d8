//! The settings of the nodes under test. Times are short where a run must see their ends; bounds are the defaults where the rig
//! means to meet them, and wide where it only means to publish.

import { API_KEY, HOOK_SECRET, TOKEN_SECRET } from './token.mjs';

export const CHANNELS = Array.from({ length: 99 }, (_, index) => `kept:${index}`);
/** Half of the clients listen here. */
export const WIDE = 'kept:wide';
export const ROOMS = Array.from({ length: 20 }, (_, index) => `room:${index}`);
/** `history_ttl` of the channels, and how often the disk is made to hold what was written. */
export const HISTORY_TTL_MS = 1_800_000;
export const SYNC_MS = 1000;
/** How long a drain takes at most, by these settings, with a second for the cut and 5 for the events. */
export const DRAIN_MAX_MS = 500 + 2000 + 1000 + 5000 + 1500;

/** What a node is started with; `extra` are tables of features that the binary may not have. */
export function settings({ port, tlsPort, certificates, backend, historySize, keysTtl, extra = '' }) {
  const tls = certificates ? [`, "tls:127.0.0.1:${tlsPort}"`, `\n[tls]\ncert = "${certificates.cert}"\nkey = "${certificates.key}"\n`] : ['', ''];
  return `listen = ["127.0.0.1:${port}"${tls[0]}]
node = "rig"

[limits]
pending_connections_per_address = 0
idempotency_ttl = "${keysTtl}"
history_bytes = "256MiB"
outbox_bytes = "4MiB"

[drain]
spread = "500ms"

[close]
timeout = "2s"

[slow]
write_timeout = "4s"

[heartbeat]
ping_interval = "10s"
pong_timeout = "5s"

[log]
filter = "info"
format = "json"

[api]
key = "${API_KEY}"

[client]
anonymous = true

[token]
hmac_secret = "${TOKEN_SECRET}"

[hooks]
events = { url = "${backend}/events", timeout = "2s" }
rpc = { url = "${backend}/rpc", timeout = "1s" }
secret = "${HOOK_SECRET}"

[[raw]]
path = "/raw"

[[raw]]
path = "/relay"
on_message = "relay"

[[namespace]]
name = "kept"
history_size = ${historySize}
history_ttl = "${HISTORY_TTL_MS / 60_000}m"
recovery = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]

[[namespace]]
name = "room"
presence = true
join_leave = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
${tls[1]}${extra}`;
}
