//! What is counted of calls to the backend, for `/status` and `/metrics`.
//!
//! Owned by the dispatcher; written by any thread, read by anyone. Labels are fixed words:
//! [`HookKind`] and [`CallOutcome`]. A call is noted exactly once, also when its caller goes away
//! and drops it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::last_error::LastError;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them, in order.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word as it stands in settings, labels and logs.
            #[must_use]
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// A hook of the settings.
    HookKind {
        /// `hooks.connect`
        Connect = "connect",
        /// `hooks.refresh`
        Refresh = "refresh",
        /// `hooks.subscribe`
        Subscribe = "subscribe",
        /// `hooks.sub_refresh`
        SubRefresh = "sub_refresh",
        /// `hooks.publish`
        Publish = "publish",
        /// `hooks.rpc`
        Rpc = "rpc",
        /// `hooks.message`
        Message = "message",
        /// `hooks.events`
        Events = "events",
    }
}

words! {
    /// How a call ended.
    CallOutcome {
        /// The backend answered with a result.
        Ok = "ok",
        /// The backend's own error for the client.
        Error = "error",
        /// The backend wants the client closed.
        Disconnect = "disconnect",
        /// There was no whole answer in time.
        Timeout = "timeout",
        /// No connection came about.
        Connect = "connect",
        /// The connection ended early.
        Broken = "broken",
        /// The status was none of success.
        Status = "status",
        /// The answer was too long.
        TooLarge = "too_large",
        /// The answer was not what the documentation asks for.
        Malformed = "malformed",
        /// The call was refused, since too many wait.
        Busy = "busy",
        /// The caller went away first.
        Abandoned = "abandoned",
    }
}

/// Upper bounds of the buckets of durations, in seconds; the last bucket is without bound.
pub(super) const DURATION_BUCKETS: [f64; 11] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// How the last call ended that had no usable answer, and why.
pub(crate) type LastFailure = (CallOutcome, LastError);

#[derive(Debug, Default)]
struct PerHook {
    /// Written where a call fails, which is told in the log as well.
    last_failure: Mutex<Option<LastFailure>>,
    outcomes: [AtomicU64; CallOutcome::ALL.len()],
    retries: AtomicU64,
    in_flight: AtomicU64,
    buckets: [AtomicU64; DURATION_BUCKETS.len() + 1],
    micros: AtomicU64,
}

/// The counts of all hooks.
#[derive(Debug, Default)]
pub(super) struct HookStats([PerHook; HookKind::ALL.len()]);

impl HookStats {
    /// A call begins; the measure notes its end.
    pub(super) fn begin(&self, kind: HookKind) -> Measure<'_> {
        let hook = &self.0[kind as usize];
        hook.in_flight.fetch_add(1, Relaxed);
        Measure {
            hook,
            since: Instant::now(),
            outcome: CallOutcome::Abandoned,
        }
    }

    /// A call is sent a second time.
    pub(super) fn retried(&self, kind: HookKind) {
        self.0[kind as usize].retries.fetch_add(1, Relaxed);
    }

    /// A call had no usable answer.
    pub(super) fn failed(&self, kind: HookKind, outcome: CallOutcome, why: &str) {
        let failure = (outcome, LastError::now(why));
        *self.last_failure_of(kind) = Some(failure);
    }

    /// The last call of a hook that had no usable answer.
    pub(super) fn last_failure(&self, kind: HookKind) -> Option<LastFailure> {
        self.last_failure_of(kind).clone()
    }

    fn last_failure_of(&self, kind: HookKind) -> MutexGuard<'_, Option<LastFailure>> {
        let last = &self.0[kind as usize].last_failure;
        // It is only replaced as a whole.
        last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counts now, with the number of calls that wait.
    pub(super) fn snapshot(&self, waiting: usize) -> HookSnapshot {
        let hooks = HookKind::ALL.iter().zip(&self.0);
        HookSnapshot {
            waiting,
            hooks: hooks
                .map(|(kind, hook)| PerHookSnapshot {
                    hook: kind.word(),
                    calls: CallOutcome::ALL
                        .iter()
                        .zip(&hook.outcomes)
                        .map(|(outcome, count)| (outcome.word(), count.load(Relaxed)))
                        .collect(),
                    retries: hook.retries.load(Relaxed),
                    in_flight: hook.in_flight.load(Relaxed),
                    buckets: hook
                        .buckets
                        .iter()
                        .map(|count| count.load(Relaxed))
                        .collect(),
                    seconds: hook.micros.load(Relaxed) as f64 / 1e6,
                })
                .collect(),
        }
    }
}

/// One call; notes how it ended when it is dropped.
pub(super) struct Measure<'a> {
    hook: &'a PerHook,
    since: Instant,
    outcome: CallOutcome,
}

impl Measure<'_> {
    /// Notes how the call ended.
    pub(super) fn ends(mut self, outcome: CallOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Measure<'_> {
    fn drop(&mut self) {
        let took: Duration = self.since.elapsed();
        let bucket = DURATION_BUCKETS.partition_point(|&bound| bound < took.as_secs_f64());
        self.hook.buckets[bucket].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.hook.micros.fetch_add(micros, Relaxed);
        self.hook.in_flight.fetch_sub(1, Relaxed);
        self.hook.outcomes[self.outcome as usize].fetch_add(1, Relaxed);
    }
}

/// All hooks at a moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HookSnapshot {
    /// Calls that wait for their turn.
    pub(crate) waiting: usize,
    /// One entry a hook, in the order of [`HookKind::ALL`].
    pub(crate) hooks: Vec<PerHookSnapshot>,
}

/// One hook at a moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PerHookSnapshot {
    /// Its name in the settings.
    pub(crate) hook: &'static str,
    /// Calls by outcome, in the order of [`CallOutcome::ALL`].
    pub(crate) calls: Vec<(&'static str, u64)>,
    /// Calls that were sent a second time.
    pub(crate) retries: u64,
    /// Calls not yet ended, those that wait included.
    pub(crate) in_flight: u64,
    /// Ended calls by duration, not cumulative, bounds as [`DURATION_BUCKETS`].
    pub(crate) buckets: Vec<u64>,
    /// Duration of all ended calls together.
    pub(crate) seconds: f64,
}

#[cfg(test)]
impl PerHookSnapshot {
    /// Calls that ended with this outcome.
    #[must_use]
    pub(crate) fn ended(&self, outcome: CallOutcome) -> u64 {
        self.calls[outcome as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_once_however_it_ends() {
        let stats = HookStats::default();
        stats.begin(HookKind::Rpc).ends(CallOutcome::Ok);
        drop(stats.begin(HookKind::Rpc));
        let running = stats.begin(HookKind::Rpc);
        let rpc = &stats.snapshot(0).hooks[HookKind::Rpc as usize];
        assert_eq!(rpc.hook, "rpc");
        assert_eq!(rpc.ended(CallOutcome::Ok), 1);
        assert_eq!(rpc.ended(CallOutcome::Abandoned), 1);
        assert_eq!(rpc.in_flight, 1);
        assert_eq!(rpc.buckets.iter().sum::<u64>(), 2);
        running.ends(CallOutcome::Timeout);
        let rpc = &stats.snapshot(0).hooks[HookKind::Rpc as usize];
        assert_eq!((rpc.in_flight, rpc.ended(CallOutcome::Timeout)), (0, 1));
    }
}
