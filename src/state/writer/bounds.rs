//! When all of it is written anew, and what goes where even that does not fit into `state.bytes`:
//! publications, those first that expire first, by the hand of who keeps them. Where there are none
//! left, new records are refused.

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use super::{RETRY, REWRITE_PAUSE, Writer};
use crate::{state::queue::Intake, store::StoreError};

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
        // The next snapshot may have as many bytes as are charged, and as many more beside it.
        let more = self.charged().saturating_sub(self.snapshot);
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

    fn charged(&self) -> u64 {
        let sources = self.sources.iter().filter_map(Weak::upgrade);
        sources.map(|source| source.charged_bytes() as u64).sum()
    }

    /// What all segments may have.
    fn log_max(&self) -> u64 {
        let options = &self.segments.options;
        let beside = options.segment_bytes + options.reserve_bytes;
        options.bytes_max.saturating_sub(beside)
    }

    /// What is to be thrown out for the last snapshot to leave room for what comes until the next
    /// one: a quarter of it and the margin. Else new records would be refused for good. Where it is
    /// too large it becomes smaller than it must be, so that it is not written anew for every few
    /// publications. None where all of them together would not do, by what they are charged or
    /// since that was tried.
    pub(super) fn surplus(&mut self) -> u64 {
        let most = self
            .log_max()
            .saturating_sub(self.segments.options.margin_bytes)
            / 5
            * 4;
        let surplus = self.snapshot.saturating_sub(most);
        self.is_evicted_in_vain &= surplus > 0;
        let can_help = !self.is_evicted_in_vain && self.charged() >= surplus;
        match surplus > 0 && can_help {
            true => surplus + most / 8,
            false => 0,
        }
    }

    /// Has some of the publications thrown out that do not fit; what one takes in the files may be
    /// less than it is charged, and then the next snapshot is still too large. Whether there are
    /// more to go now.
    pub(super) fn evict_some(&mut self, now: Instant) -> bool {
        if self.to_evict == 0 {
            return false;
        }
        let bytes = self.to_evict.min(EVICT_BYTES) as usize;
        let sources = self.sources.iter().filter_map(Weak::upgrade);
        let evicted: Vec<usize> = sources.filter_map(|source| source.evict(bytes)).collect();
        let sum = evicted.iter().sum::<usize>() as u64;
        self.to_evict = self.to_evict.saturating_sub(sum);
        self.evicted += sum;
        self.is_evicted_in_vain = evicted.is_empty();
        if self.to_evict > 0 && !self.is_evicted_in_vain {
            // Nothing may go at once where what is noted of a history is behind it.
            return sum > 0;
        }
        self.to_evict = 0;
        let bytes = std::mem::take(&mut self.evicted);
        if bytes > 0 {
            log::warn!(
                "what is kept does not fit into state.bytes: publications of {bytes} bytes of memory \
                 are thrown out, those first that expire first"
            );
            self.is_wanted = true;
            self.not_before = Some(now + RETRY);
        }
        false
    }
}
