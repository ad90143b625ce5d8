//! The drain: how a node goes away without losing what it accepted and without sending everyone
//! back at once.
//!
//! It moves the node's [`Phase`] on: draining (`/ready` says 503) → after `drain.notice` closed
//! (new handshakes get 503, listeners close, sessions are closed spread over `drain.spread`, each
//! after its outbox) → what is left at the deadline (`spread` plus `close.timeout`) is cut. Run
//! once, by the process.
//!
//! Where another process serves already, on the same listeners, there is no notice to give: they
//! are left to it. Whoever was accepted before is served first, for `drain.handover_grace` at most,
//! then what is kept on disk is left to it too, which it waits for. Whoever comes with a request
//! only behind that is sent to it by the end of a session.

use std::time::Duration;

use humantime::format_duration;
use tokio::time::Instant;

use crate::{
    close::Close,
    config::Settings,
    node::{Node, phase::Phase},
    shard,
    transport::{accept::Accepting, pending::PendingConnections},
};

/// How often the end of the sessions is looked for.
const STEP: Duration = Duration::from_millis(20);
/// Time for the last sessions' tasks to end after they were cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Why a node drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was told to stop.
    Stop,
    /// Another process has its listeners.
    HandedOver,
    /// It cannot have the state that it waited for, and serves nobody.
    Failed,
}

/// What lets connections in until a node drains.
pub(super) trait Listeners {
    /// Nobody comes in any more, here or elsewhere.
    async fn close(self);
    /// Nobody comes in here any more; another process goes on with the same listeners.
    async fn leave(self);
}

impl Listeners for Accepting {
    async fn close(self) {
        Accepting::close(self).await;
    }

    async fn leave(self) {
        self.pause().await;
    }
}

/// Drains the node; returns how many sessions had to be cut.
pub(super) async fn run(
    node: &Node,
    listeners: impl Listeners,
    pending: &PendingConnections,
    reason: Reason,
) -> usize {
    debug_assert!(node.phase() <= Phase::Running, "a node drains once");
    let (settings, admission) = (&node.settings, &node.admission);
    let notice = match reason {
        Reason::Stop => settings.drain.notice,
        Reason::HandedOver | Reason::Failed => Duration::ZERO,
    };
    let spread = settings.drain.spread;
    node.advance(Phase::Draining);
    log::info!(
        sessions = admission.sessions(),
        notice:% = format_duration(notice),
        spread:% = format_duration(spread);
        "draining"
    );
    let served_by = match reason {
        Reason::Stop | Reason::Failed => {
            tokio::time::sleep(notice).await;
            node.advance(Phase::Closed);
            listeners.close().await;
            pending.close_idle();
            Instant::now()
        }
        Reason::HandedOver => {
            leave(node, listeners, pending).await;
            Instant::now() + unserved_grace(settings)
        }
    };
    // Behind whatever publications were accepted before, in the same inboxes.
    node.shards.send_all(&shard::Drain {
        spread,
        close: Close::RESTART,
    });
    let deadline = Instant::now() + spread + settings.close.timeout;
    if wait_until(|| admission.sessions() == 0, deadline).await {
        log::info!("drained: every session was closed in order");
        // Whoever has asked is answered, such as a backend that publishes.
        wait_until(|| pending.answering() == 0, deadline).await;
        // And whoever was accepted and has not asked yet, where another process serves the rest.
        let is_served = || pending.answering() == 0 && pending.count() == 0;
        wait_until(is_served, served_by).await;
        if reason == Reason::HandedOver {
            // The process before this one hears of commands by this one.
            wait_until(|| !node.control.is_open(), deadline).await;
        }
        // Some of them began a session, which was ended at once.
        let ended_by = Instant::now() + settings.close.timeout;
        if wait_until(|| admission.sessions() == 0, ended_by).await {
            return 0;
        }
    }
    let left = admission.sessions();
    log::warn!(sessions = left; "drained, but for sessions that did not close in time and are cut");
    node.shards.send_all(&shard::Terminate);
    let cut = Instant::now() + CUT_GRACE;
    wait_until(|| admission.sessions() == 0, cut).await;
    left
}

/// Leaves whoever comes, and then what is known here, to the process that has taken over.
async fn leave(node: &Node, listeners: impl Listeners, pending: &PendingConnections) {
    listeners.leave().await;
    // Nobody comes to this process from here on.
    node.advance(Phase::HandingOver);
    serve_accepted(node.settings.drain.handover_grace, pending).await;
    // The other one holds whoever is sent to it.
    pending.close_idle();
    node.advance(Phase::HandedOver);
    let_go(node).await;
}

/// Serves those whom this process has accepted as ever, while another one holds whoever comes now.
async fn serve_accepted(grace: Duration, pending: &PendingConnections) {
    if !wait_until(|| pending.owed() == 0, Instant::now() + grace).await {
        log::info!(
            connections = pending.owed(), grace:% = format_duration(grace);
            "accepted connections that have not asked yet are sent to the new process when they do"
        );
    }
}

/// Gives what is kept on disk to the process that has taken over and waits for it: pushes and polls
/// end here, and whoever still publishes what is kept is refused.
async fn let_go(node: &Node) {
    node.entries.stop();
    if let Some(state) = node.state.get().cloned() {
        // It writes what waits and has the disk hold it. A panic there has ended the process.
        let _ = tokio::task::spawn_blocking(move || state.close()).await;
    }
}

/// How long someone who was accepted may take to ask.
fn unserved_grace(settings: &Settings) -> Duration {
    let handshake = settings.tls.as_ref().map(|tls| tls.handshake_timeout);
    settings.http.request_timeout + handshake.unwrap_or_default()
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

#[cfg(test)]
mod tests;
