//! A channel's stream in the memory broker: its position and what is kept of it. Pure data, `now`
//! is always a parameter.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    publication::Item,
};

/// What an item is charged beside its weight: its place in the list, which keeps as much free.
const KEPT_BYTES: usize = 2 * size_of::<HistoryEntry>();
/// What a stream is charged beside its name: itself, its entry in the map with the room that keeps
/// free, its alarm, and what the allocator adds.
const STREAM_BYTES: usize = 320;
/// What a publisher's count is charged beside its name.
const VERSION_BYTES: usize = size_of::<Version>() + 32;
/// Room for items that is given back once most of it is free; less is not worth a copy.
const ROOM_MIN: usize = 16;

pub(super) struct HistoryEntry {
    pub(super) until: Instant,
    pub(super) item: Arc<Item>,
}

impl HistoryEntry {
    fn weight(&self) -> usize {
        self.item.weight() + KEPT_BYTES
    }
}

/// Bytes that a stream is charged, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    /// Against `limits.history_bytes`.
    pub(super) history: usize,
    /// Against `limits.position_bytes`.
    pub(super) positions: usize,
}

/// What there is of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamStage {
    /// A position, and nothing was published: it can be made again as it was.
    Unused,
    /// A position that outlived its items.
    Emptied,
    /// A position with items.
    Kept,
}

/// Where it is noted what of a channel waits to be written
/// ([`waiting`](super::waiting)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitingId(pub(super) u32);

impl WaitingId {
    /// Nowhere: nothing waits.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A channel's history and its place.
pub(super) struct ChannelStream {
    pub(super) epoch: Epoch,
    pub(super) top: u64,
    pub(super) items: VecDeque<HistoryEntry>,
    /// What the items weigh.
    items_bytes: usize,
    /// The position is kept at least so long.
    pub(super) keep_until: Instant,
    pub(super) version: Option<Box<Version>>,
    /// Its alarm, and what it was when that was filed.
    pub(super) alarm: Instant,
    pub(super) filed: StreamStage,
    /// What of its channel waits to be written.
    pub(super) waiting: WaitingId,
    /// `history_ttl` of its last publication: so long a restart keeps its position.
    pub(super) ttl: Duration,
}

impl ChannelStream {
    /// A stream that nothing was published to.
    pub(super) fn new(epoch: Epoch, keep_until: Instant) -> Self {
        Self {
            epoch,
            top: 0,
            items: VecDeque::new(),
            items_bytes: 0,
            keep_until,
            version: None,
            alarm: keep_until,
            filed: StreamStage::Unused,
            waiting: WaitingId::NONE,
            ttl: Duration::ZERO,
        }
    }

    pub(super) fn position(&self) -> StreamPosition {
        StreamPosition {
            offset: self.top,
            epoch: self.epoch,
        }
    }

    pub(super) fn stage(&self) -> StreamStage {
        match (self.items.is_empty(), self.top) {
            (false, _) => StreamStage::Kept,
            (true, 0) => StreamStage::Unused,
            (true, _) => StreamStage::Emptied,
        }
    }

    /// What it is charged in a channel of this name.
    pub(super) fn charge(&self, name: &str) -> Charge {
        let version = self.version.as_deref();
        let version = version.map_or(0, |version| version.epoch.len() + VERSION_BYTES);
        let own = STREAM_BYTES + name.len() + version;
        match self.items.is_empty() {
            true => Charge {
                history: 0,
                positions: own,
            },
            false => Charge {
                history: own + self.items_bytes,
                positions: 0,
            },
        }
    }

    /// Keeps an item, and no more than `size`.
    pub(super) fn push(&mut self, entry: HistoryEntry, size: usize) {
        if self.items.is_empty() && size == 1 {
            self.items.reserve_exact(1);
        }
        while self.items.len() >= size {
            self.pop();
        }
        self.items_bytes += entry.weight();
        self.items.push_back(entry);
    }

    /// Drops the oldest item.
    pub(super) fn pop(&mut self) {
        let Some(oldest) = self.items.pop_front() else {
            return;
        };
        self.items_bytes -= oldest.weight();
        let (len, capacity) = (self.items.len(), self.items.capacity());
        if len == 0 {
            self.items = VecDeque::new();
        } else if capacity > ROOM_MIN && len * 4 < capacity {
            self.items.shrink_to(len * 2);
        }
    }

    pub(super) fn trim(&mut self, now: Instant) {
        while self.items.front().is_some_and(|kept| kept.until <= now) {
            self.pop();
        }
    }

    pub(super) fn clear(&mut self) {
        self.items = VecDeque::new();
        self.items_bytes = 0;
    }

    /// The offset of the oldest item, or of the next where there is none.
    pub(super) fn first(&self) -> u64 {
        // Offsets are without gaps, so it is counted: the oldest item is cold memory.
        self.top + 1 - self.items.len() as u64
    }

    /// When the first of it ends: its oldest item, or at last its position.
    pub(super) fn ends_at(&self) -> Instant {
        let oldest = self.items.front();
        oldest.map_or(self.keep_until, |kept| kept.until)
    }

    /// Notes how long its position outlives a publication, and until when that is.
    pub(super) fn keep(&mut self, ttl: Duration, until: Instant) {
        self.keep_until = self.keep_until.max(until);
        self.ttl = ttl;
    }

    /// The position, if `version` is not newer than what was published last under the same name.
    pub(super) fn is_not_newer(&self, version: &Version) -> Option<StreamPosition> {
        let known = self.version.as_ref()?;
        version.is_not_newer_than(known).then(|| self.position())
    }
}
