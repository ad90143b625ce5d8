//! The seam to the files: a directory and its files as the log uses them, and the real ones. What
//! a crash of the machine does to them is imitated behind the same traits (`tests/machine.rs`).
//!
//! Directory 0700, files 0600. A directory on NFS is refused: there a lock may be lost without a
//! word, and two processes would write.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read as _},
    os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The directory that a log is in.
pub(super) trait Disk: Send + Sync {
    /// Names of all files in it.
    fn list(&self) -> io::Result<Vec<String>>;
    /// The first bytes of a file, at most `limit`.
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>>;
    /// A new file of `bytes` zeros that are laid out on the disk, in place of one of its name.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// A file that is there, to be cut and synced.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Asks the disk to hold which files there are.
    fn sync(&self) -> io::Result<()>;
    /// Length of a file.
    fn length(&self, name: &str) -> io::Result<u64>;
}

/// A file that is written.
pub(super) trait DiskFile: Send + Sync {
    /// Writes some of the bytes at a place, and says how many.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Cuts or lengthens it.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Asks the disk to hold it. After a failure nobody knows what the disk holds.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the system.
#[derive(Debug)]
pub(super) struct RealDisk {
    path: PathBuf,
}

impl RealDisk {
    /// The directory at `path`, which is made if it is not there.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path)?;
        let permissions = fs::metadata(path)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        let disk = Self { path: path.into() };
        if is_nfs(&File::open(path)?)? {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is on NFS, where locks and syncs cannot be relied on; use a disk of this machine",
            ));
        }
        Ok(disk)
    }

    /// The path of a file.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(target_os = "linux")]
fn is_nfs(directory: &File) -> io::Result<bool> {
    use nix::sys::statfs::{NFS_SUPER_MAGIC, fstatfs};
    Ok(fstatfs(directory)?.filesystem_type() == NFS_SUPER_MAGIC)
}

#[cfg(not(target_os = "linux"))]
fn is_nfs(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Lays the bytes out, so that a full disk is found here and a sync has little to do. Where the
/// file system cannot, the file only has its length.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    {
        use nix::{
            errno::Errno,
            fcntl::{FallocateFlags, fallocate},
        };
        let length = i64::try_from(bytes).unwrap_or(i64::MAX);
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
            done => return Ok(done?),
        }
    }
    file.set_len(bytes)
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        // Names that are no text are none of ours.
        Ok(names.into_iter().flatten().collect())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(name))?;
        let length = file.metadata()?.len().min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&path)?;
        if let Err(error) = allocate(&file, bytes) {
            // What was laid out would stay so.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        Ok(Arc::new(file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(name))?.len())
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, at)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
