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
mod durable;
mod epochs;
mod evict;
mod keys;
mod now;
mod place;
mod presence;
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
    durable::{Moment, Placing},
    epochs::Epochs,
    keys::{EarlierKeys, KeyBounds},
    now::Now,
    stripe::{Shared, Stripe},
    totals::Totals,
    waiting::Answer,
};
pub(crate) use self::{presence::MemoryPresence, restore::Restored};
use super::{
    Broker, BrokerError, BrokerFuture, History, HistoryFilter, PublishRequest, PublishResult,
    PublishResults, Usage,
    fanout::{Fanout, STRIPES},
};
use crate::{
    protocol::ClientInfo,
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
    store::{Record, Secret, Store, StoreError},
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
    earlier: Arc<EarlierKeys>,
    epochs: Epochs,
    durable: Option<Durable>,
}

/// What makes a broker outlive its process.
struct Durable {
    store: Arc<dyn Store>,
    secret: Secret,
    /// It is not in the files yet.
    is_renewed: bool,
    /// The broker, for the store's thread.
    this: Weak<MemoryBroker>,
    /// Steps that wait in all channels.
    waiting: Arc<AtomicUsize>,
}

impl MemoryBroker {
    /// A broker for the shards of this process, which forgets everything with it.
    #[must_use]
    pub fn new(fanout: Arc<Fanout>, bounds: MemoryBounds) -> Self {
        let secret = Secret::random();
        Self::with(fanout, bounds, (secret, Epochs::new(secret.epochs)), None)
    }

    fn with(
        fanout: Arc<Fanout>,
        bounds: MemoryBounds,
        (secret, epochs): (Secret, Epochs),
        durable: Option<Durable>,
    ) -> Self {
        let shared = Shared {
            totals: Arc::new(Totals::new()),
            keys: KeyBounds::new(bounds.idempotency_bytes_max, secret.keys),
            earlier: Arc::default(),
            epochs,
            position_bytes_max: bounds.position_bytes_max,
            idempotency_ttl: bounds.idempotency_ttl,
            store: durable.as_ref().map(|durable| durable.store.clone()),
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

    fn lock(&self, channel: &str) -> MutexGuard<'_, Stripe> {
        locked(&self.stripes[self.fanout.stripe_of(channel)])
    }

    #[inline]
    fn publish_one(&self, mut request: PublishRequest) -> BrokerFuture<PublishResult> {
        request.history = request.history.filter(|history| history.size > 0);
        match &self.durable {
            None => BrokerFuture::ready(self.publish_now(request)),
            Some(durable) => match self.publish_durably(durable, request) {
                Ok(Placing::Known(result)) => BrokerFuture::ready(Ok(result)),
                Ok(Placing::Waits(answer)) => later(answer),
                Ok(Placing::Free(request)) => BrokerFuture::ready(self.publish_now(*request)),
                Err(error) => BrokerFuture::ready(Err(error)),
            },
        }
    }

    /// With a store: what is kept, and what waits behind it, is placed and answered later.
    fn publish_durably(
        &self,
        durable: &Durable,
        request: PublishRequest,
    ) -> Result<Placing, BrokerError> {
        let has_record = request.history.is_some() || request.idempotency_key.is_some();
        let channel = match &request.target {
            Target::Channel(channel) if has_record || durable.waiting.load(Relaxed) > 0 => {
                channel.clone()
            }
            _ => return Ok(Placing::Free(Box::new(request))),
        };
        let now = Now::read();
        let number = self.fanout.stripe_of(&channel);
        let mut stripe = locked(&self.stripes[number]);
        let placed = self.fanout.listening_in(number, &channel, |listening| {
            let mut append = |record| durable.append(number, &channel, record);
            let moment = Moment {
                listening,
                now,
                append: &mut append,
            };
            stripe.place(&channel, request, moment)
        });
        if placed.is_err() {
            // The stream may have been begun for it.
            stripe.throw_out_positions(false, &|channel| self.fanout.is_listened(channel));
        }
        placed
    }

    /// What was appended for a channel was written, or was not: its first step is committed.
    fn written(&self, number: usize, channel: &ChannelName, written: Result<(), StoreError>) {
        let mut stripe = locked(&self.stripes[number]);
        let told = self.fanout.listening_in(number, channel, |listening| {
            stripe.commit_next(channel, written.map_err(refusal), listening, Instant::now())
        });
        drop(stripe);
        self.make_room();
        for (callers, outcome) in told {
            callers.tell(outcome);
        }
    }

    #[inline]
    fn publish_now(&self, request: PublishRequest) -> Result<PublishResult, BrokerError> {
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

impl Durable {
    /// Under the lock of the channel, so that records are in the order of the places.
    fn append(
        &self,
        number: usize,
        channel: &ChannelName,
        record: Record,
    ) -> Result<(), BrokerError> {
        let (this, channel) = (self.this.clone(), channel.clone());
        let written = Box::new(move |written| {
            if let Some(broker) = this.upgrade() {
                broker.written(number, &channel, written);
            }
        });
        self.store.append(record, written).map_err(refusal)
    }
}

/// What a store's error is to whoever publishes.
fn refusal(error: StoreError) -> BrokerError {
    match error {
        StoreError::Full => BrokerError::Busy,
        StoreError::NotWritten | StoreError::Closed => BrokerError::NotKept,
        StoreError::Doubtful => BrokerError::Doubtful,
    }
}

fn later(answer: Answer) -> BrokerFuture<PublishResult> {
    BrokerFuture::later(async move {
        // Whoever would answer is gone with the process.
        answer.await.unwrap_or(Err(BrokerError::Doubtful))
    })
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
        self.publish_one(request)
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        let answers = requests.into_iter().map(|one| self.publish_one(one).now());
        let answers: Vec<_> = answers.collect();
        if answers.iter().all(Result::is_ok) {
            return BrokerFuture::ready(Ok(answers.into_iter().flatten().collect()));
        }
        BrokerFuture::later(async move {
            let mut results = Vec::with_capacity(answers.len());
            for answer in answers {
                results.push(match answer {
                    Ok(answer) => answer,
                    Err(later) => later.await,
                });
            }
            Ok(results)
        })
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
        let Some(durable) = &self.durable else {
            self.lock(channel).forget_items(channel);
            return BrokerFuture::ready(Ok(()));
        };
        let number = self.fanout.stripe_of(channel);
        let mut append = |record| durable.append(number, channel, record);
        match locked(&self.stripes[number]).place_removal(channel, &mut append) {
            Ok(None) => BrokerFuture::ready(Ok(())),
            Ok(Some(answer)) => {
                let answer = later(answer);
                BrokerFuture::later(async move { answer.await.map(|_| ()) })
            }
            Err(error) => BrokerFuture::ready(Err(error)),
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
