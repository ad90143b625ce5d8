//! Time as the measurement counts it: whole microseconds since the run began.

use std::time::{Duration, Instant};

/// Where the count of microseconds begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since the start.
    pub(crate) fn now(self) -> u64 {
        micros(self.0.elapsed())
    }
}

/// A span in microseconds; one that does not fit is as good as for ever.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds as seconds.
pub(crate) fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}
