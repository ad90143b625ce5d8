//! The memory broker under the suite of all brokers, and what is its own: what it costs, and what it lets go.

use super::*;
use crate::{
    broker::{
        HistoryOptions,
        suite::{self, Fixture},
    },
    testing::{Listener, shard_settings, text},
};

const ROOM: usize = 100;

fn broker(history_bytes_max: usize) -> (Arc<MemoryBroker>, Arc<Shards>) {
    let metrics = Arc::new(Metrics::default());
    let shards = Arc::new(Shards::new(metrics.clone(), shard_settings(ROOM)));
    let bounds = MemoryBounds {
        history_bytes_max,
        idempotency_ttl: Duration::from_secs(300),
    };
    (
        Arc::new(MemoryBroker::new(
            shards.clone(),
            metrics,
            bounds,
            Box::new(|_, _| {}),
        )),
        shards,
    )
}

fn on_a_worker<F: std::future::Future<Output = ()> + 'static>(test: F) {
    // A thread a test, since a shard belongs to its thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        test.await;
        // An actor that was never polled is polled when it is dropped, which needs the runtime.
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
}

#[test]
fn it_passes_the_suite_of_all_brokers() {
    on_a_worker(suite::all(|| async {
        let (broker, shards) = broker(1 << 30);
        let broker: Arc<dyn Broker> = broker;
        Fixture {
            shard: shards.new_here(&broker),
            broker,
            room: ROOM,
        }
    }));
}

fn kept(channel: &str, payload: &str, ttl: Duration) -> PublishRequest {
    let mut draft = PublishRequest::new(Target::Channel(channel.into()), text(payload));
    draft.history = Some(HistoryOptions { size: 10, ttl });
    draft
}

#[test]
fn channels_vanish_when_they_are_empty() {
    on_a_worker(async {
        let (broker, shards) = broker(1 << 30);
        let dynamic: Arc<dyn Broker> = broker.clone();
        let shard = shards.new_here(&dynamic);
        for number in 0..100 {
            let draft = kept(&format!("c{number}"), "x", Duration::from_secs(10));
            broker.publish(draft).await.expect("room");
            let live =
                PublishRequest::new(Target::Channel(format!("live{number}").into()), text("x"));
            broker.publish(live).await.expect("room");
        }
        let listener = Listener::new(&shard);
        listener.membership.join(&"heard".into());
        listener.membership.join(&"c0".into());
        assert_eq!(broker.entries(), 101, "what keeps nothing costs nothing");
        let later = Instant::now() + Duration::from_secs(11);
        broker.tick(later);
        broker.tick(later + Duration::from_secs(11));
        assert_eq!(broker.entries(), 2, "those that are listened to");
        drop(listener);
        broker.tick(later + Duration::from_secs(120));
        broker.tick(later + Duration::from_secs(240));
        assert_eq!((broker.entries(), broker.history_bytes()), (0, 0));
    });
}

#[test]
fn all_histories_together_stay_under_their_bound_and_the_oldest_go_first() {
    on_a_worker(async {
        let (broker, _shards) = broker(100_000);
        let payload = "x".repeat(1000);
        for number in 0..1000 {
            let draft = kept(&format!("c{number}"), &payload, Duration::from_secs(600));
            broker.publish(draft).await.expect("room");
            assert!(
                broker.history_bytes() <= 100_000,
                "{}",
                broker.history_bytes()
            );
        }
        let query = HistoryFilter {
            since: None,
            limit: None,
            reverse: false,
            keep: Duration::from_secs(1),
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
        let (broker, _shards) = broker(100_000);
        let query = HistoryFilter {
            since: None,
            limit: None,
            reverse: false,
            keep: Duration::from_secs(600),
        };
        for number in 0..5_000 {
            let name = ChannelName::from(format!("c{number}"));
            broker.history(&name, query).await.expect("an answer");
        }
        assert!(
            broker.history_bytes() <= 100_000,
            "{}",
            broker.history_bytes()
        );
        assert!(broker.entries() < 1000);
    });
}
