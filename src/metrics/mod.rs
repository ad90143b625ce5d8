//! What is counted: by each worker, and by the node.
//!
//! Every number of a [`WorkerStats`] has exactly one writer, its worker's thread, so that counting
//! on the delivery path is a plain load and store; readers (the routes `/status` and `/metrics`)
//! may be a moment behind. Labels are bounded: workers, endpoints of the settings, and fixed words.

mod count;
mod delays;
mod label;
mod reasons;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64};

pub(crate) use self::delays::{DELAY_BUCKETS, DELAY_COUNTS, DelayCounts};
use self::label::{CountsBy, CountsByNumber};
pub use self::{
    count::Count,
    delays::Delays,
    reasons::{CutReason, HandoverOutcome, Limited, RefusalReason},
    worker::WorkerStats,
};
use crate::liveness::Liveness;

/// Statuses of refused requests that are counted apart; others are counted together.
const STATUSES: &[u32] = &[400, 401, 403, 404, 405, 408, 413, 415, 426, 429, 500, 503];

/// Codes of errors of the API that are counted apart; others are counted together.
const API_ERRORS: &[u32] = &[100, 101, 102, 103, 104, 106, 107, 108, 111, 112];

/// All workers of this process. Grows by one entry a worker thread, of which there are few.
#[derive(Debug)]
pub struct Metrics {
    workers: Mutex<Vec<Arc<WorkerStats>>>,
    /// The threads that must not stand still.
    pub(crate) liveness: Liveness,
    refused: CountsBy<RefusalReason>,
    refused_requests: CountsByNumber,
    api_errors: CountsByNumber,
    limited: CountsBy<Limited>,
    cut: CountsBy<CutReason>,
    handovers: CountsBy<HandoverOutcome>,
    /// Connections now that are not sessions, but for those whose request is being answered.
    pub(crate) pending_connections: AtomicU64,
    /// Bytes of bodies now whose rest is waited for.
    pub(crate) pending_body_bytes: AtomicU64,
    /// Publications that the broker did not accept, or gave no answer to.
    pub(crate) publish_refused: AtomicU64,
    /// Publications that the broker accepted, whether anyone was there or not.
    pub(crate) published: AtomicU64,
    /// Joins and leaves that no member was told of, since a shard had no room.
    pub(crate) joins_leaves_untold: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            workers: Mutex::default(),
            liveness: Liveness::default(),
            refused: CountsBy::default(),
            refused_requests: CountsByNumber::new(STATUSES),
            api_errors: CountsByNumber::new(API_ERRORS),
            limited: CountsBy::default(),
            cut: CountsBy::default(),
            handovers: CountsBy::default(),
            pending_connections: AtomicU64::default(),
            pending_body_bytes: AtomicU64::default(),
            publish_refused: AtomicU64::default(),
            published: AtomicU64::default(),
            joins_leaves_untold: AtomicU64::default(),
        }
    }
}

impl Metrics {
    /// Counts what became of a hand-over.
    pub(crate) fn handover(&self, outcome: HandoverOutcome) {
        self.handovers.add(outcome);
    }

    /// Hand-overs by what became of them.
    pub(crate) fn handovers(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.handovers.read()
    }

    /// Counts a connection that was ended before it was a session.
    pub(crate) fn cut(&self, why: CutReason) {
        self.cut.add(why);
    }

    /// Connections that were ended before they were a session, by reason.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.cut.read()
    }

    /// Counts what a limit refused.
    pub(crate) fn limited(&self, limit: Limited) {
        self.limited.add(limit);
    }

    /// What limits refused, by limit.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.limited.read()
    }

    /// Adds a worker's numbers to those that are shown.
    pub(crate) fn add_worker(&self) -> Arc<WorkerStats> {
        let mut workers = self.lock();
        let stats = Arc::new(WorkerStats {
            pulse: self.liveness.watch(format!("worker {}", workers.len())),
            ..WorkerStats::default()
        });
        workers.push(stats.clone());
        stats
    }

    /// The workers' numbers, in the order of the workers.
    #[must_use]
    pub(crate) fn workers(&self) -> Vec<Arc<WorkerStats>> {
        self.lock().clone()
    }

    /// Sum of one number over all workers.
    #[must_use]
    pub(crate) fn sum(&self, of: impl Fn(&WorkerStats) -> &Count) -> u64 {
        self.lock().iter().map(|stats| of(stats).get()).sum()
    }

    /// Counts a refused handshake.
    pub(crate) fn refuse(&self, why: RefusalReason) {
        self.refused.add(why);
    }

    /// Counts a request that was refused, or a call of the API that was answered with an error.
    pub(crate) fn refuse_request(&self, status: u16, api_error: Option<u32>) {
        if status >= 400 {
            self.refused_requests.add(status.into());
        }
        if let Some(code) = api_error {
            self.api_errors.add(code);
        }
    }

    /// Refused requests by status.
    pub(crate) fn refused_requests(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.refused_requests.read()
    }

    /// Calls of the API that were answered with an error, by its code.
    pub(crate) fn api_errors(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.api_errors.read()
    }

    /// Refused handshakes by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.refused.read()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<WorkerStats>>> {
        // The lock guards a push and clones of `Arc`s, which leave the list whole even if they
        // panic.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed() {
        let metrics = Metrics::default();
        metrics.add_worker().messages_in.add(2);
        metrics.add_worker().messages_in.add(3);
        assert_eq!(metrics.sum(|stats| &stats.messages_in), 5);
    }
}
