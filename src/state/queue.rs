//! The records that wait to be written.
//!
//! Bounds: `state.queue` records and `state.queue_bytes`; what finds no room is refused. Nobody
//! waits here but the writer, and the lock is held to move a record. Where a write fails the intake
//! is shut in the same step that takes out all that waits, so that nothing gets in front of it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::store::{Record, StoreError, Written};

/// What is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// Whatever finds room.
    Open,
    /// Only what makes room; the rest is told this.
    Tight(StoreError),
    /// Nothing, since nothing can be written.
    Failing,
    /// Nothing any more.
    Closed,
}

/// A record that waits, and who waits for it.
pub(super) struct WaitingRecord {
    pub(super) record: Record,
    pub(super) written: Written,
    weight: usize,
}

/// The records between those who append and the writer.
pub(super) struct Queue {
    records_max: usize,
    bytes_max: usize,
    state: Mutex<QueueState>,
    more: Condvar,
}

struct QueueState {
    waiting: VecDeque<WaitingRecord>,
    /// Of what waits and of what was taken, and of the latter alone.
    bytes: usize,
    taken: usize,
    intake: Intake,
    /// When the oldest of those that wait came, at the latest.
    since: Option<Instant>,
    /// The same of those that are being written.
    writing: Option<Instant>,
    /// The writer has something else to see to.
    is_called: bool,
    /// The writer waits.
    is_idle: bool,
    /// A record was refused that its owner holds all the same, if it is one that does.
    has_refused: bool,
    /// It was closed: what waits is written, then the writer ends.
    is_ending: bool,
}

/// What the queue holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueueStats {
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) wait: Duration,
    pub(super) is_open: bool,
}

impl Queue {
    pub(super) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self {
            records_max,
            bytes_max,
            state: Mutex::new(QueueState {
                waiting: VecDeque::new(),
                bytes: 0,
                taken: 0,
                intake: Intake::Open,
                since: None,
                writing: None,
                is_called: false,
                is_idle: false,
                has_refused: false,
                is_ending: false,
            }),
            more: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // No step on the state panics in the middle.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a record in, or says why not.
    pub(super) fn push(&self, record: Record, written: Written) -> Result<(), StoreError> {
        let weight = record.weight();
        let mut state = self.lock();
        if let Some(error) = self.refusal(&state, &record, weight) {
            state.has_refused = true;
            return Err(error);
        }
        state.bytes += weight;
        state.since.get_or_insert_with(Instant::now);
        state.waiting.push_back(WaitingRecord {
            record,
            written,
            weight,
        });
        if state.is_idle {
            state.is_idle = false;
            drop(state);
            self.more.notify_one();
        }
        Ok(())
    }

    /// Why a record is not let in, if it is not.
    fn refusal(&self, state: &QueueState, record: &Record, weight: usize) -> Option<StoreError> {
        match state.intake {
            Intake::Open => {}
            Intake::Tight(_) if makes_room(record) => {}
            Intake::Tight(error) => return Some(error),
            Intake::Failing => return Some(StoreError::NotWritten),
            Intake::Closed => return Some(StoreError::Closed),
        }
        // A record that is larger than the bound is let into an empty queue.
        let is_over = state.bytes > 0 && state.bytes + weight > self.bytes_max;
        let is_full = is_over || state.waiting.len() >= self.records_max;
        is_full.then_some(StoreError::Full)
    }

    /// Whether a record was refused since this was asked last.
    pub(super) fn take_refused(&self) -> bool {
        std::mem::take(&mut self.lock().has_refused)
    }

    /// Takes what waits, as long as it stays under `bytes`, but one at least. Waits for it at most
    /// `limit`, or until it is called.
    pub(super) fn take(&self, batch: &mut VecDeque<WaitingRecord>, bytes: usize, limit: Duration) {
        let mut state = self.lock();
        let is_empty = batch.is_empty() && state.waiting.is_empty();
        if is_empty && state.waiting.capacity() <= batch.capacity() {
            // The next ones lie where the last ones did, which the processor still has at hand.
            mem::swap(batch, &mut state.waiting);
        }
        if !limit.is_zero() && state.waiting.is_empty() {
            state.is_idle = true;
            let is_quiet = |state: &mut QueueState| {
                state.waiting.is_empty() && !state.is_called && !state.is_ending
            };
            let waited = self.more.wait_timeout_while(state, limit, is_quiet);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.is_idle = false;
            if !state.waiting.is_empty() {
                drop(state);
                // Woken on the core of the one who puts in, it lets that one go on with its turn: a
                // write and a change of threads for each record would cost more than all else.
                thread::yield_now();
                state = self.lock();
            }
        }
        state.is_called = false;
        if batch.is_empty() && state.bytes - state.taken <= bytes {
            state.taken = state.bytes;
            mem::swap(batch, &mut state.waiting);
        } else {
            let mut taken = 0;
            while let Some(first) = state.waiting.front() {
                if taken > 0 && taken + first.weight > bytes {
                    break;
                }
                taken += first.weight;
                batch.extend(state.waiting.pop_front());
            }
            state.taken += taken;
        }
        state.writing = state.since;
        if state.waiting.is_empty() {
            state.since = None;
        }
    }

    /// All that was taken is written, or was refused.
    pub(super) fn done(&self) {
        let mut state = self.lock();
        state.bytes -= mem::take(&mut state.taken);
        state.writing = None;
    }

    /// Shuts the intake and takes out all that waits.
    pub(super) fn fail(&self, batch: &mut Vec<WaitingRecord>) {
        let mut state = self.lock();
        if state.intake != Intake::Closed {
            state.intake = Intake::Failing;
        }
        state.since = None;
        state.taken = state.bytes;
        batch.extend(state.waiting.drain(..));
    }

    /// Opens the intake, unless it was closed for good.
    pub(super) fn set_intake(&self, intake: Intake) {
        let mut state = self.lock();
        if state.intake != Intake::Closed {
            state.intake = intake;
        }
    }

    pub(super) fn intake(&self) -> Intake {
        self.lock().intake
    }

    /// Has the writer look at what else there is to do.
    pub(super) fn call(&self) {
        self.lock().is_called = true;
        self.more.notify_one();
    }

    /// Lets nothing in any more, and the writer end once it has written what waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.intake = Intake::Closed;
        state.is_ending = true;
        drop(state);
        self.more.notify_one();
    }

    /// Whether it was closed.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().is_ending
    }

    pub(super) fn stats(&self, now: Instant) -> QueueStats {
        let state = self.lock();
        let since = state.writing.or(state.since);
        QueueStats {
            records: state.waiting.len(),
            bytes: state.bytes,
            wait: since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            is_open: state.intake == Intake::Open,
        }
    }
}

/// Whether a record is taken where there is no room, since it lets others go.
fn makes_room(record: &Record) -> bool {
    matches!(
        record,
        Record::Removed { .. } | Record::Ended { .. } | Record::EndedShares(_)
    )
}
