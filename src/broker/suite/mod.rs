//! The tests that brokers must pass, whatever they keep their channels in: [`every`] broker, a
//! broker of [`one_node`] whose shards can refuse a publisher, and [`two_nodes`] of one engine. An
//! implementation calls their `all` with a way to make a [`Fixture`].

pub(crate) mod every;
mod history;
pub(crate) mod one_node;
pub(crate) mod two_nodes;

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{Broker, HistoryFilter, HistoryOptions, Presence, PublishRequest, fanout::Fanout};
use crate::{
    publication::Target,
    shard::Shard,
    testing::{Listener, text},
};

/// A broker under test with a shard of this node.
pub(crate) struct Fixture {
    /// The broker that the suite tests.
    pub(crate) broker: Arc<dyn Broker>,
    /// The presence that goes with it.
    pub(crate) presence: Arc<dyn Presence>,
    /// The fan-out of this node.
    pub(crate) fanout: Arc<Fanout>,
    /// Where the suite's receivers are, on the thread of the test.
    pub(crate) shard: Rc<Shard>,
    /// Publications that the shard's inbox holds.
    pub(crate) room: usize,
}

impl Fixture {
    /// A member of channels that surely hears of what is published from now on.
    pub(crate) async fn listener(&self, channels: &[&str]) -> Listener {
        let listener = Listener::new(&self.shard);
        for channel in channels {
            let channel = (*channel).into();
            listener.membership.join(&channel);
            self.broker.listening(&channel).await.expect("in force");
        }
        listener
    }
}

const LONG: Duration = Duration::from_secs(600);

const ALL: HistoryFilter = HistoryFilter {
    since: None,
    limit: None,
    reverse: false,
    bytes_max: usize::MAX,
    fit: super::Fit::Page,
    keep: LONG,
};

fn kept(channel: &str, payload: &str, size: usize, ttl: Duration) -> PublishRequest {
    let mut request = PublishRequest::new(Target::Channel(channel.into()), text(payload));
    request.history = Some(HistoryOptions { size, ttl });
    request
}

/// Waits until the listener has so many, or gives what it has after a while.
pub(crate) async fn taken(listener: &Listener, count: usize) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for _ in 0..2000 {
        all.extend(listener.taken());
        if all.len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    all
}

async fn offsets(fixture: &Fixture, channel: &str, query: HistoryFilter) -> (Vec<u64>, u64) {
    let history = fixture
        .broker
        .history(&channel.into(), query)
        .await
        .expect("an answer");
    let offsets = history.items.iter().map(|item| item.offset).collect();
    (offsets, history.top.offset)
}
