//! The segment that is written, and what a write that failed leaves of it.

use std::{io, sync::Arc};

use crate::{state::disk::DiskFile, store::StoreError};

/// The segment that is written.
pub(super) struct Current {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) number: u64,
    pub(super) tag: u32,
    /// Where the next frame goes.
    pub(super) length: u64,
    /// How much of it the disk holds for certain, where each write is synced.
    pub(super) held: u64,
    /// How much was laid out.
    pub(super) room: u64,
    pub(super) batch: u32,
    /// Nothing but its first frame is in it.
    pub(super) is_empty: bool,
}

/// Why bytes are not in the files.
#[derive(Debug)]
pub(in crate::state) struct WriteError {
    pub(in crate::state) error: io::Error,
    /// What those who wait are told.
    pub(in crate::state) answer: StoreError,
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            answer: StoreError::NotWritten,
        }
    }
}

impl WriteError {
    /// Whether there was no room on the disk.
    pub(in crate::state) fn is_full(&self) -> bool {
        is_full(&self.error)
    }
}

/// Whether the disk had no room.
pub(in crate::state) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

impl Current {
    /// Writes bytes behind all others, or cuts them off again.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let Err(failed) = write_all(&*self.file, bytes, self.length) else {
            self.length += bytes.len() as u64;
            self.is_empty = false;
            return Ok(());
        };
        let WriteAllError { error, is_partial } = failed;
        let is_cut = self.file.set_len(self.length).is_ok();
        // A disk without room, or one that must not be written to, has taken nothing at all.
        let is_refused = is_full(&error) || error.kind() == io::ErrorKind::ReadOnlyFilesystem;
        let answer = if is_cut || (!is_partial && is_refused) {
            StoreError::NotWritten
        } else {
            StoreError::Doubtful
        };
        Err(WriteError { error, answer })
    }
}

/// Why not all bytes were written.
pub(super) struct WriteAllError {
    pub(super) error: io::Error,
    /// Some of them were.
    is_partial: bool,
}

/// Writes all of the bytes.
pub(super) fn write_all(file: &dyn DiskFile, bytes: &[u8], at: u64) -> Result<(), WriteAllError> {
    let mut done = 0;
    let failed = |error, done| WriteAllError {
        error,
        is_partial: done > 0,
    };
    while done < bytes.len() {
        match file.write_at(&bytes[done..], at + done as u64) {
            Ok(0) => return Err(failed(io::ErrorKind::WriteZero.into(), done)),
            Ok(some) => done += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error, done)),
        }
    }
    Ok(())
}
