//! Keys that were used, with the places of their publications, until their time is over. Pure data.
//!
//! They lie in the order of their end, and an index finds them by their hash. The line grows by an
//! eighth and gives back what is more than a quarter: a table that doubles keeps twice what it
//! needs once a flood has passed, and there are as many tables as locks.

use std::{collections::VecDeque, time::Instant};

use hashbrown::HashTable;

use super::bounds::KeyRoom;
use crate::{
    broker::memory::now::Now,
    id::{Epoch, StreamPosition},
    store,
};

/// Keys that are let go of in one turn.
pub(super) const KEYS_A_TURN: usize = 1024;

/// Entries that the line grows by at least, and whose room is not worth a copy to give back.
const ROOM_MIN: usize = 16;

/// A key as it is known: a hash of channel and key, by a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker::memory) struct KeyId(pub(in crate::broker::memory) u128);

impl KeyId {
    /// It is a hash already; these are some of its bits.
    fn hash(self) -> u64 {
        self.0 as u64
    }
}

/// A key that was used, and what is known of it.
pub(super) struct Used {
    pub(super) id: KeyId,
    pub(super) end: Instant,
    /// Of the publication; without an epoch where the channel keeps no history.
    pub(super) position: StreamPosition,
    /// Given back with the entry.
    pub(super) room: KeyRoom,
}

/// Where a key lies, counted from the first that ever was; it wraps.
type Place = u32;

/// Keys with their ends.
#[derive(Default)]
pub(super) struct KeyTable {
    /// One entry for each key: of one that was used again, the newest.
    places: HashTable<Place>,
    /// In the order of their end, since all are kept equally long.
    line: VecDeque<Used>,
    /// The place of the first in the line.
    first: Place,
}

impl KeyTable {
    /// How many keys are held.
    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    pub(super) fn get(&self, key: KeyId, now: Instant) -> Option<Option<StreamPosition>> {
        let used = self.find(key).filter(|used| used.end > now)?;
        Some(Some(used.position).filter(|position| !position.epoch.is_none()))
    }

    /// Whether a key is held, its time over or not.
    pub(super) fn holds(&self, key: KeyId) -> bool {
        self.find(key).is_some()
    }

    fn find(&self, key: KeyId) -> Option<&Used> {
        let (line, first) = (&self.line, self.first);
        let place = self.places.find(key.hash(), |&place| {
            at(line, first, place).is_some_and(|used| used.id == key)
        });
        at(line, first, *place?)
    }

    /// Makes room for so many more at once.
    pub(super) fn reserve(&mut self, keys: usize) {
        self.line.reserve_exact(keys);
    }

    pub(super) fn insert(&mut self, used: Used) {
        if self.line.len() == self.line.capacity() {
            self.line.reserve_exact(ROOM_MIN.max(self.line.len() / 8));
        }
        let key = used.id;
        let place = self.first.wrapping_add(self.line.len() as Place);
        self.line.push_back(used);
        let (line, first) = (&self.line, self.first);
        let is_key = |&place: &Place| at(line, first, place).is_some_and(|used| used.id == key);
        let hash = |&place: &Place| at(line, first, place).map_or(0, |used| used.id.hash());
        match self.places.entry(key.hash(), is_key, hash) {
            hashbrown::hash_table::Entry::Occupied(mut known) => *known.get_mut() = place,
            hashbrown::hash_table::Entry::Vacant(free) => {
                free.insert(place);
            }
        }
    }

    pub(super) fn let_go(&mut self, keys_max: usize, now: Instant) {
        for _ in 0..keys_max {
            if self.line.front().is_none_or(|used| used.end > now) {
                break;
            }
            let Some(used) = self.line.pop_front() else {
                break;
            };
            let here = self.first;
            self.first = here.wrapping_add(1);
            // Of a key that was used again the newest stays known.
            let known = self
                .places
                .find_entry(used.id.hash(), |&place| place == here);
            if let Ok(known) = known {
                known.remove();
            }
        }
        self.shrink();
    }

    /// Gives back what is free beyond some.
    pub(super) fn shrink(&mut self) {
        let len = self.line.len();
        let free = self.line.capacity() - len;
        if len == 0 || free > (2 * ROOM_MIN).max(len / 4) {
            self.line.shrink_to(len + len / 8);
        }
        let (len, capacity) = (self.places.len(), self.places.capacity());
        // A quarter more keys than are left then would make it double again.
        let is_large = capacity > 4 * ROOM_MIN && len * 5 < capacity * 2;
        if is_large || len == 0 {
            let (line, first) = (&self.line, self.first);
            let hash = |&place: &Place| at(line, first, place).map_or(0, |used| used.id.hash());
            self.places.shrink_to_fit(hash);
        }
    }

    pub(super) fn records(&self, now: Now) -> impl Iterator<Item = store::KeyRecord> {
        let counting = self.line.iter().filter(move |used| used.end > now.instant);
        counting.map(move |used| store::KeyRecord {
            id: used.id.0,
            owner: used.room.owner(),
            expires_ms: now.unix_of(used.end),
            position: Some(used.position).filter(|position| !position.epoch.is_none()),
        })
    }

    /// Entries that the line has room for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.line.capacity()
    }

    /// Bytes of the line and the index.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.line.capacity() * size_of::<Used>() + self.places.allocation_size()
    }
}

/// What lies at a place of a line that begins with `first`.
fn at(line: &VecDeque<Used>, first: Place, place: Place) -> Option<&Used> {
    line.get(place.wrapping_sub(first) as usize)
}

/// How an entry has a place, or that there is none.
pub(super) fn placed(position: Option<StreamPosition>) -> StreamPosition {
    position.unwrap_or(StreamPosition {
        offset: 0,
        epoch: Epoch::NONE,
    })
}
