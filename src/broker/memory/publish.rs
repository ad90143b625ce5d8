//! How a publication goes through the memory broker: at once where nothing is written, else placed
//! now and committed when the store has it.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::Acquire},
    time::Instant,
};

use super::{
    Durable, MemoryBroker,
    answers::{AnswerSlot, Answers, PublishOutcome, Wakes},
    durable::{CompletedAppend, PlaceContext, Placing},
    locked,
    now::Now,
    place::CommitContext,
};
use crate::{
    broker::{
        BrokerError, BrokerFuture, PublishRequest, PublishResult, PublishResults, by_name::Hashed,
    },
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
    shard::HeldWakes,
    store::{Committer, Record, StoreError, Written},
};

/// Without a store, or where it is not needed.
impl MemoryBroker {
    /// Publishes at once.
    #[inline]
    pub(super) fn publish_now(&self, mut request: PublishRequest) -> PublishOutcome {
        request.history = request.history.filter(|history| history.size > 0);
        let has_place = request.history.is_some()
            || request.idempotency_key.is_some()
            || request.version.is_some();
        match &request.target {
            Target::Channel(channel) if has_place => {
                // The name is the request's own, which moves on.
                let channel = channel.clone();
                self.publish_in_place(&channel, request)
            }
            _ => self
                .fanout
                .send(publication(request))
                .map(PublishResult::sent),
        }
    }

    fn publish_in_place(&self, channel: &ChannelName, request: PublishRequest) -> PublishOutcome {
        let now = Instant::now();
        let channel = self.fanout.names().hashed(channel);
        let mut stripe = self.lock(channel);
        let result = self.fanout.with_shards_hashed(channel, |shards| {
            stripe.publish(channel, request, shards, now)
        });
        if result.is_err() {
            // The stream may have been begun for it.
            stripe.throw_out_positions(false, &|channel| self.fanout.has_members(channel));
        }
        drop(stripe);
        self.make_room();
        result
    }
}

/// With a store: what is kept, and what waits behind it, is placed and answered later.
impl MemoryBroker {
    pub(super) fn publish_durably(
        &self,
        durable: &Durable,
        mut request: PublishRequest,
    ) -> BrokerFuture<PublishResult> {
        request.history = request.history.filter(|history| history.size > 0);
        if !durable.has_steps(&request) {
            return BrokerFuture::ready(self.publish_now(request));
        }
        let (answers, now) = (Answers::to(1), durable.clock.now());
        match self.publish_one(durable, request, now, answers.slot(0)) {
            Some(outcome) => BrokerFuture::ready(outcome),
            None => answers.of_one(),
        }
    }

    pub(super) fn publish_all_durably(
        &self,
        durable: &Durable,
        requests: Vec<PublishRequest>,
    ) -> BrokerFuture<PublishResults> {
        let (number, mut known) = (requests.len(), Vec::new());
        let (answers, now) = (Answers::to(number), durable.clock.now());
        for (index, mut request) in requests.into_iter().enumerate() {
            request.history = request.history.filter(|history| history.size > 0);
            let outcome = match durable.has_steps(&request) {
                true => self.publish_one(durable, request, now, answers.slot(index)),
                false => Some(self.publish_now(request)),
            };
            known.extend(outcome.map(|outcome| (index, outcome)));
        }
        if known.len() == number {
            return BrokerFuture::ready(Ok(known.into_iter().map(|(_, known)| known).collect()));
        }
        answers.know(known);
        BrokerFuture::later(async move { Ok(answers.await) })
    }

    /// The outcome if it is known at once; else whoever asked is told.
    fn publish_one(
        &self,
        durable: &Durable,
        mut request: PublishRequest,
        now: Now,
        slot: AnswerSlot<'_>,
    ) -> Option<PublishOutcome> {
        // The name stays here, since the request moves on: nobody there asks it for its target.
        let name = match mem::replace(&mut request.target, Target::Everyone) {
            Target::Channel(name) => name,
            other => {
                request.target = other;
                return Some(self.publish_now(request));
            }
        };
        let channel = self.fanout.names().hashed(&name);
        let mut stripe = self.lock(channel);
        let placed = self.fanout.with_shards_hashed(channel, |shards| {
            let append = |record| durable.append(self.fanout.stripe_of(channel), record);
            let context = PlaceContext {
                shards,
                now,
                append: &append,
                slot,
            };
            stripe.place(channel, request, context)
        });
        if placed.is_err() {
            // The stream may have been begun for it.
            stripe.throw_out_positions(false, &|channel| self.fanout.has_members(channel));
        }
        drop(stripe);
        match placed {
            Ok(Placing::Known(result)) => Some(Ok(result)),
            Ok(Placing::Waits) => None,
            Ok(Placing::Free(mut request)) => {
                request.target = Target::Channel(name);
                Some(self.publish_now(*request))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Removes a channel's items once that is written.
    pub(super) fn remove_durably(
        &self,
        durable: &Durable,
        channel: Hashed<'_>,
    ) -> BrokerFuture<()> {
        let answers = Answers::to(1);
        let append = |record| durable.append(self.fanout.stripe_of(channel), record);
        let placed = self
            .lock(channel)
            .place_removal(channel, &append, answers.slot(0));
        match placed {
            Ok(true) => {
                let answer = answers.of_one();
                BrokerFuture::later(async move { answer.await.map(drop) })
            }
            Ok(false) => BrokerFuture::ready(Ok(())),
            Err(error) => BrokerFuture::ready(Err(error)),
        }
    }
}

impl Durable {
    /// Whether a publication is to be written, or may have to wait behind one that is.
    fn has_steps(&self, request: &PublishRequest) -> bool {
        let has_record = request.history.is_some() || request.idempotency_key.is_some();
        has_record || self.waiting.load(Acquire) > 0
    }

    /// Hands over a record under this lock, so that records are in the order of the places.
    fn append(&self, lock: usize, record: Record) -> Result<(), BrokerError> {
        self.end_notes.settle().map_err(refusal)?;
        let written = Written::Commit(self.this.clone(), lock);
        self.store.append(record, written).map_err(refusal)
    }
}

impl Committer for MemoryBroker {
    fn written(&self, locks: &[usize], outcome: Result<(), StoreError>) {
        let (outcome, now) = (outcome.map_err(refusal), Instant::now());
        // All of a batch is handed over before a shard looks.
        let held = HeldWakes::begin();
        let mut wakes = Wakes::default();
        for lock in locks {
            let mut stripe = locked(&self.stripes[*lock]);
            let Some(entry) = stripe.waiting.pop() else {
                continue;
            };
            let channel = Hashed::again(&entry.channel, entry.hash);
            let steps = entry.steps();
            let completed = CompletedAppend {
                commit: entry.commit,
                outcome,
            };
            self.fanout.with_shards_hashed(channel, |shards| {
                let context = CommitContext { shards, now };
                stripe.commit(channel, completed, context, &mut wakes);
            });
            stripe.waiting.settled(steps);
        }
        self.make_room();
        drop(held);
        wakes.send();
    }
}

/// What a store's error is to whoever publishes.
fn refusal(error: StoreError) -> BrokerError {
    match error {
        StoreError::Full => BrokerError::Busy,
        StoreError::NotWritten | StoreError::Closed => BrokerError::NotKept,
        StoreError::Doubtful => BrokerError::Doubtful,
    }
}

/// What has no place to keep, on its way.
fn publication(request: PublishRequest) -> Publication {
    let mut item = Item::new(request.payload, 0);
    item.info = request.info;
    item.tags = request.tags;
    Publication::new(request.target, Content::Item(Arc::new(item)))
        .excluding(request.exclude, request.group)
}
