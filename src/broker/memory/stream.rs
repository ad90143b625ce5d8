//! A channel's stream in the memory broker: its position and what is kept of it. Pure data, `now`
//! is always a parameter.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    publication::Item,
};

/// What an item is charged beside its weight: its place in the list.
const KEPT_BYTES: usize = 32;

pub(super) struct HistoryEntry {
    pub(super) until: Instant,
    pub(super) item: Arc<Item>,
}

impl HistoryEntry {
    pub(super) fn weight(&self) -> usize {
        self.item.weight() + KEPT_BYTES
    }
}

/// A channel's history and its place.
pub(super) struct Stream {
    pub(super) epoch: Epoch,
    pub(super) top: u64,
    pub(super) items: VecDeque<HistoryEntry>,
    /// The position is kept at least so long.
    pub(super) keep_until: Instant,
    pub(super) version: Option<Box<Version>>,
}

impl Stream {
    /// A stream that nothing was published to.
    pub(super) fn new(keep_until: Instant) -> Self {
        Self {
            epoch: Epoch::random(),
            top: 0,
            items: VecDeque::new(),
            keep_until,
            version: None,
        }
    }

    pub(super) fn position(&self) -> StreamPosition {
        StreamPosition {
            offset: self.top,
            epoch: self.epoch,
        }
    }

    /// Keeps an item, and no more than `size`; returns what those weighed that went for it.
    pub(super) fn push(&mut self, entry: HistoryEntry, size: usize) -> usize {
        let mut freed = 0;
        if self.items.is_empty() && size == 1 {
            self.items.reserve_exact(1);
        }
        while self.items.len() >= size {
            freed += self.pop();
        }
        self.items.push_back(entry);
        freed
    }

    /// Drops the oldest item; returns what it weighed.
    pub(super) fn pop(&mut self) -> usize {
        let weight = self.items.pop_front().map_or(0, |kept| kept.weight());
        if self.items.is_empty() {
            self.items = VecDeque::new();
        }
        weight
    }

    pub(super) fn trim(&mut self, now: Instant) -> usize {
        let mut freed = 0;
        while self.items.front().is_some_and(|kept| kept.until <= now) {
            freed += self.pop();
        }
        freed
    }

    pub(super) fn alarm_at(&self) -> Instant {
        self.items
            .front()
            .map_or(self.keep_until, |kept| kept.until)
    }

    /// The position, if `version` is not newer than what was published last under the same name.
    pub(super) fn is_not_newer(&self, version: &Version) -> Option<StreamPosition> {
        let known = self.version.as_ref()?;
        (known.epoch == version.epoch && version.number <= known.number).then(|| self.position())
    }
}
