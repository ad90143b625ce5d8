//! Keys that were used, with the places of their publications, until their time is over. Pure data.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use super::bounds::KeyRoom;
use crate::{
    broker::memory::now::Now,
    id::{Epoch, StreamPosition},
    store,
};

/// Keys that are let go of in one turn.
pub(super) const KEYS_A_TURN: usize = 1024;

/// Room that is not worth a copy to give back; there are as many tables as locks.
const ROOM_MIN: usize = 64;

/// A key as it is known: a hash of channel and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker::memory) struct KeyId(pub(in crate::broker::memory) u128);

/// What is known of one.
pub(super) struct Used {
    pub(super) end: Instant,
    /// Of the publication; without an epoch where the channel keeps no history.
    pub(super) position: StreamPosition,
    /// Given back with the entry.
    pub(super) room: KeyRoom,
}

/// Keys with their ends.
#[derive(Default)]
pub(super) struct KeyTable {
    pub(super) known: HashMap<KeyId, Used>,
    /// In the order of their end, since all are kept equally long.
    order: VecDeque<KeyId>,
}

impl KeyTable {
    pub(super) fn get(&self, key: KeyId, now: Instant) -> Option<Option<StreamPosition>> {
        let used = self.known.get(&key).filter(|used| used.end > now)?;
        Some(Some(used.position).filter(|position| !position.epoch.is_none()))
    }

    pub(super) fn insert(&mut self, key: KeyId, used: Used) {
        self.known.insert(key, used);
        self.order.push_back(key);
    }

    pub(super) fn let_go(&mut self, keys_max: usize, now: Instant) {
        for _ in 0..keys_max {
            let Some(key) = self.order.front() else {
                break;
            };
            if self.known.get(key).is_some_and(|used| used.end > now) {
                break;
            }
            self.known.remove(key);
            self.order.pop_front();
        }
        let (len, capacity) = (self.known.len(), self.known.capacity());
        // A quarter more keys than are left then would make it double again.
        let is_large = capacity > ROOM_MIN && len * 5 < capacity * 2;
        if is_large || len == 0 {
            self.known.shrink_to_fit();
            self.order.shrink_to_fit();
        }
    }

    pub(super) fn records(&self, now: Now) -> impl Iterator<Item = store::KeyRecord> {
        let counting = self
            .known
            .iter()
            .filter(move |(_, used)| used.end > now.instant);
        counting.map(move |(id, used)| store::KeyRecord {
            id: id.0,
            owner: used.room.owner(),
            expires_ms: now.unix_of(used.end),
            position: Some(used.position).filter(|position| !position.epoch.is_none()),
        })
    }
}

/// How an entry has a place, or that there is none.
pub(super) fn placed(position: Option<StreamPosition>) -> StreamPosition {
    position.unwrap_or(StreamPosition {
        offset: 0,
        epoch: Epoch::NONE,
    })
}
