//! Between the two steps: what has its place and is not written yet, in the order of the places.
//!
//! With a store, whatever is to be kept is placed when it is called, handed to the store under its
//! channel's lock, and committed once it is written, on the store's thread and under that lock
//! again. Nobody is told a place that is not committed: a second publication with the key of one
//! that waits, or with a version that is no newer than one that waits, waits for the first one's
//! outcome. What is not kept waits behind what is, so that a channel's publications stay in order.
//! The store's queue bounds what waits; who follows one that waits is a caller with its own bound.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    answers::{Caller, Outcome, Wakes},
    keys::{KeyId, KeyRoom},
    place::Placed,
};
use crate::{
    broker::{PublishResult, Version},
    registry::ChannelName,
};

/// Makes the one who waits, once it is known that someone does.
pub(super) type NewCaller<'a> = &'a dyn Fn() -> Caller;

/// What is done once it is written.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are publications, each of which would pay for its box"
)]
pub(super) enum Step {
    Publish {
        placed: Placed,
        key: Option<(KeyId, KeyRoom)>,
    },
    /// The items up to there go.
    Remove,
}

/// A step with those who wait for it.
pub(super) struct Entry {
    pub(super) step: Step,
    /// Its record is on its way; else it only waits for those before it.
    is_written: bool,
    pub(super) callers: Callers,
}

/// What waits in one channel.
#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// The number of the first of them.
    first: u64,
    /// How many of them take a place in the stream.
    placed: u64,
    /// The newest with a version.
    versioned: Option<u64>,
}

impl Waiting {
    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    fn version(&self) -> Option<(u64, &Version)> {
        let number = self.versioned.filter(|number| *number >= self.first)?;
        let index = usize::try_from(number - self.first).ok()?;
        match &self.entries.get(index)?.step {
            Step::Publish { placed, .. } => placed.version().map(|version| (number, version)),
            Step::Remove => None,
        }
    }

    /// Whether it is there to be followed.
    fn follow(&mut self, number: u64, caller: NewCaller<'_>) -> bool {
        let entry = self.entry(number);
        entry
            .map(|entry| entry.callers.followers.push(caller()))
            .is_some()
    }
}

/// What waits under one lock.
pub(super) struct Waitings {
    channels: HashMap<ChannelName, Waiting>,
    /// The keys of what waits, each with the number of its entry in its channel.
    keys: HashMap<KeyId, u64>,
    /// What waits under all locks.
    count: Arc<AtomicUsize>,
}

impl Waitings {
    /// Nothing; what comes is counted there too.
    pub(super) fn counted(count: Arc<AtomicUsize>) -> Self {
        Self {
            channels: HashMap::new(),
            keys: HashMap::new(),
            count,
        }
    }

    /// Whether anything of a channel waits.
    pub(super) fn are_of(&self, channel: &str) -> bool {
        !self.channels.is_empty() && self.channels.contains_key(channel)
    }

    /// Places in a channel's stream that are given and not committed.
    pub(super) fn placed_in(&self, channel: &str) -> u64 {
        self.channels
            .get(channel)
            .map_or(0, |waiting| waiting.placed)
    }

    /// Has the caller wait for the outcome of one that waits, if that has the same key or a version
    /// that is as new.
    pub(super) fn follow(
        &mut self,
        name: &ChannelName,
        key: Option<KeyId>,
        version: Option<&Version>,
        caller: NewCaller<'_>,
    ) -> bool {
        let Some(waiting) = self.channels.get_mut(name) else {
            return false;
        };
        if let Some(number) = key.and_then(|id| self.keys.get(&id)) {
            return waiting.follow(*number, caller);
        }
        let known = waiting.version().zip(version);
        let known = known.filter(|((_, known), version)| version.is_not_newer_than(known));
        match known.map(|((number, _), _)| number) {
            Some(number) => waiting.follow(number, caller),
            None => false,
        }
    }

    /// Whether one that waits in a channel has a version.
    pub(super) fn has_version(&self, name: &ChannelName) -> bool {
        let waiting = self.channels.get(name);
        waiting.is_some_and(|waiting| waiting.version().is_some())
    }

    /// Lets an entry wait.
    pub(super) fn push(
        &mut self,
        name: &ChannelName,
        step: Step,
        is_written: bool,
        caller: NewCaller<'_>,
    ) {
        let waiting = self.channels.entry(name.clone()).or_default();
        let number = waiting.first + waiting.entries.len() as u64;
        if let Step::Publish { placed, key } = &step {
            waiting.placed += u64::from(placed.position().is_some());
            if placed.version().is_some() {
                waiting.versioned = Some(number);
            }
            if let Some((id, _)) = key {
                self.keys.insert(*id, number);
            }
        }
        self.count.fetch_add(1, Relaxed);
        waiting.entries.push_back(Entry {
            step,
            is_written,
            callers: Callers {
                caller: caller(),
                followers: Vec::new(),
            },
        });
    }

    /// The first entry of a channel, if it is due: `written` says that its record came back.
    pub(super) fn pop(&mut self, name: &ChannelName, written: bool) -> Option<Entry> {
        let waiting = self.channels.get_mut(name)?;
        let entry = waiting
            .entries
            .pop_front_if(|entry| entry.is_written == written)?;
        waiting.first += 1;
        self.count.fetch_sub(1, Relaxed);
        if let Step::Publish { placed, key } = &entry.step {
            waiting.placed -= u64::from(placed.position().is_some());
            if let Some((id, _)) = key {
                self.keys.remove(id);
            }
        }
        if waiting.entries.is_empty() {
            self.channels.remove(name);
        }
        Some(entry)
    }
}

/// Those who wait for one outcome.
pub(super) struct Callers {
    caller: Caller,
    /// Those who asked for the same: they are told that it was suppressed.
    followers: Vec<Caller>,
}

impl Callers {
    /// Tells all of them. Whoever is gone gave up the answer, not the publication.
    pub(super) fn tell(self, outcome: Outcome, wakes: &mut Wakes) {
        let suppressed = outcome.map(|result| PublishResult::suppressed(result.position));
        for follower in self.followers {
            follower.tell(suppressed, wakes);
        }
        self.caller.tell(outcome, wakes);
    }
}
