//! The two steps of whatever is kept, when it is written between them: under its channel's lock it
//! is placed and handed to the store, and under it again it is committed, on the store's thread.

use super::{
    answers::{AnswerSlot, Wakes},
    keys::ReservedKey,
    now::Now,
    pending_commit::{CommitStep, PendingCommit, WrittenStep},
    place::{CommitContext, Placed, known},
    stream::{ChannelStream, WaitingId},
    stripe::Stripe,
    waiting::WaitingIn,
};
use crate::{
    broker::{
        BrokerError, PublishRequest, PublishResult, by_name::Hashed, fanout::SubscribedShards,
    },
    store::{self, Record},
};

/// What became of a publication that was placed.
pub(super) enum Placing {
    /// It was published before.
    Known(PublishResult),
    /// It waits, or follows one that does: the caller is told later.
    Waits,
    /// Nothing is to be written and nothing waits before it.
    Free(Box<PublishRequest>),
}

/// What a publication is placed with.
pub(super) struct PlaceContext<'a> {
    pub(super) shards: &'a SubscribedShards<'a>,
    pub(super) now: Now,
    pub(super) append: Append<'a>,
    pub(super) slot: AnswerSlot<'a>,
}

/// A step whose record came back from the store.
pub(super) struct CompletedAppend {
    pub(super) commit: PendingCommit,
    /// Whether the record was written, or why not.
    pub(super) outcome: Result<(), BrokerError>,
}

/// Hands a record to the store.
pub(super) type Append<'a> = &'a dyn Fn(Record) -> Result<(), BrokerError>;

impl Stripe {
    /// The first step with a store. What is not to be written is given back if it can go at once.
    pub(super) fn place(
        &mut self,
        channel: Hashed<'_>,
        mut request: PublishRequest,
        context: PlaceContext<'_>,
    ) -> Result<Placing, BrokerError> {
        let (now, slot) = (context.now, context.slot);
        let key = self.key_of(channel.name, &mut request);
        let id = key.as_ref().map(|key| key.id);
        // Found once for all that is done with it.
        let found = self.streams.get_mut(channel);
        let mut found = found.map(|(name, stream)| (name, &mut **stream));
        let stream = found.as_ref().map(|(_, stream)| &**stream);
        let waiting = self.waiting.of(channel, stream);
        let version = request.version.as_deref();
        if let Some(waiting) = waiting
            && self.waiting.follow(waiting, id, version, slot)
        {
            return Ok(Placing::Waits);
        }
        let by_key = id.and_then(|id| self.keys.get(id, now.instant));
        let is_compared = waiting.is_none_or(|waiting| self.waiting.version(waiting).is_none());
        if let Some(known) = known(&request, stream.filter(|_| is_compared), by_key) {
            return Ok(Placing::Known(known));
        }
        if request.history.is_none() && key.is_none() {
            return self.place_behind(waiting, request, context);
        }
        let key = self.keys.room(key)?;
        if let (Some(history), None) = (request.history, &found) {
            let keep_until = now.instant + history.ttl;
            found = Some(self.ledger.begun(&mut self.streams, channel, keep_until));
        }
        // The name as the stream has it goes along: the request's ends on the thread that made it.
        let name = found.as_ref().map_or(channel.name, |(name, _)| *name);
        let name = name.clone();
        let stream = found.map(|(_, stream)| stream);
        let first = stream.as_deref().map_or(0, ChannelStream::first);
        let mut top = stream.as_deref().map(ChannelStream::position);
        if let (Some(top), Some(waiting)) = (&mut top, waiting) {
            top.offset += self.waiting.placed(waiting);
        }
        let placed = Placed::place(request, top, context.shards, now.instant)?;
        let end = now.unix_after(self.idempotency_ttl);
        let key_record = key.as_ref().map(|key| record_of(key, end, &placed));
        let record = placed.record(&name, first, now, key_record);
        let record = record.map(Record::Publication);
        if let Some(record) = record.or(key_record.map(Record::Key)) {
            (context.append)(record)?;
        }
        let step = CommitStep::Publish { placed, key };
        let hash = channel.hash();
        let into = WaitingIn {
            name,
            hash,
            waiting,
            stream,
        };
        self.waiting.push(into, step, slot.caller());
        Ok(Placing::Waits)
    }

    /// The same of what is not to be written: it waits behind what is, or can go at once.
    fn place_behind(
        &mut self,
        waiting: Option<WaitingId>,
        request: PublishRequest,
        context: PlaceContext<'_>,
    ) -> Result<Placing, BrokerError> {
        let Some(waiting) = waiting else {
            return Ok(Placing::Free(Box::new(request)));
        };
        let placed = Placed::place(request, None, context.shards, context.now.instant)?;
        let caller = context.slot.caller();
        self.waiting.push_behind(waiting, placed, caller);
        Ok(Placing::Waits)
    }

    /// Has a channel's items removed once that is written, and then answers. False where there is
    /// no stream, and nothing to wait for.
    pub(super) fn place_removal(
        &mut self,
        channel: Hashed<'_>,
        append: Append<'_>,
        slot: AnswerSlot<'_>,
    ) -> Result<bool, BrokerError> {
        let Some((name, stream)) = self.streams.get_mut(channel) else {
            return Ok(false);
        };
        let waiting = self.waiting.of(channel, Some(stream));
        let mut until = stream.position();
        until.offset += waiting.map_or(0, |waiting| self.waiting.placed(waiting));
        let name = name.clone();
        append(Record::Removed {
            channel: name.clone(),
            until,
        })?;
        let (hash, stream) = (channel.hash(), Some(&mut **stream));
        let into = WaitingIn {
            name,
            hash,
            waiting,
            stream,
        };
        self.waiting.push(into, CommitStep::Remove, slot.caller());
        Ok(true)
    }

    /// The second step of what waited first under this lock, whose record was written or not, and
    /// of what only waited for it. All who waited are told.
    pub(super) fn commit(
        &mut self,
        channel: Hashed<'_>,
        completed: CompletedAppend,
        context: CommitContext<'_>,
        wakes: &mut Wakes,
    ) {
        let CompletedAppend { commit, outcome } = completed;
        // Found once for all that is done with it.
        let found = self.streams.get_mut(channel);
        let mut stream = found.map(|(_, stream)| &mut **stream);
        self.waiting.leave(channel, &commit, stream.as_deref_mut());
        let WrittenStep {
            step,
            callers,
            behind,
        } = commit.written();
        let outcome = match (outcome, step) {
            (Ok(()), CommitStep::Publish { placed, key }) => {
                let result = self.ledger.commit(placed, channel.name, stream, context);
                self.remember(key, result.position, context.now);
                Ok(result)
            }
            (Ok(()), CommitStep::Remove) => {
                self.forget_items(channel);
                Ok(PublishResult::sent(0))
            }
            (Err(error), _) => Err(error),
        };
        callers.tell(outcome, wakes);
        for (placed, caller) in behind {
            // It is not kept, so its stream is not concerned.
            let result = self.ledger.commit(placed, channel.name, None, context);
            caller.tell(Ok(result), wakes);
        }
    }
}

/// What is to be kept of a key until `end`, of a publication that has its place.
fn record_of(key: &ReservedKey, end: u64, placed: &Placed) -> store::KeyRecord {
    store::KeyRecord {
        id: key.id.0,
        owner: key.room.owner(),
        expires_ms: end,
        position: placed.position(),
    }
}
