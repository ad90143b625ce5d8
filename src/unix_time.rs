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

/// The end of the year 9999. Larger times are faults, most often milliseconds, and are told so.
pub(crate) const LATEST: u64 = 253_402_300_799;

/// Longest time to live that a client is told: SDKs count it in 32 bits, some of them signed, and
/// one that overflows asks for a new token without a pause.
const TTL_MAX_SECS: u32 = 365 * 24 * 60 * 60;

/// The time to live of what ends at `at`, in Unix seconds, as a client is told it: at most a year,
/// after which it asks again. The end itself stays.
#[must_use]
pub(crate) fn ttl_until(at: u64) -> u32 {
    ttl_at(at, unix_now())
}

/// The same, at a time in Unix seconds.
#[must_use]
pub(crate) fn ttl_at(at: u64, now: u64) -> u32 {
    u32::try_from(at.saturating_sub(now)).map_or(TTL_MAX_SECS, |ttl| ttl.min(TTL_MAX_SECS))
}

/// Seconds from now to `at`, in Unix seconds; 0 if it is past.
#[must_use]
pub(crate) fn seconds_until(at: u64) -> u32 {
    u32::try_from(at.saturating_sub(unix_now())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A token that ends in 2286 told its client a time to live of 4294967295 seconds. In 32 signed
    // bits that is -1, and a Java client asked for a new token 4,317 times in three seconds.
    #[test]
    fn a_time_to_live_is_at_most_a_year_however_far_ahead_the_end_is() {
        let now = unix_now();
        let near = ttl_until(now + 3600);
        assert!((3599..=3600).contains(&near), "{near}");
        for at in [now + 400 * 24 * 3600, 9_999_999_999, u64::MAX] {
            assert_eq!(ttl_until(at), TTL_MAX_SECS, "{at}");
        }
        assert_eq!(ttl_until(now.saturating_sub(9)), 0);
    }
}
