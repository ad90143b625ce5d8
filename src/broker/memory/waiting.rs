//! Between the two steps: what has its place and is not written yet, in the order of the places.
//!
//! With a store, whatever is to be kept is placed when it is called, handed to the store under its
//! channel's lock, and committed once it is written, on the store's thread and under that lock
//! again. The store writes in the order in which it was handed, so what waits under one lock is one
//! queue, and whatever comes back is its first. Nobody is told a place that is not committed: a
//! second publication with the key of one that waits, or with a version that is no newer than one
//! that waits, waits for the first one's outcome. What is not kept waits behind what is, so that a
//! channel's publications stay in order. The store's queue bounds what waits; who follows one that
//! waits is a caller with its own bound.
//!
//! What waits of a channel is noted under a number that its stream knows, so that neither step
//! looks for it by name. A stream stays for as long as something of its channel waits.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, Release},
        },
    },
};

use slab::Slab;

use super::{
    answers::{AnswerSlot, Caller},
    keys::KeyId,
    pending_commit::{CommitStep, PendingCommit},
    place::Placed,
    stream::{ChannelStream, WaitingId},
};
use crate::{
    broker::{
        Version,
        by_name::{ByName, Hashed, Names},
    },
    registry::ChannelName,
};

/// A step whose record is on its way.
pub(super) struct WaitingStep {
    pub(super) channel: ChannelName,
    /// Of its name.
    pub(super) hash: u64,
    pub(super) commit: PendingCommit,
}

impl WaitingStep {
    /// With what only waits for it.
    pub(super) fn steps(&self) -> usize {
        1 + self.commit.behind()
    }
}

/// What waits in one channel.
#[derive(Default)]
struct ChannelWaiting {
    entries: usize,
    /// How many of them take a place in the stream.
    placed: u64,
    /// The number of the newest, and of the newest with a version.
    newest: u64,
    versioned: Option<u64>,
}

/// A version that waits.
pub(super) struct WaitingVersion<'a> {
    /// The number of its entry.
    number: u64,
    version: &'a Version,
}

/// The channel in which a step is to wait.
pub(super) struct WaitingIn<'a> {
    pub(super) name: ChannelName,
    /// Of its name.
    pub(super) hash: u64,
    /// Where it is noted what of it waits; absent: nothing does.
    pub(super) waiting: Option<WaitingId>,
    /// Its stream, if it has one.
    pub(super) stream: Option<&'a mut ChannelStream>,
}

/// Room for entries, and for their keys, that is kept where none waits: sooner or later each lock
/// has its flood.
const ENTRIES_KEPT: usize = 16;

/// What waits under one lock.
pub(super) struct WaitingSteps {
    entries: VecDeque<WaitingStep>,
    /// The number of the first of them.
    first: u64,
    /// Those with an entry.
    channels: Slab<ChannelWaiting>,
    /// Those of them that had no stream when they began to wait, since only their keys are kept.
    streamless: ByName<WaitingId>,
    /// The keys of what waits, each with the number of its entry.
    keys: HashMap<KeyId, u64>,
    /// What waits under all locks.
    count: Arc<AtomicUsize>,
}

impl WaitingSteps {
    /// Nothing; what comes is counted there too.
    pub(super) fn new(names: Names, count: Arc<AtomicUsize>) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            channels: Slab::new(),
            streamless: ByName::new(names),
            keys: HashMap::new(),
            count,
        }
    }

    /// Where it is noted what of a channel with this stream waits; absent: nothing does.
    pub(super) fn of(
        &self,
        channel: Hashed<'_>,
        stream: Option<&ChannelStream>,
    ) -> Option<WaitingId> {
        let known = stream.map(|stream| stream.waiting);
        let known = known.filter(|id| *id != WaitingId::NONE);
        known.or_else(|| self.streamless.get(channel).map(|(_, id)| *id))
    }

    fn waiting(&self, id: WaitingId) -> Option<&ChannelWaiting> {
        self.channels.get(id.0 as usize)
    }

    fn entry(&mut self, number: u64) -> Option<&mut WaitingStep> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    /// Places in the channel's stream that are given and not committed.
    pub(super) fn placed(&self, id: WaitingId) -> u64 {
        self.waiting(id).map_or(0, |waiting| waiting.placed)
    }

    /// The version that waits in a channel.
    pub(super) fn version(&self, id: WaitingId) -> Option<WaitingVersion<'_>> {
        let number = self.waiting(id)?.versioned?;
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        match &self.entries.get(index)?.commit.step {
            CommitStep::Publish { placed, .. } => {
                let version = placed.version()?;
                Some(WaitingVersion { number, version })
            }
            CommitStep::Remove => None,
        }
    }

    /// Has the caller wait for the outcome of one that waits, if that has the same key or a version
    /// that is as new.
    pub(super) fn follow(
        &mut self,
        id: WaitingId,
        key: Option<KeyId>,
        version: Option<&Version>,
        slot: AnswerSlot<'_>,
    ) -> bool {
        let by_key = key.and_then(|key| self.keys.get(&key).copied());
        let number = by_key.or_else(|| {
            let known = self.version(id)?;
            let is_known = version?.is_not_newer_than(known.version);
            is_known.then_some(known.number)
        });
        let entry = number.and_then(|number| self.entry(number));
        entry
            .map(|entry| entry.commit.follow(slot.caller()))
            .is_some()
    }

    /// Lets a step wait whose record is on its way.
    pub(super) fn push(&mut self, channel: WaitingIn<'_>, step: CommitStep, by: Caller) {
        let number = self.first + self.entries.len() as u64;
        let WaitingIn {
            name,
            hash,
            waiting,
            stream,
        } = channel;
        let noted = waiting.unwrap_or_else(|| self.begin(Hashed::again(&name, hash), stream));
        if let Some(waiting) = self.channels.get_mut(noted.0 as usize) {
            waiting.entries += 1;
            waiting.newest = number;
            if let CommitStep::Publish { placed, .. } = &step {
                waiting.placed += u64::from(placed.position().is_some());
                if placed.version().is_some() {
                    waiting.versioned = Some(number);
                }
            }
        }
        if let CommitStep::Publish { key: Some(key), .. } = &step {
            self.keys.insert(key.id, number);
        }
        self.count.fetch_add(1, Relaxed);
        self.entries.push_back(WaitingStep {
            channel: name,
            hash,
            commit: PendingCommit::new(step, by, noted),
        });
    }

    /// Notes that something of a channel waits, of which nothing did.
    fn begin(&mut self, channel: Hashed<'_>, stream: Option<&mut ChannelStream>) -> WaitingId {
        // The store's queue keeps them far below what the number can name.
        let id = WaitingId(self.channels.insert(ChannelWaiting::default()) as u32);
        match stream {
            Some(stream) => stream.waiting = id,
            None => {
                let begun = || (channel.name.clone(), id);
                self.streamless.get_or_insert_with(channel, begun);
            }
        }
        id
    }

    /// Lets a publication that is not kept wait behind the newest of its channel that is.
    pub(super) fn push_behind(&mut self, id: WaitingId, placed: Placed, by: Caller) {
        let newest = self.waiting(id).map(|waiting| waiting.newest);
        if let Some(entry) = newest.and_then(|newest| self.entry(newest)) {
            entry.commit.push_behind(placed, by);
            self.count.fetch_add(1, Relaxed);
        }
    }

    /// The first entry, whose record came back; its channel is to be told by
    /// [`leave`](Self::leave), and once it is committed its steps count no more
    /// ([`settled`](Self::settled)).
    pub(super) fn pop(&mut self) -> Option<WaitingStep> {
        let entry = self.entries.pop_front()?;
        self.first += 1;
        if let CommitStep::Publish { key: Some(key), .. } = &entry.commit.step {
            self.keys.remove(&key.id);
        }
        if self.entries.is_empty() {
            // The next ones lie where the last ones did, which the processor still has at hand.
            self.entries.clear();
            if self.entries.capacity() > ENTRIES_KEPT {
                self.entries.shrink_to(ENTRIES_KEPT);
            }
            if self.keys.capacity() > ENTRIES_KEPT {
                self.keys.shrink_to(ENTRIES_KEPT / 2);
            }
        }
        Some(entry)
    }

    /// Entries, keys and channels without a stream that there is room for.
    #[cfg(test)]
    pub(super) fn room(&self) -> [usize; 3] {
        let streamless = self.streamless.capacity();
        [self.entries.capacity(), self.keys.capacity(), streamless]
    }

    /// So many steps were committed. Not earlier: a publication that is not kept goes past the lock
    /// where none waits, and would overtake one that is being committed.
    pub(super) fn settled(&self, steps: usize) {
        self.count.fetch_sub(steps, Release);
    }

    /// The first step of a channel with this stream waits no more.
    pub(super) fn leave(
        &mut self,
        channel: Hashed<'_>,
        commit: &PendingCommit,
        stream: Option<&mut ChannelStream>,
    ) {
        let place = commit.noted.0 as usize;
        let Some(waiting) = self.channels.get_mut(place) else {
            return;
        };
        waiting.entries -= 1;
        if let CommitStep::Publish { placed, .. } = &commit.step {
            waiting.placed -= u64::from(placed.position().is_some());
        }
        if waiting.entries > 0 {
            return;
        }
        self.channels.remove(place);
        if self.channels.is_empty() && self.channels.capacity() > ENTRIES_KEPT {
            self.channels = Slab::new();
        }
        match stream {
            Some(stream) if stream.waiting == commit.noted => stream.waiting = WaitingId::NONE,
            _ => {
                self.streamless.remove(channel);
                self.streamless.shrink();
            }
        }
    }
}
