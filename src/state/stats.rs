//! What is told of a log: counted by its writer, read by anyone.

use std::{
    sync::atomic::{AtomicBool, AtomicU64},
    time::Duration,
};

/// What the writer counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicU64,
    pub(super) segments: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) failed_writes: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) has_lost: AtomicBool,
}

/// How a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateStats {
    /// Records that wait to be written.
    pub(crate) queue: u64,
    /// Their bytes, those on their way out included.
    pub(crate) queue_bytes: u64,
    /// Age of the oldest of them.
    pub(crate) write_wait: Duration,
    /// Age of the oldest write that the disk was not yet made to hold.
    pub(crate) sync_age: Duration,
    /// Bytes of the files.
    pub(crate) bytes: u64,
    /// Segments of the logs, those that are written now included.
    pub(crate) segments: u64,
    /// How often everything was written anew.
    pub(crate) snapshots: u64,
    /// Writes and syncs that failed.
    pub(crate) failed_writes: u64,
    /// Segments that were damaged at the start.
    pub(crate) damaged: u64,
    /// Whether everything is taken.
    pub(crate) is_writable: bool,
    /// Whether the files have all that was acknowledged, as far as is known: where they may have
    /// lost something, it is written anew from memory.
    pub(crate) is_whole: bool,
}

impl StateStats {
    /// Two logs in one: sums, the longest wait, and what is true of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            queue: self.queue + other.queue,
            queue_bytes: self.queue_bytes + other.queue_bytes,
            write_wait: self.write_wait.max(other.write_wait),
            sync_age: self.sync_age.max(other.sync_age),
            bytes: self.bytes + other.bytes,
            segments: self.segments + other.segments,
            snapshots: self.snapshots + other.snapshots,
            failed_writes: self.failed_writes + other.failed_writes,
            damaged: self.damaged + other.damaged,
            is_writable: self.is_writable && other.is_writable,
            is_whole: self.is_whole && other.is_whole,
        }
    }
}
