//! What one lock of the memory broker guards: channels with their listeners, streams and presence, and idempotency keys.
//! Pure data, `now` is always a parameter.
//!
//! Every stream has exactly one alarm, at the time its oldest item expires or, without items, its position does. So expiry
//! costs one heap entry a stream, and the bound on all histories finds the stream whose oldest item is next to go.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    keys::Keys,
    stream::{Channel, HistoryEntry, Stream},
};
use crate::{
    broker::{History, HistoryFilter, HistoryOptions, PresenceStats, Version},
    id::{Epoch, SessionId, StreamPosition},
    protocol::ClientInfo,
    publication::Item,
    registry::ChannelName,
};

/// What a stream is charged against the bound on histories beside its items: its own structs, its name, its alarm.
const STREAM_BYTES: usize = 320;
/// Alarms looked at in one call of [`Stripe::expire`], so that the lock is never held long.
const ALARMS_A_TURN: usize = 1024;
/// No alarm comes back sooner: what expires in between waits for it.
const ALARM_MIN: Duration = Duration::from_secs(1);
/// How often a stream without items, but with listeners, is looked at.
const LISTENED_ALARM: Duration = Duration::from_secs(60);

/// How often presences are looked through.
const PRESENCE_LOOK: Duration = Duration::from_secs(60);

struct Present {
    info: Arc<ClientInfo>,
    until: Instant,
}

/// An item that entered a history.
pub(super) struct Added {
    pub(super) item: Arc<Item>,
    pub(super) position: StreamPosition,
    /// The item before it, if it is still kept.
    pub(super) previous: Option<Arc<Item>>,
}

/// Everything under one lock.
pub(super) struct Stripe {
    pub(super) channels: HashMap<ChannelName, Channel>,
    pub(super) keys: Keys,
    timers: BinaryHeap<Reverse<(Instant, ChannelName)>>,
    presence: HashMap<ChannelName, HashMap<SessionId, Present>>,
    /// When the presences are next looked through for those who vanished without leaving.
    presence_look: Option<Instant>,
    history_bytes: Arc<AtomicUsize>,
}

impl Stripe {
    pub(super) fn new(history_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            channels: HashMap::new(),
            keys: Keys::default(),
            timers: BinaryHeap::new(),
            presence: HashMap::new(),
            presence_look: None,
            history_bytes,
        }
    }

    /// The stream of a channel, begun where there is none.
    fn stream(&mut self, name: &ChannelName, keep_until: Instant) -> &mut Stream {
        let channel = self.channels.entry(name.clone()).or_default();
        let stream = channel.stream.get_or_insert_with(|| {
            self.history_bytes.fetch_add(STREAM_BYTES, Relaxed);
            self.timers.push(Reverse((keep_until, name.clone())));
            Box::new(Stream {
                epoch: Epoch::random(),
                top: 0,
                items: VecDeque::new(),
                keep_until,
                version: None,
            })
        });
        stream.keep_until = stream.keep_until.max(keep_until);
        stream
    }

    /// Gives an item its offset and keeps it.
    pub(super) fn add(
        &mut self,
        name: &ChannelName,
        mut item: Item,
        history: HistoryOptions,
        version: Option<Box<Version>>,
        now: Instant,
    ) -> Added {
        let until = now + history.ttl;
        let stream = self.stream(name, until);
        let mut freed = stream.trim(now);
        let previous = stream.items.back().map(|kept| kept.item.clone());
        stream.top += 1;
        item.offset = stream.top;
        let item = Arc::new(item);
        let kept = HistoryEntry {
            until,
            item: item.clone(),
        };
        let added = kept.weight();
        if stream.items.is_empty() && history.size == 1 {
            stream.items.reserve_exact(1);
        }
        while stream.items.len() >= history.size {
            freed += stream.pop();
        }
        stream.items.push_back(kept);
        stream.version = version.or(stream.version.take());
        let position = stream.position();
        self.history_bytes.fetch_add(added, Relaxed);
        self.history_bytes.fetch_sub(freed, Relaxed);
        Added {
            item,
            position,
            previous,
        }
    }

    /// Reads a history.
    pub(super) fn read(
        &mut self,
        name: &ChannelName,
        query: HistoryFilter,
        now: Instant,
    ) -> History {
        let stream = self.stream(name, now + query.keep);
        let freed = stream.trim(now);
        let top = stream.position();
        let limit = query.limit.unwrap_or(usize::MAX);
        let items = stream.items.iter().map(|kept| &kept.item);
        let items = if query.reverse {
            let older = items
                .rev()
                .filter(|item| query.since.is_none_or(|since| item.offset < since));
            older.take(limit).cloned().collect()
        } else {
            // Offsets are without gaps, so the place of the first that is wanted can be counted.
            let first = stream.items.front().map_or(0, |kept| kept.item.offset);
            let skip = query
                .since
                .map_or(0, |since| since.saturating_add(1).saturating_sub(first));
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            items.skip(skip).take(limit).cloned().collect()
        };
        self.history_bytes.fetch_sub(freed, Relaxed);
        History { items, top }
    }

    pub(super) fn forget_items(&mut self, name: &ChannelName) {
        if let Some(stream) = self
            .channels
            .get_mut(name)
            .and_then(|channel| channel.stream.as_mut())
        {
            let mut freed = 0;
            while !stream.items.is_empty() {
                freed += stream.pop();
            }
            self.history_bytes.fetch_sub(freed, Relaxed);
        }
    }

    pub(super) fn present(
        &mut self,
        name: &ChannelName,
        session: SessionId,
        info: Arc<ClientInfo>,
        until: Instant,
    ) {
        let presence = self.presence.entry(name.clone()).or_default();
        presence.insert(session, Present { info, until });
    }

    pub(super) fn absent(&mut self, name: &ChannelName, session: SessionId) {
        if let Some(presence) = self.presence.get_mut(name) {
            presence.remove(&session);
            if presence.is_empty() {
                self.presence.remove(name);
            }
        }
    }

    /// Who is present in a channel.
    pub(super) fn presence(
        &self,
        name: &ChannelName,
        now: Instant,
    ) -> impl Iterator<Item = (SessionId, &Arc<ClientInfo>)> {
        let all = self.presence.get(name).into_iter().flatten();
        all.filter(move |(_, present)| present.until > now)
            .map(|(&id, present)| (id, &present.info))
    }

    pub(super) fn presence_stats(&self, name: &ChannelName, now: Instant) -> PresenceStats {
        let mut users = HashSet::new();
        let mut clients = 0;
        for (_, info) in self.presence(name, now) {
            clients += 1;
            users.insert(info.user.as_str());
        }
        PresenceStats {
            clients,
            users: users.len(),
        }
    }

    pub(super) fn drop_if_empty(&mut self, name: &ChannelName) {
        if self.channels.get(name).is_some_and(Channel::is_empty) {
            self.channels.remove(name);
            if self.channels.capacity() > 1024 && self.channels.len() * 8 < self.channels.capacity()
            {
                self.channels.shrink_to_fit();
            }
        }
    }

    /// Lets go of what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        self.keys.expire(now);
        self.expire_presence(now);
        for _ in 0..ALARMS_A_TURN {
            if self.timers.peek().is_none_or(|Reverse((at, _))| *at > now) {
                return;
            }
            let Some(Reverse((_, name))) = self.timers.pop() else {
                return;
            };
            let Some(channel) = self.channels.get_mut(&name) else {
                continue;
            };
            let Some(stream) = &mut channel.stream else {
                continue;
            };
            self.history_bytes.fetch_sub(stream.trim(now), Relaxed);
            let mut next = stream.alarm_at().max(now + ALARM_MIN);
            if stream.items.is_empty() && stream.keep_until <= now {
                if channel.listeners.is_empty() {
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
        if let Some(channel) = self.channels.get_mut(name)
            && channel.stream.take().is_some()
        {
            self.history_bytes.fetch_sub(STREAM_BYTES, Relaxed);
            self.drop_if_empty(name);
        }
    }

    /// When the next item or position here expires.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one step to make room: the item that is next to expire goes, or the position of a channel without items that nobody
    /// listens to.
    pub(super) fn evict(&mut self) {
        let Some(Reverse((at, name))) = self.timers.pop() else {
            return;
        };
        let Some(channel) = self.channels.get_mut(&name) else {
            return;
        };
        let Some(stream) = &mut channel.stream else {
            return;
        };
        let mut next = stream.alarm_at();
        if next <= at {
            if !stream.items.is_empty() {
                self.history_bytes.fetch_sub(stream.pop(), Relaxed);
                next = stream.alarm_at();
            } else if channel.listeners.is_empty() {
                return self.drop_stream(&name);
            } else {
                // Its members' number is bounded, and with it what this costs.
                next = at + LISTENED_ALARM;
            }
        }
        self.timers.push(Reverse((next, name)));
    }

    /// Drops everyone who vanished without leaving, once a minute; readers leave them out anyway.
    fn expire_presence(&mut self, now: Instant) {
        if self.presence_look.is_some_and(|at| at > now) {
            return;
        }
        self.presence_look = Some(now + PRESENCE_LOOK);
        self.presence.retain(|_, presence| {
            presence.retain(|_, present| present.until > now);
            !presence.is_empty()
        });
    }
}
