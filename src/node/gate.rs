//! Holds what needs the state on disk until that is read: a process that takes over accepts at
//! once, and must answer nothing from a state that it does not know yet.
//!
//! One for the node; whoever comes with a request passes it before anything of the request is read.
//! Bounds: the time since requests can come (`state.handover`), how many wait at a time
//! (`state.handover_requests`) and what they hold (`state.handover_bytes`); beyond them a request
//! is refused, and the process goes on waiting for its state. Open, it costs the load of a flag.

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::config::Settings;

/// What is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GateStage {
    /// Nothing yet.
    Shut,
    /// Everything.
    Open,
    /// Nothing any more: the process ends without its state.
    Ending,
}

/// Why a request is not held any longer, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPassed {
    /// `state.handover` is over.
    #[error("the state on disk is not read yet (state.handover); come again")]
    Time,
    /// `state.handover_requests` wait.
    #[error("too many wait for the state on disk (state.handover_requests); come again")]
    Requests,
    /// What waits holds `state.handover_bytes`.
    #[error("what waits for the state on disk is too large (state.handover_bytes); come again")]
    Bytes,
    /// The process ends.
    #[error("the server goes away before it has read its state; come again")]
    Ending,
}

/// The reasons as labels of a metric; the order is that of [`NotPassed`].
const REASONS: [&str; 4] = ["time", "requests", "bytes", "ending"];

/// How much may wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateBounds {
    /// `state.handover`.
    pub(crate) time: Duration,
    /// `state.handover_requests`.
    pub(crate) requests: usize,
    /// `state.handover_bytes`.
    pub(crate) bytes: usize,
}

impl GateBounds {
    /// As the settings have them.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        let state = &settings.state;
        Self {
            time: state.handover,
            requests: state.handover_requests,
            bytes: state.handover_bytes,
        }
    }
}

/// What waits now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    requests: usize,
    bytes: usize,
}

/// What a gate counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GateStats {
    /// Requests that wait now.
    pub(crate) held: u64,
    /// Their bytes, as they are charged.
    pub(crate) bytes: u64,
    /// Requests that have waited.
    pub(crate) all: u64,
    /// Those that were refused, by reason.
    pub(crate) refused: [(&'static str, u64); REASONS.len()],
}

/// See the module.
pub(crate) struct Gate {
    is_open: AtomicBool,
    stage: watch::Sender<GateStage>,
    bounds: GateBounds,
    /// From when on nothing is held.
    deadline: OnceLock<Instant>,
    held: Mutex<Held>,
    all: AtomicU64,
    refused: [AtomicU64; REASONS.len()],
}

impl Gate {
    /// One that is shut.
    #[must_use]
    pub(crate) fn new(bounds: GateBounds) -> Self {
        Self {
            is_open: AtomicBool::new(false),
            stage: watch::channel(GateStage::Shut).0,
            bounds,
            deadline: OnceLock::new(),
            held: Mutex::default(),
            all: AtomicU64::new(0),
            refused: Default::default(),
        }
    }

    /// Requests come from now on, which is what their time is counted from.
    pub(crate) fn begin(&self) {
        self.deadline();
    }

    /// The state is there: what waits passes, and whatever comes.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Release);
        self.stage.send_replace(GateStage::Open);
    }

    /// The process ends: what waits, and whatever comes, is refused, unless the gate was opened.
    pub(crate) fn end(&self) {
        self.stage.send_if_modified(|stage| {
            let is_shut = *stage == GateStage::Shut;
            if is_shut {
                *stage = GateStage::Ending;
            }
            is_shut
        });
    }

    /// Whether everything passes.
    #[must_use]
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Acquire)
    }

    /// Waits until the gate is open; `bytes` are what the caller holds meanwhile.
    ///
    /// # Errors
    /// [`NotPassed`]: the time is over, too many or too much wait, or the process ends.
    pub(crate) async fn pass(&self, bytes: usize) -> Result<(), NotPassed> {
        let mut stage = self.stage.subscribe();
        let now = *stage.borrow_and_update();
        let passed = match now {
            GateStage::Open => return Ok(()),
            GateStage::Ending => Err(NotPassed::Ending),
            GateStage::Shut => self.wait(&mut stage, bytes).await,
        };
        if let Err(reason) = passed {
            self.refused[reason as usize].fetch_add(1, Relaxed);
        }
        passed
    }

    async fn wait(
        &self,
        stage: &mut watch::Receiver<GateStage>,
        bytes: usize,
    ) -> Result<(), NotPassed> {
        let deadline = self.deadline();
        if Instant::now() >= deadline {
            return Err(NotPassed::Time);
        }
        let _permit = self.enter(bytes)?;
        let changed = timeout_at(deadline, stage.wait_for(|stage| *stage != GateStage::Shut)).await;
        match changed {
            Ok(Ok(stage)) if *stage == GateStage::Open => Ok(()),
            Ok(_) => Err(NotPassed::Ending),
            Err(_) => Err(NotPassed::Time),
        }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        *self.deadline.get_or_init(|| now + self.bounds.time)
    }

    fn enter(&self, bytes: usize) -> Result<GatePermit<'_>, NotPassed> {
        let mut held = self.held();
        if held.requests >= self.bounds.requests {
            return Err(NotPassed::Requests);
        }
        if held.bytes + bytes > self.bounds.bytes {
            return Err(NotPassed::Bytes);
        }
        held.requests += 1;
        held.bytes += bytes;
        self.all.fetch_add(1, Relaxed);
        Ok(GatePermit { gate: self, bytes })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Two numbers, which are changed together and without a panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has counted.
    #[must_use]
    pub(crate) fn stats(&self) -> GateStats {
        let held = *self.held();
        let count = |index: usize| self.refused[index].load(Relaxed);
        GateStats {
            held: held.requests as u64,
            bytes: held.bytes as u64,
            all: self.all.load(Relaxed),
            refused: std::array::from_fn(|index| (REASONS[index], count(index))),
        }
    }
}

/// The place of one that waits; given back by drop, when its client goes too.
struct GatePermit<'a> {
    gate: &'a Gate,
    bytes: usize,
}

impl Drop for GatePermit<'_> {
    fn drop(&mut self) {
        let mut held = self.gate.held();
        held.requests -= 1;
        held.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::Arc};

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    fn gate() -> Gate {
        let gate = Gate::new(GateBounds {
            time: TIME,
            requests: 2,
            bytes: 100,
        });
        gate.begin();
        gate
    }

    fn refused(gate: &Gate) -> [u64; 4] {
        gate.stats().refused.map(|(_, count)| count)
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_passes_when_it_opens_and_is_counted() {
        let gate = Arc::new(gate());
        let waits = [10, 20].map(|bytes| {
            let gate = gate.clone();
            tokio::spawn(async move { gate.pass(bytes).await })
        });
        tokio::task::yield_now().await;
        let GateStats { held, bytes, .. } = gate.stats();
        assert_eq!((held, bytes), (2, 30));
        assert!(!gate.is_open());
        gate.open();
        for wait in waits {
            assert_eq!(wait.await.expect("no panic"), Ok(()));
        }
        assert_eq!(gate.pass(usize::MAX).await, Ok(()), "nothing is held now");
        gate.end();
        assert!(gate.is_open() && gate.pass(1).await.is_ok(), "open is open");
        let GateStats {
            held, bytes, all, ..
        } = gate.stats();
        assert_eq!((held, bytes, all), (0, 0, 2));
        assert_eq!(refused(&gate), [0; 4]);
    }

    // Without an end each request of a long wait would hang for its whole time, one behind the
    // other and without a bound. The time is that of the gate: once it is over nothing is held.
    #[tokio::test(start_paused = true)]
    async fn its_time_counts_from_the_start_and_once_it_is_over_nothing_waits() {
        let gate = gate();
        let begun = Instant::now();
        tokio::time::advance(TIME / 2).await;
        assert_eq!(gate.pass(1).await, Err(NotPassed::Time));
        assert_eq!(begun.elapsed(), TIME);
        assert_eq!(gate.pass(1).await, Err(NotPassed::Time));
        assert_eq!(begun.elapsed(), TIME, "at once");
        assert_eq!(refused(&gate), [2, 0, 0, 0]);
        gate.open();
        assert_eq!(gate.pass(1).await, Ok(()), "it opens all the same");
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_bound_the_newcomer_is_refused_and_whoever_goes_makes_room() {
        let gate = gate();
        {
            let (mut first, mut second) = (pin!(gate.pass(60)), pin!(gate.pass(40)));
            let mut third = pin!(gate.pass(0));
            let too_large = gate.pass(101);
            tokio::select! {
                biased;
                _ = &mut first => unreachable!("it is shut"),
                refused = too_large => assert_eq!(refused, Err(NotPassed::Bytes)),
            }
            tokio::select! {
                biased;
                _ = &mut second => unreachable!("it is shut"),
                refused = &mut third => assert_eq!(refused, Err(NotPassed::Requests)),
            }
            assert_eq!(gate.stats().held, 2);
        }
        assert_eq!(gate.stats().held, 0, "whoever goes gives his place back");
        let mut again = pin!(gate.pass(100));
        tokio::select! {
            biased;
            _ = &mut again => unreachable!("it is shut"),
            () = async {} => {}
        }
        assert_eq!(gate.stats().bytes, 100);
        assert_eq!(refused(&gate), [0, 1, 1, 0]);
        gate.end();
        assert_eq!(again.await, Err(NotPassed::Ending));
        assert_eq!(gate.pass(1).await, Err(NotPassed::Ending));
    }
}
