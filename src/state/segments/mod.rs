//! The segments of a log while it is written: the one that is written now and those before it.
//! Begins and seals them, writes to the current one, and removes what a snapshot has replaced.

mod current;
mod remove;

use std::{collections::VecDeque, io, sync::Arc};

use uuid::Uuid;

use self::current::{Current, write_all};
pub(super) use self::current::{WriteError, is_full};
use super::{
    disk::Disk,
    options::LogOptions,
    read::{FoundLog, FoundSegment},
    record::{Mark, SegmentBegin, put_mark},
    segment::{FramePlace, header, put_frame},
    sync::Syncer,
};
use crate::{config::SyncPolicy, store::StoreError, unix_time::unix_now_ms};

/// The segments of a log.
pub(super) struct Segments {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: LogOptions,
    syncer: Arc<Syncer>,
    current: Option<Current>,
    old: VecDeque<FoundSegment>,
    boot: u128,
    /// Begins this life.
    life: u64,
    /// What each new segment says of what came before; see [`SegmentBegin::has_lost`].
    pub(super) has_lost: bool,
    /// Bytes that are laid out for a new segment.
    pub(super) room: u64,
    /// The disk may hold no segment of this life: the next one is to be there before anything is
    /// acknowledged, or a start after a crash would take the life before for the last one.
    is_first: bool,
    /// The file that says that something may be lost stands beside the segments.
    is_marked_lost: bool,
}

impl Segments {
    /// Of a log whose files were read; `boot` names the run of the machine.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        syncer: Arc<Syncer>,
        options: LogOptions,
        boot: u128,
        reading: &FoundLog,
    ) -> Self {
        Self {
            disk,
            room: options.segment_bytes,
            options,
            syncer,
            current: None,
            old: reading.segments.clone().into(),
            boot,
            life: unix_now_ms(),
            has_lost: reading.report.may_have_lost,
            is_first: true,
            is_marked_lost: reading.is_marked_lost,
        }
    }

    pub(super) fn is_always(&self) -> bool {
        self.options.sync == SyncPolicy::Always
    }

    /// Number of the segment that comes next.
    pub(super) fn next(&self) -> u64 {
        let last = self.current.as_ref().map(|current| current.number);
        let last = last.or_else(|| self.old.back().map(|old| old.number));
        last.map_or(1, |last| last + 1)
    }

    /// Bytes of all of them, as far as they are written.
    pub(super) fn bytes(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |current| current.length);
        current + self.old.iter().map(|old| old.good).sum::<u64>()
    }

    pub(super) fn count(&self) -> usize {
        self.old.len() + usize::from(self.current.is_some())
    }

    /// Whether there is a segment to write to.
    pub(super) fn is_writing(&self) -> bool {
        self.current.is_some()
    }

    /// Cuts what does not count off what was found, and has the disk hold all of it: what a later
    /// life says of itself would else be believed of what this one found.
    pub(super) fn settle(&self, empty: &[u64]) -> io::Result<()> {
        for &number in empty {
            self.disk.remove(&self.options.segment(number))?;
        }
        for old in &self.old {
            let file = self.disk.open(&self.options.segment(old.number))?;
            if !old.is_damaged {
                file.set_len(old.good)?;
            }
            file.sync()?;
        }
        self.disk.sync()
    }

    /// What was acknowledged may be missing in the files from now on. A segment says so once it is
    /// synced, which may be long; until then a file does, for a start behind a kill. Only a crash
    /// of the machine takes that back, which is told by itself.
    pub(super) fn mark_lost(&mut self) {
        self.has_lost = true;
        let name = self.options.lost_mark();
        self.is_marked_lost = self.is_marked_lost || self.disk.create(&name, 0).is_ok();
    }

    /// Everything was written anew, and the log says so.
    pub(super) fn unmark_lost(&mut self) {
        self.has_lost = false;
        if self.is_marked_lost {
            match self.disk.remove(&self.options.lost_mark()) {
                Ok(()) => self.is_marked_lost = false,
                Err(error) => log::warn!("the next start will say that state may be lost: {error}"),
            }
        }
    }

    /// Begins the next segment, which has room for so many bytes at least, and seals the current
    /// one.
    pub(super) fn begin(&mut self, wanted: u64) -> io::Result<()> {
        if self.has_lost && !self.is_always() {
            self.mark_lost();
        }
        let (number, old) = (self.next(), self.old.back().map_or(0, |old| old.good));
        let begin = Mark::Begin(SegmentBegin {
            boot: self.boot,
            life: self.life,
            now_ms: unix_now_ms(),
            previous: self.current.as_ref().map_or(old, |current| current.length),
            is_always: self.is_always(),
            has_lost: self.has_lost,
        });
        if self.is_always() {
            // The next one says how long this one is. Where that fails nothing more goes into it.
            let synced = self.sync(0);
            if let Err(error) = synced {
                self.seal(false);
                return Err(error.error);
            }
        }
        // 32 random bits, never 0, which is what nobody wrote.
        let tag = (Uuid::new_v4().as_u128() as u32).max(1);
        let mut head = header(tag).to_vec();
        let (batch, last) = (1, true);
        put_frame(&mut head, FramePlace { tag, batch, last }, |out| {
            put_mark(out, &begin)
        });
        let name = self.options.segment(number);
        let room = self.room.max(wanted + head.len() as u64);
        let file = self.disk.create(&name, room)?;
        let is_held = self.is_first || self.has_lost || self.is_always();
        let begun = write_all(&*file, &head, 0).map_err(|failed| failed.error);
        let begun = begun.and_then(|()| if is_held { file.sync() } else { Ok(()) });
        let begun = begun.and_then(|()| if is_held { self.disk.sync() } else { Ok(()) });
        if let Err(error) = begun {
            // It is made anew under the same number, whether this works or not.
            let _ = self.disk.remove(&name);
            return Err(error);
        }
        self.seal(true);
        self.is_first = false;
        self.syncer.begin(file.clone(), !is_held);
        self.current = Some(Current {
            file,
            number,
            tag,
            length: head.len() as u64,
            held: head.len() as u64,
            room,
            batch: 2,
            is_empty: true,
        });
        Ok(())
    }

    /// Writes no more to the current segment; it is to be synced where `is_owed`.
    pub(super) fn seal(&mut self, is_owed: bool) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        if self.is_always() {
            // The rest was not acknowledged, and nobody will sync it.
            current.length = current.held;
        }
        // What is laid out behind it reads as its end where this fails.
        let _ = current.file.set_len(current.length);
        self.syncer.seal(is_owed && !self.is_always());
        self.old.push_back(FoundSegment {
            number: current.number,
            good: current.length,
            is_damaged: false,
        });
    }

    /// Gives the current segment up after a failure. If nothing is in it, its number comes again.
    pub(super) fn abandon(&mut self, is_owed: bool) {
        match self.current.take_if(|current| current.is_empty) {
            Some(current) => {
                self.syncer.seal(false);
                let _ = self.disk.remove(&self.options.segment(current.number));
                self.is_first = true;
            }
            None => self.seal(is_owed),
        }
    }

    /// Writes the frames that `put` makes for the place it is given; once more where they need a
    /// new segment. `is_settled`: they are acknowledged together. Gives their bytes.
    pub(super) fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        is_settled: bool,
        put: impl Fn(&mut Vec<u8>, FramePlace),
    ) -> Result<u64, WriteError> {
        // Where each write is synced, those that are not are of the batch of the next that is.
        let last = is_settled || !self.is_always();
        for _ in 0..2 {
            let Some(current) = &mut self.current else {
                return Err(io::Error::from(io::ErrorKind::NotConnected).into());
            };
            buffer.clear();
            let (tag, batch) = (current.tag, current.batch);
            put(buffer, FramePlace { tag, batch, last });
            let length = buffer.len() as u64;
            if current.length + length <= current.room || current.is_empty {
                current.put(buffer)?;
                self.syncer.wrote();
                if last {
                    current.batch += 1;
                }
                return Ok(length);
            }
            self.begin(length)?;
        }
        // A segment that is empty takes anything.
        Err(io::Error::from(io::ErrorKind::FileTooLarge).into())
    }

    /// Syncs the current segment before its last `bytes` are acknowledged.
    pub(super) fn sync(&mut self, bytes: u64) -> Result<(), WriteError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if let Err(error) = current.file.sync() {
            // The next segment says that this one is no longer than before.
            current.length -= bytes;
            return Err(WriteError {
                error,
                answer: StoreError::Doubtful,
            });
        }
        current.held = current.length;
        self.syncer.settled();
        Ok(())
    }

    /// All that was written is on the disk.
    pub(super) fn held(&mut self) {
        if let Some(current) = &mut self.current {
            current.held = current.length;
        }
    }

    /// Ends the life: all is synced, then it is said so. `put` makes the mark.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let mark = |out: &mut Vec<u8>, place| {
            put_frame(out, place, |out| put_mark(out, &Mark::End(unix_now_ms())));
        };
        let written = self.write(&mut Vec::new(), true, mark);
        written.map_err(|error| error.error)?;
        let Some(current) = &self.current else {
            return Ok(());
        };
        current.file.set_len(current.length)?;
        // The mark may have needed a segment of its own: both are synced.
        if !self.syncer.sync() {
            return Err(io::Error::other("it cannot be synced"));
        }
        self.disk.sync()
    }
}
