//! The broker of a single node: everything in this process's memory.
//!
//! Channels are spread over [`STRIPES`] locks. Under a channel's lock room is reserved in every shard that listens, the offset is
//! given, the item enters the history and the publication is enqueued, which is what makes order hold. Nothing is encoded or
//! awaited under it. Memory: one entry a channel that has a member, a history or presence; bounds are `limits.history_bytes`
//! over all histories and [`KEYS_MAX`] idempotency keys. What has expired goes by [`tick`](Broker::tick).

mod enqueue;
mod keys;
mod stream;
mod stripe;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::{
    enqueue::{enqueue, reserve},
    stripe::Stripe,
};
use super::{
    Broker, BrokerError, BrokerFuture, History, HistoryFilter, PresenceStats, PublishRequest,
    PublishResult,
};
use crate::{
    id::{SessionId, ShardId},
    metrics::Metrics,
    protocol::ClientInfo,
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
    shard::{Deliver, ShardHandle, Shards},
};

/// Locks that channels are spread over.
const STRIPES: usize = 64;

/// Idempotency keys that are remembered; beyond them the oldest are forgotten before their time.
const KEYS_MAX: usize = 1 << 20;

/// Steps that one publication takes to make room for itself; each takes an item or finds out that it is not the oldest.
const EVICTIONS_A_TURN: usize = 256;

/// Bounds of what the broker keeps.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBounds {
    /// `limits.history_bytes`.
    pub history_bytes_max: usize,
    /// `limits.idempotency_ttl`.
    pub idempotency_ttl: Duration,
}

/// Told when a channel gets its first member on this node (true) or loses its last; called under the channel's lock, so that what is
/// told last is what is so, and must not wait.
pub type Occupancy = dyn Fn(&ChannelName, bool) + Send + Sync;

/// The memory broker.
pub struct MemoryBroker {
    shards: Arc<Shards>,
    metrics: Arc<Metrics>,
    bounds: MemoryBounds,
    occupancy: Box<Occupancy>,
    hasher: RandomState,
    stripes: [Mutex<Stripe>; STRIPES],
    /// Channels in all stripes that have a member and whose names do not begin with `$`.
    channels: AtomicUsize,
    history_bytes: Arc<AtomicUsize>,
}

impl MemoryBroker {
    /// A broker for the shards of this process.
    #[must_use]
    pub fn new(
        shards: Arc<Shards>,
        metrics: Arc<Metrics>,
        bounds: MemoryBounds,
        occupancy: Box<Occupancy>,
    ) -> Self {
        let history_bytes = Arc::new(AtomicUsize::new(0));
        Self {
            shards,
            metrics,
            bounds,
            occupancy,
            hasher: RandomState::new(),
            stripes: std::array::from_fn(|_| Mutex::new(Stripe::new(history_bytes.clone()))),
            channels: AtomicUsize::new(0),
            history_bytes,
        }
    }

    fn lock(&self, channel: &str) -> MutexGuard<'_, Stripe> {
        let index = self.hasher.hash_one(channel) % STRIPES as u64;
        locked(&self.stripes[index as usize])
    }

    fn publish_now(&self, draft: PublishRequest) -> Result<PublishResult, BrokerError> {
        let result = match &draft.target {
            Target::Channel(channel) => {
                let channel = channel.clone();
                self.publish_to_channel(&channel, draft)
            }
            _ => self.publish_to_sessions(draft),
        };
        if result.is_err() {
            self.metrics.publish_refused.fetch_add(1, Relaxed);
        } else {
            self.metrics.published.fetch_add(1, Relaxed);
        }
        result
    }

    /// To everyone, a user or a session: no channel, so no order between publishers to keep.
    fn publish_to_sessions(&self, draft: PublishRequest) -> Result<PublishResult, BrokerError> {
        let shards = self.shards.all();
        let delivered = match draft.target {
            Target::Everyone => shards.iter().map(ShardHandle::sessions).sum(),
            _ => 0,
        };
        let publication =
            Publication::message(draft.target, draft.payload).excluding(draft.exclude, draft.group);
        enqueue(&shards, publication)?;
        Ok(PublishResult {
            position: None,
            delivered,
            suppressed: false,
        })
    }

    fn publish_to_channel(
        &self,
        name: &ChannelName,
        draft: PublishRequest,
    ) -> Result<PublishResult, BrokerError> {
        let now = Instant::now();
        let mut item = Item::new(draft.payload, 0);
        item.info = draft.info;
        item.tags = draft.tags;
        let mut stripe = self.lock(name);
        if let Some(key) = &draft.idempotency_key
            && let Some(known) = stripe.keys.get(name, key, now)
        {
            return Ok(PublishResult {
                position: known,
                delivered: 0,
                suppressed: true,
            });
        }
        if draft.history.is_none() && !stripe.channels.contains_key(name) {
            if let Some(key) = draft.idempotency_key {
                stripe
                    .keys
                    .insert(name, key, None, now + self.bounds.idempotency_ttl);
            }
            return Ok(PublishResult {
                position: None,
                delivered: 0,
                suppressed: false,
            });
        }
        let channel = stripe.channels.entry(name.clone()).or_default();
        if let Some(version) = &draft.version
            && let Some(top) = channel.is_not_newer(version)
        {
            return Ok(PublishResult {
                position: Some(top),
                delivered: 0,
                suppressed: true,
            });
        }
        let listening = self
            .shards
            .some(channel.listening().map(|(shard, _)| shard));
        let delivered = channel.listening().map(|(_, members)| members).sum();
        reserve(
            &listening,
            item.weight() + std::mem::size_of::<Publication>(),
        )?;

        let target = Target::Channel(name.clone());
        let (publication, position) = match draft.history.filter(|keep| keep.size > 0) {
            None => (
                Publication::new(target, Content::Item(Arc::new(item))),
                None,
            ),
            Some(history) => {
                let added = stripe.add(name, item, history, draft.version, now);
                let previous = added.previous.filter(|_| draft.delta);
                let publication = Publication::new(target, Content::Item(added.item))
                    .in_stream(added.position.epoch, previous);
                (publication, Some(added.position))
            }
        };
        let publication = Arc::new(publication.excluding(draft.exclude, draft.group));
        for shard in &listening {
            shard.addr().do_send(Deliver(publication.clone()));
        }
        if let Some(key) = draft.idempotency_key {
            stripe
                .keys
                .insert(name, key, position, now + self.bounds.idempotency_ttl);
        }
        drop(stripe);
        self.make_room();
        Ok(PublishResult {
            position,
            delivered,
            suppressed: false,
        })
    }

    /// Keeps all histories together under their bound: what is next to expire, wherever it is, goes first.
    fn make_room(&self) {
        for _ in 0..EVICTIONS_A_TURN {
            if self.history_bytes.load(Relaxed) <= self.bounds.history_bytes_max {
                return;
            }
            let ends = self.stripes.iter().map(|stripe| locked(stripe).next_end());
            let oldest = self
                .stripes
                .iter()
                .zip(ends)
                .filter_map(|(stripe, end)| Some((end?, stripe)));
            let Some((_, stripe)) = oldest.min_by_key(|(end, _)| *end) else {
                return;
            };
            locked(stripe).evict();
        }
    }

    fn announce_now(
        &self,
        name: &ChannelName,
        joined: bool,
        info: Arc<ClientInfo>,
    ) -> Result<(), BrokerError> {
        let stripe = self.lock(name);
        let Some(channel) = stripe.channels.get(name) else {
            return Ok(());
        };
        let listening = self
            .shards
            .some(channel.listening().map(|(shard, _)| shard));
        let content = if joined {
            Content::Join(info)
        } else {
            Content::Leave(info)
        };
        enqueue(
            &listening,
            Publication::new(Target::Channel(name.clone()), content),
        )
    }
}

fn locked(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    // Nothing under the lock is left half done by what could panic there (memory aside, which aborts).
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Broker for MemoryBroker {
    fn publish(&self, draft: PublishRequest) -> BrokerFuture<PublishResult> {
        BrokerFuture::ready(self.publish_now(draft))
    }

    fn announce(
        &self,
        channel: &ChannelName,
        joined: bool,
        info: Arc<ClientInfo>,
    ) -> BrokerFuture<()> {
        BrokerFuture::ready(self.announce_now(channel, joined, info))
    }

    fn history(&self, channel: &ChannelName, query: HistoryFilter) -> BrokerFuture<History> {
        let history = self.lock(channel).read(channel, query, Instant::now());
        // A stream that was begun to be read is charged too.
        self.make_room();
        BrokerFuture::ready(Ok(history))
    }

    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.lock(channel).forget_items(channel);
        BrokerFuture::ready(Ok(()))
    }

    fn present(
        &self,
        channel: &ChannelName,
        session: SessionId,
        info: Arc<ClientInfo>,
        ttl: Duration,
    ) -> BrokerFuture<()> {
        let mut stripe = self.lock(channel);
        stripe.present(channel, session, info, Instant::now() + ttl);
        BrokerFuture::ready(Ok(()))
    }

    fn absent(&self, channel: &ChannelName, session: SessionId) -> BrokerFuture<()> {
        self.lock(channel).absent(channel, session);
        BrokerFuture::ready(Ok(()))
    }

    fn presence(&self, channel: &ChannelName) -> BrokerFuture<Vec<(SessionId, Arc<ClientInfo>)>> {
        let stripe = self.lock(channel);
        let present = stripe.presence(channel, Instant::now());
        BrokerFuture::ready(Ok(present.map(|(id, info)| (id, info.clone())).collect()))
    }

    fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats> {
        let stripe = self.lock(channel);
        BrokerFuture::ready(Ok(stripe.presence_stats(channel, Instant::now())))
    }

    fn listen(&self, name: &ChannelName, shard: ShardId) -> bool {
        let mut stripe = self.lock(name);
        let first = stripe
            .channels
            .entry(name.clone())
            .or_default()
            .add_member(shard);
        if first && !name.starts_with('$') {
            self.channels.fetch_add(1, Relaxed);
            (self.occupancy)(name, true);
        }
        first
    }

    fn unlisten(&self, name: &ChannelName, shard: ShardId) -> bool {
        let mut stripe = self.lock(name);
        let Some(channel) = stripe.channels.get_mut(name) else {
            return false;
        };
        let last = channel.remove_member(shard);
        if last {
            stripe.drop_if_empty(name);
            if !name.starts_with('$') {
                self.channels.fetch_sub(1, Relaxed);
                (self.occupancy)(name, false);
            }
        }
        last
    }

    fn channels(&self) -> usize {
        self.channels.load(Relaxed)
    }

    fn history_bytes(&self) -> usize {
        self.history_bytes.load(Relaxed)
    }

    fn list_channels(
        &self,
        admits: &dyn Fn(&str) -> bool,
        limit: usize,
    ) -> Vec<(ChannelName, usize)> {
        let mut found = Vec::new();
        for stripe in &self.stripes {
            let stripe = locked(stripe);
            let here = stripe.channels.iter().filter_map(|(name, channel)| {
                let members: usize = channel.listening().map(|(_, members)| members).sum();
                (members > 0 && !name.starts_with('$') && admits(name))
                    .then(|| (name.clone(), members))
            });
            found.extend(here.take(limit - found.len()));
        }
        found
    }

    fn is_heard(&self, target: &Target) -> bool {
        match target {
            Target::Channel(name) => {
                let stripe = self.lock(name);
                stripe
                    .channels
                    .get(name)
                    .is_some_and(|channel| channel.listening().len() > 0)
            }
            _ => self.shards.has_sessions(),
        }
    }

    fn tick(&self, now: Instant) {
        for stripe in &self.stripes {
            locked(stripe).expire(now);
        }
    }
}

/// What tests look at.
#[cfg(test)]
impl MemoryBroker {
    pub(crate) fn entries(&self) -> usize {
        self.stripes
            .iter()
            .map(|stripe| locked(stripe).channels.len())
            .sum()
    }
}

#[cfg(test)]
mod tests;
