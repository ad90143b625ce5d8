//! Identifiers as newtypes. An id exists only once the thing it names does: there is no "not yet"
//! value.

use std::fmt;

use uuid::Uuid;

/// Names one session for its whole life; random (UUID version 4), so that it can be told to clients
/// without telling them how many others there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Makes a new id.
    #[must_use]
    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// A number from 0 to below 1 that is spread evenly over all ids, to spread what must not
    /// happen at once.
    #[must_use]
    pub(crate) fn fraction(self) -> f64 {
        // The last 32 bits of a version 4 UUID are random.
        f64::from(self.0.as_u128() as u32) / (f64::from(u32::MAX) + 1.0)
    }

    /// Reads the form that [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Number of a shard, which is the number of its worker thread: 0 up to `workers` − 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a channel's stream: offsets only compare within one epoch. Shown as up to 13 letters and
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Epoch(u64);

const EPOCH_DIGITS: &[u8; 32] = b"0123456789abcdefghijkmnpqrstuvwx";

impl Epoch {
    /// No stream: the channel keeps no history.
    pub(crate) const NONE: Self = Self(0);

    /// Any one, for tests.
    #[cfg(test)]
    pub(crate) fn random() -> Self {
        Self::of_bits(Uuid::new_v4().as_u128() as u64)
    }

    /// Of these bits, which nobody can guess: no node continues another's offsets by chance.
    #[must_use]
    pub(crate) fn of_bits(bits: u64) -> Self {
        // 40 bits: 8 characters on the wire, and the chance that a stream gets its predecessor's
        // name is one in 10^12.
        Self((bits & ((1 << 40) - 1)) | 1 << 39)
    }

    /// The number that it is, for what is kept on disk.
    #[must_use]
    pub(crate) fn to_number(self) -> u64 {
        self.0
    }

    /// The epoch that a number of [`to_number`](Self::to_number) stands for.
    #[must_use]
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Whether it names no stream.
    #[must_use]
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Reads the form that [`Display`](fmt::Display) writes; anything else is no epoch of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > 12 {
            return None;
        }
        text.bytes()
            .try_fold(0u64, |value, byte| {
                let digit = EPOCH_DIGITS.iter().position(|&digit| digit == byte)?;
                Some(value << 5 | digit as u64)
            })
            .map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 13];
        let (mut rest, mut start) = (self.0, digits.len());
        while rest > 0 {
            start -= 1;
            digits[start] = EPOCH_DIGITS[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&digits[start..]).unwrap_or_default())
    }
}

/// A place in a channel's stream: the newest publication seen, 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamPosition {
    /// Offset of the newest publication.
    pub offset: u64,
    /// The stream that the offset counts in.
    pub(crate) epoch: Epoch,
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.offset, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_survive_being_written_and_read() {
        for _ in 0..100 {
            let epoch = Epoch::random();
            assert_eq!(Epoch::parse(&epoch.to_string()), Some(epoch));
        }
        for bad in ["", "l", "-a", "A", " a", "aaaaaaaaaaaaa"] {
            assert_eq!(Epoch::parse(bad), None, "{bad}");
        }
    }
}
