//! Tables by the names of channels, for those who ask several of them about one channel: its name
//! is hashed once ([`Names::hashed`]), and the hash goes along.
//!
//! Whoever publishes chooses the names, so the hash is the standard library's, keyed by a secret of
//! the process: nobody makes two names fall together. Pure data, without a bound of its own.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::registry::ChannelName;

/// How names are hashed: all tables of one have the same hashes.
#[derive(Clone, Default)]
pub(crate) struct Names(RandomState);

/// A channel's name with its hash.
#[derive(Clone, Copy)]
pub(crate) struct Hashed<'a> {
    pub(crate) name: &'a ChannelName,
    hash: u64,
}

impl Names {
    /// Hashes a name.
    pub(crate) fn hashed<'a>(&self, name: &'a ChannelName) -> Hashed<'a> {
        let hash = self.0.hash_one(name);
        Hashed { name, hash }
    }
}

impl<'a> Hashed<'a> {
    /// One of `parts`, a power of two at most 2¹⁶, that the names are spread over.
    pub(crate) fn part(self, parts: usize) -> usize {
        // Bits that a table looks at in none of its places: it takes the lowest and the highest.
        (self.hash >> 32) as usize % parts
    }

    /// The hash alone, for whoever has the name.
    pub(crate) fn hash(self) -> u64 {
        self.hash
    }

    /// The same again, from both.
    pub(crate) fn again(name: &'a ChannelName, hash: u64) -> Self {
        Self { name, hash }
    }
}

/// Room that is not worth a copy to give back; there are as many tables as locks, and sooner or
/// later each has its flood.
const ROOM_MIN: usize = 64;

/// Something by the name of a channel.
pub(crate) struct ByName<T> {
    table: HashTable<(ChannelName, T)>,
    names: Names,
}

impl<T> ByName<T> {
    /// A table for the hashes of `names`.
    pub(crate) fn new(names: Names) -> Self {
        Self {
            table: HashTable::new(),
            names,
        }
    }

    /// Hashes a name, for those who have it without.
    pub(crate) fn hashed<'a>(&self, name: &'a ChannelName) -> Hashed<'a> {
        self.names.hashed(name)
    }

    /// What is there, with the name as it is kept here.
    pub(crate) fn get(&self, key: Hashed<'_>) -> Option<(&ChannelName, &T)> {
        let found = self.table.find(key.hash, |(name, _)| *name == *key.name)?;
        Some((&found.0, &found.1))
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, key: Hashed<'_>) -> Option<(&ChannelName, &mut T)> {
        let is_it = |(name, _): &(ChannelName, T)| *name == *key.name;
        let found = self.table.find_mut(key.hash, is_it)?;
        Some((&found.0, &mut found.1))
    }

    /// Whether there is something.
    pub(crate) fn contains(&self, key: Hashed<'_>) -> bool {
        self.get(key).is_some()
    }

    /// What is there, or what `make` makes, under the name that it gives.
    pub(crate) fn get_or_insert_with(
        &mut self,
        key: Hashed<'_>,
        make: impl FnOnce() -> (ChannelName, T),
    ) -> (&ChannelName, &mut T) {
        let names = &self.names;
        let entry = self.table.entry(
            key.hash,
            |(name, _)| *name == *key.name,
            |(name, _)| names.hashed(name).hash,
        );
        let found = entry.or_insert_with(make).into_mut();
        (&found.0, &mut found.1)
    }

    /// Takes out what is there.
    pub(crate) fn remove(&mut self, key: Hashed<'_>) -> Option<T> {
        self.remove_if(key, |_| true)
    }

    /// Takes out what is there if `change` says so.
    pub(crate) fn remove_if(
        &mut self,
        key: Hashed<'_>,
        change: impl FnOnce(&mut T) -> bool,
    ) -> Option<T> {
        let is_it = |(name, _): &(ChannelName, T)| *name == *key.name;
        let mut found = self.table.find_entry(key.hash, is_it).ok()?;
        change(&mut found.get_mut().1).then(|| found.remove().0.1)
    }

    /// How many channels it has an entry for.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many it has room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ChannelName, &T)> {
        self.table.iter().map(|(name, value)| (name, value))
    }

    /// Gives room back once most of it is free.
    pub(crate) fn shrink(&mut self) {
        let (len, capacity) = (self.table.len(), self.table.capacity());
        if capacity > ROOM_MIN && len * 4 < capacity {
            let names = &self.names;
            self.table
                .shrink_to(len * 2, |(name, _)| names.hashed(name).hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A hash that is carried must find what another one made of the same name, also after the table
    // has grown and shrunk; names of one part must not fall together in its table.
    #[test]
    fn a_hash_of_a_name_finds_it_in_all_tables_of_the_same_names() {
        let names = Names::default();
        let all: Vec<_> = (0..5000)
            .map(|number| ChannelName::from(format!("c{number}")))
            .collect();
        let mut tables = [ByName::new(names.clone()), ByName::new(names.clone())];
        for (number, name) in all.iter().enumerate() {
            let key = names.hashed(name);
            let make = || (name.clone(), number);
            tables[key.part(2)].get_or_insert_with(key, make);
        }
        for (number, name) in all.iter().enumerate() {
            let key = Hashed::again(name, names.hashed(name).hash());
            let (here, other) = (key.part(2), 1 - key.part(2));
            let found = tables[here].get(key).map(|(_, value)| *value);
            assert_eq!(found, Some(number));
            assert!(!tables[other].contains(key));
            assert_eq!(tables[here].remove_if(key, |_| false), None);
            if number > 100 {
                assert_eq!(tables[here].remove(key), Some(number));
                tables[here].shrink();
            }
        }
        let left: usize = tables.iter().map(ByName::len).sum();
        assert_eq!(left, 101);
        assert!(tables.iter().all(|table| table.table.capacity() < 256));
        for name in &all[..=100] {
            let key = names.hashed(name);
            assert!(tables[key.part(2)].get_mut(key).is_some());
        }
    }
}
