//! The bytes of a segment: a header, then frames, each with its length and its checksum. Pure; the
//! reader takes any bytes and says what in them is whole, what was torn off, and what is damaged.
//!
//! ```text
//! header: "fanfare\n", version u32, tag u32
//! frame:  tag u32, length u32 (its highest bit: last of its batch), crc32 u32, batch u32, body
//! ```
//!
//! All little-endian; the checksum is of length, batch and body. The tag is drawn for each segment,
//! so that frames can be found behind damage. A *batch* is what is written, and where each write is
//! synced, what is acknowledged at once: only frames of the last one may be missing without a loss.

use crc32fast::Hasher;

/// What a segment begins with.
const MAGIC: &[u8; 8] = b"fanfare\n";
/// The format of today.
pub const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a frame before its body.
pub const FRAME_BYTES: usize = 16;
/// Where in a frame its batch stands, right before the body.
const BATCH_AT: usize = 12;
/// In a frame's length: the last one of its batch.
const LAST: u32 = 1 << 31;

/// The header of a segment.
#[must_use]
pub fn header(tag: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..].copy_from_slice(&tag.to_le_bytes());
    header
}

/// Of which segment and batch a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlace {
    /// The segment's tag.
    pub tag: u32,
    /// Number of the batch in its segment.
    pub batch: u32,
    /// Whether it is the batch's last.
    pub last: bool,
}

/// Writes a frame with the body that `body` writes.
pub fn put_frame(out: &mut Vec<u8>, place: FramePlace, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    body(out);
    let frame = &mut out[start..];
    // No record is as large as that: messages are bounded far below.
    let length = u32::try_from(frame.len() - FRAME_BYTES).unwrap_or(u32::MAX) & !LAST;
    let length = (length | if place.last { LAST } else { 0 }).to_le_bytes();
    frame[..4].copy_from_slice(&place.tag.to_le_bytes());
    frame[4..8].copy_from_slice(&length);
    // Once more, where the checksum comes: so all that it is of stands together.
    frame[8..BATCH_AT].copy_from_slice(&length);
    frame[BATCH_AT..FRAME_BYTES].copy_from_slice(&place.batch.to_le_bytes());
    let checksum = crc32fast::hash(&frame[8..]);
    frame[8..BATCH_AT].copy_from_slice(&checksum.to_le_bytes());
}

/// Of a frame's length, and of its batch and body, which stand together.
fn checksum(length: u32, batch_and_body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(batch_and_body);
    hasher.finalize()
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// A frame that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFrame<'a> {
    /// Number of its batch.
    pub batch: u32,
    /// Whether it is the batch's last.
    pub last: bool,
    /// What it carries.
    pub body: &'a [u8],
}

/// The frame at a place, if a whole one is there.
fn frame_at(bytes: &[u8], tag: u32, at: usize) -> Option<SegmentFrame<'_>> {
    if word(bytes, at)? != tag {
        return None;
    }
    let (length, expected) = (word(bytes, at + 4)?, word(bytes, at + 8)?);
    let batch = word(bytes, at + BATCH_AT)?;
    let end = (at + FRAME_BYTES).checked_add((length & !LAST) as usize)?;
    let batch_and_body = bytes.get(at + BATCH_AT..end)?;
    (checksum(length, batch_and_body) == expected).then_some(SegmentFrame {
        batch,
        last: length & LAST != 0,
        body: &batch_and_body[FRAME_BYTES - BATCH_AT..],
    })
}

/// Why bytes cannot be read as a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Nothing was written: the file was begun, and no more.
    Empty,
    /// It is of another version of the format.
    Version(u32),
    /// It is no segment, and no frame is found behind the header.
    NoSegment,
}

/// What a segment's bytes turned out to be, once all was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentOutcome {
    /// Where the last whole frame ends that is followed by none behind damage.
    pub good: usize,
    /// Bytes behind it that are no frame: the last write was not finished.
    pub torn: bool,
    /// Something that was written whole cannot be read.
    pub damaged: bool,
}

/// Reads the frames of a segment, in order; afterwards [`outcome`](Self::outcome) tells how it was.
#[derive(Debug)]
pub struct SegmentReader<'a> {
    bytes: &'a [u8],
    tag: u32,
    at: usize,
    /// The lowest batch whose frames show that the one before them was finished.
    next: u32,
    outcome: SegmentOutcome,
}

impl<'a> SegmentReader<'a> {
    /// Of a segment's bytes, all or the first of them.
    ///
    /// # Errors
    /// Nothing was written yet, the segment is of another version, or the bytes are no segment.
    pub fn new(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let reader = |tag, damaged| Self {
            bytes,
            tag,
            at: HEADER_BYTES,
            next: 2,
            outcome: SegmentOutcome {
                good: HEADER_BYTES,
                torn: false,
                damaged,
            },
        };
        let (version, tag) = (word(bytes, 8), word(bytes, 12));
        if let (true, Some(version), Some(tag)) = (bytes.starts_with(MAGIC), version, tag) {
            return match version {
                VERSION => Ok(reader(tag, false)),
                other => Err(HeaderError::Version(other)),
            };
        }
        // A frame right behind a header that cannot be read says the tag again.
        let again = word(bytes, HEADER_BYTES).filter(|&tag| tag != 0);
        match again.filter(|&tag| frame_at(bytes, tag, HEADER_BYTES).is_some()) {
            Some(tag) => Ok(reader(tag, true)),
            None if bytes.iter().all(|&byte| byte == 0) => Err(HeaderError::Empty),
            None => Err(HeaderError::NoSegment),
        }
    }

    /// How the segment was, as far as it was read.
    #[must_use]
    pub fn outcome(&self) -> SegmentOutcome {
        self.outcome
    }

    /// Where the next whole frame stands, if it or one behind it shows a finished batch before it.
    fn search(&self) -> Option<usize> {
        let tag = self.tag.to_le_bytes();
        let rest = self.bytes.get(self.at + 1..)?;
        let places = rest.windows(4).enumerate();
        let places = places.filter(|(_, four)| **four == tag);
        let frames = places.filter_map(|(at, _)| {
            let at = self.at + 1 + at;
            frame_at(self.bytes, self.tag, at).map(|frame| (at, frame))
        });
        let mut first = None;
        for (at, frame) in frames {
            let first = *first.get_or_insert(at);
            // Frames of the batch that was being written may stand there in any number.
            if frame.batch >= self.next {
                return Some(first);
            }
        }
        None
    }
}

impl<'a> Iterator for SegmentReader<'a> {
    type Item = SegmentFrame<'a>;

    fn next(&mut self) -> Option<SegmentFrame<'a>> {
        let frame = loop {
            if let Some(frame) = frame_at(self.bytes, self.tag, self.at) {
                break frame;
            }
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            if rest.iter().all(|&byte| byte == 0) {
                self.at = self.bytes.len();
                return None;
            }
            let Some(at) = self.search() else {
                self.outcome.torn = true;
                self.at = self.bytes.len();
                return None;
            };
            self.outcome.damaged = true;
            self.at = at;
        };
        self.at += FRAME_BYTES + frame.body.len();
        self.outcome.good = self.at;
        // Behind the last frame of a batch the next one may be the one that was being written.
        self.next = frame.batch.saturating_add(1 + u32::from(frame.last));
        Some(frame)
    }
}

#[cfg(test)]
#[path = "tests/segment.rs"]
mod tests;
