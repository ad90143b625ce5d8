//! How a pending connection is told to go, by whichever thread needs its place or wants no idle
//! ones: plain data and a wake-up. The word to go can be taken back, since a connection may have
//! brought its request by then.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::Notify;

use crate::metrics::CutReason;

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eviction {
    /// To go, whatever it is doing; at which bound.
    Go(CutReason),
    /// To look whether it is idle.
    Look,
}

/// Shared by a connection's task and the table.
#[derive(Debug, Default)]
pub(super) struct Evict {
    why: Mutex<Option<CutReason>>,
    is_to_look: AtomicBool,
    changed: Notify,
}

impl Evict {
    /// Tells the connection to go, and at which bound.
    pub(super) fn tell(&self, why: CutReason) {
        *self.lock() = Some(why);
        self.changed.notify_one();
    }

    /// Tells it to look whether it is idle.
    pub(super) fn look(&self) {
        self.is_to_look.store(true, Relaxed);
        self.changed.notify_one();
    }

    /// Takes the word to go back, if it was told.
    pub(super) fn take_back(&self) {
        *self.lock() = None;
    }

    /// Waits until the connection is told.
    pub(super) async fn told(&self) -> Eviction {
        loop {
            let why = *self.lock();
            if let Some(why) = why {
                return Eviction::Go(why);
            }
            if self.is_to_look.swap(false, Relaxed) {
                return Eviction::Look;
            }
            // A wake-up that was taken back only looks again.
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<CutReason>> {
        // One value, which is whole after a panic too.
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
