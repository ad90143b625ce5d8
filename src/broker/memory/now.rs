//! A moment by both clocks: the one that only goes on, by which this process lets go of what has
//! expired, and the one that goes on over a restart.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::unix_time::unix_now_ms;

/// Both at one moment.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) unix_ms: u64,
}

/// The clock that goes on over a restart and never goes back: by a clock that was put back, what is
/// written then would have expired before what was written earlier.
#[derive(Debug)]
pub(super) struct Clock {
    /// The newest time that it has told, in Unix milliseconds.
    newest_ms: AtomicU64,
}

impl Clock {
    /// Which told this time before.
    pub(super) fn since(newest_ms: u64) -> Self {
        Self {
            newest_ms: AtomicU64::new(newest_ms),
        }
    }

    /// The time, never earlier than one that this clock told before.
    pub(super) fn now(&self) -> Now {
        let unix_ms = unix_now_ms();
        let newest = self.newest_ms.load(Relaxed);
        if newest < unix_ms {
            // Once a millisecond at most.
            self.newest_ms.fetch_max(unix_ms, Relaxed);
        }
        Now {
            instant: Instant::now(),
            unix_ms: unix_ms.max(newest),
        }
    }
}

impl Now {
    /// So much later, in Unix milliseconds.
    pub(super) fn unix_after(self, time: Duration) -> u64 {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.unix_ms.saturating_add(ms)
    }

    /// Another moment by the clock that goes on over a restart.
    pub(super) fn unix_of(self, at: Instant) -> u64 {
        self.unix_after(at.saturating_duration_since(self.instant))
    }

    /// How long it is until then; absent: it has passed.
    pub(super) fn until(self, unix_ms: u64) -> Option<Duration> {
        let left = unix_ms.checked_sub(self.unix_ms).filter(|left| *left > 0);
        left.map(Duration::from_millis)
    }
}
