//! Names of streams that can be made again: of a channel to which nothing was published, the name
//! is a hash of the channel's, so that a position which was only read need not be kept to be good.
//!
//! A stream that was published to and is forgotten must not come back under its name, or an offset
//! would be given twice. So its end changes the names of what is begun later in its share of the
//! channels, one of [`SHARES`]. A store keeps the secret and the counts, and so all these names.

use std::{
    hash::Hasher as _,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use siphasher::sip::SipHasher13;

use crate::id::Epoch;

/// Shares that channels are spread over: the fewer channels in one, the fewer unused positions are
/// lost with the end of a stream. Memory: four bytes each.
const SHARES: usize = 1 << 16;

/// What follows the channel in what is hashed, so that no two hashes are of the same bytes: no
/// channel has such a byte, which UTF-8 does not know.
const NAME: u8 = 0xfe;
const SHARE: u8 = 0xff;

/// The names of all streams of a broker.
#[derive(Clone)]
pub(super) struct Epochs {
    /// Keyed by the secret.
    hasher: SipHasher13,
    /// Streams that ended in each share. The streams of one channel come and go under one lock.
    ended: Arc<[AtomicU32]>,
}

impl Epochs {
    pub(super) fn new(secret: u128) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(&secret.to_le_bytes()),
            ended: (0..SHARES).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// The same counts under another secret: no name of before comes back.
    pub(super) fn renewed(&self, secret: u128) -> Self {
        Self {
            hasher: SipHasher13::new_with_key(&secret.to_le_bytes()),
            ended: self.ended.clone(),
        }
    }

    fn hash(&self, channel: &str, what: u8, number: u32) -> u64 {
        let mut hasher = self.hasher;
        hasher.write(channel.as_bytes());
        let [a, b, c, d] = number.to_le_bytes();
        hasher.write(&[what, a, b, c, d]);
        hasher.finish()
    }

    fn share(&self, channel: &str) -> u32 {
        (self.hash(channel, SHARE, 0) % SHARES as u64) as u32
    }

    /// How many streams have ended in a share.
    pub(super) fn count(&self, share: u32) -> u32 {
        let place = self.ended.get(share as usize);
        place.map_or(0, |count| count.load(Relaxed))
    }

    /// The name of a stream that begins now.
    pub(super) fn of(&self, channel: &str) -> Epoch {
        let ended = self.count(self.share(channel));
        Epoch::of_bits(self.hash(channel, NAME, ended))
    }

    /// A stream that was published to is forgotten: the share, and how many have ended in it now. A
    /// count that was lost with a process may be lower than the one that the stream was named by:
    /// it goes on until the channel's next stream has another name.
    pub(super) fn end(&self, channel: &str, epoch: Epoch) -> (u32, u32) {
        let share = self.share(channel);
        loop {
            let before = self.ended[share as usize].fetch_add(1, Relaxed);
            let count = before.wrapping_add(1);
            if Epoch::of_bits(self.hash(channel, NAME, count)) != epoch {
                return (share, count);
            }
        }
    }

    /// A stream of a channel has ended before, as so many had in its share then.
    pub(super) fn restore_end(&self, channel: &str, count: u32) {
        self.restore(&[(self.share(channel), count)]);
    }

    /// The shares in which streams have ended, with how many.
    pub(super) fn ended(&self) -> Vec<(u32, u32)> {
        let counts = self.ended.iter().map(|count| count.load(Relaxed));
        let counts = counts.enumerate().filter(|(_, count)| *count > 0);
        counts.map(|(share, count)| (share as u32, count)).collect()
    }

    /// Takes the counts of before; those of now are not lowered.
    pub(super) fn restore(&self, ended: &[(u32, u32)]) {
        for (share, count) in ended {
            if let Some(place) = self.ended.get(*share as usize) {
                place.fetch_max(*count, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_until_a_stream_of_its_share_has_ended() {
        let epochs = Epochs::new(7);
        let first = epochs.of("a");
        assert_eq!(epochs.of("a"), first);
        assert_ne!(epochs.of("b"), first);
        let others: Vec<_> = (0..1000).map(|n| epochs.of(&format!("c{n}"))).collect();
        epochs.end("a", first);
        assert_ne!(epochs.of("a"), first);
        let names = others.iter().enumerate();
        let same = names.filter(|(n, name)| epochs.of(&format!("c{n}")) == **name);
        assert!(same.count() > 950, "one share of many");
    }

    // Counts of channels of one share are written by whoever ends first: a kill between may lose
    // the one that another stream was named by.
    #[test]
    fn a_stream_whose_count_was_lost_gives_its_name_to_no_other() {
        let epochs = Epochs::new(7);
        epochs.end("a", epochs.of("a"));
        let second = epochs.of("a");
        let again = Epochs::new(7);
        again.end("a", second);
        assert_ne!(again.of("a"), second);
    }

    #[test]
    fn names_and_counts_can_be_made_again_and_others_cannot_be_guessed_from_them() {
        let epochs = Epochs::new(7);
        for channel in ["a", "b", "b"] {
            epochs.end(channel, epochs.of(channel));
        }
        let again = Epochs::new(7);
        again.restore(&epochs.ended());
        for channel in ["a", "b", "c"] {
            assert_eq!(again.of(channel), epochs.of(channel));
            assert_ne!(again.renewed(8).of(channel), epochs.of(channel));
        }
    }
}
