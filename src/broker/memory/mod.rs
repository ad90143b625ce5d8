//! The broker of a single node: everything in this process's memory.
//!
//! Channels are spread over as many locks as the [`Fanout`] has, and the same channels share one in
//! both. Under a channel's lock a publication is placed and committed (`place`), which is what
//! makes order hold; what has no place to keep (no history, no key, no version) needs the fan-out's
//! lock alone. Nothing is encoded or awaited under either, and this broker's is always taken first.
//! Memory: bounds in bytes over all histories, all positions of channels without items and all
//! idempotency keys ([`MemoryBounds`]). What has expired goes by [`expire`](Broker::expire).

mod alarms;
mod epochs;
mod evict;
mod keys;
mod place;
mod presence;
mod stream;
mod stripe;
mod totals;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

pub(crate) use self::presence::MemoryPresence;
use self::{
    epochs::Epochs,
    keys::KeyBounds,
    stripe::{Shared, Stripe},
    totals::Totals,
};
use super::{
    Broker, BrokerError, BrokerFuture, History, HistoryFilter, PublishRequest, PublishResult,
    PublishResults, Usage,
    fanout::{Fanout, STRIPES},
};
use crate::{
    protocol::ClientInfo,
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
};

/// Alarms that one publication may find behind their streams while it makes room for itself. Each
/// of them was left so by another publication.
const LATE_ALARMS_A_TURN: usize = 256;

/// Bounds of what the broker keeps.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBounds {
    /// `limits.history_bytes`.
    pub history_bytes_max: usize,
    /// `limits.position_bytes`.
    pub position_bytes_max: usize,
    /// `limits.idempotency_bytes`.
    pub idempotency_bytes_max: usize,
    /// `limits.idempotency_ttl`.
    pub idempotency_ttl: Duration,
}

/// The memory broker.
pub struct MemoryBroker {
    fanout: Arc<Fanout>,
    history_bytes_max: usize,
    stripes: [Mutex<Stripe>; STRIPES],
    totals: Arc<Totals>,
    keys: Arc<KeyBounds>,
}

impl MemoryBroker {
    /// A broker for the shards of this process.
    #[must_use]
    pub fn new(fanout: Arc<Fanout>, bounds: MemoryBounds) -> Self {
        let shared = Shared {
            totals: Arc::new(Totals::new()),
            keys: KeyBounds::new(bounds.idempotency_bytes_max),
            epochs: Epochs::new(),
            position_bytes_max: bounds.position_bytes_max,
            idempotency_ttl: bounds.idempotency_ttl,
        };
        Self {
            fanout,
            history_bytes_max: bounds.history_bytes_max,
            stripes: std::array::from_fn(|number| Mutex::new(Stripe::new(number, &shared))),
            totals: shared.totals,
            keys: shared.keys,
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
        if result.is_err() {
            // The stream may have been begun for it.
            stripe.throw_out_positions(false, &|channel| self.fanout.is_listened(channel));
        }
        drop(stripe);
        self.make_room();
        result
    }

    /// Keeps all histories together under their bound: what is next to expire, wherever it is, goes
    /// first.
    fn make_room(&self) {
        let mut late = 0;
        while self.totals.history_bytes.load(Relaxed) > self.history_bytes_max
            && late < LATE_ALARMS_A_TURN
            && let Some(stripe) = self.totals.first_to_end()
        {
            let mut stripe = locked(&self.stripes[stripe]);
            if !stripe.throw_out_item(&|channel| self.fanout.is_listened(channel)) {
                late += 1;
            }
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
        let mut stripe = self.lock(channel);
        let history = stripe.read(channel, filter, Instant::now());
        stripe.throw_out_positions(false, &|channel| self.fanout.is_listened(channel));
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

    fn usage(&self) -> Option<Usage> {
        let totals = &self.totals;
        Some(Usage {
            history_bytes: totals.history_bytes.load(Relaxed),
            position_bytes: totals.position_bytes.load(Relaxed),
            idempotency_bytes: self.keys.bytes(),
            evicted_publications: totals.evicted_publications.load(Relaxed),
            evicted_positions: totals.evicted_positions.load(Relaxed),
        })
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

    /// Alarms that were taken out to find what goes.
    pub(crate) fn alarms_looked_at(&self) -> u64 {
        let stripes = self.stripes.iter();
        stripes.map(|stripe| locked(stripe).alarms.looked_at).sum()
    }
}

#[cfg(test)]
mod tests;
