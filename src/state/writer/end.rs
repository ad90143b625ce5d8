//! The end of a life: what waits is on the disk, and the files say that nothing is missing.

use std::time::Instant;

use super::Writer;

impl Writer {
    /// Ends a life as whole: all is on the disk, and the files say so.
    pub(in crate::state) fn end(&mut self) {
        self.syncer.end();
        let now = Instant::now();
        let mut is_held = self.settle(now);
        // What the files lack is in memory for the last time, and the disk may be well again.
        if self.owes_all() && (self.segments.is_writing() || self.begin(now).is_ok()) {
            log::info!("the state is written to disk anew before the end");
            self.rewrite(now);
            is_held = self.settle(now);
        }
        self.count();
        if !(is_held && self.segments.is_writing()) {
            // The next start finds a life that did not end, and judges by that.
            return log::error!("the state on disk is not ended: the disk takes nothing");
        }
        if let Err(error) = self.segments.end() {
            log::error!("the state on disk cannot be ended: {error}");
        }
    }

    /// Whether the files lack something that only writing everything anew brings: what a sync may
    /// have lost, or what was refused and its owner holds.
    pub(super) fn owes_all(&self) -> bool {
        self.segments.has_lost || self.owes_refused
    }

    /// Syncs all that is written, and does what was to be done then. Whether it worked.
    fn settle(&mut self, now: Instant) -> bool {
        let is_held = self.syncer.sync();
        self.see_to_syncs(now);
        // A damaged file that stays would count again at the next start.
        while self.remove_replaced() {
            self.pulse.beat(Instant::now());
        }
        is_held
    }
}
