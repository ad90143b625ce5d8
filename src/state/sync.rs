//! Asks the disk to hold what was written, on a thread of its own: a sync beside writes may take
//! long, and must not hold them up. Where each write is synced, the writer does it all itself.
//!
//! A sync that failed is never tried again on its file, since the system forgets what it could not
//! write: the writer is told, and begins anew with a whole snapshot.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::disk::{Disk, DiskFile};
use crate::config::SyncPolicy;

/// As long as nobody asks: long enough to cost nothing.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What became of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synced {
    /// It is on the disk.
    Done,
    /// It is waited for.
    NotYet,
    /// A sync has failed, this one or another.
    Failed,
}

/// What is to be synced.
#[derive(Default)]
struct SyncState {
    /// Files that are written no more.
    sealed: Vec<Arc<dyn DiskFile>>,
    /// The one that is written.
    current: Option<Arc<dyn DiskFile>>,
    /// A file was begun since the directory was synced.
    is_new: bool,
    /// Since when something is written that was not synced.
    dirty: Option<Instant>,
    /// The same of what is being synced.
    syncing: Option<Instant>,
    /// How often all was asked for, and up to which of them all was done.
    asked: u64,
    done: u64,
    has_failed: bool,
    is_ending: bool,
}

/// The files of a log that are not synced yet.
pub(super) struct Syncer {
    disk: Arc<dyn Disk>,
    policy: SyncPolicy,
    state: Mutex<SyncState>,
    more: Condvar,
    /// Held while files are synced: the system tells of a failure once, and whoever syncs next must
    /// not take it for a success.
    turn: Mutex<()>,
}

impl Syncer {
    pub(super) fn new(disk: Arc<dyn Disk>, policy: SyncPolicy) -> Self {
        Self {
            disk,
            policy,
            state: Mutex::default(),
            more: Condvar::new(),
            turn: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SyncState> {
        // No step on the state panics in the middle.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another file is written from now on; `is_new` where the directory may not hold it yet.
    pub(super) fn begin(&self, file: Arc<dyn DiskFile>, is_new: bool) {
        let mut state = self.lock();
        state.current = Some(file);
        state.is_new |= is_new;
    }

    /// The file that was written is written no more; it is to be synced where `is_owed`.
    pub(super) fn seal(&self, is_owed: bool) {
        let mut state = self.lock();
        let file = state.current.take();
        state.sealed.extend(file.filter(|_| is_owed));
    }

    /// Something was written.
    pub(super) fn wrote(&self) {
        self.lock().dirty.get_or_insert_with(Instant::now);
    }

    /// All that was written until now is on the disk.
    pub(super) fn settled(&self) {
        let mut state = self.lock();
        state.dirty = None;
    }

    /// Asks for all that was written until now, and gives the number by which
    /// [`look`](Self::look) tells of it.
    pub(super) fn ask(&self) -> u64 {
        let mut state = self.lock();
        state.asked += 1;
        self.more.notify_one();
        state.asked
    }

    /// What became of it. A failure is told once.
    pub(super) fn look(&self, number: u64) -> Synced {
        let mut state = self.lock();
        if std::mem::take(&mut state.has_failed) {
            Synced::Failed
        } else if state.done >= number {
            Synced::Done
        } else {
            Synced::NotYet
        }
    }

    /// Age of the oldest write that is not synced.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let state = self.lock();
        let since = state.syncing.or(state.dirty);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Syncs all that was written until now. Whether it worked.
    pub(super) fn sync(&self) -> bool {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lock();
        let asked = state.asked;
        let mut files = std::mem::take(&mut state.sealed);
        files.extend(state.current.clone());
        let is_new = std::mem::take(&mut state.is_new);
        state.syncing = state.dirty.take();
        drop(state);
        // Each is asked, also where one fails.
        let failed = files.iter().filter(|file| !told(file.sync())).count();
        let has_failed = failed > 0 || (is_new && !told(self.disk.sync()));
        let mut state = self.lock();
        state.syncing = None;
        state.done = asked;
        if has_failed {
            state.has_failed = true;
            // Not again: it may have been replaced meanwhile.
            let is_same = |file: &Arc<dyn DiskFile>| files.iter().any(|one| Arc::ptr_eq(one, file));
            state.current = state.current.take().filter(|file| !is_same(file));
        }
        !has_failed
    }

    /// Runs until [`end`](Self::end); `call` has the writer look at what became of a sync.
    pub(super) fn run(&self, call: impl Fn()) {
        let interval = match self.policy {
            SyncPolicy::Every(interval) => interval,
            SyncPolicy::Always | SyncPolicy::Never => NEVER,
        };
        let mut next = Instant::now().checked_add(interval);
        loop {
            let mut state = self.lock();
            let is_due = loop {
                if state.is_ending {
                    return;
                }
                let now = Instant::now();
                let is_time = next.is_some_and(|next| next <= now);
                if state.asked > state.done || is_time {
                    let is_dirty = state.dirty.is_some() && self.policy != SyncPolicy::Never;
                    break state.asked > state.done || is_dirty;
                }
                let left = next.map_or(NEVER, |next| next - now);
                let waited = self.more.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            };
            drop(state);
            if is_due {
                self.sync();
                call();
            }
            next = Instant::now().checked_add(interval);
        }
    }

    /// Has [`run`](Self::run) return.
    pub(super) fn end(&self) {
        self.lock().is_ending = true;
        self.more.notify_one();
    }
}

/// Whether a sync worked; what the system said is logged.
fn told(result: std::io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => {
            log::error!("the state on disk cannot be synced: {error}; all of it is written anew");
            false
        }
    }
}
