//! The two steps of whatever is kept, when it is written between them: under its channel's lock it is
//! placed and handed to the store, and under it again it is committed, on the store's thread.

use std::time::Instant;

use super::{
    answers::Wakes,
    keys::{KeyId, KeyRoom},
    now::Now,
    place::{Placed, known},
    stream::{Charge, Stream},
    stripe::{Ledger, Stripe},
    waiting::{NewCaller, Step},
};
use crate::{
    broker::{BrokerError, PublishRequest, PublishResult, fanout::Listening},
    id::StreamPosition,
    registry::ChannelName,
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
pub(super) struct Moment<'a> {
    pub(super) listening: &'a Listening<'a>,
    pub(super) now: Now,
    pub(super) append: Append<'a>,
    pub(super) caller: NewCaller<'a>,
}

/// Hands a record to the store.
pub(super) type Append<'a> = &'a mut dyn FnMut(Record) -> Result<(), BrokerError>;

impl Stripe {
    /// The first step with a store. What is not to be written is given back if it can go at once.
    pub(super) fn place(
        &mut self,
        name: &ChannelName,
        mut request: PublishRequest,
        moment: Moment<'_>,
    ) -> Result<Placing, BrokerError> {
        let Moment {
            listening,
            now,
            append,
            caller,
        } = moment;
        let key = request.idempotency_key.take();
        let key = key.map(|key| (self.keys.id(name, &key), key.owner));
        let id = key.as_ref().map(|(id, _)| *id);
        let version = request.version.as_deref();
        if self.waiting.follow(name, id, version, caller) {
            return Ok(Placing::Waits);
        }
        let by_key = id.and_then(|id| self.keys.get(id, now.instant));
        let is_compared = !self.waiting.has_version(name);
        let stream = self.streams.get(name).map(|stream| &**stream);
        if let Some(known) = known(&request, stream.filter(|_| is_compared), by_key) {
            return Ok(Placing::Known(known));
        }
        let is_kept = request.history.is_some() || key.is_some();
        if !is_kept && !self.waiting.are_of(name) {
            return Ok(Placing::Free(Box::new(request)));
        }
        let key = key
            .map(|(id, owner)| Ok((id, self.keys.take(owner.as_ref())?)))
            .transpose()?;
        let top = self.top_with_waiting(name, &request, now.instant);
        let placed = Placed::place(request, top, listening)?;
        let record = self.record(name, &placed, key.as_ref(), now);
        let is_written = record.is_some();
        if let Some(record) = record {
            append(record)?;
        }
        let step = Step::Publish { placed, key };
        self.waiting.push(name, step, is_written, caller);
        Ok(Placing::Waits)
    }

    /// The place that the next publication follows; begins the stream if there is none.
    fn top_with_waiting(
        &mut self,
        name: &ChannelName,
        request: &PublishRequest,
        now: Instant,
    ) -> Option<StreamPosition> {
        let history = request.history?;
        if !self.streams.contains_key(name) {
            let keep_until = now + history.ttl;
            let begun = Box::new(Stream::new(self.epochs.of(name), keep_until));
            let begun = self.streams.entry(name.clone()).or_insert(begun);
            self.alarms.set(name.clone(), begun, keep_until);
            self.totals.change(Charge::default(), begun.charge(name));
        }
        let mut top = self.streams.get(name)?.position();
        top.offset += self.waiting.placed_in(name);
        Some(top)
    }

    /// What is to be written of a publication: that of its place, which has its key too, or its key
    /// alone; absent: it has neither.
    fn record(
        &self,
        name: &ChannelName,
        placed: &Placed,
        key: Option<&(KeyId, KeyRoom)>,
        now: Now,
    ) -> Option<Record> {
        let key = key.map(|(id, room)| store::Key {
            id: id.0,
            owner: room.owner(),
            expires_ms: now.unix_after(self.idempotency_ttl),
            position: placed.position(),
        });
        let first = self.streams.get(name).map_or(0, |stream| stream.first());
        let kept = placed.record(first, now, key);
        kept.or(key.map(Record::Key))
    }

    /// Has a channel's items removed once that is written. Nobody waits where there is no stream.
    pub(super) fn place_removal(
        &mut self,
        name: &ChannelName,
        append: Append<'_>,
        caller: NewCaller<'_>,
    ) -> Result<(), BrokerError> {
        let Some(stream) = self.streams.get(name) else {
            return Ok(());
        };
        let mut until = stream.position();
        until.offset += self.waiting.placed_in(name);
        append(Record::Removed {
            channel: name.clone(),
            until,
        })?;
        self.waiting.push(name, Step::Remove, true, caller);
        Ok(())
    }

    /// The second step of what waits first in a channel, whose record was written or not, and of
    /// what only waited for it. All who waited are told.
    pub(super) fn commit_next(
        &mut self,
        name: &ChannelName,
        (written, now): (Result<(), BrokerError>, Instant),
        listening: &Listening<'_>,
        wakes: &mut Wakes,
    ) {
        let mut outcome = written;
        let mut next = self.waiting.pop(name, true);
        while let Some(entry) = next {
            let result = outcome.map(|()| match entry.step {
                Step::Publish { placed, key } => self.commit(name, (placed, key), listening, now),
                Step::Remove => {
                    self.forget_items(name);
                    PublishResult::sent(0)
                }
            });
            entry.callers.tell(result, wakes);
            (outcome, next) = (Ok(()), self.waiting.pop(name, false));
        }
    }

    fn commit(
        &mut self,
        name: &ChannelName,
        (placed, key): (Placed, Option<(KeyId, KeyRoom)>),
        listening: &Listening<'_>,
        now: Instant,
    ) -> PublishResult {
        let stream = self.streams.get_mut(name).map(|stream| &mut **stream);
        let ledger = Ledger {
            name,
            totals: &self.totals,
            alarms: &mut self.alarms,
        };
        let (result, is_refiled) = ledger.commit(placed, stream, listening, now);
        if is_refiled {
            self.note_first_end();
        }
        if let Some((id, room)) = key {
            let times = (now, now + self.idempotency_ttl);
            self.keys.insert(id, result.position, times, room);
        }
        result
    }
}
