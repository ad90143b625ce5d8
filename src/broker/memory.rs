//! The broker of a single node: knows which shards listen to which channel, and enqueues to them.
//!
//! Order per channel comes from one lock per channel (channels are spread over [`STRIPES`] locks): under it room is
//! reserved in every shard that listens and the publication is enqueued. Nothing is encoded or awaited under it.
//! Memory: one entry a channel that has a member on this node.

use std::{
    collections::HashMap,
    future::ready,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{Broker, Publishing, Refused};
use crate::{
    id::ShardId,
    metrics::Metrics,
    publication::{Publication, Target},
    registry::ChannelName,
    shard::{Deliver, ShardHandle, Shards},
};

/// Locks that channels are spread over.
const STRIPES: usize = 64;

type Listeners = HashMap<ChannelName, Vec<ShardId>>;

/// The memory broker.
pub struct MemoryBroker {
    shards: Arc<Shards>,
    metrics: Arc<Metrics>,
    hasher: RandomState,
    stripes: [Mutex<Listeners>; STRIPES],
    /// Channels in all stripes whose names do not begin with `$`.
    channels: AtomicUsize,
}

impl MemoryBroker {
    /// A broker for the shards of this process.
    #[must_use]
    pub fn new(shards: Arc<Shards>, metrics: Arc<Metrics>) -> Self {
        Self {
            shards,
            metrics,
            hasher: RandomState::new(),
            stripes: std::array::from_fn(|_| Mutex::default()),
            channels: AtomicUsize::new(0),
        }
    }

    fn stripe_of(&self, channel: &str) -> usize {
        (self.hasher.hash_one(channel) % STRIPES as u64) as usize
    }

    fn lock(&self, stripe: usize) -> MutexGuard<'_, Listeners> {
        // Every change under the lock is a single push, retain or remove, so the map is whole even after a panic.
        self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_now(&self, publication: &Arc<Publication>) -> Result<(), Refused> {
        let result = match publication.target() {
            Target::Everyone => enqueue(&self.shards.all(), publication),
            Target::Channels(channels) => {
                let mut stripes: Vec<usize> =
                    channels.iter().map(|name| self.stripe_of(name)).collect();
                // Always in the same order, so that two publications to several channels cannot wait for each other.
                stripes.sort_unstable();
                stripes.dedup();
                let guards: Vec<_> = stripes.iter().map(|&index| self.lock(index)).collect();
                let mut listening: Vec<ShardId> = Vec::new();
                for name in channels {
                    let stripe = self.stripe_of(name);
                    let listeners = stripes
                        .iter()
                        .position(|&index| index == stripe)
                        .and_then(|place| guards[place].get(name));
                    for &shard in listeners.into_iter().flatten() {
                        if !listening.contains(&shard) {
                            listening.push(shard);
                        }
                    }
                }
                enqueue(&self.shards.some(&listening), publication)
            }
        };
        if result.is_err() {
            self.metrics.publish_refused.fetch_add(1, Relaxed);
        }
        result
    }
}

/// Reserves room in every shard, then sends; without room in one of them, nothing is sent to any.
fn enqueue(shards: &[ShardHandle], publication: &Arc<Publication>) -> Result<(), Refused> {
    let weight = publication.weight();
    for (index, shard) in shards.iter().enumerate() {
        if !shard.reserve(weight) {
            for reserved in &shards[..index] {
                reserved.release(weight);
            }
            return Err(Refused::Busy);
        }
    }
    for shard in shards {
        shard.addr().do_send(Deliver(publication.clone()));
    }
    Ok(())
}

impl Broker for MemoryBroker {
    fn publish(&self, publication: Arc<Publication>) -> Publishing<'_> {
        Box::pin(ready(self.publish_now(&publication)))
    }

    fn listen(&self, channel: &ChannelName, shard: ShardId) {
        let mut listeners = self.lock(self.stripe_of(channel));
        let shards = listeners.entry(channel.clone()).or_default();
        if shards.is_empty() && !channel.starts_with('$') {
            self.channels.fetch_add(1, Relaxed);
        }
        if !shards.contains(&shard) {
            shards.push(shard);
        }
    }

    fn unlisten(&self, channel: &ChannelName, shard: ShardId) {
        let mut listeners = self.lock(self.stripe_of(channel));
        if let Some(shards) = listeners.get_mut(channel) {
            shards.retain(|&listening| listening != shard);
            if shards.is_empty() {
                listeners.remove(channel);
                if !channel.starts_with('$') {
                    self.channels.fetch_sub(1, Relaxed);
                }
            }
        }
    }

    fn channels(&self) -> usize {
        self.channels.load(Relaxed)
    }

    fn is_heard(&self, target: &Target) -> bool {
        match target {
            Target::Everyone => self.shards.has_sessions(),
            Target::Channels(channels) => channels
                .iter()
                .any(|name| self.lock(self.stripe_of(name)).contains_key(name)),
        }
    }
}
