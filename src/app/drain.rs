//! The drain: how a node goes away without losing what it accepted and without sending everyone
//! back at once.
//!
//! It moves the node's [`Phase`] on: draining (`/ready` says 503) → after `drain.notice` closed
//! (new handshakes get 503, listeners close, sessions are closed spread over `drain.spread`, each
//! after its outbox) → what is left at the deadline (`spread` plus `close.timeout`) is cut. Run
//! once, by the process.

use std::time::{Duration, Instant};

use humantime::format_duration;

use crate::{
    close::Close,
    node::{Node, phase::Phase},
    shard,
    transport::{accept::Accepting, pending::PendingConnections},
};

/// How often the end of the sessions is looked for.
const STEP: Duration = Duration::from_millis(20);
/// Time for the last sessions' tasks to end after they were cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Drains the node; returns how many sessions had to be cut.
pub(super) async fn run(node: &Node, accepting: Accepting, pending: &PendingConnections) -> usize {
    debug_assert_eq!(node.phase(), Phase::Running, "a node drains once");
    let (settings, admission) = (&node.settings, &node.admission);
    node.advance(Phase::Draining);
    let (notice, spread) = (settings.drain.notice, settings.drain.spread);
    log::info!(
        sessions = admission.sessions(),
        notice:% = format_duration(notice),
        spread:% = format_duration(spread);
        "draining"
    );
    tokio::time::sleep(notice).await;
    node.advance(Phase::Closed);
    accepting.close().await;
    // Behind whatever publications were accepted before, in the same mailboxes.
    node.shards.send_all(&shard::Drain {
        spread,
        close: Close::RESTART,
    });
    let deadline = Instant::now() + spread + settings.close.timeout;
    if wait_until(|| admission.sessions() == 0, deadline).await {
        log::info!("drained: every session was closed in order");
        // Whoever has asked is answered, such as a backend that publishes.
        wait_until(|| pending.answering() == 0, deadline).await;
        return 0;
    }
    let left = admission.sessions();
    log::warn!(sessions = left; "drained, but for sessions that did not close in time and are cut");
    node.shards.send_all(&shard::Terminate);
    let cut = Instant::now() + CUT_GRACE;
    wait_until(|| admission.sessions() == 0, cut).await;
    left
}

async fn wait_until(is_done: impl Fn() -> bool, deadline: Instant) -> bool {
    while !is_done() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(STEP).await;
    }
    true
}
