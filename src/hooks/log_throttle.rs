//! A line in the log at most every 10 s for what may go wrong a thousand times a second.
//!
//! Owned by whoever logs; two numbers, no lock. It must not lose the count of what it kept back.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// From where times are counted, so that one fits into an atomic number.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    /// When the next line is allowed, in milliseconds.
    next: AtomicU64,
    kept_back: AtomicU64,
}

impl LogThrottle {
    /// Notes that it happened; `Some(times)` since the last line if a line is due now.
    #[must_use]
    pub(crate) fn happened(&self) -> Option<u64> {
        let now = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.happened_at(now)
    }

    fn happened_at(&self, now: u64) -> Option<u64> {
        self.kept_back.fetch_add(1, Relaxed);
        let next = self.next.load(Relaxed);
        let after = now + PAUSE.as_millis() as u64;
        let due = now >= next
            && self
                .next
                .compare_exchange(next, after, Relaxed, Relaxed)
                .is_ok();
        due.then(|| self.kept_back.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_tells_how_often_it_happened() {
        let log_throttle = LogThrottle::default();
        assert_eq!(log_throttle.happened_at(0), Some(1));
        assert_eq!(log_throttle.happened_at(1), None);
        assert_eq!(log_throttle.happened_at(9_999), None);
        assert_eq!(log_throttle.happened_at(10_000), Some(3));
        assert_eq!(log_throttle.happened_at(10_001), None);
    }
}
