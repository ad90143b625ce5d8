//! What a connection holds only while it is out of the ordinary: its client takes nothing, it ends,
//! or it runs over TLS. Most connections of an idle node have none of it, and a pointer is little.

use std::time::Instant;

use super::Inner;
use crate::close::Ending;

/// The values themselves; each absent for its own reason.
#[derive(Default)]
pub(super) struct Exceptional {
    ending: Option<Ending>,
    /// Since when something waits without any byte having been taken.
    stalled: Option<Instant>,
    /// When a closing or lingering connection is cut.
    cut_at: Option<Instant>,
    /// TLS: bytes that the system had taken when progress was last seen.
    taken: Option<u64>,
}

impl Exceptional {
    fn is_over(&self) -> bool {
        self.ending.is_none()
            && self.stalled.is_none()
            && self.cut_at.is_none()
            && self.taken.is_none()
    }
}

impl Inner {
    /// How the session came to its end, once it has.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.exceptional.as_ref()?.ending.as_ref()
    }

    /// Notes how the session ends, unless it has ended.
    pub(super) fn end_by(&mut self, ending: Ending) {
        let exceptional = self.exceptional.get_or_insert_default();
        exceptional.ending.get_or_insert(ending);
    }

    /// Since when something waits without any byte having been taken.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.exceptional.as_ref()?.stalled
    }

    /// Something waits and nothing is taken: since `now`, unless it was so before.
    pub(super) fn stall(&mut self, now: Instant) -> Instant {
        let exceptional = self.exceptional.get_or_insert_default();
        *exceptional.stalled.get_or_insert(now)
    }

    /// Nothing waits, or something was taken.
    #[inline]
    pub(super) fn go_on(&mut self) {
        if let Some(exceptional) = &mut self.exceptional {
            exceptional.stalled = None;
            if exceptional.is_over() {
                self.exceptional = None;
            }
        }
    }

    /// When a closing or lingering connection is cut.
    pub(super) fn cut_at(&self) -> Option<Instant> {
        self.exceptional.as_ref()?.cut_at
    }

    /// Cuts the connection then, at the latest.
    pub(super) fn cut_by(&mut self, at: Instant) {
        self.exceptional.get_or_insert_default().cut_at = Some(at);
    }

    /// Bytes that the system has taken, as the socket tells under TLS; more than before is progress.
    pub(super) fn note_taken(&mut self, taken: u64) {
        let exceptional = self.exceptional.get_or_insert_default();
        if Some(taken) > exceptional.taken {
            exceptional.taken = Some(taken);
            exceptional.stalled = None;
        }
    }
}
