//! The drain: how a node goes away without losing what it accepted and without sending everyone
//! back at once.
//!
//! It moves the node's [`Phase`] on: draining (`/ready` says 503) → after `drain.notice` closed
//! (new handshakes get 503, listeners close, sessions are closed spread over `drain.spread`, each
//! after its outbox) → what is left at the deadline (`spread` plus `close.timeout`) is cut. Run
//! once, by the process.

use std::time::{Duration, Instant};

use crate::{
    admission::Admission,
    close::Close,
    node::{Node, phase::Phase},
    shard,
    transport::listener::Closer,
};

/// How often the end of the sessions is looked for.
const STEP: Duration = Duration::from_millis(20);
/// Time for actix-server's accept thread to let go of the listeners.
const PAUSE_GRACE: Duration = Duration::from_millis(50);
/// Time for the last sessions' tasks to end after they were cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Drains the node; returns how many sessions had to be cut. `pause` stops the accepting of
/// connections.
pub(super) async fn run(node: &Node, pause: impl AsyncFnOnce(), closers: Vec<Closer>) -> usize {
    debug_assert_eq!(node.phase(), Phase::Running, "a node drains once");
    let (settings, admission) = (&node.settings, &node.admission);
    node.advance(Phase::Draining);
    let (notice, spread) = (settings.drain.notice, settings.drain.spread);
    log::info!(
        "draining: {} sessions, notice {notice:?}, spread {spread:?}",
        admission.sessions()
    );
    tokio::time::sleep(notice).await;
    node.advance(Phase::Closed);
    pause().await;
    // The accept thread hears of the pause by a queue of its own; a listener that is shut before
    // would look broken to it.
    tokio::time::sleep(PAUSE_GRACE).await;
    for closer in closers {
        closer.close();
    }
    // Behind whatever publications were accepted before, in the same mailboxes.
    node.shards.send_all(&shard::Drain {
        spread,
        close: Close::RESTART,
    });
    let deadline = Instant::now() + spread + settings.close.timeout;
    if wait_until_empty(admission, deadline).await {
        log::info!("drained: every session was closed in order");
        return 0;
    }
    let left = admission.sessions();
    log::warn!("drained: {left} sessions did not close in time and are cut");
    node.shards.send_all(&shard::Terminate);
    wait_until_empty(admission, Instant::now() + CUT_GRACE).await;
    left
}

async fn wait_until_empty(admission: &Admission, deadline: Instant) -> bool {
    while admission.sessions() > 0 {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(STEP).await;
    }
    true
}
