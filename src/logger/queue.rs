//! The lines that wait to be written: whoever logs puts a whole line in and goes on, a thread of
//! the logger's own takes them out.
//!
//! Bound: `log.queue` lines, those on their way out included. What does not fit is dropped and
//! counted; as soon as there is room, one line says how many. Nobody but the writer ever waits
//! here, and the lock is held to copy a line.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A buffer that a burst made larger than this is given back.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

/// The lines between those who log and the thread that writes (`log.queue`).
pub(super) struct LineQueue {
    lines_max: AtomicUsize,
    state: Mutex<QueuedLines>,
    /// There is something to write.
    more: Condvar,
    /// Everything is written.
    empty: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct QueuedLines {
    /// Whole lines, one behind the other.
    bytes: Vec<u8>,
    /// Lines in `bytes`, and those that are being written.
    lines: usize,
    /// Lines in `bytes`.
    queued: usize,
    /// Lines dropped since the log said so last.
    untold: u64,
}

/// Lines on their way out.
#[derive(Default)]
pub(super) struct LineBatch {
    pub(super) bytes: Vec<u8>,
    lines: usize,
}

impl LineQueue {
    pub(super) fn new(lines_max: usize) -> Self {
        Self {
            lines_max: AtomicUsize::new(lines_max),
            state: Mutex::default(),
            more: Condvar::new(),
            empty: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn set_lines_max(&self, lines_max: usize) {
        self.lines_max.store(lines_max, Relaxed);
    }

    /// Lines dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Lines that wait, those on their way out included.
    pub(super) fn waiting(&self) -> usize {
        self.lock().lines
    }

    /// Puts a line in, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines >= self.lines_max.load(Relaxed) {
            state.untold += 1;
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        state.bytes.extend_from_slice(line);
        state.lines += 1;
        state.queued += 1;
        drop(state);
        self.more.notify_one();
    }

    /// Takes what waits into the batch, which is empty; waits at most `limit` for it.
    pub(super) fn take(&self, batch: &mut LineBatch, limit: Duration) {
        let state = self.lock();
        let waited = self
            .more
            .wait_timeout_while(state, limit, |state| state.queued == 0);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::swap(&mut state.bytes, &mut batch.bytes);
        batch.lines = std::mem::take(&mut state.queued);
    }

    /// The batch is written, or `lost`. `tell` makes the line that says how many lines were
    /// dropped; it stands behind those that came before them.
    pub(super) fn done(
        &self,
        batch: &mut LineBatch,
        lost: bool,
        tell: impl FnOnce(u64) -> Vec<u8>,
    ) {
        let mut state = self.lock();
        let lines = std::mem::take(&mut batch.lines);
        state.lines -= lines;
        if lost {
            state.untold += lines as u64;
            self.dropped.fetch_add(lines as u64, Relaxed);
        } else if state.untold > 0 {
            let line = tell(std::mem::take(&mut state.untold));
            state.bytes.extend_from_slice(&line);
            state.lines += 1;
            state.queued += 1;
        }
        if state.lines == 0 {
            self.empty.notify_all();
        }
        batch.bytes.clear();
        if batch.bytes.capacity() > BUFFER_BYTES_KEPT {
            batch.bytes = Vec::new();
        }
    }

    /// Waits until everything is written, at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while state.lines > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.empty.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueuedLines> {
        // No step on the state panics in the middle.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn told(dropped: u64) -> Vec<u8> {
        format!("{dropped} dropped\n").into_bytes()
    }

    #[test]
    fn what_does_not_fit_is_dropped_counted_and_told_where_it_is_missing() {
        // A log that nobody read held up whoever logged, and with it the whole server.
        // Now nobody waits for it: a line finds room or is dropped.
        let queue = LineQueue::new(2);
        queue.push(b"a\n");
        let mut batch = LineBatch::default();
        queue.take(&mut batch, NOW);
        assert_eq!(batch.bytes, b"a\n");
        // The first one is still being written.
        for line in [b"b\n", b"c\n", b"d\n"] {
            queue.push(line);
        }
        assert_eq!((queue.waiting(), queue.dropped()), (2, 2));
        queue.done(&mut batch, false, told);
        queue.push(b"e\n");
        queue.take(&mut batch, NOW);
        assert_eq!(batch.bytes, b"b\n2 dropped\n");
        queue.done(&mut batch, false, told);
        queue.push(b"f\n");
        queue.take(&mut batch, NOW);
        assert_eq!(batch.bytes, b"1 dropped\nf\n");
    }

    #[test]
    fn lines_that_could_not_be_written_are_dropped_and_told_once_they_can() {
        let queue = LineQueue::new(8);
        let mut batch = LineBatch::default();
        queue.push(b"a\n");
        queue.take(&mut batch, NOW);
        queue.done(&mut batch, true, told);
        assert_eq!((queue.waiting(), queue.dropped()), (0, 1));
        queue.push(b"b\n");
        queue.take(&mut batch, NOW);
        queue.done(&mut batch, false, told);
        queue.take(&mut batch, NOW);
        assert_eq!(batch.bytes, b"1 dropped\n");
    }

    #[test]
    fn a_flush_ends_when_all_is_written_or_time_is_up() {
        let queue = LineQueue::new(8);
        queue.flush(Duration::MAX.min(Duration::from_secs(60)));
        queue.push(b"a\n");
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.waiting(), 1);
    }
}
