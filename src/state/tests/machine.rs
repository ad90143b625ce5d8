//! A machine whose disk forgets: what was not synced goes back when it crashes, in parts and at
//! random, and so do files that were made, renamed or removed. It can also have no room, or refuse.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use crate::state::disk::{Disk, DiskFile};

/// Bytes that reach the disk together.
const PAGE: usize = 64;

/// Numbers by which a test can be done again.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Default)]
struct FileContents {
    /// As processes see it.
    now: Vec<u8>,
    /// As the disk has it.
    held: Vec<u8>,
}

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Nothing can be laid out or written behind what is.
    pub(super) is_full: bool,
    /// Writes fail in the middle.
    pub(super) writes: bool,
    /// Nothing can be cut.
    pub(super) cuts: bool,
    /// Syncs of files fail, and the system forgets what they were to write.
    pub(super) syncs: bool,
}

type MachineFiles = BTreeMap<String, Arc<Mutex<FileContents>>>;

struct MachineState {
    now: MachineFiles,
    held: MachineFiles,
    faults: Faults,
    /// Bytes that a file may have at most when it is made.
    room: usize,
    boot: u128,
}

/// The machine.
pub(super) struct SimulatedMachine(Arc<Mutex<MachineState>>);

struct MachineFile {
    contents: Arc<Mutex<FileContents>>,
    machine: Arc<Mutex<MachineState>>,
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

impl SimulatedMachine {
    pub(super) fn new() -> Arc<Self> {
        let (now, held, faults) = Default::default();
        let state = MachineState {
            now,
            held,
            faults,
            room: usize::MAX,
            boot: 1,
        };
        Arc::new(Self(Arc::new(Mutex::new(state))))
    }

    pub(super) fn boot(&self) -> u128 {
        self.0.lock().unwrap().boot
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.0.lock().unwrap().faults = faults;
    }

    /// Nothing larger than this can be laid out.
    pub(super) fn set_room(&self, room: usize) {
        self.0.lock().unwrap().room = room;
    }

    /// Changes a file behind everyone's back.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let contents = self.0.lock().unwrap().now[name].clone();
        let contents = &mut *contents.lock().unwrap();
        change(&mut contents.now);
        contents.held.clone_from(&contents.now);
    }

    /// The machine goes down and comes back.
    pub(super) fn crash(&self, random: &mut Random) {
        let state = &mut *self.0.lock().unwrap();
        state.boot += 1;
        state.faults = Faults::default();
        let mut files = MachineFiles::new();
        let names: Vec<String> = state.now.keys().chain(state.held.keys()).cloned().collect();
        for name in names {
            let side = if random.chance(50) {
                &state.now
            } else {
                &state.held
            };
            if let Some(contents) = side.get(&name) {
                files.insert(name, contents.clone());
            }
        }
        for contents in files.values() {
            contents.lock().unwrap().crash(random);
        }
        state.now.clone_from(&files);
        state.held = files;
    }
}

impl FileContents {
    fn crash(&mut self, random: &mut Random) {
        let length = if random.chance(50) {
            self.now.len()
        } else {
            self.held.len()
        };
        let mut bytes = vec![0; length];
        for start in (0..length).step_by(PAGE) {
            let side = if random.chance(50) {
                &self.now
            } else {
                &self.held
            };
            let end = (start + PAGE).min(length);
            let page = side.get(start..end.min(side.len())).unwrap_or_default();
            bytes[start..start + page.len()].copy_from_slice(page);
        }
        self.now.clone_from(&bytes);
        self.held = bytes;
    }
}

impl Disk for SimulatedMachine {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().now.keys().cloned().collect())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let contents = self.0.lock().unwrap().now[name].clone();
        let bytes = &contents.lock().unwrap().now;
        Ok(bytes[..bytes.len().min(limit as usize)].to_vec())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.0.lock().unwrap();
        let is_full = state.faults.is_full || bytes > state.room as u64;
        if is_full || state.faults.writes {
            state.now.remove(name);
            return Err(error(if is_full { ENOSPC } else { EIO }));
        }
        let contents = Arc::new(Mutex::new(FileContents::default()));
        contents.lock().unwrap().now = vec![0; bytes as usize];
        state.now.insert(name.to_string(), contents.clone());
        let machine = self.0.clone();
        Ok(Arc::new(MachineFile { contents, machine }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let contents = self.0.lock().unwrap().now[name].clone();
        let machine = self.0.clone();
        Ok(Arc::new(MachineFile { contents, machine }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.0.lock().unwrap().now.remove(name);
        removed.map(drop).ok_or_else(|| error(2))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let now = &mut self.0.lock().unwrap().now;
        let contents = now.remove(from).ok_or_else(|| error(2))?;
        now.insert(to.to_string(), contents);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.0.lock().unwrap();
        state.held.clone_from(&state.now);
        Ok(())
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let contents = self.0.lock().unwrap().now.get(name).cloned();
        let contents = contents.ok_or_else(|| error(2))?;
        let length = contents.lock().unwrap().now.len();
        Ok(length as u64)
    }
}

impl DiskFile for MachineFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let faults = self.machine.lock().unwrap().faults;
        let now = &mut self.contents.lock().unwrap().now;
        let at = at as usize;
        let (mut some, mut refusal) = (bytes.len(), None);
        if faults.writes {
            // The first half of it was taken: the next call fails.
            if bytes.len() < 40 {
                return Err(error(EIO));
            }
            some = bytes.len() / 2;
        } else if faults.is_full && at + some > now.len() {
            some = now.len().saturating_sub(at);
            refusal = (some == 0).then(|| error(ENOSPC));
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if now.len() < at + some {
            now.resize(at + some, 0);
        }
        now[at..at + some].copy_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        if self.machine.lock().unwrap().faults.cuts {
            return Err(error(EIO));
        }
        self.contents.lock().unwrap().now.resize(bytes as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fails = self.machine.lock().unwrap().faults.syncs;
        let contents = &mut *self.contents.lock().unwrap();
        if fails {
            return Err(error(EIO));
        }
        contents.held.clone_from(&contents.now);
        Ok(())
    }
}
