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
    cell::OnceCell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::{
    answers::{Answers, Outcome, Wakes},
    durable::{Moment, Placing},
    epochs::Epochs,
    keys::{EarlierKeys, KeyBounds},
    now::Clock,
    stripe::{Shared, Stripe},
    totals::Totals,
    waiting::NewCaller,
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
    store::{Committer, Record, Secret, Store, StoreError, Written},
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
    /// By which records say when they expire.
    clock: Clock,
    secret: Secret,
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

    /// The outcome if it is known at once; else the caller that is made is told.
    #[inline]
    fn publish_one(&self, mut request: PublishRequest, caller: NewCaller<'_>) -> Option<Outcome> {
        request.history = request.history.filter(|history| history.size > 0);
        let Some(durable) = &self.durable else {
            return Some(self.publish_now(request));
        };
        match self.publish_durably(durable, request, caller) {
            Ok(Placing::Known(result)) => Some(Ok(result)),
            Ok(Placing::Waits) => None,
            Ok(Placing::Free(request)) => Some(self.publish_now(*request)),
            Err(error) => Some(Err(error)),
        }
    }

    /// With a store: what is kept, and what waits behind it, is placed and answered later.
    fn publish_durably(
        &self,
        durable: &Durable,
        request: PublishRequest,
        caller: NewCaller<'_>,
    ) -> Result<Placing, BrokerError> {
        let has_record = request.history.is_some() || request.idempotency_key.is_some();
        let channel = match &request.target {
            Target::Channel(channel) if has_record || durable.waiting.load(Relaxed) > 0 => {
                channel.clone()
            }
            _ => return Ok(Placing::Free(Box::new(request))),
        };
        let now = durable.clock.now();
        let number = self.fanout.stripe_of(&channel);
        let mut stripe = locked(&self.stripes[number]);
        let placed = self.fanout.listening_in(number, &channel, |listening| {
            let mut append = |record| durable.append(&channel, record);
            let moment = Moment {
                listening,
                now,
                append: &mut append,
                caller,
            };
            stripe.place(&channel, request, moment)
        });
        if placed.is_err() {
            // The stream may have been begun for it.
            stripe.throw_out_positions(false, &|channel| self.fanout.is_listened(channel));
        }
        placed
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
    fn append(&self, channel: &ChannelName, record: Record) -> Result<(), BrokerError> {
        let written = Written::Commit(self.this.clone(), channel.clone());
        self.store.append(record, written).map_err(refusal)
    }
}

impl Committer for MemoryBroker {
    fn written(&self, channels: &[ChannelName], outcome: Result<(), StoreError>) {
        let (outcome, now) = (outcome.map_err(refusal), Instant::now());
        let mut wakes = Wakes::default();
        for channel in channels {
            let number = self.fanout.stripe_of(channel);
            let mut stripe = locked(&self.stripes[number]);
            self.fanout.listening_in(number, channel, |listening| {
                stripe.commit_next(channel, (outcome, now), listening, &mut wakes);
            });
        }
        self.make_room();
        wakes.send();
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

/// The one answer that is waited for.
fn later(answers: Option<Answers>) -> BrokerFuture<PublishResult> {
    BrokerFuture::later(async move {
        let outcomes = match answers {
            Some(answers) => answers.await,
            None => Vec::new(),
        };
        outcomes
            .into_iter()
            .next()
            .unwrap_or(Err(BrokerError::Doubtful))
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
        let answers = OnceCell::new();
        let caller = || answers.get_or_init(|| Answers::to(1)).caller(0);
        match (self.publish_one(request, &caller), answers.into_inner()) {
            (Some(outcome), _) => BrokerFuture::ready(outcome),
            (None, answers) => later(answers),
        }
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        let (answers, number) = (OnceCell::new(), requests.len());
        let outcomes = requests.into_iter().enumerate().map(|(index, request)| {
            let caller = || answers.get_or_init(|| Answers::to(number)).caller(index);
            self.publish_one(request, &caller)
        });
        let outcomes: Vec<Option<Outcome>> = outcomes.collect();
        let Some(answers) = answers.into_inner() else {
            return BrokerFuture::ready(Ok(outcomes.into_iter().flatten().collect()));
        };
        let known = outcomes.into_iter().enumerate();
        for (index, outcome) in known.filter_map(|(index, known)| Some((index, known?))) {
            answers.know(index, outcome);
        }
        BrokerFuture::later(async move { Ok(answers.await) })
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.fanout.announce(channel, Content::Join(info));
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.fanout.announce(channel, Content::Leave(info));
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
        let answers = OnceCell::new();
        let caller = || answers.get_or_init(|| Answers::to(1)).caller(0);
        let mut append = |record| durable.append(channel, record);
        let placed = self
            .lock(channel)
            .place_removal(channel, &mut append, &caller);
        match (placed, answers.into_inner()) {
            (Ok(()), None) => BrokerFuture::ready(Ok(())),
            (Ok(()), answers) => {
                let answer = later(answers);
                BrokerFuture::later(async move { answer.await.map(drop) })
            }
            (Err(error), _) => BrokerFuture::ready(Err(error)),
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
