//! The body of a frame: a [`Record`], or a [`Mark`] that the log makes for itself. Pure.
//!
//! The first byte says what it is, then come its parts in the order of the fields; what may be
//! absent is told by a byte of flags. A number that was given stays what it is for ever: a new
//! kind, or one more part, is a new number.

mod decode;
mod encode;

pub(crate) use self::{
    decode::RecordDecoder,
    encode::{put_mark, put_record},
};
use crate::store::Record;

/// What the log notes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The first frame of each segment.
    Begin(SegmentBegin),
    /// The last frame of a life that ended by itself: all before it was synced. With the time.
    End(u64),
    /// A whole snapshot stands before it in this life, and was synced.
    Whole,
    /// The time, in Unix milliseconds.
    Time(u64),
}

/// Whose segment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentBegin {
    /// Names the run of the machine; 0: unknown.
    pub(crate) boot: u128,
    /// Names the life of the process: when it began, in Unix milliseconds.
    pub(crate) life: u64,
    /// The time, in Unix milliseconds.
    pub(crate) now_ms: u64,
    /// How long the segment before this one is; what stands behind that counts no more.
    pub(crate) previous: u64,
    /// Whether each write was synced before it was acknowledged.
    pub(crate) is_always: bool,
    /// Something that was acknowledged before may be missing, until a whole snapshot is written.
    pub(crate) has_lost: bool,
}

/// What a frame carries.
#[derive(Debug)]
pub(crate) enum LogEntry {
    /// Of the log itself.
    Mark(Mark),
    /// Of whoever keeps something in it.
    Record(Record),
}

const BEGIN: u8 = 1;
const END: u8 = 2;
const WHOLE: u8 = 3;
const TIME: u8 = 4;
const SECRET: u8 = 16;
const PUBLICATION: u8 = 17;
const STREAM: u8 = 18;
const ITEM: u8 = 19;
const KEY: u8 = 20;
const REMOVED: u8 = 21;
const ENDED: u8 = 22;
const ENDED_SHARES: u8 = 23;
const REVOCATION: u8 = 24;
const PUSH: u8 = 25;
const POLL: u8 = 26;
const ENDED_AT: u8 = 27;

/// Flags of an item.
const BINARY: u8 = 1;
const FOLLOWS: u8 = 2;
const INFO: u8 = 4;
const TAGS: u8 = 8;

#[cfg(test)]
mod tests;
