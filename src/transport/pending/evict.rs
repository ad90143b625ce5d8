//! How a pending connection is told to go, by whichever thread needs its place: plain data and a
//! wake-up. What was told can be taken back, since a connection may have brought its request by then.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::metrics::Cut;

/// Shared by a connection's task and the table.
#[derive(Debug, Default)]
pub(super) struct Evict {
    why: Mutex<Option<Cut>>,
    changed: Notify,
}

impl Evict {
    /// Tells the connection to go, and at which bound.
    pub(super) fn tell(&self, why: Cut) {
        *self.lock() = Some(why);
        self.changed.notify_one();
    }

    /// Takes it back, if it was told.
    pub(super) fn take_back(&self) {
        *self.lock() = None;
    }

    /// Waits until the connection is told, and returns at which bound.
    pub(super) async fn told(&self) -> Cut {
        loop {
            let why = *self.lock();
            match why {
                Some(why) => return why,
                // A wake-up that was taken back only looks again.
                None => self.changed.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Cut>> {
        // One value, which is whole after a panic too.
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
