//! The keys of the process before this one. Pure data, under a lock of its own.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{
    bounds::KeyBounds,
    table::{KEYS_A_TURN, KeyId, KeyTable, Used, placed},
};
use crate::{
    broker::memory::now::Now,
    id::StreamPosition,
    store::{self, Record},
};

/// The keys of the process before, under no channel's lock, since a key does not tell its channel.
/// Empty from their last end on, and where nothing outlives a process.
#[derive(Default)]
pub(in crate::broker::memory) struct EarlierKeys {
    table: Mutex<KeyTable>,
    count: AtomicUsize,
}

impl EarlierKeys {
    fn table(&self) -> MutexGuard<'_, KeyTable> {
        // No step on the table panics half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes those that still count, in the order of their ends.
    pub(in crate::broker::memory) fn restore(
        &self,
        bounds: &Arc<KeyBounds>,
        keys: impl Iterator<Item = store::KeyRecord>,
        now: Now,
    ) {
        let mut table = self.table();
        table.reserve(keys.size_hint().1.unwrap_or_default());
        for (key, left) in keys.filter_map(|key| Some((key, now.until(key.expires_ms)?))) {
            // The bounds of now may be narrower: the first to end are forgotten before their time.
            let Ok(room) = bounds.take_for(key.owner) else {
                continue;
            };
            table.insert(Used {
                id: KeyId(key.id),
                end: now.instant + left,
                position: placed(key.position),
                room,
            });
        }
        table.shrink();
        self.count.store(table.len(), Relaxed);
    }

    pub(super) fn get(&self, key: KeyId, now: Instant) -> Option<Option<StreamPosition>> {
        match self.count.load(Relaxed) {
            0 => None,
            _ => self.table().get(key, now),
        }
    }

    /// Lets go of those whose time is over, a bounded number of them.
    pub(in crate::broker::memory) fn expire(&self, now: Instant) {
        if self.count.load(Relaxed) > 0 {
            let mut table = self.table();
            table.let_go(KEYS_A_TURN, now);
            self.count.store(table.len(), Relaxed);
        }
    }

    /// The keys whose time is not over, for a snapshot.
    pub(in crate::broker::memory) fn records(&self, now: Now) -> Vec<Record> {
        self.table().records(now).map(Record::Key).collect()
    }
}
