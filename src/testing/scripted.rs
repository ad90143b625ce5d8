//! A broker that does as it is told: its answers come late, out of turn or never, its publications
//! late, doubled or not at all.
//!
//! A [`ScriptedEngine`] is what several nodes share, in this process: streams, keys, presence. A
//! [`ScriptedBroker`] is one node's way to it. Nothing happens by itself: what is held waits until
//! the test releases it. A request is done when it is made, whatever becomes of its answer.

mod script;

use std::{
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use self::script::{Make, Release, Script};
pub(crate) use self::script::{Op, ScriptedDelivery};
use super::shard_settings;
use crate::{
    broker::{
        Broker, BrokerError, BrokerFuture, History, HistoryFilter, Presence, PresenceStats,
        PublishRequest, PublishResult, PublishResults, Usage,
        fanout::Fanout,
        memory::{MemoryBounds, MemoryBroker, MemoryPresence},
    },
    id::{Epoch, SessionId, StreamPosition},
    metrics::Metrics,
    protocol::ClientInfo,
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
    shard::Shards,
};

/// What the nodes of one engine share.
pub(crate) struct ScriptedEngine {
    store: MemoryBroker,
    presence: MemoryPresence,
    nodes: Mutex<Vec<Weak<ScriptedBroker>>>,
}

/// One node's way to its engine.
pub(crate) struct ScriptedBroker {
    engine: Arc<ScriptedEngine>,
    fanout: Arc<Fanout>,
    script: Mutex<Script>,
}

/// A node without shards: what is published can be looked at, and somebody is said to listen.
pub(crate) fn scripted() -> Arc<ScriptedBroker> {
    let shards = Arc::new(Shards::new(Arc::default(), shard_settings(1)));
    let node = ScriptedEngine::new().node(Arc::new(Fanout::new(shards, Box::new(|_, _| {}))));
    node.say_has_subscribers(true);
    node
}

impl ScriptedEngine {
    pub(crate) fn new() -> Arc<Self> {
        // The store's own fan-out has no shards: what it publishes is kept and goes nowhere.
        let nowhere = Arc::new(Shards::new(Arc::new(Metrics::default()), shard_settings(1)));
        let nowhere = Arc::new(Fanout::new(nowhere, Box::new(|_, _| {})));
        let bounds = MemoryBounds {
            history_bytes_max: 1 << 30,
            position_bytes_max: 1 << 30,
            idempotency_bytes_max: 1 << 30,
            idempotency_ttl: Duration::from_secs(300),
        };
        Arc::new(Self {
            store: MemoryBroker::new(nowhere, bounds),
            presence: MemoryPresence::default(),
            nodes: Mutex::default(),
        })
    }

    /// Another node, whose shards are behind this fan-out.
    pub(crate) fn node(self: &Arc<Self>, fanout: Arc<Fanout>) -> Arc<ScriptedBroker> {
        let node = Arc::new(ScriptedBroker {
            engine: self.clone(),
            fanout,
            script: Mutex::default(),
        });
        let ours = Arc::downgrade(&node);
        self.nodes.lock().expect("no panic").push(ours);
        node
    }

    fn deliver(&self, make: impl Fn() -> Publication + Clone + Send + 'static) {
        for node in self.living() {
            node.receive(Box::new(make.clone()));
        }
    }

    fn living(&self) -> Vec<Arc<ScriptedBroker>> {
        let nodes = self.nodes.lock().expect("no panic");
        nodes.iter().filter_map(Weak::upgrade).collect()
    }
}

impl ScriptedBroker {
    /// Notes a request; gives the error that it is to have.
    fn begin(&self, op: Op) -> Option<BrokerError> {
        let mut script = self.script();
        *script.calls.entry(op).or_default() += 1;
        assert!(script.panics != Some(op), "as told");
        match script.failures.get_mut(&op) {
            Some((error, left)) if *left > 0 => {
                *left -= 1;
                Some(*error)
            }
            _ => None,
        }
    }

    /// An answer, now or when the test says so.
    fn answer<T: Send + 'static>(
        &self,
        op: Op,
        channel: Option<&ChannelName>,
        answer: Result<T, BrokerError>,
    ) -> BrokerFuture<T> {
        let mut script = self.script();
        if !script.held.contains(&op) {
            return BrokerFuture::ready(answer);
        }
        let (sender, receiver) = oneshot::channel();
        let release: Release = Box::new(move |given| {
            if given {
                // Whoever asked may be gone.
                let _ = sender.send(answer);
            }
        });
        script.waiting.push((op, channel.cloned(), release));
        BrokerFuture::later(async move {
            match receiver.await {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn publish_now(&self, request: PublishRequest) -> Result<PublishResult, BrokerError> {
        let failure = self.begin(Op::Publish);
        if let Some(error) = failure.filter(|error| error.is_harmless()) {
            return Err(error);
        }
        let previous = match &request.target {
            Target::Channel(channel) if request.delta => self.newest(channel),
            _ => None,
        };
        let mut result = now(self.engine.store.publish(request.clone()))?;
        let noted = (tokio::time::Instant::now(), request.clone());
        self.script().published.push(noted);
        if !result.suppressed {
            result.delivered = match &request.target {
                Target::Channel(channel) => self.fanout.with_shards(channel, |here| here.members()),
                _ => 0,
            };
            let position = result.position;
            let item = Arc::new(item(&request, position));
            self.engine.deliver(move || {
                let content = Content::Item(item.clone());
                let epoch = position.map_or(Epoch::NONE, |position| position.epoch);
                Publication::new(request.target.clone(), content)
                    .in_stream(epoch, previous.clone())
                    .excluding(request.exclude.clone(), request.group.clone())
            });
        }
        failure.map_or(Ok(result), Err)
    }

    fn newest(&self, channel: &ChannelName) -> Option<Arc<Item>> {
        let filter = HistoryFilter {
            limit: Some(1),
            reverse: true,
            ..HistoryFilter::default()
        };
        let history = now(self.engine.store.history(channel, filter)).ok()?;
        history.items.into_iter().next()
    }

    fn receive(&self, make: Make) {
        let mut script = self.script();
        if let Target::Channel(channel) = make().target() {
            let unconfirmed = |(op, name, _): &(Op, Option<ChannelName>, Release)| {
                *op == Op::Listening && name.as_ref() == Some(channel)
            };
            if script.waiting.iter().any(unconfirmed) {
                return;
            }
        }
        let times = match script.delivery {
            ScriptedDelivery::AtOnce => 1,
            ScriptedDelivery::Twice => 2,
            ScriptedDelivery::Lost => 0,
            ScriptedDelivery::Late => return script.late.push(make),
        };
        drop(script);
        for _ in 0..times {
            self.send(make());
        }
    }

    /// Nobody can refuse what is published already: where there is no room, the members are told.
    fn send(&self, publication: Publication) {
        let channel = match publication.target() {
            Target::Channel(channel) if publication.item().is_some() => Some(channel.clone()),
            _ => None,
        };
        if let (Err(_), Some(channel)) = (self.fanout.send(publication), channel) {
            self.fanout.tell_missed(&channel);
        }
    }

    fn send_join_leave(&self, channel: &ChannelName, content: Content) {
        let target = Target::Channel(channel.clone());
        self.engine
            .deliver(move || Publication::new(target.clone(), content.clone()));
    }
}

fn item(request: &PublishRequest, position: Option<StreamPosition>) -> Item {
    let offset = position.map_or(0, |position| position.offset);
    let mut item = Item::new(request.payload.clone(), offset);
    item.info.clone_from(&request.info);
    item.tags.clone_from(&request.tags);
    item
}

/// What the store in memory answers, which is here.
fn now<T>(answer: BrokerFuture<T>) -> Result<T, BrokerError> {
    answer.now().expect("at once")
}

impl Broker for ScriptedBroker {
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        let result = self.publish_now(request);
        self.answer(Op::Publish, None, result)
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        let results = requests
            .into_iter()
            .map(|one| self.publish_now(one))
            .collect();
        self.answer(Op::Publish, None, Ok(results))
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.send_join_leave(channel, Content::Join(info));
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.send_join_leave(channel, Content::Leave(info));
    }

    fn listening(&self, channel: &ChannelName) -> BrokerFuture<()> {
        let failure = self.begin(Op::Listening);
        self.answer(Op::Listening, Some(channel), failure.map_or(Ok(()), Err))
    }

    fn history(&self, channel: &ChannelName, filter: HistoryFilter) -> BrokerFuture<History> {
        let history = match self.begin(Op::History) {
            Some(error) => Err(error),
            None => now(self.engine.store.history(channel, filter)),
        };
        self.answer(Op::History, Some(channel), history)
    }

    fn histories(
        &self,
        reads: Vec<(ChannelName, HistoryFilter)>,
        bytes_max: usize,
    ) -> BrokerFuture<Vec<History>> {
        let histories = match self.begin(Op::History) {
            Some(error) => Err(error),
            None => now(self.engine.store.histories(reads, bytes_max)),
        };
        self.answer(Op::History, None, histories)
    }

    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.engine.store.remove_history(channel)
    }

    fn has_subscribers(&self, target: &Target) -> BrokerFuture<bool> {
        let failure = self.begin(Op::HasSubscribers);
        let said = self.script().has_subscribers;
        let nodes = self.engine.living();
        let is_so = nodes.iter().any(|node| node.fanout.has_subscribers(target));
        let has = said.unwrap_or(is_so);
        self.answer(Op::HasSubscribers, None, failure.map_or(Ok(has), Err))
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn expire(&self, now: Instant) {
        self.engine.store.expire(now);
    }
}

impl Presence for ScriptedBroker {
    fn add(&self, channel: &ChannelName, session: SessionId, info: Arc<ClientInfo>) {
        self.engine.presence.add(channel, session, info);
    }

    fn remove(&self, channel: &ChannelName, session: SessionId) {
        self.engine.presence.remove(channel, session);
    }

    fn presence(&self, channel: &ChannelName) -> BrokerFuture<Vec<(SessionId, Arc<ClientInfo>)>> {
        let present = match self.begin(Op::Presence) {
            Some(error) => Err(error),
            None => now(self.engine.presence.presence(channel)),
        };
        self.answer(Op::Presence, Some(channel), present)
    }

    fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats> {
        let stats = match self.begin(Op::Presence) {
            Some(error) => Err(error),
            None => now(self.engine.presence.presence_stats(channel)),
        };
        self.answer(Op::Presence, Some(channel), stats)
    }
}

#[cfg(test)]
mod tests;
