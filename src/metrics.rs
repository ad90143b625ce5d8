//! What a worker counts, and how it is shown in OpenMetrics form.
//!
//! Every number of a [`WorkerStats`] has exactly one writer, its worker's thread, so that counting
//! on the delivery path is a plain load and store; readers (the routes `/status` and `/metrics`)
//! may be a moment behind. Labels are bounded: workers, endpoints of the settings, and fixed words.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::liveness::{Liveness, Pulse};

/// A number with one writer.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`; only the owning thread may call this.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes `n` away; only the owning thread may call this.
    pub(crate) fn sub(&self, n: u64) {
        self.0
            .store(self.0.load(Relaxed).saturating_sub(n), Relaxed);
    }

    /// Sets the number; only the owning thread may call this.
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the buckets of delivery delay, in seconds; the last bucket is without bound.
pub const DELAY_BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Buckets of delivery delay.
pub(crate) const DELAY_COUNTS: usize = DELAY_BUCKETS.len() + 1;

fn bucket_of(delay: Duration) -> usize {
    let seconds = delay.as_secs_f64();
    DELAY_BUCKETS.partition_point(|&bound| bound < seconds)
}

/// Delays of a few deliveries, counted once to be noted for many receivers.
#[derive(Debug, Default)]
pub(crate) struct DelayCounts {
    counts: [u64; DELAY_COUNTS],
    nanos: u64,
    /// First and last bucket that is not empty.
    least: usize,
    greatest: usize,
}

impl DelayCounts {
    /// Of so many deliveries that took equally long.
    #[cfg(test)]
    pub(crate) fn of(delay: Duration, times: u64) -> Self {
        let mut counts = Self::default();
        counts.add(delay, times);
        counts
    }

    /// Counts `times` deliveries that took `delay` each.
    pub(crate) fn add(&mut self, delay: Duration, times: u64) {
        let bucket = bucket_of(delay);
        let is_first = self.counts[self.least..=self.greatest] == [0];
        self.least = if is_first {
            bucket
        } else {
            self.least.min(bucket)
        };
        self.greatest = self.greatest.max(bucket);
        self.counts[bucket] += times;
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.nanos = self.nanos.saturating_add(nanos.saturating_mul(times));
    }
}

/// Distribution of delays with one writer.
#[derive(Debug, Default)]
pub struct Delays {
    counts: [Count; DELAY_COUNTS],
    sum_nanos: Count,
}

impl Delays {
    /// Notes what was counted.
    pub(crate) fn observe(&self, counted: &DelayCounts) {
        let buckets = counted.least..=counted.greatest;
        for (count, times) in self.counts[buckets.clone()]
            .iter()
            .zip(&counted.counts[buckets])
        {
            count.add(*times);
        }
        self.sum_nanos.add(counted.nanos);
    }

    /// The counts of the buckets, not cumulative, and the sum in nanoseconds.
    #[must_use]
    pub(crate) fn counts(&self) -> ([u64; DELAY_COUNTS], u64) {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].get());
        (counts, self.sum_nanos.get())
    }

    /// Upper bound (seconds; infinity last) and count of each bucket, not cumulative, and the sum
    /// in seconds.
    #[must_use]
    pub(crate) fn read(&self) -> (Vec<(f64, u64)>, f64) {
        let bounds = DELAY_BUCKETS.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds
            .zip(self.counts.iter().map(Count::get))
            .collect::<Vec<_>>();
        (buckets, self.sum_nanos.get() as f64 / 1e9)
    }
}

/// What one worker counts.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// That its thread still goes round.
    pub(crate) pulse: Arc<Pulse>,
    /// Sessions now.
    pub sessions: Count,
    /// Channels with a member on this worker, the server's own left out.
    pub channels: Count,
    /// Data messages received (text and binary).
    pub messages_in: Count,
    /// Data messages written (replies and publications).
    pub messages_out: Count,
    /// Bytes received from WebSocket connections.
    pub bytes_in: Count,
    /// Bytes written to WebSocket connections.
    pub bytes_out: Count,
    /// Sessions ended because they took less than they were sent (3008) or nothing at all (3009).
    pub slow_disconnects: Count,
    /// Publications dropped for slow clients by `drop_oldest` and `latest`.
    pub dropped: Count,
    /// Lines of channels that left together at the end of their window, or before it.
    pub window_batches: Count,
    /// Those of them that left before it, since they had as many bytes as may leave together.
    pub window_early: Count,
    /// Publications that gave way to newer ones while they waited in a window.
    pub window_replaced: Count,
    /// Sessions ended because no life came after a ping (3012).
    pub no_pong: Count,
    /// Turns of sessions and connections that were spent: others went first.
    pub turns_spent: Count,
    /// Publication accepted to written.
    pub delays: Delays,
}

/// All workers of this process. Grows by one entry a worker thread, of which there are few.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: Mutex<Vec<Arc<WorkerStats>>>,
    /// The threads that must not stand still.
    pub(crate) liveness: Liveness,
    refused: [AtomicU64; REFUSALS.len()],
    refused_requests: [AtomicU64; STATUSES.len() + 1],
    api_errors: [AtomicU64; API_ERRORS.len() + 1],
    limited: [AtomicU64; LIMITS.len()],
    cut: [AtomicU64; CUTS.len()],
    handovers: [AtomicU64; HANDOVERS.len()],
    /// Connections now that are not sessions, but for those whose request is being answered.
    pub pending_connections: AtomicU64,
    /// Bytes of bodies now whose rest is waited for.
    pub(crate) pending_body_bytes: AtomicU64,
    /// Publications that the broker did not accept, or gave no answer to.
    pub publish_refused: AtomicU64,
    /// Publications accepted.
    pub published: AtomicU64,
    /// Joins and leaves that no member was told of, since a shard had no room.
    pub(crate) joins_leaves_untold: AtomicU64,
}

/// Reasons why a handshake is refused, as labels; the order is that of [`RefusalReason`].
pub const REFUSALS: [&str; 9] = [
    "not_websocket",
    "version",
    "key",
    "http_1_0",
    "origin",
    "full",
    "address",
    "bad_request",
    "channel",
];

/// Why a handshake was refused; an index into [`REFUSALS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// Not a WebSocket request.
    NotWebSocket,
    /// A WebSocket version other than 13.
    Version,
    /// Key missing or malformed.
    Key,
    /// HTTP/1.0.
    Http10,
    /// The origin is not allowed.
    Origin,
    /// No room, or draining.
    Full,
    /// Too many from one address.
    Address,
    /// Method, body, channel name and other faults of the request.
    BadRequest,
    /// A channel that the client may not have.
    Channel,
}

/// Statuses of refused requests that are counted apart, as labels; others are counted together.
const STATUSES: [u16; 12] = [400, 401, 403, 404, 405, 408, 413, 415, 426, 429, 500, 503];

/// Codes of errors of the API that are counted apart, as labels; others are counted together.
const API_ERRORS: [u32; 10] = [100, 101, 102, 103, 104, 106, 107, 108, 111, 112];

/// Counts one of `known`, or what stands behind them for all others.
fn count_one<T: PartialEq>(known: &[T], counts: &[AtomicU64], one: &T) {
    let index = known.iter().position(|known| known == one);
    if let Some(count) = counts.get(index.unwrap_or(known.len())) {
        count.fetch_add(1, Relaxed);
    }
}

/// Each of `known` with its count, and that of all others.
fn counted<T: ToString>(
    known: &'static [T],
    counts: &[AtomicU64],
) -> impl Iterator<Item = (String, u64)> {
    let labels = known.iter().map(T::to_string);
    let labels = labels.chain(["other".to_string()]);
    labels.zip(counts.iter().map(|count| count.load(Relaxed)))
}

/// Limits on what sessions send, as labels; the order is that of [`Limited`].
pub const LIMITS: [&str; 9] = [
    "messages",
    "messages_per_address",
    "sessions_per_user",
    "subscriptions",
    "api_publishes",
    "idempotency_keys",
    "frames_pending",
    "admin_failures",
    "admin_tokens",
];

/// A limit that was reached; an index into [`LIMITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Messages a second, of a session or a user.
    Messages,
    /// Messages a second of an address, of those that have no user.
    MessagesPerAddress,
    /// Sessions of a user.
    SessionsPerUser,
    /// Channels of a session.
    Subscriptions,
    /// Publications a second of an API key.
    ApiPublishes,
    /// Idempotency keys, of all or of one client.
    IdempotencyKeys,
    /// Frames of a streamed session that wait.
    FramesPending,
    /// Wrong keys of administrators of one address: all of its are refused.
    AdminFailures,
    /// Logins of administrators: one was ended for another.
    AdminTokens,
}

/// Why a connection was ended before it was a session, as labels; the order is that of [`Cut`].
pub const CUTS: [&str; 9] = [
    "total",
    "address",
    "tls_timeout",
    "tls_failed",
    "head_timeout",
    "head_too_large",
    "not_http",
    "total_body_bytes",
    "address_body_bytes",
];

/// Why a connection was ended before it was a session; an index into [`CUTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// `limits.pending_connections` was reached.
    Total,
    /// `limits.pending_connections_per_address` was reached.
    Address,
    /// Its TLS handshake took longer than `tls.handshake_timeout`.
    TlsTimeout,
    /// Its TLS handshake failed.
    TlsFailed,
    /// The head of its request took longer than `http.request_timeout`.
    HeadTimeout,
    /// The head of its request had more than `http.head_bytes`.
    HeadTooLarge,
    /// What it sent was no HTTP.
    NotHttp,
    /// `limits.pending_body_bytes` was reached.
    TotalBodyBytes,
    /// `limits.pending_body_bytes_per_address` was reached.
    AddressBodyBytes,
}

impl Cut {
    /// The setting whose bound it is, where room was made.
    #[must_use]
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::Address => "limits.pending_connections_per_address",
            Self::TotalBodyBytes => "limits.pending_body_bytes",
            Self::AddressBodyBytes => "limits.pending_body_bytes_per_address",
            _ => "limits.pending_connections",
        }
    }
}

/// What became of hand-overs, as labels; the order is that of [`Handover`].
pub const HANDOVERS: [&str; 5] = ["done", "failed", "timeout", "stopped", "ignored"];

/// What became of a hand-over to a new process; an index into [`HANDOVERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// The new process serves.
    Done,
    /// It could not be started, or ended.
    Failed,
    /// It took longer than `drain.handover_timeout`.
    Timeout,
    /// This process was told to stop meanwhile.
    Stopped,
    /// Another one was going on.
    Ignored,
}

impl Metrics {
    /// Counts what became of a hand-over.
    pub(crate) fn handover(&self, outcome: Handover) {
        self.handovers[outcome as usize].fetch_add(1, Relaxed);
    }

    /// Hand-overs by what became of them.
    pub(crate) fn handovers(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.handovers.iter().map(|count| count.load(Relaxed));
        HANDOVERS.into_iter().zip(counts)
    }

    /// Counts a connection that was ended before it was a session.
    pub(crate) fn cut(&self, why: Cut) {
        self.cut[why as usize].fetch_add(1, Relaxed);
    }

    /// Connections that were ended before they were a session, by reason.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.cut.iter().map(|count| count.load(Relaxed));
        CUTS.into_iter().zip(counts)
    }

    /// Counts what a limit refused.
    pub(crate) fn limited(&self, limit: Limited) {
        self.limited[limit as usize].fetch_add(1, Relaxed);
    }

    /// What limits refused, by limit.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.limited.iter().map(|count| count.load(Relaxed));
        LIMITS.into_iter().zip(counts)
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
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// Counts a request that was refused, or a call of the API that was answered with an error.
    pub(crate) fn refuse_request(&self, status: u16, api_error: Option<u32>) {
        if status >= 400 {
            count_one(&STATUSES, &self.refused_requests, &status);
        }
        if let Some(code) = api_error {
            count_one(&API_ERRORS, &self.api_errors, &code);
        }
    }

    /// Refused requests by status.
    pub(crate) fn refused_requests(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        counted(&STATUSES, &self.refused_requests)
    }

    /// Calls of the API that were answered with an error, by its code.
    pub(crate) fn api_errors(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        counted(&API_ERRORS, &self.api_errors)
    }

    /// Refused handshakes by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.refused.iter().map(|count| count.load(Relaxed));
        REFUSALS.into_iter().zip(counts)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<WorkerStats>>> {
        // The lock guards a push and clones of `Arc`s, which leave the list whole even if they
        // panic.
        self.workers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_fall_into_the_bucket_whose_bound_they_do_not_exceed() {
        let delays = Delays::default();
        let mut together = DelayCounts::default();
        together.add(Duration::from_micros(101), 2);
        together.add(Duration::from_micros(100), 1);
        delays.observe(&together);
        delays.observe(&DelayCounts::of(Duration::from_secs(60), 3));
        let (buckets, sum) = delays.read();
        assert_eq!(buckets[0].1, 1);
        assert_eq!(buckets[1].1, 2);
        assert_eq!(buckets[DELAY_BUCKETS.len()], (f64::INFINITY, 3));
        assert!((sum - 180.000_302).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn workers_are_summed() {
        let metrics = Metrics::default();
        metrics.add_worker().messages_in.add(2);
        metrics.add_worker().messages_in.add(3);
        assert_eq!(metrics.sum(|stats| &stats.messages_in), 5);
    }
}
