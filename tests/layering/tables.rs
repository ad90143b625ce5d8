//! What the layering tests hold, as tables to edit. A row that fits nothing any more is an error,
//! so that none outlives what it was for.

/// Each module's level: a module may use its own level and those below. The longest name that fits
/// a module counts.
pub(crate) const LEVELS: &[(&str, u8)] = &[
    ("main", 6),
    ("cli", 6),
    ("app", 6),
    ("http", 5),
    ("session", 4),
    ("node", 3),
    ("server", 2),
    ("shard", 2),
    ("broker::memory", 2),
    ("broker::fanout", 2),
    ("state", 2),
    ("broker", 1),
    ("connection", 1),
    ("transport", 1),
    ("registry", 1),
    ("publication", 1),
    ("heartbeat", 1),
    ("admission", 1),
    ("metrics", 1),
    ("token", 1),
    ("hooks", 1),
    ("http_client", 1),
    ("liveness", 1),
    ("logger", 1),
    ("signals", 1),
    ("store", 1),
    ("supervisor", 1),
    ("codec", 0),
    ("protocol", 0),
    ("last_error", 0),
    ("fossil", 0),
    ("close", 0),
    ("id", 0),
    ("channel_name", 0),
    ("identity", 0),
    ("subscription", 0),
    ("unix_time", 0),
    ("config", 0),
    ("planted", 0),
];

/// Files that import each other in a circle. The list is exact: what is mended leaves it, and it is
/// to become empty. A parent that only declares or re-exports its children makes none; one that
/// uses a child which uses what stands in the parent's own file does, so move that into a third
/// file.
pub(crate) const CIRCLES: &[&[&str]] = &[];

/// Modules, with all that is in them, that are plain data: they know neither actix nor tokio, and
/// the time is a parameter.
pub(crate) const PURE: &[&str] = &[
    "codec",
    "protocol",
    "fossil",
    "close",
    "id",
    "identity",
    "channel_name",
    "metrics::label",
    "publication",
    "registry",
    "store",
    "heartbeat",
    "connection::outbox",
    "broker::by_name",
    "broker::memory::alarms",
    "broker::memory::epochs",
    "broker::memory::evict",
    "broker::memory::keys",
    "broker::memory::ledger",
    "broker::memory::stream",
    "broker::memory::stripe",
    "node::rate_limit",
    "session::stream::cursor",
    "session::centrifuge::subscription",
    "session::centrifuge::subscriptions",
    "session::query",
    "server::directory",
    "shard::subscriber",
    "shard::window",
    "state::record",
    "state::segment",
    "state::wire",
    "subscription",
    "token::claims",
    "token::jws",
    "token::read_claims",
    "token::revocations::table",
];

/// What a pure module uses all the same: (module, what, why).
pub(crate) const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "publication",
    "Instant::now",
    "a publication notes when it was accepted; only the metric of the delivery delay reads it",
)];
