//! What outlives the process, on disk: a log of [`Record`](crate::store::Record)s in segments,
//! written by one thread, synced by another, read whole at the start and made small from what its
//! owners hold. `docs/decisions/0013` says why it is our own.
//!
//! A directory has one process, which holds its lock. In it lie two logs: that of streams, keys,
//! pushes and polls, and that of revocations, which are always synced before they are answered.
//!
//! ```text
//! append ─▶ queue ─▶ writer ─▶ segments ─▶ disk
//!                      │ ▲ snapshot ◀─ sources      (the only thread that writes)
//!                      ▼ │ done
//!                    syncer ─▶ fdatasync            (a thread of its own)
//! ```

mod disk;
mod lock;
mod log_store;
mod options;
mod queue;
mod read;
pub(crate) mod record;
pub mod segment;
mod segments;
mod stats;
mod summary;
mod sync;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
mod writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use self::{
    disk::{Disk, RealDisk},
    lock::{Lock, LockError},
    options::LogOptions,
};
pub use self::{
    log_store::LogStore,
    options::StateError,
    stats::StateStats,
    summary::{Summary, drop_revocations, summarize},
};
use crate::{
    config::{Settings, SyncPolicy},
    liveness::Liveness,
};

/// How the state is kept.
#[derive(Clone, Copy, Debug)]
pub struct StateOptions {
    /// When the disk is asked to hold what was written (`state.sync`).
    pub sync: SyncPolicy,
    /// Bound of all files of the log of streams (`state.bytes`).
    pub(crate) bytes_max: u64,
    /// Records that may wait to be written, of each log (`state.queue`).
    pub(crate) queue: usize,
    /// Their bytes (`state.queue_bytes`).
    pub(crate) queue_bytes: usize,
}

/// A directory with what this node keeps; nobody else has it until this is closed or dropped.
pub(crate) struct StateDir {
    /// Streams, keys, pushes and polls.
    pub log: Arc<LogStore>,
    /// Revocations and blocks.
    pub(crate) revocations: Arc<LogStore>,
    /// Until it is closed.
    lock: Mutex<Option<Lock>>,
}

impl StateOptions {
    /// As the settings have them.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let state = &settings.state;
        Self {
            sync: state.sync,
            bytes_max: state.bytes_max(settings.limits.history_bytes) as u64,
            queue: state.queue,
            queue_bytes: state.queue_bytes,
        }
    }

    /// Of streams, keys, pushes and polls, and of revocations.
    fn logs(self) -> (LogOptions, LogOptions) {
        let (queue, queue_bytes) = (self.queue, self.queue_bytes);
        let main = LogOptions::main(self.sync, self.bytes_max, queue, queue_bytes);
        (main, LogOptions::revocations(queue, queue_bytes))
    }
}

impl StateDir {
    /// Takes the directory, which is made if it is not there; waits for the process that has it at
    /// most so long.
    ///
    /// # Errors
    /// The directory cannot be made or written to, or the other process kept it all the while.
    pub(crate) fn open(
        path: &Path,
        options: StateOptions,
        wait: Duration,
    ) -> Result<Self, StateError> {
        let disk = RealDisk::new(path).map_err(StateError::io("using", path))?;
        let lock = lock(&disk, path, wait)?;
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let boot = boot();
        let (main, revocations) = options.logs();
        Ok(Self {
            log: Arc::new(LogStore::new(disk.clone(), main, boot)),
            revocations: Arc::new(LogStore::new(disk, revocations, boot)),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Looks whether it could be [opened](Self::open) and read, while another process has it: that
    /// it can be written to, that nothing is of a newer format, and that no revocation is damaged.
    /// What lies in it is left as it is.
    ///
    /// # Errors
    /// It could not.
    pub(crate) fn look(path: &Path, options: StateOptions) -> Result<(), StateError> {
        let disk = RealDisk::new(path).map_err(StateError::io("using", path))?;
        let file = disk.path("lock");
        Lock::look(&file).map_err(StateError::io("locking", file))?;
        let (main, revocations) = options.logs();
        let boot = boot();
        read::look(&disk, &main, boot)?;
        read::look(&disk, &revocations, boot)
    }

    /// Has the threads that write told from those that live; before they are started.
    pub(crate) fn watched_by(&self, liveness: &Liveness) {
        liveness.add("state".to_string(), self.log.pulse());
        liveness.add("state revocations".to_string(), self.revocations.pulse());
    }

    /// Both logs in numbers.
    #[must_use]
    pub(crate) fn stats(&self) -> StateStats {
        self.log.stats().and(self.revocations.stats())
    }

    /// Closes both logs, then lets go of the directory: another process may have it.
    pub(crate) fn close(&self) {
        self.log.close();
        self.revocations.close();
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

fn lock(disk: &RealDisk, path: &Path, wait: Duration) -> Result<Lock, StateError> {
    let file = disk.path("lock");
    let dir = || path.display().to_string();
    Lock::take(&file, wait).map_err(|error| match error {
        LockError::Held(Some(pid)) => StateError::Held { dir: dir(), pid },
        LockError::Held(None) => StateError::HeldByUnknown(dir()),
        LockError::Io(error) => StateError::io("locking", file.clone())(error),
    })
}

/// Names this run of the machine; 0 where the system does not say, which counts as another each
/// time.
fn boot() -> u128 {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let id = id.ok().and_then(|id| uuid::Uuid::try_parse(id.trim()).ok());
    id.map_or(0, |id| id.as_u128())
}

/// How much history fits into files of `state.bytes`, as `limits.history_bytes` counts it: they may
/// become 2.5 times as large as what is kept, and a little more.
#[must_use]
pub(crate) fn history_bound(state_bytes: u64) -> u64 {
    state_bytes.saturating_sub(BESIDE_BYTES) / 5 * 2
}

/// What the files need beside 2.5 times what is kept: a segment, what is appended before a small
/// log is written anew, and what is set aside.
pub(crate) const BESIDE_BYTES: u64 = 64 << 20;
