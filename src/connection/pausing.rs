//! When nothing is read from a client: its own answers fill half of the bound, its session waits
//! for someone else, or the session's turn is spent.

use super::{Connection, ConnectionPhase, Inner};

impl Connection {
    /// Whether reading is to pause: the session's own answers fill half of the bound.
    #[must_use]
    pub(crate) fn reads_paused(&self) -> bool {
        self.pauses_reads(&self.inner.borrow())
    }

    /// Whether the session's own answers fill half of the bound.
    #[must_use]
    pub(crate) fn is_unread(&self) -> bool {
        self.inner.borrow().outbox.reply_cost() > self.shared.config.outbox.bytes_max / 2
    }

    /// What waiting replies are charged against the bound.
    #[must_use]
    pub(crate) fn reply_cost(&self) -> usize {
        self.inner.borrow().outbox.reply_cost()
    }

    pub(super) fn pauses_reads(&self, inner: &Inner) -> bool {
        inner.phase == ConnectionPhase::Open
            && (self.waiting.get()
                || inner.outbox.reply_cost() > self.shared.config.outbox.bytes_max / 2)
    }

    /// Says whether the session waits for someone else. Nothing is read meanwhile, so no life can
    /// be expected; pings go on.
    pub(crate) fn set_waiting(&self, waiting: bool) {
        if self.waiting.replace(waiting)
            && !waiting
            && let Some(waker) = &self.inner.borrow().waker
        {
            // What has come meanwhile is read now.
            waker.wake_by_ref();
        }
    }

    /// Whether the session's turn is spent.
    #[must_use]
    pub(crate) fn is_resting(&self) -> bool {
        self.resting.get()
    }

    /// Says whether the session's turn is spent. Nothing is read meanwhile, in no phase.
    pub(crate) fn set_resting(&self, resting: bool) {
        if self.resting.replace(resting)
            && !resting
            && let Some(waker) = &self.inner.borrow().waker
        {
            waker.wake_by_ref();
        }
    }
}
