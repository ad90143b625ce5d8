//! The clock of connections and their shards: the runtime's. It is the system's, but for tests that
//! have it stand still until everything waits.

use std::time::Instant;

/// The time by the runtime's clock.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
