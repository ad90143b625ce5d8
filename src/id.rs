//! Identifiers as newtypes. An id exists only once the thing it names does: there is no "not yet" value.

use std::fmt;

use uuid::Uuid;

/// Names one session for its whole life; random (UUID version 4), so that it can be told to clients
/// without telling them how many others there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Makes a new id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// A number from 0 to below 1 that is spread evenly over all ids, to spread what must not happen at once.
    #[must_use]
    pub fn fraction(self) -> f64 {
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

/// Number of a shard, which is the number of its worker thread: 0 up to `workers` − 1, plus one for each
/// worker that actix-server had to start anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
