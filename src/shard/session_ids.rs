//! The sessions of a shard by their ids: a table of their places alone, since the id stands in the
//! entry there. Owned by the shard's state, which enters a session when it has its place and takes
//! it out while it still has it. Bound: one place of four bytes a session.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use slab::Slab;

use super::entry::SessionEntry;
use crate::{id::SessionId, registry::SessionKey};

/// Places of sessions, to be asked for by id.
#[derive(Default)]
pub(super) struct SessionIds {
    places: HashTable<SessionKey>,
    hasher: RandomState,
}

impl SessionIds {
    pub(super) fn find(&self, id: SessionId, sessions: &Slab<SessionEntry>) -> Option<SessionKey> {
        let hash = self.hasher.hash_one(id);
        let found = self.places.find(hash, |&key| is(id, key, sessions));
        found.copied()
    }

    /// Enters a session that has its place.
    pub(super) fn insert(&mut self, id: SessionId, key: SessionKey, sessions: &Slab<SessionEntry>) {
        let Self { places, hasher } = self;
        places.insert_unique(hasher.hash_one(id), key, |&key| {
            let entry = sessions.get(key as usize);
            entry.map_or(0, |entry| hasher.hash_one(entry.id()))
        });
    }

    /// Takes a session out that still has its place.
    pub(super) fn remove(&mut self, id: SessionId, sessions: &Slab<SessionEntry>) {
        let hash = self.hasher.hash_one(id);
        let found = self.places.find_entry(hash, |&key| is(id, key, sessions));
        if let Ok(entry) = found {
            entry.remove();
        }
    }
}

fn is(id: SessionId, key: SessionKey, sessions: &Slab<SessionEntry>) -> bool {
    let entry = sessions.get(key as usize);
    entry.is_some_and(|entry| entry.id() == id)
}
