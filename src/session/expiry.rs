//! Reckoning with the ends of credentials, which are given in Unix seconds.

use std::time::Duration;

use crate::unix_time::{seconds_until, unix_now};

/// Timers are set no further ahead, so that no wrong date overflows one.
const AHEAD_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Whether an end has come; what has none never ends.
pub(super) fn is_past(at: Option<u64>) -> bool {
    at.is_some_and(|at| at <= unix_now())
}

/// How long a timer for an end is to run; at most 30 days, after which it is set anew.
pub(super) fn until(at: u64) -> Duration {
    Duration::from_secs(seconds_until(at).into()).min(AHEAD_MAX)
}
