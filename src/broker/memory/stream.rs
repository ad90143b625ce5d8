//! A channel of the memory broker: who listens on this node, and its stream. Pure data, `now` is always a parameter.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::{
    broker::Version,
    id::{Epoch, ShardId, StreamPosition},
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
    pub(super) fn position(&self) -> StreamPosition {
        StreamPosition {
            offset: self.top,
            epoch: self.epoch,
        }
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
}

/// A channel; vanishes when it is empty.
#[derive(Default)]
pub(super) struct Channel {
    pub(super) listeners: Vec<(ShardId, u32)>,
    pub(super) stream: Option<Box<Stream>>,
}

impl Channel {
    /// Shards with a member, and how many members each has.
    pub(super) fn listening(&self) -> impl ExactSizeIterator<Item = (ShardId, usize)> + '_ {
        self.listeners
            .iter()
            .map(|&(shard, members)| (shard, members as usize))
    }

    /// Returns whether it is the first.
    pub(super) fn add_member(&mut self, shard: ShardId) -> bool {
        let first = self.listeners.is_empty();
        match self.listeners.iter_mut().find(|(id, _)| *id == shard) {
            Some((_, members)) => *members += 1,
            None => {
                self.listeners.reserve_exact(1);
                self.listeners.push((shard, 1));
            }
        }
        first
    }

    /// Returns whether it was the last.
    pub(super) fn remove_member(&mut self, shard: ShardId) -> bool {
        let Some(index) = self.listeners.iter().position(|(id, _)| *id == shard) else {
            return false;
        };
        self.listeners[index].1 -= 1;
        if self.listeners[index].1 == 0 {
            self.listeners.swap_remove(index);
        }
        self.listeners.is_empty()
    }

    /// The position, if `version` is not newer than what was published last under the same name.
    pub(super) fn is_not_newer(&self, version: &Version) -> Option<StreamPosition> {
        let stream = self.stream.as_ref()?;
        let known = stream.version.as_ref()?;
        (known.epoch == version.epoch && version.number <= known.number).then(|| stream.position())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.stream.is_none()
    }
}
