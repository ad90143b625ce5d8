//! Whether the threads of the server still go round. Each renews its [`Pulse`] as often as it comes
//! by, and whoever asks is told which have not for too long: a thread that hangs in a lock, a slow
//! disk or a loop answers nothing, and no other thread would notice.
//!
//! Owned by the metrics. Grows by one entry a thread, of which there are few.

use std::{
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How often a thread renews its pulse that has nothing else to do by the clock.
pub(crate) const PULSE_INTERVAL: Duration = Duration::from_millis(500);

/// From where times are counted, so that one fits into an atomic number.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A thread's sign of life.
#[derive(Debug)]
pub(crate) struct Pulse(AtomicU64);

impl Default for Pulse {
    fn default() -> Self {
        let pulse = Self(AtomicU64::new(0));
        pulse.beat(Instant::now());
        pulse
    }
}

impl Pulse {
    /// The thread has come by.
    pub(crate) fn beat(&self, now: Instant) {
        self.0.store(millis(now), Relaxed);
    }

    /// The thread ends, and gives no sign of life any more.
    pub(crate) fn end(&self) {
        self.0.store(u64::MAX, Relaxed);
    }
}

fn millis(now: Instant) -> u64 {
    u64::try_from(now.duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

/// All threads that are watched.
#[derive(Debug, Default)]
pub(crate) struct Liveness(Mutex<Vec<(String, Arc<Pulse>)>>);

impl Liveness {
    /// Watches one more thread, which has just come by.
    pub(crate) fn watch(&self, name: String) -> Arc<Pulse> {
        let pulse = Arc::<Pulse>::default();
        self.add(name, pulse.clone());
        pulse
    }

    /// Watches a thread that has its pulse already.
    pub(crate) fn add(&self, name: String, pulse: Arc<Pulse>) {
        self.lock().push((name, pulse));
    }

    /// The threads that have given no sign of life for longer than `limit`.
    pub(crate) fn stuck(&self, limit: Duration, now: Instant) -> Vec<String> {
        let (limit, now) = (limit.as_millis(), millis(now));
        let pulses = self.lock();
        let stuck = pulses
            .iter()
            .filter(|(_, pulse)| u128::from(now.saturating_sub(pulse.0.load(Relaxed))) > limit);
        stuck.map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<Pulse>)>> {
        // The lock guards a push and clones, which leave the list whole even if they panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_gives_no_sign_of_life_is_named_until_it_does() {
        // The thread of the server hung in a write, and /ready went on to say 200.
        // A thread that does not come by is told from one that has nothing to do.
        let liveness = Liveness::default();
        let (server, worker) = (
            liveness.watch("server".to_string()),
            liveness.watch("worker 0".to_string()),
        );
        let limit = Duration::from_secs(10);
        let later = Instant::now() + limit + Duration::from_secs(1);
        worker.beat(later);
        assert_eq!(liveness.stuck(limit, later), ["server"]);
        server.beat(later);
        assert!(liveness.stuck(limit, later + limit).is_empty());
        let stuck = liveness.stuck(limit, later + limit + Duration::from_millis(1));
        assert_eq!(stuck, ["server", "worker 0"]);
        worker.end();
        assert_eq!(liveness.stuck(limit, later + limit * 9), ["server"]);
    }
}
