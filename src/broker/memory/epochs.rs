//! Names of streams that can be made again: of a channel to which nothing was published, the name is
//! a hash of the channel's, so that a position which was only read need not be kept to be good.
//!
//! A stream that was published to and is forgotten must not come back under its name, or an offset
//! would be given twice. So its end changes the names of what is begun later in its share of the
//! channels, one of [`SHARES`] under each lock. A store on disk keeps the secret and the counts.

use std::hash::{BuildHasher, RandomState};

use crate::id::Epoch;

/// Shares that channels are spread over under one lock: the fewer channels in one, the fewer
/// unused positions are lost with the end of a stream. Memory: four bytes each.
const SHARES: usize = 1024;

/// The names of the streams under one lock.
#[derive(Clone)]
pub(super) struct Epochs {
    secret: RandomState,
    /// Streams that ended in each share.
    ended: Box<[u32]>,
}

impl Epochs {
    pub(super) fn new() -> Self {
        Self {
            secret: RandomState::new(),
            ended: vec![0; SHARES].into(),
        }
    }

    fn share(&self, channel: &str) -> usize {
        (self.secret.hash_one((channel, "share")) % SHARES as u64) as usize
    }

    /// The name of a stream that begins now.
    pub(super) fn of(&self, channel: &str) -> Epoch {
        let ended = self.ended[self.share(channel)];
        Epoch::of_bits(self.secret.hash_one((channel, ended)))
    }

    /// A stream that was published to is forgotten.
    pub(super) fn end(&mut self, channel: &str) {
        let share = self.share(channel);
        self.ended[share] = self.ended[share].wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_until_a_stream_of_its_share_has_ended() {
        let mut epochs = Epochs::new();
        let first = epochs.of("a");
        assert_eq!(epochs.of("a"), first);
        assert_ne!(epochs.of("b"), first);
        let others: Vec<_> = (0..1000).map(|n| epochs.of(&format!("c{n}"))).collect();
        epochs.end("a");
        assert_ne!(epochs.of("a"), first);
        let names = others.iter().enumerate();
        let same = names.filter(|(n, name)| epochs.of(&format!("c{n}")) == **name);
        assert!(same.count() > 950, "one share of many");
    }
}
