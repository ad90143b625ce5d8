//! Unix time, as tokens, events and the client protocol tell it.
//!
//! The only place that turns the system's clock into numbers. A clock before 1970 is one that
//! nobody has set, and counts as 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time from 1970 to `at`.
#[must_use]
pub(crate) fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time now, in Unix seconds.
#[must_use]
pub(crate) fn unix_now() -> u64 {
    since_epoch(SystemTime::now()).as_secs()
}

/// The time now, in Unix milliseconds.
#[must_use]
pub(crate) fn unix_now_ms() -> u64 {
    u64::try_from(since_epoch(SystemTime::now()).as_millis()).unwrap_or(u64::MAX)
}

/// Seconds from now to `at`, in Unix seconds; 0 if it is past.
#[must_use]
pub(crate) fn seconds_until(at: u64) -> u32 {
    u32::try_from(at.saturating_sub(unix_now())).unwrap_or(u32::MAX)
}
