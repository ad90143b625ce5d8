//! The writer: takes what waits, writes it in batches, tells those who wait, and sees to what comes
//! of it. Everything that happens to the files happens here, on one thread; a turn is one step.
//!
//! Where something cannot be written, all that waits is refused, in order, while nothing is let in;
//! then it is tried again each second, by itself. On a full disk the bytes that were set aside let
//! in what makes room.

mod bounds;
mod end;
mod failure;
mod rewrite;

use std::{
    collections::VecDeque,
    io, mem,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    queue::{Queue, WaitingRecord},
    record::{Mark, put_mark, put_record},
    segment::{FramePlace, put_frame},
    segments::{Segments, WriteError},
    stats::Counters,
    sync::{Synced, Syncer},
};
use crate::{
    liveness::Pulse,
    store::{SnapshotSource, Written},
    unix_time::unix_now_ms,
};

/// Weight of the records that are written at once.
const BATCH_BYTES: usize = 1 << 20;
/// How long until it is tried again to write.
const RETRY: Duration = Duration::from_secs(1);
/// How often files that are too large for their bound are written anew.
const REWRITE_PAUSE: Duration = Duration::from_secs(10);
/// A buffer that a large record made larger than this is given back.
const BUFFER_BYTES: usize = 4 << 20;
/// A batch's room for records that is kept; what held a queue that ran full is given back.
const BATCH_RECORDS: usize = 4096;
/// How often the time is noted while something is written.
const TIME_MS: u64 = 1000;

/// A snapshot that is written and not yet on the disk.
struct PendingSnapshot {
    /// The segments before this one go.
    first: u64,
    /// The sync that is waited for.
    sync: u64,
    /// How long it is in the files.
    bytes: u64,
}

/// What a writer shares with those who append, sync and count.
pub(super) struct WriterParts {
    pub(super) queue: Arc<Queue>,
    pub(super) syncer: Arc<Syncer>,
    pub(super) counters: Arc<Counters>,
    pub(super) pulse: Arc<Pulse>,
}

/// The writer of a log.
pub(super) struct Writer {
    pub(super) segments: Segments,
    pub(super) queue: Arc<Queue>,
    pub(super) syncer: Arc<Syncer>,
    counters: Arc<Counters>,
    /// Renewed with each write of a snapshot, which may take longer than anyone waits.
    pulse: Arc<Pulse>,
    pub(super) sources: Vec<Weak<dyn SnapshotSource>>,
    buffer: Vec<u8>,
    batch: VecDeque<WaitingRecord>,
    pending: Option<PendingSnapshot>,
    /// The segments before this one are replaced, and go one by one.
    replaced: Option<u64>,
    /// Bytes of the last snapshot, and bytes written since it was begun.
    snapshot: u64,
    since: u64,
    /// Everything is to be written anew, however small the files are.
    pub(super) is_wanted: bool,
    /// When everything was written anew last, or the life began.
    rewritten_at: Option<Instant>,
    /// Charged bytes that are to be thrown out, and how many were.
    to_evict: u64,
    evicted: u64,
    /// All that may be thrown out was, and that was not enough.
    is_evicted_in_vain: bool,
    /// Not before this.
    not_before: Option<Instant>,
    /// Snapshots in a row that could not be synced, and until when the next one waits for that.
    failed_snapshots: u32,
    no_snapshot_before: Option<Instant>,
    /// Something was refused that its owner holds.
    owes_refused: bool,
    /// When it is tried again what did not work.
    retry_at: Option<Instant>,
    has_reserve: bool,
    /// Something that makes room was written since the disk was full.
    has_new: bool,
    /// The time that was noted last.
    noted_ms: u64,
}

impl Writer {
    pub(super) fn new(
        segments: Segments,
        parts: WriterParts,
        sources: Vec<Weak<dyn SnapshotSource>>,
    ) -> Self {
        let is_wanted = segments.has_lost;
        Self {
            // What was found counts as written since a snapshot that nobody knows.
            since: segments.bytes(),
            segments,
            queue: parts.queue,
            syncer: parts.syncer,
            counters: parts.counters,
            pulse: parts.pulse,
            sources,
            buffer: Vec::new(),
            batch: VecDeque::new(),
            pending: None,
            replaced: None,
            snapshot: 0,
            is_wanted,
            rewritten_at: None,
            to_evict: 0,
            evicted: 0,
            is_evicted_in_vain: false,
            not_before: None,
            failed_snapshots: 0,
            no_snapshot_before: None,
            owes_refused: false,
            retry_at: None,
            has_reserve: false,
            has_new: true,
            noted_ms: 0,
        }
    }

    /// Begins the first segment of this life.
    pub(super) fn start(&mut self, now: Instant) -> io::Result<()> {
        self.has_reserve = self.restore_reserve();
        self.begin(now)?;
        self.count();
        Ok(())
    }

    /// One step, which waits at most `limit` for something to do. Whether there will be another.
    pub(super) fn turn(&mut self, now: Instant, limit: Duration) -> bool {
        self.see_to_syncs(now);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry(now);
        }
        let limit = if self.remove_replaced() || self.evict_some(now) {
            Duration::ZERO
        } else {
            limit
        };
        let until = self
            .retry_at
            .map_or(limit, |at| limit.min(at.saturating_duration_since(now)));
        let mut batch = mem::take(&mut self.batch);
        self.queue.take(&mut batch, BATCH_BYTES, until);
        let is_empty = batch.is_empty();
        self.batch = batch;
        if !is_empty {
            self.write_batch(now);
        }
        // Its owner holds what was refused, and has it written with all else.
        if self.segments.options.holds_refused && self.queue.take_refused() {
            self.is_wanted = true;
            self.owes_refused = true;
        }
        if self.is_due(now) {
            self.rewrite(now);
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        self.count();
        !(is_empty && self.queue.is_ending())
    }

    /// Takes at most so many bytes of what waits, without waiting, and writes them; how many bytes
    /// that made.
    fn write_some(&mut self, now: Instant, bytes: usize) -> u64 {
        let mut batch = mem::take(&mut self.batch);
        self.queue.take(&mut batch, bytes, Duration::ZERO);
        self.batch = batch;
        if self.batch.is_empty() {
            0
        } else {
            self.write_batch(now)
        }
    }

    /// Writes the batch and tells those who wait.
    fn write_batch(&mut self, now: Instant) -> u64 {
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::AnswersBeforeTheWrite) {
            let callers = self.batch.iter_mut().map(|one| &mut one.written);
            let callers = callers.map(|one| mem::replace(one, Written::call(|_| {})));
            Written::tell(callers, Ok(()));
            #[expect(
                clippy::disallowed_methods,
                reason = "the fault itself: its thread waits"
            )]
            std::thread::sleep(crate::planted::EARLY);
        }
        let result = self.put_batch();
        match result {
            Ok(bytes) => {
                self.since += bytes;
                self.has_new = true;
                self.queue.done();
                // Whoever has its answer finds it in the numbers.
                self.count();
                Written::tell(self.batch.drain(..).map(|one| one.written), Ok(()));
                self.batch.shrink_to(BATCH_RECORDS);
                bytes
            }
            Err(error) => {
                self.fail(now, &error);
                0
            }
        }
    }

    fn put_batch(&mut self) -> Result<u64, WriteError> {
        let now_ms = unix_now_ms();
        let time = (now_ms >= self.noted_ms + TIME_MS).then_some(Mark::Time(now_ms));
        let batch = &self.batch;
        let bytes = self.segments.write(&mut self.buffer, true, |out, place| {
            let inner = FramePlace {
                last: false,
                ..place
            };
            if let Some(time) = &time {
                put_frame(out, inner, |out| put_mark(out, time));
            }
            for (at, one) in batch.iter().enumerate() {
                let is_last = at + 1 == batch.len();
                let place = if is_last { place } else { inner };
                put_frame(out, place, |out| put_record(out, &one.record));
            }
        })?;
        if time.is_some() {
            self.noted_ms = now_ms;
        }
        if self.segments.is_always() {
            self.segments.sync(bytes)?;
        }
        Ok(bytes)
    }

    /// Writes a mark, by itself.
    fn put_mark(&mut self, mark: Mark) -> Result<(), WriteError> {
        let put = |out: &mut Vec<u8>, place| put_frame(out, place, |out| put_mark(out, &mark));
        // Nobody waits for it: where each write is synced, it is so with the next batch.
        self.segments.write(&mut self.buffer, false, put).map(drop)
    }

    /// Sees what became of syncs: a snapshot that is on the disk replaces what is before it, and
    /// after a failure everything is written anew.
    fn see_to_syncs(&mut self, now: Instant) {
        let number = self
            .pending
            .as_ref()
            .map_or(u64::MAX, |pending| pending.sync);
        match self.syncer.look(number) {
            Synced::NotYet => {}
            Synced::Done => {
                if let Some(pending) = self.pending.take() {
                    self.replace(now, &pending);
                }
            }
            Synced::Failed => {
                self.counters.failed_writes.fetch_add(1, Relaxed);
                self.is_wanted = true;
                // What was acknowledged since the sync before may be gone, but for memory. Until
                // all of it is written anew a kill costs every stream its epoch, so it is done at
                // once; but snapshots whose own syncs fail would fill the disk.
                if !self.segments.is_always() {
                    self.segments.mark_lost();
                }
                self.not_before = None;
                if self.pending.take().is_some() {
                    // The second in a row, and all behind it, wait.
                    let is_again = self.failed_snapshots > 0;
                    self.no_snapshot_before = is_again.then(|| now + REWRITE_PAUSE);
                    self.failed_snapshots += 1;
                }
                self.count();
                if self.segments.is_writing() {
                    self.segments.seal(false);
                    if let Err(error) = self.segments.begin(0) {
                        self.fail(now, &error.into());
                    }
                }
            }
        }
    }

    fn replace(&mut self, now: Instant, pending: &PendingSnapshot) {
        if let Err(error) = self.put_mark(Mark::Whole) {
            self.is_wanted = true;
            return self.fail(now, &error);
        }
        self.segments.unmark_lost();
        (self.failed_snapshots, self.no_snapshot_before) = (0, None);
        self.snapshot = pending.bytes;
        self.to_evict = self.surplus();
        self.counters.snapshots.fetch_add(1, Relaxed);
        self.replaced = Some(pending.first);
    }

    /// Removes one segment that a snapshot has replaced. Whether there may be more.
    fn remove_replaced(&mut self) -> bool {
        let Some(first) = self.replaced else {
            return false;
        };
        match self.segments.remove_oldest(first) {
            Ok(true) => return true,
            Ok(false) => {}
            // The next snapshot tries again.
            Err(error) => log::warn!("what a snapshot has replaced cannot be removed: {error}"),
        }
        self.replaced = None;
        false
    }

    fn count(&self) {
        let reserve = if self.has_reserve {
            self.segments.options.reserve_bytes
        } else {
            0
        };
        self.counters
            .bytes
            .store(self.segments.bytes() + reserve, Relaxed);
        self.counters
            .segments
            .store(self.segments.count() as u64, Relaxed);
        self.counters
            .has_lost
            .store(self.segments.has_lost, Relaxed);
    }
}
