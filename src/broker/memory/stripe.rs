//! What one lock of the memory broker guards: streams and idempotency keys.
//! Pure data, `now` is always a parameter.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use super::{
    alarms::Alarms,
    end_notes::EndNotes,
    epochs::Epochs,
    keys::{AskedKey, EarlierKeys, IdempotencyKeys, KeyBounds, ReservedKey},
    ledger::{Ledger, Streams},
    place::{self, CommitContext, Placed},
    stream::{ChannelStream, Charge},
    totals::Totals,
    waiting::WaitingSteps,
};
use crate::{
    broker::{
        BrokerError, History, HistoryFilter, PublishRequest, PublishResult,
        by_name::{ByName, Hashed, Names},
        fanout::SubscribedShards,
    },
    id::StreamPosition,
    publication::Item,
    registry::ChannelName,
};

/// Whether anyone on this node listens to a channel.
pub(super) type HasMembers<'a> = &'a dyn Fn(&ChannelName) -> bool;

/// Everything under one lock.
pub(super) struct Stripe {
    pub(super) streams: Streams,
    pub(super) ledger: Ledger,
    pub(super) keys: IdempotencyKeys,
    pub(super) position_bytes_max: usize,
    pub(super) idempotency_ttl: Duration,
    /// What is placed and not written yet; empty without a store.
    pub(super) waiting: WaitingSteps,
    /// Where the end of a stream is noted; absent without a store.
    pub(super) end_notes: Option<EndNotes>,
}

/// What all locks have in common.
pub(super) struct StripeParts {
    pub(super) names: Names,
    pub(super) totals: Arc<Totals>,
    pub(super) keys: Arc<KeyBounds>,
    pub(super) earlier: Arc<EarlierKeys>,
    pub(super) epochs: Epochs,
    pub(super) position_bytes_max: usize,
    pub(super) idempotency_ttl: Duration,
    pub(super) end_notes: Option<EndNotes>,
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Stripe {
    pub(super) fn new(number: usize, shared: &StripeParts) -> Self {
        Self {
            streams: ByName::new(shared.names.clone()),
            ledger: Ledger {
                alarms: Alarms::default(),
                epochs: shared.epochs.clone(),
                totals: shared.totals.clone(),
                number,
            },
            keys: IdempotencyKeys::new(shared.keys.clone(), shared.earlier.clone()),
            position_bytes_max: shared.position_bytes_max,
            idempotency_ttl: shared.idempotency_ttl,
            waiting: WaitingSteps::new(shared.names.clone(), shared.waiting.clone()),
            end_notes: shared.end_notes.clone(),
        }
    }

    /// Publishes to a channel where nothing is to be written: both steps at once.
    pub(super) fn publish(
        &mut self,
        channel: Hashed<'_>,
        mut request: PublishRequest,
        shards: &SubscribedShards<'_>,
        now: Instant,
    ) -> Result<PublishResult, BrokerError> {
        let key = self.key_of(channel.name, &mut request);
        let id = key.as_ref().map(|key| key.id);
        let by_key = id.and_then(|id| self.keys.get(id, now));
        let keep_until = request.history.map(|history| now + history.ttl);
        // Found once for all that is done with it.
        let found = self.streams.get_mut(channel);
        let mut stream = found.map(|(_, stream)| &mut **stream);
        if let Some(known) = place::known(&request, stream.as_deref(), by_key) {
            return Ok(known);
        }
        let key = self.keys.room(key)?;
        if let (Some(keep_until), None) = (keep_until, &stream) {
            let begun = self.ledger.begun(&mut self.streams, channel, keep_until);
            stream = Some(begun.1);
        }
        let top = stream.as_deref().map(ChannelStream::position);
        let placed = Placed::place(request, top, shards, now)?;
        let context = CommitContext { shards, now };
        let result = self.ledger.commit(placed, channel.name, stream, context);
        self.remember(key, result.position, now);
        Ok(result)
    }

    /// Takes the key out of a request.
    pub(super) fn key_of(&self, channel: &str, request: &mut PublishRequest) -> Option<AskedKey> {
        let key = request.idempotency_key.take()?;
        Some(AskedKey {
            id: self.keys.id(channel, &key),
            owner: key.owner,
        })
    }

    /// Notes the key of what was published now.
    pub(super) fn remember(
        &mut self,
        key: Option<ReservedKey>,
        position: Option<StreamPosition>,
        now: Instant,
    ) {
        if let Some(key) = key {
            self.keys
                .insert(key, position, now, now + self.idempotency_ttl);
        }
    }

    /// Reads a history. A channel without a stream gets one.
    pub(super) fn read(
        &mut self,
        channel: Hashed<'_>,
        filter: &HistoryFilter,
        now: Instant,
    ) -> History {
        let keep_until = now + filter.keep;
        let (name, stream) = self.ledger.begun(&mut self.streams, channel, keep_until);
        stream.keep_until = stream.keep_until.max(keep_until);
        if stream.items.front().is_some_and(|kept| kept.until <= now) {
            self.ledger.change(name, stream, |stream| stream.trim(now));
            self.ledger.alarms.follow(name, stream);
            self.ledger.note_first_end();
        }
        part(stream, filter)
    }

    /// Forgets a channel's items; its position goes on.
    pub(super) fn forget_items(&mut self, channel: Hashed<'_>) {
        if let Some((name, stream)) = self.streams.get_mut(channel) {
            self.ledger.change(name, stream, ChannelStream::clear);
            self.ledger.alarms.follow(name, stream);
            self.ledger.note_first_end();
        }
    }

    /// Takes out a stream that has no items and no alarm.
    pub(super) fn drop_stream(&mut self, name: &ChannelName) {
        let channel = self.streams.hashed(name);
        let Some(stream) = self.streams.remove(channel) else {
            return;
        };
        let charge = stream.charge(name);
        self.ledger.totals.change(charge, Charge::default());
        if stream.top > 0 {
            let ended = self.ledger.epochs.end(name, stream.epoch);
            if let Some(notes) = &self.end_notes {
                notes.note(name.clone(), stream.epoch, ended);
            }
        }
        self.streams.shrink();
    }
}

/// What a filter wants of a stream.
fn part(stream: &ChannelStream, filter: &HistoryFilter) -> History {
    let top = stream.position();
    let items = stream.items.iter().map(|kept| &kept.item);
    if filter.reverse {
        let is_older = |item: &&Arc<Item>| filter.since.is_none_or(|since| item.offset < since);
        return filter.take(items.rev().filter(is_older), top);
    }
    // Offsets here are without gaps, so the place of the first that is wanted can be counted.
    let first = stream.items.front().map_or(0, |kept| kept.item.offset);
    let skip = filter
        .since
        .map_or(0, |since| since.saturating_add(1).saturating_sub(first));
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let wanted = stream.items.range(skip.min(stream.items.len())..);
    filter.take(wanted.map(|kept| &kept.item), top)
}
