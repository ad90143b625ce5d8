//! The memory broker under the suite of all brokers, and what is its own: what it costs, and what
//! it lets go.

mod durable;

use std::rc::Rc;

use super::*;
use crate::{
    broker::{
        BrokerError, HistoryOptions, LocalFanout,
        suite::{self, Fixture},
    },
    id::StreamPosition,
    shard::{Shard, Shards},
    store::SnapshotSource as _,
    testing::{Listener, on_a_worker, shard_settings, text},
};

const ROOM: usize = 100;

/// A memory broker with the shards of its node.
struct Harness {
    broker: Arc<MemoryBroker>,
    fanout: Arc<Fanout>,
    shards: Arc<Shards>,
}

impl Harness {
    fn new(history_bytes_max: usize) -> Self {
        Self::bounded(history_bytes_max, 1 << 30)
    }

    fn bounded(history_bytes_max: usize, position_bytes_max: usize) -> Self {
        let shards = Arc::new(Shards::new(Arc::default(), shard_settings(ROOM)));
        let fanout = Arc::new(Fanout::new(shards.clone(), Box::new(|_, _| {})));
        let bounds = MemoryBounds {
            history_bytes_max,
            position_bytes_max,
            idempotency_bytes_max: 1 << 20,
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
        let harness = Self::new(1 << 30);
        Fixture {
            shard: harness.shard(),
            broker: harness.broker,
            presence: Arc::new(MemoryPresence::default()),
            fanout: harness.fanout,
            room: ROOM,
        }
    }
}

#[test]
fn it_passes_the_suites_of_all_brokers_and_of_a_single_node() {
    on_a_worker(async {
        suite::every::all(async || Harness::fixture()).await;
        suite::one_node::all(async || Harness::fixture()).await;
    });
}

fn usage(broker: &MemoryBroker) -> Usage {
    broker.usage().expect("kept here")
}

fn kept(channel: &str, payload: &str, ttl: Duration) -> PublishRequest {
    let mut request = PublishRequest::new(Target::Channel(channel.into()), text(payload));
    request.history = Some(HistoryOptions { size: 10, ttl });
    request
}

#[test]
fn channels_vanish_when_they_are_empty() {
    on_a_worker(async {
        let harness = Harness::new(1 << 30);
        let (broker, shard) = (harness.broker.clone(), harness.shard());
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
        let entries = || (broker.streams(), harness.fanout.entries().channels);
        assert_eq!(entries(), (100, 2), "what keeps nothing costs nothing");
        let later = Instant::now() + Duration::from_secs(11);
        broker.expire(later);
        broker.expire(later + Duration::from_secs(11));
        assert_eq!(entries(), (1, 2), "those that are listened to");
        drop(listener);
        broker.expire(later + Duration::from_secs(120));
        broker.expire(later + Duration::from_secs(240));
        assert_eq!(entries(), (0, 0));
        assert_eq!(
            usage(&broker),
            Usage::default(),
            "no byte is charged for nothing"
        );
    });
}

#[test]
fn all_histories_together_stay_under_their_bound_and_the_oldest_go_first() {
    on_a_worker(async {
        let Harness { broker, .. } = Harness::new(100_000);
        let payload = "x".repeat(1000);
        for number in 0..1000 {
            let request = kept(&format!("c{number}"), &payload, Duration::from_secs(600));
            broker.publish(request).await.expect("room");
            let bytes = usage(&broker).history_bytes;
            assert!(bytes <= 100_000, "{bytes}");
        }
        let query = HistoryFilter {
            keep: Duration::from_secs(1),
            ..HistoryFilter::default()
        };
        let evicted = usage(&broker).evicted_publications;
        assert!((900..1000).contains(&evicted), "{evicted} are counted");
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

// The files may have room for less than the histories' own bound, where keys take it.
#[test]
fn what_does_not_fit_into_the_files_is_thrown_out_from_what_expires_first_on() {
    on_a_worker(async {
        let Harness { broker, .. } = Harness::new(1 << 30);
        for number in 0..100 {
            let ttl = Duration::from_secs(if number % 2 == 0 { 600 } else { 60 });
            let request = kept(&format!("c{number}"), &"x".repeat(1000), ttl);
            broker.publish(request).await.expect("room");
        }
        let before = usage(&broker);
        let evicted = broker.evict(before.history_bytes / 2).expect("some");
        let after = usage(&broker);
        assert_eq!(before.history_bytes - after.history_bytes, evicted);
        assert!((49..=51).contains(&after.evicted_publications), "{after:?}");
        assert_eq!(read(&broker, "c1").await.items.len(), 0);
        assert_eq!(read(&broker, "c2").await.items.len(), 1);
        assert!(broker.evict(usize::MAX).is_some());
        assert_eq!(broker.evict(usize::MAX), None, "nothing is left");
    });
}

async fn read(broker: &MemoryBroker, channel: &str) -> History {
    let filter = HistoryFilter {
        keep: Duration::from_secs(600),
        ..HistoryFilter::default()
    };
    let history = broker.history(&channel.into(), filter);
    history.await.expect("an answer")
}

// Reading channels that nobody uses gave each a stream, charged as a history, and 840,000 polls
// threw out everybody's. Who publishes nothing throws out nothing, and needs little himself.
#[test]
fn reading_channels_that_nobody_uses_throws_out_no_history_and_stays_bounded() {
    on_a_worker(async {
        let Harness { broker, .. } = Harness::bounded(100_000, 100_000);
        for number in 0..100 {
            let request = kept(&format!("used{number}"), "x", Duration::from_secs(60));
            broker.publish(request).await.expect("room");
        }
        let before = usage(&broker);
        let first = read(&broker, "quiet").await.top;
        for number in 0..20_000 {
            read(&broker, &format!("c{number}")).await;
            let bytes = usage(&broker).position_bytes;
            assert!(bytes <= 100_000, "{bytes}");
        }
        let after = usage(&broker);
        assert_eq!(after.history_bytes, before.history_bytes);
        assert_eq!(after.evicted_publications, 0);
        assert!(after.evicted_positions > 19_000 && broker.streams() < 500);
        for number in 0..100 {
            let history = read(&broker, &format!("used{number}")).await;
            assert_eq!(history.items.len(), 1, "used{number}");
        }
        // Its position was thrown out and is good all the same.
        assert_eq!(read(&broker, "quiet").await.top, first);
        let request = kept("quiet", "x", Duration::from_secs(60));
        let published = broker.publish(request).await.expect("room").position;
        let expected = StreamPosition { offset: 1, ..first };
        assert_eq!(published, Some(expected));
    });
}

// Channels with a listener and nothing published filled the bound of histories, and each publish
// then looked at hundreds of them in vain. They are not what a publish looks at.
#[test]
fn positions_that_are_listened_to_stay_and_cost_a_publish_nothing() {
    on_a_worker(async {
        let harness = Harness::bounded(50_000, 10_000);
        let (broker, shard) = (harness.broker.clone(), harness.shard());
        let listener = Listener::new(&shard);
        let mut tops = Vec::new();
        for number in 0..1000 {
            let name = format!("idle{number}");
            listener.membership.join(&name.as_str().into());
            tops.push((read(&broker, &name).await.top, name));
        }
        let more_than_all = usage(&broker).position_bytes;
        assert!(more_than_all > 300_000, "{more_than_all}");
        let steps = broker.alarms_looked_at();
        for number in 0..1000 {
            let request = kept("busy", &number.to_string(), Duration::from_secs(60));
            broker.publish(request).await.expect("room");
        }
        assert_eq!(broker.alarms_looked_at(), steps);
        assert_eq!(read(&broker, "busy").await.items.len(), 10);
        for (top, name) in &tops {
            assert_eq!(read(&broker, name).await.top, *top, "{name}");
        }
        drop(listener);
        for number in 0..2000 {
            read(&broker, &format!("c{number}")).await;
        }
        assert!(usage(&broker).position_bytes <= 10_000, "nobody listens");
    });
}

// At the bound a publish cost 50 times as much as below it. Making room takes as many steps as
// there are publications to go, and at most one more for each that was published meanwhile.
#[test]
fn making_room_takes_as_many_steps_as_publishing_did() {
    on_a_worker(async {
        let Harness { broker, .. } = Harness::new(1_000_000);
        let publish = async |number: usize| {
            // Some channels have their oldest displaced all the time, so that alarms are behind.
            let name = format!(
                "c{}",
                if number.is_multiple_of(2) {
                    number
                } else {
                    number % 64
                }
            );
            let request = kept(&name, "x", Duration::from_secs(600));
            broker.publish(request).await.expect("room");
        };
        for number in 0..5000 {
            publish(number).await;
        }
        let before = (
            broker.alarms_looked_at(),
            usage(&broker).evicted_publications,
        );
        for number in 5000..15_000 {
            publish(number).await;
        }
        let steps = broker.alarms_looked_at() - before.0;
        let evicted = usage(&broker).evicted_publications - before.1;
        assert!(usage(&broker).history_bytes <= 1_000_000);
        assert!(evicted > 4000, "{evicted}");
        assert!(steps <= evicted + 10_000, "{steps} for {evicted}");
    });
}

// A channel whose publications have expired or were thrown out is a position like others, but not
// one that a reader can throw out.
#[test]
fn what_is_left_of_published_channels_goes_only_for_publications() {
    on_a_worker(async {
        let Harness { broker, .. } = Harness::bounded(20_000, 30_000);
        for number in 0..50 {
            let request = kept(&format!("c{number}"), "x", Duration::from_secs(600));
            broker.publish(request).await.expect("room");
        }
        let tops = async || {
            let names = (0..50).map(|number| format!("c{number}"));
            let mut tops = Vec::new();
            for name in names {
                tops.push(read(&broker, &name).await.top);
            }
            tops
        };
        let before = tops().await;
        let emptied = usage(&broker).position_bytes;
        assert!(emptied > 3_000, "some have lost what they had: {emptied}");
        for number in 0..5000 {
            read(&broker, &format!("other{number}")).await;
        }
        assert_eq!(tops().await, before);
        for number in 0..5000 {
            let request = kept(&format!("new{number}"), "x", Duration::from_secs(600));
            broker.publish(request).await.expect("room");
            assert!(usage(&broker).position_bytes <= 30_000 + 400);
        }
        let after = tops().await;
        let new_names = before
            .iter()
            .zip(&after)
            .filter(|(a, b)| a.epoch != b.epoch);
        assert!(
            new_names.count() >= 49,
            "no offset is given twice in an epoch"
        );
    });
}

#[test]
fn a_key_without_room_is_refused_and_nothing_is_published() {
    on_a_worker(async {
        let Harness { broker, .. } = Harness::new(1 << 30);
        let publish = |channel: &str, key: String, client: Option<&str>| {
            let mut request = kept(channel, "x", Duration::from_secs(600));
            request.idempotency_key = Some(key.into());
            if let Some(client) = client {
                request.charge_key(client, None);
            }
            broker.publish(request)
        };
        let mut taken = 0;
        let refusal = loop {
            match publish("news", format!("mine{taken}"), Some("42")).await {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((taken, refusal), (72, BrokerError::TooManyKeys));
        assert_eq!(read(&broker, "news").await.top.offset, 72);
        let again = publish("news", "mine0".into(), Some("42")).await;
        assert!(again.expect("known").suppressed, "held all the while");
        let other = publish("news", "mine0".into(), Some("43")).await;
        assert!(other.expect("known").suppressed, "keys are a channel's");
        publish("other", "mine0".into(), Some("43"))
            .await
            .expect("room of another's own");
        let mut number = 0;
        let refusal = loop {
            match publish("news", format!("api{number}"), None).await {
                Ok(_) => number += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refusal, BrokerError::KeysFull);
        assert!(usage(&broker).idempotency_bytes <= 1 << 20);
        for _ in 0..10 {
            broker.expire(Instant::now() + Duration::from_secs(301));
        }
        assert_eq!(usage(&broker).idempotency_bytes, 0);
    });
}
