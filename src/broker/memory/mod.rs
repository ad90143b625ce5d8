//! The broker of a single node: everything in this process's memory.
//!
//! Channels are spread over as many locks as the [`Fanout`] has, and the same channels share one in
//! both. Under a channel's lock a publication is placed and committed (`place`), which is what
//! makes order hold; what has no place to keep (no history, no key, no version) needs the fan-out's
//! lock alone. Nothing is encoded or awaited under either, and this broker's is always taken first.
//! Memory: one entry a channel with a stream; bounds are `limits.history_bytes` over all histories
//! and `KEYS_MAX` idempotency keys. What has expired goes by [`expire`](Broker::expire).

mod keys;
mod place;
mod presence;
mod stream;
mod stripe;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

pub(crate) use self::presence::MemoryPresence;
use self::stripe::Stripe;
use super::{
    Broker, BrokerError, BrokerFuture, History, HistoryFilter, PublishRequest, PublishResult,
    PublishResults,
    fanout::{Fanout, STRIPES},
};
use crate::{
    protocol::ClientInfo,
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
};

/// Steps that one publication takes to make room for itself; each takes an item or finds out that
/// it is not the oldest.
const EVICTIONS_A_TURN: usize = 256;

/// Bounds of what the broker keeps.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBounds {
    /// `limits.history_bytes`.
    pub history_bytes_max: usize,
    /// `limits.idempotency_ttl`.
    pub idempotency_ttl: Duration,
}

/// The memory broker.
pub struct MemoryBroker {
    fanout: Arc<Fanout>,
    history_bytes_max: usize,
    stripes: [Mutex<Stripe>; STRIPES],
    history_bytes: Arc<AtomicUsize>,
}

impl MemoryBroker {
    /// A broker for the shards of this process.
    #[must_use]
    pub fn new(fanout: Arc<Fanout>, bounds: MemoryBounds) -> Self {
        let history_bytes = Arc::new(AtomicUsize::new(0));
        Self {
            fanout,
            history_bytes_max: bounds.history_bytes_max,
            stripes: std::array::from_fn(|_| {
                let stripe = Stripe::new(history_bytes.clone(), bounds.idempotency_ttl);
                Mutex::new(stripe)
            }),
            history_bytes,
        }
    }

    fn lock(&self, channel: &str) -> MutexGuard<'_, Stripe> {
        locked(&self.stripes[self.fanout.stripe_of(channel)])
    }

    fn publish_now(&self, mut request: PublishRequest) -> Result<PublishResult, BrokerError> {
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

    fn publish_in_place(
        &self,
        channel: &ChannelName,
        request: PublishRequest,
    ) -> Result<PublishResult, BrokerError> {
        let now = Instant::now();
        let number = self.fanout.stripe_of(channel);
        let mut stripe = locked(&self.stripes[number]);
        let result = self.fanout.listening_in(number, channel, |listening| {
            stripe.publish(channel, request, listening, now)
        });
        drop(stripe);
        self.make_room();
        result
    }

    /// Keeps all histories together under their bound: what is next to expire, wherever it is, goes
    /// first.
    fn make_room(&self) {
        for _ in 0..EVICTIONS_A_TURN {
            if self.history_bytes.load(Relaxed) <= self.history_bytes_max {
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
            locked(stripe).evict(&|channel| self.fanout.is_listened(channel));
        }
    }

    /// Joins and leaves may be lost where there is no room.
    fn announce(&self, channel: &ChannelName, content: Content) {
        let target = Target::Channel(channel.clone());
        if self.fanout.send(Publication::new(target, content)).is_err() {
            log::trace!("no room to tell {channel} who came or went");
        }
    }

    /// The streams that are read are begun where there are none, and charged.
    fn read(&self, channel: &ChannelName, filter: &HistoryFilter) -> History {
        let history = self.lock(channel).read(channel, filter, Instant::now());
        self.make_room();
        history
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

fn locked(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    // Nothing under the lock is left half done by what could panic there (memory aside, which
    // aborts).
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Broker for MemoryBroker {
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        BrokerFuture::ready(self.publish_now(request))
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        let results = requests.into_iter().map(|one| self.publish_now(one));
        BrokerFuture::ready(Ok(results.collect()))
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.announce(channel, Content::Join(info));
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.announce(channel, Content::Leave(info));
    }

    fn listening(&self, _: &ChannelName) -> BrokerFuture<()> {
        // The shard told the fan-out, which is all there is.
        BrokerFuture::ready(Ok(()))
    }

    fn history(&self, channel: &ChannelName, filter: HistoryFilter) -> BrokerFuture<History> {
        BrokerFuture::ready(Ok(self.read(channel, &filter)))
    }

    fn histories(
        &self,
        reads: Vec<(ChannelName, HistoryFilter)>,
        bytes_max: usize,
    ) -> BrokerFuture<Vec<History>> {
        let mut left = bytes_max;
        let histories = reads.into_iter().map(|(channel, filter)| {
            let history = self.read(&channel, &filter.within(left));
            left = left.saturating_sub(history.weight());
            history
        });
        BrokerFuture::ready(Ok(histories.collect()))
    }

    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.lock(channel).forget_items(channel);
        BrokerFuture::ready(Ok(()))
    }

    fn has_subscribers(&self, target: &Target) -> BrokerFuture<bool> {
        BrokerFuture::ready(Ok(self.fanout.has_subscribers(target)))
    }

    fn history_bytes(&self) -> Option<usize> {
        Some(self.history_bytes.load(Relaxed))
    }

    fn expire(&self, now: Instant) {
        for stripe in &self.stripes {
            locked(stripe).expire(now, &|channel| self.fanout.is_listened(channel));
        }
    }
}

/// What tests look at.
#[cfg(test)]
impl MemoryBroker {
    /// Channels with a stream.
    pub(crate) fn streams(&self) -> usize {
        let stripes = self.stripes.iter();
        stripes.map(|stripe| locked(stripe).streams.len()).sum()
    }
}

#[cfg(test)]
mod tests;
