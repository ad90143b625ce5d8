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

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    answers::{Asked, Caller, Outcome, Wakes},
    keys::{KeyId, ReservedKey},
    place::Placed,
};
use crate::{
    broker::{
        PublishResult, Version,
        by_name::{ByName, Hashed, Names},
    },
    registry::ChannelName,
};

/// What is done once it is written.
pub(super) enum Step {
    Publish {
        placed: Placed,
        key: Option<ReservedKey>,
    },
    /// The items up to there go.
    Remove,
}

/// A step whose record is on its way.
pub(super) struct WaitingStep {
    pub(super) channel: ChannelName,
    /// Of its name.
    pub(super) hash: u64,
    pub(super) work: Work,
}

/// What is done once a record came back, and who waits for it.
pub(super) struct Work {
    step: Step,
    caller: Caller,
    /// Nearly always nobody.
    others: Option<Box<Others>>,
}

/// Who else waits for a step.
#[derive(Default)]
struct Others {
    /// Those who asked for the same: they are told that it was suppressed.
    followers: Vec<Caller>,
    /// What is not kept and came behind it in its channel, before the next that is.
    behind: Vec<(Placed, Caller)>,
}

/// What waits in one channel.
#[derive(Clone, Copy, Default)]
pub(super) struct ChannelWaiting {
    entries: usize,
    /// How many of them take a place in the stream.
    placed: u64,
    /// The number of the newest, and of the newest with a version.
    newest: u64,
    versioned: Option<u64>,
}

impl ChannelWaiting {
    /// Places in the channel's stream that are given and not committed.
    pub(super) fn placed(self) -> u64 {
        self.placed
    }
}

/// Room for entries that is kept where none waits.
const ENTRIES_KEPT: usize = 64;

/// What waits under one lock.
pub(super) struct WaitingSteps {
    entries: VecDeque<WaitingStep>,
    /// The number of the first of them.
    first: u64,
    channels: ByName<ChannelWaiting>,
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
            channels: ByName::new(names),
            keys: HashMap::new(),
            count,
        }
    }

    /// What of a channel waits; absent: nothing.
    pub(super) fn of(&self, channel: Hashed<'_>) -> Option<ChannelWaiting> {
        if self.entries.is_empty() {
            return None;
        }
        self.channels.get(channel).map(|(_, waiting)| *waiting)
    }

    /// Whether anything of a channel waits.
    pub(super) fn are_of(&self, channel: Hashed<'_>) -> bool {
        self.of(channel).is_some()
    }

    fn entry(&mut self, number: u64) -> Option<&mut WaitingStep> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    /// The version that waits in a channel, with the number of its entry.
    pub(super) fn version(&self, waiting: ChannelWaiting) -> Option<(u64, &Version)> {
        let number = waiting.versioned?;
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        match &self.entries.get(index)?.work.step {
            Step::Publish { placed, .. } => placed.version().map(|version| (number, version)),
            Step::Remove => None,
        }
    }

    /// Has the caller wait for the outcome of one that waits, if that has the same key or a version
    /// that is as new.
    pub(super) fn follow(
        &mut self,
        waiting: ChannelWaiting,
        key: Option<KeyId>,
        version: Option<&Version>,
        asked: Asked<'_>,
    ) -> bool {
        let by_key = key.and_then(|id| self.keys.get(&id).copied());
        let number = by_key.or_else(|| {
            let (number, known) = self.version(waiting)?;
            version?.is_not_newer_than(known).then_some(number)
        });
        let entry = number.and_then(|number| self.entry(number));
        let others = entry.map(|entry| entry.work.others.get_or_insert_default());
        others
            .map(|others| others.followers.push(asked.caller()))
            .is_some()
    }

    /// Lets a step wait whose record is on its way, in the channel of this name and hash.
    pub(super) fn push(&mut self, name: ChannelName, hash: u64, step: Step, by: Caller) {
        let number = self.first + self.entries.len() as u64;
        let begin = || (name.clone(), ChannelWaiting::default());
        let channel = Hashed::again(&name, hash);
        let (_, waiting) = self.channels.get_or_insert_with(channel, begin);
        waiting.entries += 1;
        waiting.newest = number;
        if let Step::Publish { placed, key } = &step {
            waiting.placed += u64::from(placed.position().is_some());
            if placed.version().is_some() {
                waiting.versioned = Some(number);
            }
            if let Some(key) = key {
                self.keys.insert(key.id, number);
            }
        }
        self.count.fetch_add(1, Relaxed);
        self.entries.push_back(WaitingStep {
            channel: name,
            hash,
            work: Work {
                step,
                caller: by,
                others: None,
            },
        });
    }

    /// Lets a publication that is not kept wait behind the newest of its channel that is.
    pub(super) fn push_behind(&mut self, waiting: ChannelWaiting, placed: Placed, by: Caller) {
        if let Some(entry) = self.entry(waiting.newest) {
            let others = entry.work.others.get_or_insert_default();
            others.behind.push((placed, by));
            self.count.fetch_add(1, Relaxed);
        }
    }

    /// The first entry, whose record came back.
    pub(super) fn pop(&mut self) -> Option<WaitingStep> {
        let entry = self.entries.pop_front()?;
        self.first += 1;
        let others = entry.work.others.as_ref();
        let behind = others.map_or(0, |others| others.behind.len());
        self.count.fetch_sub(1 + behind, Relaxed);
        let channel = Hashed::again(&entry.channel, entry.hash);
        self.channels.remove_if(channel, |waiting| {
            waiting.entries -= 1;
            if let Step::Publish { placed, .. } = &entry.work.step {
                waiting.placed -= u64::from(placed.position().is_some());
            }
            waiting.entries == 0
        });
        if let Step::Publish { key: Some(key), .. } = &entry.work.step {
            self.keys.remove(&key.id);
        }
        if self.entries.is_empty() && self.entries.capacity() > ENTRIES_KEPT {
            self.entries.shrink_to(ENTRIES_KEPT);
        }
        Some(entry)
    }
}

impl Work {
    /// Takes it apart: what is to be done, who is told of it, and what only waited for it.
    pub(super) fn parts(self) -> (Step, Callers, Vec<(Placed, Caller)>) {
        let others = self.others.map(|others| *others).unwrap_or_default();
        let callers = Callers {
            caller: self.caller,
            followers: others.followers,
        };
        (self.step, callers, others.behind)
    }
}

/// Those who wait for one outcome.
pub(super) struct Callers {
    caller: Caller,
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
