//! Sessions on socket pairs: what a client sends is bytes, what it gets is read as frames, and the
//! node is that of settings as a file has them, with a scripted broker. No process, no HTTP, one
//! worker: this thread. The clock stands still until everything waits, pings and deadlines of
//! connections included.
//!
//! What needs more than that (two workers, the head of a handshake, the memory or the end of a
//! process) is in `tests/wire`.

mod commands;
mod heartbeat;
mod limits;
mod messages;
mod peer;
mod protocol_client;
mod pushes;
mod relay;
mod server;
mod slow;
mod subscriptions;
mod windows;

use std::time::Duration;

use self::{
    peer::{Frame, Peer, masked},
    protocol_client::{OPEN, ProtocolClient, code},
    server::Server,
};
use crate::testing::{paused as run, raw};

/// How long anything may take, by the clock of the test.
const SOON: Duration = Duration::from_secs(20);

/// Until a condition is looked at again.
const STEP: Duration = Duration::from_millis(10);

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !is_so() {
        let now = tokio::time::Instant::now();
        assert!(now < deadline, "not in time: {what}");
        tokio::time::sleep(STEP).await;
    }
}
