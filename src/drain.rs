//! The drain: how a node goes away without losing what it accepted and without sending everyone back at once.
//!
//! Phases only go forward. Running → begun (`/ready` says 503) → after `drain.notice` closed (new handshakes get 503,
//! listeners close, sessions are closed spread over `drain.spread`, each after its outbox) → what is left at the deadline
//! (`spread` plus `close.timeout`) is cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    admission::Admission,
    close::Close,
    config::Settings,
    shard::{self, Shards},
    transport::listener::Closer,
};

const RUNNING: u8 = 0;
const BEGUN: u8 = 1;
const CLOSED: u8 = 2;

/// How often the end of the sessions is looked for.
const STEP: Duration = Duration::from_millis(20);
/// Time for actix-server's accept thread to let go of the listeners.
const PAUSE_GRACE: Duration = Duration::from_millis(50);
/// Time for the last sessions' tasks to end after they were cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Where the node is between running and gone.
#[derive(Debug, Default)]
pub struct Drain {
    phase: AtomicU8,
}

impl Drain {
    /// Whether the drain has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.phase.load(Relaxed) >= BEGUN
    }

    /// Whether new sessions are refused.
    #[must_use]
    pub fn refuses_sessions(&self) -> bool {
        self.phase.load(Relaxed) >= CLOSED
    }

    /// Drains the node; returns how many sessions had to be cut.
    pub async fn run(
        &self,
        settings: &Settings,
        shards: &Arc<Shards>,
        admission: &Arc<Admission>,
        pause: impl AsyncFnOnce(),
        closers: Vec<Closer>,
    ) -> usize {
        debug_assert_eq!(self.phase.load(Relaxed), RUNNING, "a node drains once");
        self.phase.store(BEGUN, Relaxed);
        let (notice, spread) = (settings.drain.notice, settings.drain.spread);
        log::info!(
            "draining: {} sessions, notice {notice:?}, spread {spread:?}",
            admission.sessions()
        );
        tokio::time::sleep(notice).await;
        self.phase.store(CLOSED, Relaxed);
        pause().await;
        // The accept thread hears of the pause by a queue of its own; a listener that is shut before would look broken to it.
        tokio::time::sleep(PAUSE_GRACE).await;
        for closer in closers {
            closer.close();
        }
        // Behind whatever publications were accepted before, in the same mailboxes.
        shards.send_all(&shard::Drain {
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
        shards.send_all(&shard::Terminate);
        wait_until_empty(admission, Instant::now() + CUT_GRACE).await;
        left
    }
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
