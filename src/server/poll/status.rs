//! How a poll is doing, as its task notes it and the administrator's routes read it. Bound: one
//! entry a poll, under a lock that is held to copy numbers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{config, http_client::redacted, last_error::LastError};

/// How a poll is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PollStatus {
    /// What it asks, without user, password and query.
    pub(crate) url: String,
    /// Time from one request to the next.
    pub(crate) every: Duration,
    /// The channel that it publishes into.
    pub(crate) channel: String,
    /// Requests that were made, whatever came of them.
    pub(crate) runs: u64,
    /// Answers that were published.
    pub(crate) changes: u64,
    /// Requests that brought no answer, or an error; timeouts are among them.
    pub(crate) failures: u64,
    /// Changes that could not be published; each is tried again with the next answer.
    pub(crate) refused: u64,
    /// Why the last request failed; absent if it did not.
    pub(crate) last_error: Option<String>,
    /// The same in the words of the system.
    pub(crate) last_reason: Option<String>,
    /// Until the next request, if somebody listens then.
    pub(crate) next_in: Duration,
    /// When the last request was made.
    pub(crate) last_run: Option<SystemTime>,
    /// What went wrong last, be it mended since.
    pub(crate) last_fault: Option<LastError>,
}

/// Reads a poll's status while its task runs.
#[derive(Clone, Debug)]
pub(crate) struct PollWatch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    url: String,
    every: Duration,
    channel: String,
    counts: Mutex<PollCounts>,
}

#[derive(Debug)]
pub(super) struct PollCounts {
    pub(super) runs: u64,
    pub(super) changes: u64,
    pub(super) failures: u64,
    pub(super) refused: u64,
    pub(super) last_error: Option<String>,
    pub(super) last_reason: Option<String>,
    pub(super) last_run: Option<SystemTime>,
    pub(super) last_fault: Option<LastError>,
    pub(super) due: Instant,
}

impl PollWatch {
    /// Of a poll that has not asked yet, and is due now.
    pub(super) fn new(settings: &config::PollSettings) -> Self {
        Self(Arc::new(Watched {
            url: redacted(&settings.url),
            every: settings.every,
            channel: settings.channel.clone(),
            counts: Mutex::new(PollCounts {
                runs: 0,
                changes: 0,
                failures: 0,
                refused: 0,
                last_error: None,
                last_reason: None,
                last_run: None,
                last_fault: None,
                due: Instant::now(),
            }),
        }))
    }

    /// The status now.
    #[must_use]
    pub(crate) fn status(&self) -> PollStatus {
        let watched = &*self.0;
        let counts = self.counts();
        PollStatus {
            url: watched.url.clone(),
            every: watched.every,
            channel: watched.channel.clone(),
            runs: counts.runs,
            changes: counts.changes,
            failures: counts.failures,
            refused: counts.refused,
            last_error: counts.last_error.clone(),
            last_reason: counts.last_reason.clone(),
            last_run: counts.last_run,
            last_fault: counts.last_fault.clone(),
            next_in: counts.due.saturating_duration_since(Instant::now()),
        }
    }

    /// What the poll asks, without user, password and query.
    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    /// The channel that the poll publishes into.
    pub(super) fn channel(&self) -> &str {
        &self.0.channel
    }

    /// Numbers only, so a panic while they were held left nothing half done.
    pub(super) fn counts(&self) -> MutexGuard<'_, PollCounts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
