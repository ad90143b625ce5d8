//! Who may write in a directory: the process that holds the lock of its `lock` file, which also
//! says its id. The system frees the lock when the process ends, however it does.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

/// How long until the lock is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// A process id has fewer digits.
const ID_BYTES_MAX: u64 = 20;

/// The lock; given back by drop.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// What keeps the lock from being taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// The process with this id has it, as far as the file says so.
    Held(Option<u32>),
    /// The system refuses.
    Io(io::Error),
}

impl Lock {
    /// Whether the file of the lock can be written to; whoever has the lock keeps it.
    pub(super) fn look(path: &Path) -> io::Result<()> {
        open(path).map(drop)
    }

    /// Takes the lock, waiting for it at most so long.
    pub(super) fn take(path: &Path, wait: Duration) -> Result<Self, LockError> {
        let deadline = Instant::now() + wait;
        let mut file = open(path).map_err(LockError::Io)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::park_timeout(PAUSE);
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&mut file))),
            }
        }
        // On a full disk the name is missing and the lock holds all the same.
        let _ = file.set_len(0);
        let _ = write!(file, "{}", std::process::id());
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path)
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(ID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
