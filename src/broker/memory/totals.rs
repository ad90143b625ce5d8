//! What the streams of all locks hold together, and what had to go for it: counts that everyone may
//! read without a lock.

use std::{
    array,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use super::stream::Charge;
use crate::broker::fanout::STRIPES;

/// Stands for the end of what has no items.
const NEVER: u64 = u64::MAX;

/// The counts of one broker.
pub(super) struct Totals {
    pub(super) history_bytes: AtomicUsize,
    pub(super) position_bytes: AtomicUsize,
    pub(super) evicted_publications: AtomicU64,
    pub(super) evicted_positions: AtomicU64,
    start: Instant,
    /// When the first item under each lock expires, in nanoseconds since the start; may be a moment
    /// behind.
    first_ends: [AtomicU64; STRIPES],
}

impl Totals {
    pub(super) fn new() -> Self {
        Self {
            history_bytes: AtomicUsize::new(0),
            position_bytes: AtomicUsize::new(0),
            evicted_publications: AtomicU64::new(0),
            evicted_positions: AtomicU64::new(0),
            start: Instant::now(),
            first_ends: array::from_fn(|_| AtomicU64::new(NEVER)),
        }
    }

    /// A stream that was charged so much is now charged so much.
    #[inline]
    pub(super) fn change(&self, before: Charge, after: Charge) {
        // Wrapping: what is added may be less than nothing.
        if before.history != after.history {
            let more = after.history.wrapping_sub(before.history);
            self.history_bytes.fetch_add(more, Relaxed);
        }
        if before.positions != after.positions {
            let more = after.positions.wrapping_sub(before.positions);
            self.position_bytes.fetch_add(more, Relaxed);
        }
    }

    /// The first item under a lock expires then.
    pub(super) fn note_first_end(&self, stripe: usize, end: Option<Instant>) {
        let nanos = |end: Instant| end.saturating_duration_since(self.start).as_nanos();
        let nanos = end.map(|end| u64::try_from(nanos(end)).unwrap_or(NEVER - 1));
        self.first_ends[stripe].store(nanos.unwrap_or(NEVER), Relaxed);
    }

    /// The lock under which the item is that expires first of all.
    pub(super) fn first_to_end(&self) -> Option<usize> {
        let ends = self.first_ends.iter().map(|end| end.load(Relaxed));
        let first = ends.enumerate().min_by_key(|(_, end)| *end);
        first.and_then(|(stripe, end)| (end != NEVER).then_some(stripe))
    }
}
