//! What the writer does where something cannot be written: refuses what waits, tries again, and
//! makes use of what was set aside for a full disk.

use std::{io, mem, sync::atomic::Ordering::Relaxed, time::Instant};

use super::{RETRY, Writer};
use crate::{
    state::{
        queue::Intake,
        segments::{WriteError, is_full},
    },
    store::{StoreError, Written},
};

/// On a full disk segments are smaller by this.
const SMALL_SHARE: u64 = 32;

impl Writer {
    /// Nothing can be written: refuses the batch and all that waits behind it.
    pub(super) fn fail(&mut self, now: Instant, error: &WriteError) {
        let mut waiting = Vec::new();
        self.queue.fail(&mut waiting);
        self.counters.failed_writes.fetch_add(1, Relaxed);
        let refused = self.batch.len() + waiting.len();
        log::error!(
            "the state cannot be written to disk: {}; {refused} records are refused, and it is tried \
             again",
            error.error
        );
        let is_doubtful = error.answer == StoreError::Doubtful;
        // What a failed sync was to hold is in nobody's memory, and what is before it was synced.
        self.segments
            .abandon(!(is_doubtful && self.segments.is_always()));
        // What was begun without a sync is written anew too.
        let pending = self.pending.take();
        self.owes_refused |= self.segments.options.holds_refused;
        self.is_wanted |= is_doubtful || pending.is_some() || self.owes_refused;
        self.queue.done();
        // Whoever has its answer finds it in the numbers.
        self.count();
        let batch = self.batch.drain(..).map(|one| one.written);
        Written::tell(batch, Err(error.answer));
        let waiting = waiting.into_iter().map(|one| one.written);
        Written::tell(waiting, Err(StoreError::NotWritten));
        self.retry_at = Some(if error.is_full() { now } else { now + RETRY });
    }

    /// Begins a segment: a small one, with what was set aside, where there is no room for more.
    pub(super) fn begin(&mut self, now: Instant) -> io::Result<()> {
        match self.segments.begin(0) {
            Err(error) if is_full(&error) => {
                self.free_reserve();
                self.segments.room = self.segments.options.segment_bytes / SMALL_SHARE;
                self.segments.begin(0)?;
            }
            begun => begun?,
        }
        if !self.has_reserve {
            self.be_tight(now);
        }
        Ok(())
    }

    /// Tries again what did not work.
    pub(super) fn retry(&mut self, now: Instant) {
        self.retry_at = None;
        if !self.segments.is_writing() && self.begin(now).is_err() {
            self.retry_at = Some(now + RETRY);
            return;
        }
        if self.retry_at.is_some() {
            // It is tight, and this is tried again.
            return;
        }
        self.has_reserve = self.has_reserve || self.restore_reserve();
        if self.has_reserve {
            self.segments.room = self.segments.options.segment_bytes;
            log::info!("the state can be written to disk again");
            self.queue.set_intake(Intake::Open);
            if self.segments.has_lost {
                // What was put off, it was for the disk.
                self.not_before = None;
            }
        } else {
            self.be_tight(now);
        }
    }

    /// There is no room on the disk but what was set aside: only what makes room is let in.
    fn be_tight(&mut self, now: Instant) {
        self.queue.set_intake(Intake::Tight(StoreError::NotWritten));
        self.segments.room = self.segments.options.segment_bytes / SMALL_SHARE;
        // A smaller log may be all that is needed; tried once, and when something was let go.
        self.is_wanted |= mem::take(&mut self.has_new);
        self.retry_at = Some(now + RETRY);
    }

    fn reserve(&self) -> String {
        format!("{}reserve", self.segments.options.prefix)
    }

    pub(super) fn restore_reserve(&self) -> bool {
        let (bytes, name) = (self.segments.options.reserve_bytes, self.reserve());
        let disk = &self.segments.disk;
        let is_there = || disk.length(&name).is_ok_and(|length| length == bytes);
        bytes == 0 || is_there() || disk.create(&name, bytes).is_ok()
    }

    fn free_reserve(&mut self) {
        if self.segments.options.reserve_bytes > 0 {
            // What is not there frees nothing.
            let _ = self.segments.disk.remove(&self.reserve());
            self.has_reserve = false;
        }
    }
}
