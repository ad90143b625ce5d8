//! What one lock of the memory broker guards: streams and idempotency keys.
//! Pure data, `now` is always a parameter.
//!
//! What a stream is charged is counted before and after each change of it, in one place
//! ([`Totals::change`]), so that the sums cannot drift from what the streams say.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use super::{
    alarms::Alarms,
    epochs::Epochs,
    keys::{EarlierKeys, KeyBounds, Keys},
    place::{self, Placed},
    stream::{Charge, Stage, Stream},
    totals::Totals,
    waiting::Waitings,
};
use crate::{
    broker::{
        BrokerError, History, HistoryFilter, PublishRequest, PublishResult, fanout::Listening,
    },
    publication::Item,
    registry::ChannelName,
    store::{Record, Store},
};

/// Whether anyone on this node listens to a channel.
pub(super) type IsListened<'a> = &'a dyn Fn(&str) -> bool;

/// Everything under one lock.
pub(super) struct Stripe {
    pub(super) streams: HashMap<ChannelName, Box<Stream>>,
    pub(super) keys: Keys,
    pub(super) alarms: Alarms,
    pub(super) epochs: Epochs,
    pub(super) totals: Arc<Totals>,
    /// Which of the locks it is.
    pub(super) number: usize,
    pub(super) position_bytes_max: usize,
    pub(super) idempotency_ttl: Duration,
    /// What is placed and not written yet; empty without a store.
    pub(super) waiting: Waitings,
    /// Where the end of a stream is noted.
    pub(super) store: Option<Arc<dyn Store>>,
}

/// What all locks have in common.
pub(super) struct Shared {
    pub(super) totals: Arc<Totals>,
    pub(super) keys: Arc<KeyBounds>,
    pub(super) earlier: Arc<EarlierKeys>,
    pub(super) epochs: Epochs,
    pub(super) position_bytes_max: usize,
    pub(super) idempotency_ttl: Duration,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Stripe {
    pub(super) fn new(number: usize, shared: &Shared) -> Self {
        Self {
            streams: HashMap::new(),
            keys: Keys::new(shared.keys.clone(), shared.earlier.clone()),
            alarms: Alarms::default(),
            epochs: shared.epochs.clone(),
            totals: shared.totals.clone(),
            number,
            position_bytes_max: shared.position_bytes_max,
            idempotency_ttl: shared.idempotency_ttl,
            waiting: Waitings::counted(shared.waiting.clone()),
            store: shared.store.clone(),
        }
    }

    /// Publishes to a channel where nothing is to be written: both steps at once.
    pub(super) fn publish(
        &mut self,
        name: &ChannelName,
        mut request: PublishRequest,
        listening: &Listening<'_>,
        now: Instant,
    ) -> Result<PublishResult, BrokerError> {
        let key = request.idempotency_key.take();
        let key = key.map(|key| (self.keys.id(name, &key), key.owner));
        let by_key = key.as_ref().and_then(|(id, _)| self.keys.get(*id, now));
        let keep_until = request.history.map(|history| now + history.ttl);
        // Found once for all that is done with it.
        let mut stream = self.streams.get_mut(name);
        if let Some(known) = place::known(&request, stream.as_deref().map(|s| &**s), by_key) {
            return Ok(known);
        }
        let key = key
            .map(|(id, owner)| Ok((id, self.keys.take(owner.as_ref())?)))
            .transpose()?;
        if let (Some(keep_until), None) = (keep_until, &stream) {
            let begun = Box::new(Stream::new(self.epochs.of(name), keep_until));
            let begun = self.streams.entry(name.clone()).or_insert(begun);
            self.alarms.set(name.clone(), begun, keep_until);
            self.totals.change(Charge::default(), begun.charge(name));
            stream = Some(begun);
        }
        let stream = stream.map(|stream| &mut **stream);
        let placed = Placed::place(request, stream.as_deref().map(Stream::position), listening)?;
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
        Ok(result)
    }

    /// Reads a history. A channel without a stream gets one.
    pub(super) fn read(
        &mut self,
        name: &ChannelName,
        filter: &HistoryFilter,
        now: Instant,
    ) -> History {
        let keep_until = now + filter.keep;
        let stream = match self.streams.entry(name.clone()) {
            Entry::Occupied(stream) => stream.into_mut(),
            Entry::Vacant(place) => {
                let begun = place.insert(Box::new(Stream::new(self.epochs.of(name), keep_until)));
                self.alarms.set(name.clone(), begun, keep_until);
                self.totals.change(Charge::default(), begun.charge(name));
                begun
            }
        };
        stream.keep_until = stream.keep_until.max(keep_until);
        if stream.items.front().is_some_and(|kept| kept.until <= now) {
            let before = stream.charge(name);
            stream.trim(now);
            self.totals.change(before, stream.charge(name));
            self.alarms.follow(name, stream);
        }
        part(stream, filter)
    }

    /// Forgets a channel's items; its position goes on.
    pub(super) fn forget_items(&mut self, name: &ChannelName) {
        if let Some(stream) = self.streams.get_mut(name) {
            let before = stream.charge(name);
            stream.clear();
            self.totals.change(before, stream.charge(name));
            self.alarms.follow(name, stream);
            self.note_first_end();
        }
    }

    /// Takes out a stream that has no items and no alarm.
    pub(super) fn drop_stream(&mut self, name: &ChannelName) {
        let Some(stream) = self.streams.remove(name) else {
            return;
        };
        self.totals.change(stream.charge(name), Charge::default());
        if stream.top > 0 {
            self.epochs.end(name);
            if let Some(store) = &self.store {
                // Left out where there is no room: then it comes back at a restart as it was.
                store.note(Record::Ended {
                    channel: name.clone(),
                    epoch: stream.epoch,
                });
            }
        }
        let (len, capacity) = (self.streams.len(), self.streams.capacity());
        if capacity > 1024 && len * 8 < capacity {
            self.streams.shrink_to_fit();
        }
    }

    /// Tells those who look for what is first to go.
    pub(super) fn note_first_end(&self) {
        let first = self.alarms.first(Stage::Kept);
        self.totals.note_first_end(self.number, first);
    }
}

/// What is counted of a stream beside it, while its publication is committed.
pub(super) struct Ledger<'a> {
    pub(super) name: &'a ChannelName,
    pub(super) totals: &'a Totals,
    pub(super) alarms: &'a mut Alarms,
}

impl Ledger<'_> {
    /// The second step of a publication, charged to its stream. Returns whether that has become
    /// another thing.
    #[inline]
    pub(super) fn commit(
        self,
        placed: Placed,
        stream: Option<&mut Stream>,
        listening: &Listening<'_>,
        now: Instant,
    ) -> (PublishResult, bool) {
        // One that is not kept leaves its stream as it was.
        let Some(stream) = stream else {
            return (placed.commit(None, listening, now), false);
        };
        let before = stream.charge(self.name);
        let result = placed.commit(Some(stream), listening, now);
        self.totals.change(before, stream.charge(self.name));
        let is_refiled = stream.filed != stream.stage();
        if is_refiled {
            self.alarms.follow(self.name, stream);
        }
        (result, is_refiled)
    }
}

/// What a filter wants of a stream.
fn part(stream: &Stream, filter: &HistoryFilter) -> History {
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
