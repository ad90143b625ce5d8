//! The broker of a single node: everything in this process's memory.
//!
//! Channels are spread over as many locks as the [`Fanout`] has, and the same channels share one in
//! both. Under a channel's lock a publication is placed and committed (`place`), which is what
//! makes order hold; what has no place to keep (no history, no key, no version) needs the fan-out's
//! lock alone. Nothing is encoded or awaited under either, and this broker's is always taken first.
//! With a [`Store`] what is kept is written between the two steps (`waiting`), and made again at
//! the next start (`restore`).
//! Memory: bounds in bytes over all histories, all positions of channels without items and all
//! idempotency keys ([`MemoryBounds`]). What has expired goes by [`expire`](Broker::expire).

mod alarms;
mod answers;
mod durable;
mod end_notes;
mod epochs;
mod evict;
mod keys;
mod ledger;
mod now;
mod pending_commit;
mod place;
mod presence;
mod publish;
mod restore;
mod snapshot;
mod stream;
mod stripe;
mod totals;
mod waiting;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::{
    end_notes::EndNotes,
    epochs::Epochs,
    keys::{EarlierKeys, KeyBounds},
    now::Clock,
    stripe::{Stripe, StripeParts},
    totals::Totals,
};
pub(crate) use self::{presence::MemoryPresence, restore::Restored};
use super::{
    Broker, BrokerFuture, History, HistoryFilter, PublishRequest, PublishResult, PublishResults,
    Usage,
    by_name::Hashed,
    fanout::{Fanout, STRIPES},
};
use crate::{
    protocol::ClientInfo,
    publication::{Content, Target},
    registry::ChannelName,
    store::{Committer, HashSecret, Store},
};

/// Bounds of what the broker keeps.
#[derive(Clone, Copy, Debug)]
pub struct MemoryBounds {
    /// Of all streams that have items (`limits.history_bytes`).
    pub history_bytes_max: usize,
    /// Of all streams that have none (`limits.position_bytes`).
    pub position_bytes_max: usize,
    /// Of all keys that still count (`limits.idempotency_bytes`).
    pub idempotency_bytes_max: usize,
    /// How long a key counts (`limits.idempotency_ttl`).
    pub idempotency_ttl: Duration,
}

/// Streams and keys of a single node, under as many locks as its fan-out has.
pub struct MemoryBroker {
    fanout: Arc<Fanout>,
    history_bytes_max: usize,
    stripes: [Mutex<Stripe>; STRIPES],
    totals: Arc<Totals>,
    keys: Arc<KeyBounds>,
    earlier: Arc<EarlierKeys>,
    epochs: Epochs,
    durable: Option<Durable>,
}

/// What makes a broker outlive its process.
struct Durable {
    store: Arc<dyn Store>,
    /// What it is to have before anything else.
    end_notes: EndNotes,
    /// By which records say when they expire.
    clock: Clock,
    secret: HashSecret,
    /// It is not in the files yet.
    is_renewed: bool,
    /// The broker, for the store's thread.
    this: Weak<dyn Committer>,
    /// Steps that wait in all channels.
    waiting: Arc<AtomicUsize>,
}

impl MemoryBroker {
    /// A broker for the shards of this process, which forgets everything with it.
    #[must_use]
    pub fn new(fanout: Arc<Fanout>, bounds: MemoryBounds) -> Self {
        let secret = HashSecret::random();
        Self::with(fanout, bounds, secret, Epochs::new(secret.epochs), None)
    }

    fn with(
        fanout: Arc<Fanout>,
        bounds: MemoryBounds,
        secret: HashSecret,
        epochs: Epochs,
        durable: Option<Durable>,
    ) -> Self {
        let shared = StripeParts {
            names: fanout.names().clone(),
            totals: Arc::new(Totals::new()),
            keys: KeyBounds::new(bounds.idempotency_bytes_max, secret.keys),
            earlier: Arc::default(),
            epochs,
            position_bytes_max: bounds.position_bytes_max,
            idempotency_ttl: bounds.idempotency_ttl,
            end_notes: durable.as_ref().map(|durable| durable.end_notes.clone()),
            waiting: durable
                .as_ref()
                .map(|durable| durable.waiting.clone())
                .unwrap_or_default(),
        };
        Self {
            fanout,
            history_bytes_max: bounds.history_bytes_max,
            stripes: std::array::from_fn(|number| Mutex::new(Stripe::new(number, &shared))),
            totals: shared.totals,
            keys: shared.keys,
            earlier: shared.earlier,
            epochs: shared.epochs,
            durable,
        }
    }

    fn lock(&self, channel: Hashed<'_>) -> MutexGuard<'_, Stripe> {
        locked(&self.stripes[self.fanout.stripe_of(channel)])
    }

    /// The streams that are read are begun where there are none, and charged.
    fn read(&self, channel: &ChannelName, filter: &HistoryFilter) -> History {
        let channel = self.fanout.names().hashed(channel);
        let mut stripe = self.lock(channel);
        let history = stripe.read(channel, filter, Instant::now());
        stripe.throw_out_positions(false, &|channel| self.fanout.has_members(channel));
        history
    }
}

fn locked(stripe: &Mutex<Stripe>) -> MutexGuard<'_, Stripe> {
    // Nothing under the lock is left half done by what could panic there (memory aside, which
    // aborts).
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Broker for MemoryBroker {
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        match &self.durable {
            None => BrokerFuture::ready(self.publish_now(request)),
            Some(durable) => self.publish_durably(durable, request),
        }
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        if let Some(durable) = &self.durable {
            return self.publish_all_durably(durable, requests);
        }
        let outcomes = requests
            .into_iter()
            .map(|request| self.publish_now(request));
        BrokerFuture::ready(Ok(outcomes.collect()))
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.fanout.send_join_leave(channel, Content::Join(info));
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.fanout.send_join_leave(channel, Content::Leave(info));
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
        let channel = self.fanout.names().hashed(channel);
        match &self.durable {
            Some(durable) => self.remove_durably(durable, channel),
            None => {
                self.lock(channel).forget_items(channel);
                BrokerFuture::ready(Ok(()))
            }
        }
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
        self.earlier.expire(now);
        for stripe in &self.stripes {
            locked(stripe).expire(now, &|channel| self.fanout.has_members(channel));
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
        stripes
            .map(|stripe| locked(stripe).ledger.alarms.looked_at)
            .sum()
    }
}

#[cfg(test)]
mod tests;
