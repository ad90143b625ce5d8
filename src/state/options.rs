//! How a log is kept, and why it cannot be.

use std::{io, path::PathBuf};

use crate::config::SyncPolicy;

/// How a log is kept.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    /// What the names of its segments begin with.
    pub(crate) prefix: &'static str,
    /// When the disk is asked to hold what was written.
    pub(crate) sync: SyncPolicy,
    /// Bound of all its files.
    pub(crate) bytes_max: u64,
    /// Bound of the records that wait.
    pub(crate) queue: usize,
    /// Bound of their bytes.
    pub(crate) queue_bytes: usize,
    /// Bytes that are laid out for a segment.
    pub(crate) segment_bytes: u64,
    /// The files are made small when they have grown by this and a quarter of the last snapshot.
    pub(crate) margin_bytes: u64,
    /// Bytes that are set aside for a full disk.
    pub(crate) reserve_bytes: u64,
    /// Whether damage ends the start, instead of being worked around.
    pub(crate) is_strict: bool,
    /// Whether its owner holds what was refused all the same: then that is written as soon as it
    /// can be.
    pub(crate) holds_refused: bool,
}

impl LogOptions {
    /// The log of streams, keys, pushes and polls.
    pub(crate) fn main(sync: SyncPolicy, bytes_max: u64, queue: usize, queue_bytes: usize) -> Self {
        Self {
            prefix: "",
            sync,
            bytes_max,
            queue,
            queue_bytes,
            segment_bytes: 32 << 20,
            margin_bytes: 24 << 20,
            reserve_bytes: 8 << 20,
            is_strict: false,
            holds_refused: false,
        }
    }

    /// The log of revocations: each is on the disk before it is answered. How many there are,
    /// `limits.revocations` bounds, and so the files.
    pub(crate) fn revocations(queue: usize, queue_bytes: usize) -> Self {
        Self {
            prefix: "revocations-",
            sync: SyncPolicy::Always,
            bytes_max: u64::MAX,
            segment_bytes: 1 << 20,
            margin_bytes: 2 << 20,
            reserve_bytes: 0,
            is_strict: true,
            holds_refused: true,
            ..Self::main(SyncPolicy::Always, 0, queue, queue_bytes)
        }
    }

    /// The name of a segment.
    pub(super) fn segment(&self, number: u64) -> String {
        format!("{}{number:010}.log", self.prefix)
    }

    /// The name of the file that says that something may be lost.
    pub(super) fn lost_mark(&self) -> String {
        format!("{}lost", self.prefix)
    }

    /// The number of the segment that a file is, if it is one of this log.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(self.prefix)?.strip_suffix(".log")?;
        let is_number = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    }
}

/// Why the state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has the directory.
    #[error(
        "state.dir {dir}: process {pid} has it; end that one first, or give this one a directory of its own"
    )]
    Held {
        /// `state.dir`, as it is written.
        dir: String,
        /// Who has it.
        pid: u32,
    },
    /// Another process has the directory, and has not said who it is.
    #[error("state.dir {0}: another process has it")]
    HeldByUnknown(String),
    /// The format is not of this version.
    #[error(
        "{file} is of version {version} of the format, this fanfare reads version 1: start the newer fanfare that wrote it"
    )]
    Version {
        /// The segment's name in `state.dir`.
        file: String,
        /// The version that its header says.
        version: u32,
    },
    /// What must not be missing cannot be read.
    #[error(
        "{0} is damaged: a token or user that was taken back may be good again. Start with what is left by `fanfare state --config F --drop revocations`, which puts the files aside"
    )]
    Damaged(String),
    /// The system refuses.
    #[error("state.dir: {what} {}: {error}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl StateError {
    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { what, path, error }
    }
}
