//! Faults that are planted on purpose, so that the rig from outside (`tests/rig`) is itself tested:
//! it must find each of them. Built only with the feature `planted-faults`, which no release has.
//!
//! The environment variable `PLANTED_FAULT` names the one that this process has; without it there
//! is none. Bounds: a counter.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// One of so many is spoilt.
const EVERY: u64 = 5000;

/// How long before a write it is answered.
pub(crate) const EARLY: Duration = Duration::from_millis(200);

/// How long something waits in a shard that loses what waits, however much that is: a build without
/// optimizations may take half a second from the signal to the drain.
pub(crate) const LATE: Duration = Duration::from_secs(1);

/// What may be planted, named in the environment as here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A subscriber does not get a publication that it counts as had.
    SkipsAnOffset,
    /// A subscriber gets a publication twice.
    DeliversTwice,
    /// What waits in a shard when it drains is lost.
    LosesAtADrain,
    /// Nobody is told that a session left.
    ForgetsALeave,
    /// A session that has ended stays in the directory.
    LeaksASession,
    /// Whoever waits for a write is told that it is done [`EARLY`] before it is.
    AnswersBeforeTheWrite,
    /// What a machine that went down took with it is missing, and the streams are called the same.
    KeepsTheEpochs,
}

static PLANTED: LazyLock<Option<Fault>> = LazyLock::new(|| {
    let named = std::env::var("PLANTED_FAULT").ok()?;
    let all = [
        Fault::SkipsAnOffset,
        Fault::DeliversTwice,
        Fault::LosesAtADrain,
        Fault::ForgetsALeave,
        Fault::LeaksASession,
        Fault::AnswersBeforeTheWrite,
        Fault::KeepsTheEpochs,
    ];
    all.into_iter().find(|fault| format!("{fault:?}") == named)
});

static PASSED: AtomicU64 = AtomicU64::new(0);

/// Whether this fault is planted.
pub(crate) fn is(fault: Fault) -> bool {
    *PLANTED == Some(fault)
}

/// Whether it strikes here: at every 5,000th place where it could.
pub(crate) fn strikes(fault: Fault) -> bool {
    is(fault) && (PASSED.fetch_add(1, Relaxed) + 1).is_multiple_of(EVERY)
}
