//! The memory broker under the suite of all brokers, and what is its own: what it costs, and what
//! it lets go.

use std::rc::Rc;

use super::*;
use crate::{
    broker::{
        HistoryOptions, LocalFanout,
        suite::{self, Fixture},
    },
    shard::{Shard, Shards},
    testing::{Listener, on_a_worker, shard_settings, text},
};

const ROOM: usize = 100;

struct Rig {
    broker: Arc<MemoryBroker>,
    fanout: Arc<Fanout>,
    shards: Arc<Shards>,
}

impl Rig {
    fn new(history_bytes_max: usize) -> Self {
        let shards = Arc::new(Shards::new(Arc::default(), shard_settings(ROOM)));
        let fanout = Arc::new(Fanout::new(shards.clone(), Box::new(|_, _| {})));
        let bounds = MemoryBounds {
            history_bytes_max,
            idempotency_ttl: Duration::from_secs(300),
        };
        Self {
            broker: Arc::new(MemoryBroker::new(fanout.clone(), bounds)),
            fanout,
            shards,
        }
    }

    fn shard(&self) -> Rc<Shard> {
        let fanout: Arc<dyn LocalFanout> = self.fanout.clone();
        self.shards.new_here(&fanout)
    }

    fn fixture() -> Fixture {
        let fixture = Self::new(1 << 30);
        Fixture {
            shard: fixture.shard(),
            broker: fixture.broker,
            presence: Arc::new(MemoryPresence::default()),
            fanout: fixture.fanout,
            room: ROOM,
        }
    }
}

#[test]
fn it_passes_the_suites_of_all_brokers_and_of_a_single_node() {
    on_a_worker(async {
        suite::every::all(async || Rig::fixture()).await;
        suite::one_node::all(async || Rig::fixture()).await;
    });
}

fn kept(channel: &str, payload: &str, ttl: Duration) -> PublishRequest {
    let mut request = PublishRequest::new(Target::Channel(channel.into()), text(payload));
    request.history = Some(HistoryOptions { size: 10, ttl });
    request
}

#[test]
fn channels_vanish_when_they_are_empty() {
    on_a_worker(async {
        let fixture = Rig::new(1 << 30);
        let (broker, shard) = (fixture.broker.clone(), fixture.shard());
        for number in 0..100 {
            let request = kept(&format!("c{number}"), "x", Duration::from_secs(10));
            broker.publish(request).await.expect("room");
            let live =
                PublishRequest::new(Target::Channel(format!("live{number}").into()), text("x"));
            broker.publish(live).await.expect("room");
        }
        let listener = Listener::new(&shard);
        listener.membership.join(&"heard".into());
        listener.membership.join(&"c0".into());
        let entries = || (broker.streams(), fixture.fanout.entries().0);
        assert_eq!(entries(), (100, 2), "what keeps nothing costs nothing");
        let later = Instant::now() + Duration::from_secs(11);
        broker.expire(later);
        broker.expire(later + Duration::from_secs(11));
        assert_eq!(entries(), (1, 2), "those that are listened to");
        drop(listener);
        broker.expire(later + Duration::from_secs(120));
        broker.expire(later + Duration::from_secs(240));
        assert_eq!((entries(), broker.history_bytes()), ((0, 0), Some(0)));
    });
}

#[test]
fn all_histories_together_stay_under_their_bound_and_the_oldest_go_first() {
    on_a_worker(async {
        let Rig { broker, .. } = Rig::new(100_000);
        let payload = "x".repeat(1000);
        for number in 0..1000 {
            let request = kept(&format!("c{number}"), &payload, Duration::from_secs(600));
            broker.publish(request).await.expect("room");
            let bytes = broker.history_bytes().expect("kept here");
            assert!(bytes <= 100_000, "{bytes}");
        }
        let query = HistoryFilter {
            keep: Duration::from_secs(1),
            ..HistoryFilter::default()
        };
        let newest = broker
            .history(&"c999".into(), query)
            .await
            .expect("an answer");
        assert_eq!(newest.items.len(), 1);
        let oldest = broker
            .history(&"c0".into(), query)
            .await
            .expect("an answer");
        assert_eq!(oldest.items.len(), 0);
    });
}

#[test]
fn reading_channels_that_are_not_there_does_not_grow_without_bound() {
    on_a_worker(async {
        let Rig { broker, .. } = Rig::new(100_000);
        let query = HistoryFilter {
            keep: Duration::from_secs(600),
            ..HistoryFilter::default()
        };
        for number in 0..5_000 {
            let name = ChannelName::from(format!("c{number}"));
            broker.history(&name, query).await.expect("an answer");
        }
        let bytes = broker.history_bytes().expect("kept here");
        assert!(bytes <= 100_000, "{bytes}");
        assert!(broker.streams() < 1000);
    });
}
