//! When all of it is written anew, and what goes where even that does not fit into `state.bytes`:
//! publications, those first that expire first, by the hand of who keeps them. Where there are none
//! left, new records are refused.

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use super::{RETRY, Writer};
use crate::{state::queue::Intake, store::StoreError};

/// How often files that are too large for their bound are written anew.
pub(super) const REWRITE_PAUSE: Duration = Duration::from_secs(10);
/// What expired leaves the files after this, although nothing is written.
const REWRITE_AFTER: Duration = Duration::from_secs(60 * 60);
/// Charged bytes that are thrown out in one turn: whoever publishes meanwhile waits for no more.
const EVICT_BYTES: u64 = 256 << 10;

impl Writer {
    /// Whether everything is to be written anew now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let options = &self.segments.options;
        let most = self.snapshot / 4 + options.margin_bytes;
        let is_large = self.since >= most && self.since >= most + self.spare();
        let is_over = self.segments.bytes() > self.log_max();
        if is_over && self.queue.intake() == Intake::Open {
            log::error!("the state on disk has reached state.bytes: new records are refused");
            self.queue.set_intake(Intake::Tight(StoreError::Full));
        } else if !is_over && self.queue.intake() == Intake::Tight(StoreError::Full) {
            self.queue.set_intake(Intake::Open);
        }
        let at = *self.rewritten_at.get_or_insert(now);
        let is_old = now.saturating_duration_since(at) >= REWRITE_AFTER
            && self.segments.bytes() > self.segments.options.margin_bytes;
        let is_writing = self.segments.is_writing() && self.pending.is_none();
        let not_before = self.not_before.max(self.no_snapshot_before);
        let is_time = not_before.is_none_or(|at| at <= now);
        is_writing && is_time && (self.is_wanted || is_large || is_over || is_old)
    }

    /// What the files may grow by beyond that, since their bound goes by what memory is charged,
    /// of which small messages take much less in a snapshot. Bounded, since a start reads it all.
    fn spare(&self) -> u64 {
        let sources = self.sources.iter().filter_map(Weak::upgrade);
        let charged: usize = sources.map(|source| source.charged_bytes()).sum();
        // The next snapshot may have as many bytes as are charged, and as many more beside it.
        let more = (charged as u64).saturating_sub(self.snapshot);
        (more + more / 4).min(self.segments.options.margin_bytes * 3 / 2)
    }

    /// Notes that everything was written anew, or that it did not work and is `put_off`.
    pub(super) fn rewritten(&mut self, now: Instant, put_off: bool) {
        self.rewritten_at = Some(now);
        let is_sick = self.queue.intake() != Intake::Open;
        let pause = if self.segments.has_lost && !is_sick {
            RETRY
        } else {
            REWRITE_PAUSE
        };
        self.not_before = (put_off || is_sick).then(|| now + pause);
    }

    /// What all segments may have.
    fn log_max(&self) -> u64 {
        let options = &self.segments.options;
        let beside = options.segment_bytes + options.reserve_bytes;
        options.bytes_max.saturating_sub(beside)
    }

    /// How much smaller the last snapshot would have to be. Beside it there is to be room for what
    /// comes until the next one, a quarter of it and the margin, for that one, and for a quarter
    /// that comes meanwhile. Where it is larger it becomes smaller than it must be, so that it is
    /// not written anew for every few publications.
    pub(super) fn surplus(&self) -> u64 {
        let most = self
            .log_max()
            .saturating_sub(self.segments.options.margin_bytes)
            / 5
            * 2;
        match self.snapshot.checked_sub(most) {
            Some(surplus) if surplus > 0 => surplus + most / 8,
            _ => 0,
        }
    }

    /// Has some of the publications thrown out that do not fit. What one is charged is not less
    /// than it takes in the files, and may be more: then the next snapshot is still too large.
    /// Whether there are more to go.
    pub(super) fn evict_some(&mut self) -> bool {
        if self.to_evict == 0 {
            return false;
        }
        let (bytes, mut is_empty) = (self.to_evict.min(EVICT_BYTES), true);
        for source in self.sources.iter().filter_map(Weak::upgrade) {
            if let Some(evicted) = source.evict(bytes as usize) {
                is_empty = false;
                self.to_evict = self.to_evict.saturating_sub(evicted as u64);
                self.evicted += evicted as u64;
            }
        }
        if self.to_evict > 0 && !is_empty {
            return true;
        }
        self.to_evict = 0;
        if self.evicted > 0 {
            log::warn!(
                "what is kept does not fit into state.bytes: publications of {} bytes are thrown \
                 out, those first that expire first",
                std::mem::take(&mut self.evicted)
            );
            self.is_wanted = true;
        }
        false
    }
}
