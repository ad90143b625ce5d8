//! What a connection holds only while it is out of the ordinary: its client takes nothing, it ends,
//! or it runs over TLS. Most connections of an idle node have none of it, and a pointer is little.

use std::time::Instant;

use crate::close::Ending;

/// The values, where there is one.
#[derive(Default)]
pub(super) struct Exceptional(Option<Box<Values>>);

/// Each absent for its own reason.
#[derive(Default)]
struct Values {
    ending: Option<Ending>,
    /// Since when something waits without any byte having been taken.
    stalled: Option<Instant>,
    /// When a closing or lingering connection is cut.
    cut_at: Option<Instant>,
    /// TLS: bytes that the system had taken when progress was last seen.
    tls_bytes_written: Option<u64>,
}

impl Values {
    fn is_none(&self) -> bool {
        self.ending.is_none()
            && self.stalled.is_none()
            && self.cut_at.is_none()
            && self.tls_bytes_written.is_none()
    }
}

impl Exceptional {
    /// How the session came to its end, once it has.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.0.as_ref()?.ending.as_ref()
    }

    /// Notes how the session ends, unless it has ended.
    pub(super) fn end_by(&mut self, ending: Ending) {
        let values = self.0.get_or_insert_default();
        values.ending.get_or_insert(ending);
    }

    /// Since when something waits without any byte having been taken.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.0.as_ref()?.stalled
    }

    /// Something waits and nothing is taken: since `now`, unless it was so before.
    pub(super) fn stall(&mut self, now: Instant) -> Instant {
        let values = self.0.get_or_insert_default();
        *values.stalled.get_or_insert(now)
    }

    /// Nothing waits, or something was taken.
    #[inline]
    pub(super) fn go_on(&mut self) {
        if let Some(values) = &mut self.0 {
            values.stalled = None;
            if values.is_none() {
                self.0 = None;
            }
        }
    }

    /// When a closing or lingering connection is cut.
    pub(super) fn cut_at(&self) -> Option<Instant> {
        self.0.as_ref()?.cut_at
    }

    /// Cuts the connection then, at the latest.
    pub(super) fn cut_by(&mut self, at: Instant) {
        self.0.get_or_insert_default().cut_at = Some(at);
    }

    /// Bytes that the system has taken, as the socket tells under TLS; more than before is
    /// progress.
    pub(super) fn note_written(&mut self, written: u64) {
        let values = self.0.get_or_insert_default();
        if Some(written) > values.tls_bytes_written {
            values.tls_bytes_written = Some(written);
            values.stalled = None;
        }
    }
}
