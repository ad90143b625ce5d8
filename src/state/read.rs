//! Reads all segments of a log, one at a time, and judges what may be missing.
//!
//! What was written and not synced is lost with the machine, never with the process. So where the
//! last life ran on another boot of the machine, did not end by itself and did not sync each write,
//! something may be missing, and the files cannot say what. The same where something that was
//! written whole cannot be read. A write that was not finished is cut, without a loss: nobody was
//! told of it.

use std::{io::ErrorKind, time::Duration};

use super::{
    disk::Disk,
    options::{LogOptions, StateError},
    record::{LogEntry, Mark, RecordDecoder, SegmentBegin},
    segment::{FRAME_BYTES, HEADER_BYTES, HeaderError, SegmentReader},
};
use crate::store::{ReadReport, Record};

/// Enough for a header and the first frame.
const HEAD_BYTES: u64 = (HEADER_BYTES + FRAME_BYTES + 64) as u64;

/// How often a log is looked at that another process may be writing.
const LOOKS: usize = 4;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A segment as it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundSegment {
    pub(super) number: u64,
    /// Where what counts ends; the rest is cut.
    pub(super) good: u64,
    /// It is set aside once all is written anew.
    pub(super) is_damaged: bool,
}

/// What was found in the files.
#[derive(Clone, Debug, Default)]
pub(super) struct FoundLog {
    pub(super) segments: Vec<FoundSegment>,
    pub(super) report: ReadReport,
    /// Files that were begun and hold nothing.
    pub(super) empty: Vec<u64>,
    /// A file beside them says that something may be lost.
    pub(super) is_marked_lost: bool,
}

/// What the marks say, as far as they were read.
#[derive(Default)]
struct LifeMarks {
    begin: Option<SegmentBegin>,
    is_tidy: bool,
    has_lost: bool,
    newest_ms: u64,
}

/// Numbers of the log's segments, in order.
pub(super) fn numbers(disk: &dyn Disk, options: &LogOptions) -> Result<Vec<u64>, StateError> {
    let names = disk.list().map_err(StateError::io("listing", "."))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| options.number(name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Looks at a log that another process may be writing: that no segment is of a newer format, and,
/// where damage ends the start, that none is damaged.
pub(super) fn look(disk: &dyn Disk, options: &LogOptions, boot: u128) -> Result<(), StateError> {
    let look = || match options.is_strict {
        true => read(disk, options, boot, &mut |_| {}).map(drop),
        false => numbers(disk, options)?
            .into_iter()
            .try_for_each(|number| head(disk, options, number).map(drop)),
    };
    for _ in 1..LOOKS {
        match look() {
            // What is seen while the other one writes, or makes its files small, may be half of it.
            Err(error) if is_passing(&error) => std::thread::park_timeout(LOOK_PAUSE),
            looked => return looked,
        }
    }
    match look() {
        Err(StateError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(()),
        looked => looked,
    }
}

fn is_passing(error: &StateError) -> bool {
    match error {
        StateError::Damaged(_) => true,
        StateError::Io { error, .. } => error.kind() == ErrorKind::NotFound,
        _ => false,
    }
}

/// Reads everything; `boot` names the run of the machine now.
pub(super) fn read(
    disk: &dyn Disk,
    options: &LogOptions,
    boot: u128,
    each: &mut dyn FnMut(Record),
) -> Result<FoundLog, StateError> {
    let names = disk.list().map_err(StateError::io("listing", "."))?;
    let mut reading = FoundLog {
        is_marked_lost: names.contains(&options.lost_mark()),
        ..FoundLog::default()
    };
    let mut heads = Vec::new();
    for number in numbers(disk, options)? {
        match head(disk, options, number)? {
            SegmentHead::Empty => reading.empty.push(number),
            SegmentHead::Begin(begin) => heads.push((number, Some(begin))),
            SegmentHead::Unreadable => heads.push((number, None)),
        }
    }
    let mut life = LifeMarks::default();
    let last = heads.iter().rev().find_map(|(_, begin)| *begin);
    for (at, (number, begin)) in heads.iter().enumerate() {
        let next = heads.get(at + 1);
        // Where the next one is not the neighbour, what is between them is gone.
        let is_followed = next.is_none_or(|(next, _)| *next == number + 1);
        let until = next
            .and_then(|(_, begin)| *begin)
            .map(|begin| begin.previous);
        let until = until.filter(|_| is_followed);
        let extent = Extent {
            number: *number,
            until,
        };
        let found = segment(disk, options, extent, &mut life, each)?;
        let is_damaged = found.is_damaged || !is_followed || begin.is_none();
        reading.segments.push(FoundSegment {
            is_damaged,
            ..found
        });
    }
    reading.judge(
        &life,
        &heads,
        last.is_some_and(|last| is_crash(&life, last, boot)),
    );
    if let Some(found) = reading.segments.iter().find(|found| found.is_damaged) {
        let name = options.segment(found.number);
        if options.is_strict {
            return Err(StateError::Damaged(name));
        }
        log::error!(
            "{name} is damaged: what can be read of it is kept, and every stream gets a new epoch"
        );
    }
    Ok(reading)
}

/// Whether the machine went down under the last life before all of it was on the disk.
fn is_crash(life: &LifeMarks, last: SegmentBegin, boot: u128) -> bool {
    let same = last.boot == boot && boot != 0;
    !(same || life.is_tidy || last.is_always)
}

impl FoundLog {
    fn judge(&mut self, life: &LifeMarks, heads: &[(u64, Option<SegmentBegin>)], is_crash: bool) {
        let last = life.begin.map(|begin| begin.life);
        for (found, (_, begin)) in self.segments.iter_mut().zip(heads) {
            // A machine that goes down leaves holes in what was not synced: no damage of the disk.
            if is_crash && begin.map(|begin| begin.life) == last {
                found.is_damaged = false;
            }
        }
        if is_crash {
            log::warn!(
                "the machine went down before all of the state was on the disk: every stream gets a \
                 new epoch"
            );
        }
        let is_damaged = self.segments.iter().any(|found| found.is_damaged);
        self.report = ReadReport {
            may_have_lost: is_crash || is_damaged || life.has_lost || self.is_marked_lost,
            newest_ms: life.newest_ms,
        };
        #[cfg(feature = "planted-faults")]
        if is_crash && crate::planted::is(crate::planted::Fault::KeepsTheEpochs) {
            self.report.may_have_lost = false;
        }
    }
}

enum SegmentHead {
    Empty,
    Begin(SegmentBegin),
    Unreadable,
}

fn head(disk: &dyn Disk, options: &LogOptions, number: u64) -> Result<SegmentHead, StateError> {
    let name = options.segment(number);
    let bytes = disk.read(&name, HEAD_BYTES);
    let bytes = bytes.map_err(StateError::io("reading", &name))?;
    let mut reader = match SegmentReader::new(&bytes) {
        Ok(reader) => reader,
        Err(HeaderError::Version(version)) => {
            return Err(StateError::Version {
                file: name,
                version,
            });
        }
        Err(HeaderError::Empty | HeaderError::NoSegment) => return head_of_none(disk, &name),
    };
    let mark = reader
        .next()
        .map(|frame| RecordDecoder::default().decode(frame.body));
    match mark {
        Some(Ok(LogEntry::Mark(Mark::Begin(begin)))) => Ok(SegmentHead::Begin(begin)),
        _ => head_of_none(disk, &name),
    }
}

/// The first frame cannot be read: a file that was begun and no more, unless something follows.
fn head_of_none(disk: &dyn Disk, name: &str) -> Result<SegmentHead, StateError> {
    let bytes = disk.read(name, u64::MAX);
    let bytes = bytes.map_err(StateError::io("reading", name))?;
    let is_empty = match SegmentReader::new(&bytes) {
        Ok(mut reader) => reader.next().is_none(),
        Err(_) => bytes
            .iter()
            .skip(HEAD_BYTES as usize)
            .all(|&byte| byte == 0),
    };
    Ok(if is_empty {
        SegmentHead::Empty
    } else {
        SegmentHead::Unreadable
    })
}

/// Which segment is read, and how much of it.
struct Extent {
    number: u64,
    /// Its bytes, if the next segment says how many it had.
    until: Option<u64>,
}

/// Reads one segment.
fn segment(
    disk: &dyn Disk,
    options: &LogOptions,
    Extent { number, until }: Extent,
    life: &mut LifeMarks,
    each: &mut dyn FnMut(Record),
) -> Result<FoundSegment, StateError> {
    let name = options.segment(number);
    let bytes = disk.read(&name, until.unwrap_or(u64::MAX));
    let bytes = bytes.map_err(StateError::io("reading", &name))?;
    let mut found = FoundSegment {
        number,
        good: HEADER_BYTES as u64,
        is_damaged: true,
    };
    let Ok(mut reader) = SegmentReader::new(&bytes) else {
        return Ok(found);
    };
    let mut decoder = RecordDecoder::default();
    let mut is_strange = false;
    for frame in reader.by_ref() {
        match decoder.decode(frame.body) {
            Ok(LogEntry::Mark(mark)) => life.note(mark),
            Ok(LogEntry::Record(record)) => {
                life.is_tidy = false;
                each(record);
            }
            Err(_) => is_strange = true,
        }
    }
    let outcome = reader.outcome();
    found.good = outcome.good as u64;
    let is_short = until.is_some_and(|until| found.good < until);
    found.is_damaged = outcome.damaged || is_strange || is_short;
    if outcome.damaged {
        // What is behind shows that what is before was finished: without it less would be read.
        found.good = bytes.len() as u64;
    }
    if outcome.torn && !found.is_damaged {
        log::warn!(
            "{name}: a write that was not finished does not count, from byte {} on",
            found.good
        );
    }
    Ok(found)
}

impl LifeMarks {
    fn note(&mut self, mark: Mark) {
        match mark {
            Mark::Begin(begin) => {
                self.begin = Some(begin);
                self.is_tidy = false;
                self.has_lost = begin.has_lost;
                self.newest_ms = self.newest_ms.max(begin.now_ms);
            }
            Mark::End(now_ms) => {
                self.is_tidy = true;
                self.newest_ms = self.newest_ms.max(now_ms);
            }
            Mark::Whole => self.has_lost = false,
            Mark::Time(now_ms) => {
                self.is_tidy = false;
                self.newest_ms = self.newest_ms.max(now_ms);
            }
        }
    }
}
