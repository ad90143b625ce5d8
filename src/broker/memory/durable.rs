//! The two steps of whatever is kept, when it is written between them: under its channel's lock it
//! is placed and handed to the store, and under it again it is committed, on the store's thread.

use super::{
    answers::{Asked, Wakes},
    keys::ReservedKey,
    now::Now,
    place::{CommitContext, Placed, known},
    stripe::Stripe,
    waiting::{Step, Work},
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
    pub(super) asked: Asked<'a>,
}

/// A step whose record came back from the store.
pub(super) struct CompletedAppend {
    pub(super) work: Work,
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
        let (now, asked) = (context.now, context.asked);
        let key = self.key_of(channel.name, &mut request);
        let id = key.as_ref().map(|(id, _)| *id);
        let waiting = self.waiting.of(channel);
        let version = request.version.as_deref();
        if let Some(waiting) = waiting
            && self.waiting.follow(waiting, id, version, asked)
        {
            return Ok(Placing::Waits);
        }
        let by_key = id.and_then(|id| self.keys.get(id, now.instant));
        let is_compared = waiting.is_none_or(|waiting| self.waiting.version(waiting).is_none());
        let stream = self.streams.get(channel).map(|(_, stream)| &**stream);
        if let Some(known) = known(&request, stream.filter(|_| is_compared), by_key) {
            return Ok(Placing::Known(known));
        }
        let is_kept = request.history.is_some() || key.is_some();
        match waiting {
            _ if is_kept => {
                let key = self.keys.room(key)?;
                self.place_kept(channel, request, key, context)?;
            }
            Some(waiting) => {
                let placed = Placed::place(request, None, context.shards, now.instant)?;
                self.waiting.push_behind(waiting, placed, asked.caller());
            }
            None => return Ok(Placing::Free(Box::new(request))),
        }
        Ok(Placing::Waits)
    }

    /// The same of what is to be written: its place with its key, or its key alone.
    fn place_kept(
        &mut self,
        channel: Hashed<'_>,
        request: PublishRequest,
        key: Option<ReservedKey>,
        context: PlaceContext<'_>,
    ) -> Result<(), BrokerError> {
        let now = context.now;
        let mut stream = self
            .streams
            .get(channel)
            .map(|(name, stream)| (name, &**stream));
        if let (None, Some(history)) = (stream, request.history) {
            let keep_until = now.instant + history.ttl;
            let (name, begun) = self.ledger.begun(&mut self.streams, channel, keep_until);
            stream = Some((name, begun));
        }
        // The name as the stream has it goes along: the request's ends on the thread that made it.
        let name = stream.map_or(channel.name, |(name, _)| name).clone();
        let first = stream.map_or(0, |(_, stream)| stream.first());
        let mut top = stream.map(|(_, stream)| stream.position());
        if let (Some(top), Some(waiting)) = (&mut top, self.waiting.of(channel)) {
            top.offset += waiting.placed();
        }
        let placed = Placed::place(request, top, context.shards, now.instant)?;
        let key_record = key.as_ref().map(|key| store::KeyRecord {
            id: key.id.0,
            owner: key.room.owner(),
            expires_ms: now.unix_after(self.idempotency_ttl),
            position: placed.position(),
        });
        let record = placed.record(&name, first, now, key_record);
        let record = record.map(Record::Publication);
        if let Some(record) = record.or(key_record.map(Record::Key)) {
            (context.append)(record)?;
        }
        let step = Step::Publish { placed, key };
        let caller = context.asked.caller();
        self.waiting.push(name, channel.hash(), step, caller);
        Ok(())
    }

    /// Has a channel's items removed once that is written, and then answers. False where there is
    /// no stream, and nothing to wait for.
    pub(super) fn place_removal(
        &mut self,
        channel: Hashed<'_>,
        append: Append<'_>,
        asked: Asked<'_>,
    ) -> Result<bool, BrokerError> {
        let Some((name, stream)) = self.streams.get(channel) else {
            return Ok(false);
        };
        let mut until = stream.position();
        let waiting = self.waiting.of(channel);
        until.offset += waiting.map_or(0, |waiting| waiting.placed());
        let name = name.clone();
        append(Record::Removed {
            channel: name.clone(),
            until,
        })?;
        let caller = asked.caller();
        self.waiting
            .push(name, channel.hash(), Step::Remove, caller);
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
        let (step, callers, behind) = completed.work.parts();
        let outcome = completed.outcome.map(|()| match step {
            Step::Publish { placed, key } => {
                let result = self.commit_placed(channel, placed, context);
                self.remember(key, result.position, context.now);
                result
            }
            Step::Remove => {
                self.forget_items(channel);
                PublishResult::sent(0)
            }
        });
        callers.tell(outcome, wakes);
        for (placed, caller) in behind {
            let result = self.commit_placed(channel, placed, context);
            caller.tell(Ok(result), wakes);
        }
    }

    fn commit_placed(
        &mut self,
        channel: Hashed<'_>,
        placed: Placed,
        context: CommitContext<'_>,
    ) -> PublishResult {
        let stream = self.streams.get_mut(channel);
        let stream = stream.map(|(_, stream)| &mut **stream);
        self.ledger.commit(placed, channel.name, stream, context)
    }
}
