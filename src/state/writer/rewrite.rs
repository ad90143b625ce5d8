//! Makes the files small: everything that is kept is written anew into new segments, between the
//! batches that go on coming; once it is on the disk, the segments before it go.
//!
//! Of the snapshot at least four times as many bytes are written as are appended meanwhile, so that
//! it ends. Its owners give it in groups, which nothing interrupts.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use super::{PendingSnapshot, Writer};
use crate::{
    state::{
        record::put_record,
        segment::{FramePlace, put_frame},
        segments::WriteError,
    },
    store::{Record, SnapshotSource},
};

/// Weight of the records of a snapshot that are written at once.
const STEP_BYTES: usize = 256 << 10;
/// A snapshot is written by so much faster than what is appended meanwhile.
const FASTER: u64 = 4;

/// How far a snapshot is.
#[derive(Default)]
struct SnapshotProgress {
    step: Vec<Record>,
    weight: usize,
    written: u64,
    appended: u64,
}

/// Why a snapshot was not finished.
enum Stopped {
    /// It cannot be written.
    Failed(WriteError),
    /// What was appended cannot be, and those who wait were told.
    AppendFailed,
    /// The life ends.
    Ending,
}

impl Writer {
    /// Writes everything anew.
    pub(super) fn rewrite(&mut self, now: Instant) {
        let sources: Vec<Arc<dyn SnapshotSource>> =
            self.sources.iter().filter_map(Weak::upgrade).collect();
        // Without one of them it would not be whole.
        if sources.is_empty() || sources.len() < self.sources.len() {
            return;
        }
        let first = self.segments.next();
        if let Err(error) = self.segments.begin(0) {
            self.rewritten(now, true);
            if self.segments.is_writing() {
                // What is there can still be written to.
                return log::warn!("the state on disk cannot be written anew: {error}");
            }
            return self.fail(now, &error.into());
        }
        let since = std::mem::take(&mut self.since);
        let mut progress = SnapshotProgress::default();
        match self.write_all(now, &sources, &mut progress) {
            Ok(()) => {
                self.is_wanted = false;
                self.owes_refused = false;
                let sync = self.syncer.ask();
                if self.segments.is_always() && self.syncer.sync() {
                    self.segments.held();
                }
                self.pending = Some(PendingSnapshot {
                    first,
                    sync,
                    bytes: progress.written,
                });
            }
            Err(stopped) => {
                self.is_wanted = true;
                self.since += since;
                if let Stopped::Failed(error) = &stopped {
                    self.fail(now, error);
                }
                if progress.appended == 0 && !matches!(stopped, Stopped::Ending) {
                    self.segments.remove_from(first);
                }
            }
        }
        self.rewritten(now, false);
    }

    fn write_all(
        &mut self,
        now: Instant,
        sources: &[Arc<dyn SnapshotSource>],
        progress: &mut SnapshotProgress,
    ) -> Result<(), Stopped> {
        for group in sources.iter().flat_map(|source| source.snapshot()) {
            let before = progress.written;
            for record in group {
                progress.weight += record.weight();
                progress.step.push(record);
                if progress.weight >= STEP_BYTES {
                    self.write_step(progress)?;
                }
            }
            if progress.written > before {
                self.write_step(progress)?;
                self.let_others(now, progress)?;
            }
        }
        self.write_step(progress)
    }

    fn write_step(&mut self, progress: &mut SnapshotProgress) -> Result<(), Stopped> {
        let step = &progress.step;
        if step.is_empty() {
            return Ok(());
        }
        let put = |out: &mut Vec<u8>, place: FramePlace| {
            for (at, record) in step.iter().enumerate() {
                let last = place.last && at + 1 == step.len();
                put_frame(out, FramePlace { last, ..place }, |out| {
                    put_record(out, record)
                });
            }
        };
        let written = self.segments.write(&mut self.buffer, false, put);
        self.pulse.beat(Instant::now());
        progress.written += written.map_err(Stopped::Failed)?;
        progress.step.clear();
        progress.weight = 0;
        Ok(())
    }

    /// Writes what was appended meanwhile, as far as the snapshot is ahead of it.
    fn let_others(&mut self, now: Instant, progress: &mut SnapshotProgress) -> Result<(), Stopped> {
        while progress.appended * FASTER <= progress.written {
            let appended = self.write_some(now, STEP_BYTES / FASTER as usize);
            if !self.segments.is_writing() {
                return Err(Stopped::AppendFailed);
            }
            if appended == 0 {
                break;
            }
            progress.appended += appended;
        }
        // What the files lack is written anew even so: the next start has it from nowhere else.
        if self.queue.is_ending() && !self.owes_all() {
            Err(Stopped::Ending)
        } else {
            Ok(())
        }
    }
}
