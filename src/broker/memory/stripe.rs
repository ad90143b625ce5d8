//! What one lock of the memory broker guards: streams and idempotency keys.
//! Pure data, `now` is always a parameter.
//!
//! Every stream has exactly one alarm, at the time its oldest item expires or, without items, its
//! position does. So expiry costs one heap entry a stream, and the bound on all histories finds the
//! stream whose oldest item is next to go.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    keys::Keys,
    place::{self, Placed},
    stream::Stream,
};
use crate::{
    broker::{
        BrokerError, History, HistoryFilter, PublishRequest, PublishResult, fanout::Listening,
    },
    publication::Item,
    registry::ChannelName,
};

/// What a stream is charged against the bound on histories beside its items: its own structs, its
/// name, its alarm.
const STREAM_BYTES: usize = 320;
/// Alarms looked at in one call of [`Stripe::expire`], so that the lock is never held long.
const ALARMS_A_TURN: usize = 1024;
/// No alarm comes back sooner: what expires in between waits for it.
const ALARM_MIN: Duration = Duration::from_secs(1);
/// How often a stream without items, but with listeners, is looked at.
const LISTENED_ALARM: Duration = Duration::from_secs(60);

/// Whether anyone on this node listens to a channel.
pub(super) type IsListened<'a> = &'a dyn Fn(&str) -> bool;

/// Everything under one lock.
pub(super) struct Stripe {
    pub(super) streams: HashMap<ChannelName, Box<Stream>>,
    pub(super) keys: Keys,
    timers: BinaryHeap<Reverse<(Instant, ChannelName)>>,
    history_bytes: Arc<AtomicUsize>,
    idempotency_ttl: Duration,
}

impl Stripe {
    pub(super) fn new(history_bytes: Arc<AtomicUsize>, idempotency_ttl: Duration) -> Self {
        Self {
            streams: HashMap::new(),
            keys: Keys::default(),
            timers: BinaryHeap::new(),
            history_bytes,
            idempotency_ttl,
        }
    }

    /// The stream of a channel, begun where there is none.
    fn stream(&mut self, name: &ChannelName, keep_until: Instant) -> &mut Stream {
        let stream = match self.streams.entry(name.clone()) {
            Entry::Occupied(stream) => stream.into_mut(),
            Entry::Vacant(place) => {
                self.history_bytes.fetch_add(STREAM_BYTES, Relaxed);
                self.timers.push(Reverse((keep_until, name.clone())));
                place.insert(Box::new(Stream::new(keep_until)))
            }
        };
        stream.keep_until = stream.keep_until.max(keep_until);
        stream
    }

    /// Publishes to a channel: both steps at once, since nothing has to be written between them.
    pub(super) fn publish(
        &mut self,
        name: &ChannelName,
        mut request: PublishRequest,
        listening: &Listening<'_>,
        now: Instant,
    ) -> Result<PublishResult, BrokerError> {
        let key = request.idempotency_key.take();
        let by_key = key.as_ref().and_then(|key| self.keys.get(name, key, now));
        let keep_until = request.history.map(|history| now + history.ttl);
        // Found once for all that is done with it.
        let mut stream = self.streams.get_mut(name);
        if let Some(known) = place::known(&request, stream.as_deref().map(|s| &**s), by_key) {
            return Ok(known);
        }
        if let (Some(keep_until), None) = (keep_until, &stream) {
            self.history_bytes.fetch_add(STREAM_BYTES, Relaxed);
            self.timers.push(Reverse((keep_until, name.clone())));
            let begun = self.streams.entry(name.clone());
            stream = Some(begun.or_insert_with(|| Box::new(Stream::new(keep_until))));
        }
        let mut stream = stream.map(|stream| &mut **stream);
        let placed = Placed::place(request, stream.as_deref(), listening)?;
        if let (Some(keep_until), Some(stream)) = (keep_until, &mut stream) {
            stream.keep_until = stream.keep_until.max(keep_until);
        }
        let committed = placed.commit(stream, listening, now);
        self.history_bytes.fetch_add(committed.added, Relaxed);
        self.history_bytes.fetch_sub(committed.freed, Relaxed);
        if let Some(key) = key {
            self.keys.insert(
                name,
                key,
                committed.result.position,
                now + self.idempotency_ttl,
            );
        }
        Ok(committed.result)
    }

    /// Reads a history.
    pub(super) fn read(
        &mut self,
        name: &ChannelName,
        filter: &HistoryFilter,
        now: Instant,
    ) -> History {
        let stream = self.stream(name, now + filter.keep);
        let freed = stream.trim(now);
        let top = stream.position();
        let items = stream.items.iter().map(|kept| &kept.item);
        let history = if filter.reverse {
            let is_older = |item: &&Arc<Item>| filter.since.is_none_or(|since| item.offset < since);
            filter.take(items.rev().filter(is_older), top)
        } else {
            // Offsets here are without gaps, so the place of the first that is wanted can be
            // counted.
            let first = stream.items.front().map_or(0, |kept| kept.item.offset);
            let skip = filter
                .since
                .map_or(0, |since| since.saturating_add(1).saturating_sub(first));
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            let wanted = stream.items.range(skip.min(stream.items.len())..);
            filter.take(wanted.map(|kept| &kept.item), top)
        };
        self.history_bytes.fetch_sub(freed, Relaxed);
        history
    }

    pub(super) fn forget_items(&mut self, name: &ChannelName) {
        if let Some(stream) = self.streams.get_mut(name) {
            let mut freed = 0;
            while !stream.items.is_empty() {
                freed += stream.pop();
            }
            self.history_bytes.fetch_sub(freed, Relaxed);
        }
    }

    /// Lets go of what has expired.
    pub(super) fn expire(&mut self, now: Instant, is_listened: IsListened<'_>) {
        self.keys.expire(now);
        for _ in 0..ALARMS_A_TURN {
            if self.timers.peek().is_none_or(|Reverse((at, _))| *at > now) {
                return;
            }
            let Some(Reverse((_, name))) = self.timers.pop() else {
                return;
            };
            let Some(stream) = self.streams.get_mut(&name) else {
                continue;
            };
            self.history_bytes.fetch_sub(stream.trim(now), Relaxed);
            let mut next = stream.alarm_at().max(now + ALARM_MIN);
            if stream.items.is_empty() && stream.keep_until <= now {
                if !is_listened(&name) {
                    self.drop_stream(&name);
                    continue;
                }
                next = now + LISTENED_ALARM;
            }
            self.timers.push(Reverse((next, name)));
        }
    }

    /// Takes out the stream that has no items; its alarm is gone already.
    fn drop_stream(&mut self, name: &ChannelName) {
        if self.streams.remove(name).is_some() {
            self.history_bytes.fetch_sub(STREAM_BYTES, Relaxed);
            let (len, capacity) = (self.streams.len(), self.streams.capacity());
            if capacity > 1024 && len * 8 < capacity {
                self.streams.shrink_to_fit();
            }
        }
    }

    /// When the next item or position here expires.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one step to make room: the item that is next to expire goes, or the position of a
    /// channel without items that nobody listens to.
    pub(super) fn evict(&mut self, is_listened: IsListened<'_>) {
        let Some(Reverse((at, name))) = self.timers.pop() else {
            return;
        };
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        let mut next = stream.alarm_at();
        if next <= at {
            if !stream.items.is_empty() {
                self.history_bytes.fetch_sub(stream.pop(), Relaxed);
                next = stream.alarm_at();
            } else if !is_listened(&name) {
                return self.drop_stream(&name);
            } else {
                // Its members' number is bounded, and with it what this costs.
                next = at + LISTENED_ALARM;
            }
        }
        self.timers.push(Reverse((next, name)));
    }
}
