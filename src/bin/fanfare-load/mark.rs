//! The mark in each message, by which it is known again whatever a protocol wraps around it.
//!
//! 24 bytes that need no escape in JSON, in an address or in an event: four that begin it, then the
//! run, the stream, the message's number in it and the time at which it was to leave, in digits of
//! six bits, then one that ends it. Found by looking for its beginning, so that no envelope has to
//! be parsed; a message that a publisher's server cuts, escapes or compresses inside is not found.

/// What a message of ours begins with.
const BEGIN: &[u8] = b"~fl:";
const END: u8 = b'~';
/// The size of a mark, and so of the smallest message.
pub(crate) const MARK_BYTES: usize = 24;

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// The value of a byte that is no digit.
const NONE: u8 = 64;
const VALUES: [u8; 256] = values();

const RUN_DIGITS: usize = 2;
const STREAM_DIGITS: usize = 4;
const NUMBER_DIGITS: usize = 6;
const TIME_DIGITS: usize = 7;

/// How many streams a mark can tell apart.
pub(crate) const STREAMS_MAX: usize = 1 << (6 * STREAM_DIGITS);
/// The runs that a mark can tell apart.
pub(crate) const RUN_MAX: u16 = (1 << (6 * RUN_DIGITS)) - 1;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// A random word of the run: what an earlier one left in a history is not ours.
    pub run: u16,
    /// The order in which messages are counted: a channel, and who publishes into it.
    pub stream: u32,
    /// Counts the stream's messages from 0.
    pub number: u64,
    /// When it was to leave, in the run's microseconds.
    pub time: u64,
}

impl Mark {
    /// Appends a message of `size` bytes: the mark, then filling.
    pub(crate) fn put(&self, out: &mut Vec<u8>, size: usize) {
        let start = out.len();
        out.extend_from_slice(BEGIN);
        digits(out, u64::from(self.run), RUN_DIGITS);
        digits(out, u64::from(self.stream), STREAM_DIGITS);
        digits(out, self.number, NUMBER_DIGITS);
        digits(out, self.time, TIME_DIGITS);
        out.push(END);
        out.resize(start + size.max(MARK_BYTES), b'.');
    }

    /// The mark at the start of `bytes`.
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..MARK_BYTES)?;
        if !bytes.starts_with(BEGIN) || bytes[MARK_BYTES - 1] != END {
            return None;
        }
        let mut at = BEGIN.len();
        let mut next = |count: usize| {
            let value = number(&bytes[at..at + count]);
            at += count;
            value
        };
        Some(Self {
            // The digits bound both: 12 and 24 bits.
            run: next(RUN_DIGITS)? as u16,
            stream: next(STREAM_DIGITS)? as u32,
            number: next(NUMBER_DIGITS)?,
            time: next(TIME_DIGITS)?,
        })
    }
}

/// The marks in some bytes, in their order.
pub(crate) fn marks(bytes: &[u8]) -> impl Iterator<Item = Mark> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let place = memchr::memchr(BEGIN[0], rest)?;
            rest = &rest[place..];
            if let Some(mark) = Mark::read(rest) {
                rest = &rest[MARK_BYTES..];
                return Some(mark);
            }
            rest = &rest[1..];
        }
    })
}

fn digits(out: &mut Vec<u8>, value: u64, count: usize) {
    for place in (0..count).rev() {
        out.push(DIGITS[(value >> (6 * place)) as usize & 63]);
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0, |sum, byte| {
        let value = VALUES[usize::from(*byte)];
        (value != NONE).then_some(sum << 6 | u64::from(value))
    })
}

const fn values() -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut place = 0;
    while place < DIGITS.len() {
        values[DIGITS[place] as usize] = place as u8;
        place += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        run: 4_000,
        stream: 16_000_000,
        number: 60_000_000_000,
        time: 4_000_000_000_000,
    };

    #[test]
    fn marks_are_found_wherever_they_stand() {
        let mut bytes = b"42[\"~\",\"~fl".to_vec();
        MARK.put(&mut bytes, 64);
        bytes.extend_from_slice(b"~~fl:");
        let other = Mark { number: 1, ..MARK };
        other.put(&mut bytes, 0);
        assert_eq!(marks(&bytes).collect::<Vec<_>>(), [MARK, other]);
    }

    #[test]
    fn what_is_cut_or_altered_is_no_mark() {
        let mut bytes = Vec::new();
        MARK.put(&mut bytes, 0);
        assert_eq!(bytes.len(), MARK_BYTES);
        assert_eq!(marks(&bytes[..MARK_BYTES - 1]).count(), 0);
        bytes[9] = b'"';
        assert_eq!(marks(&bytes).count(), 0);
    }
}
