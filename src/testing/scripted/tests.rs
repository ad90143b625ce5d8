//! The scripted broker under the suites, as far as the guarantee goes, and what it does when told
//! to.

use std::rc::Rc;

use super::*;
use crate::{
    broker::{
        HistoryOptions, LocalFanout,
        suite::{self, Fixture, taken},
    },
    shard::{Shard, SubscribeOptions, SubscriptionId},
    testing::{Listener, on_a_worker, text},
};

const ROOM: usize = 100;

/// A node of a scripted engine, with one shard.
struct Harness {
    broker: Arc<ScriptedBroker>,
    fanout: Arc<Fanout>,
    shard: Rc<Shard>,
}

impl Harness {
    fn of(engine: &Arc<ScriptedEngine>) -> Self {
        let shards = Arc::new(Shards::new(Arc::default(), shard_settings(ROOM)));
        let fanout = Arc::new(Fanout::new(shards.clone(), Box::new(|_, _| {})));
        let listeners: Arc<dyn LocalFanout> = fanout.clone();
        Self {
            broker: engine.node(fanout.clone()),
            fanout,
            shard: shards.new_here(&listeners),
        }
    }

    fn new() -> Self {
        Self::of(&ScriptedEngine::new())
    }

    fn fixture(self) -> Fixture {
        Fixture {
            presence: self.broker.clone(),
            broker: self.broker,
            fanout: self.fanout,
            shard: self.shard,
            room: ROOM,
        }
    }

    fn positioned(&self) -> (Listener, SubscriptionId) {
        let listener = Listener::new(&self.shard);
        let options = SubscribeOptions {
            positioned: true,
            ..SubscribeOptions::default()
        };
        let id = listener.membership.subscribe(&"news".into(), options);
        (listener, id.expect("new"))
    }

    async fn top(&self) -> StreamPosition {
        let filter = HistoryFilter::default();
        let history = self.broker.history(&"news".into(), filter);
        history.await.expect("an answer").top
    }
}

fn kept(payload: &str) -> PublishRequest {
    let mut request = PublishRequest::new(Target::Channel("news".into()), text(payload));
    request.history = Some(HistoryOptions {
        size: 100,
        ttl: Duration::from_secs(60),
    });
    request
}

#[test]
fn it_passes_the_suite_of_all_brokers() {
    on_a_worker(suite::every::all(async || Harness::new().fixture()));
}

#[test]
fn two_of_its_nodes_pass_the_suite_of_two_nodes() {
    on_a_worker(suite::two_nodes::all(async || {
        let engine = ScriptedEngine::new();
        (
            Harness::of(&engine).fixture(),
            Harness::of(&engine).fixture(),
        )
    }));
}

#[test]
fn whoever_counts_offsets_has_each_once_though_all_come_twice() {
    on_a_worker(async {
        let harness = Harness::new();
        harness.broker.set_delivery(ScriptedDelivery::Twice);
        suite::every::who_listens_first_and_then_reads_misses_nothing(&harness.fixture()).await;
    });
}

#[test]
fn what_comes_late_while_history_is_read_comes_once() {
    on_a_worker(async {
        let harness = Harness::new();
        harness.broker.set_delivery(ScriptedDelivery::Late);
        let (listener, id) = harness.positioned();
        for payload in ["1", "2"] {
            harness
                .broker
                .publish(kept(payload))
                .await
                .expect("published");
        }
        let top = harness.top().await;
        assert_eq!(top.offset, 2);
        harness.broker.publish(kept("3")).await.expect("published");
        listener.membership.go_live("news", id, top, true);
        harness.broker.deliver(None);
        assert_eq!(taken(&listener, 1).await, [(3, "3".to_string())]);
    });
}

#[test]
fn out_of_turn_or_lost_it_breaks_whoever_counts() {
    for is_lost in [false, true] {
        on_a_worker(async move {
            let harness = Harness::new();
            let (listener, id) = harness.positioned();
            let top = harness.top().await;
            listener.membership.go_live("news", id, top, true);
            let first = if is_lost {
                ScriptedDelivery::Lost
            } else {
                ScriptedDelivery::Late
            };
            harness.broker.set_delivery(first);
            harness.broker.publish(kept("1")).await.expect("published");
            harness.broker.set_delivery(ScriptedDelivery::AtOnce);
            harness.broker.publish(kept("2")).await.expect("published");
            harness.broker.publish(kept("3")).await.expect("published");
            harness.broker.deliver(None);
            assert!(
                taken_soon(&listener).await.is_empty(),
                "nothing behind a gap"
            );
        });
    }
}

/// What came within a few turns.
async fn taken_soon(listener: &Listener) -> Vec<(u64, String)> {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    listener.taken()
}

#[test]
fn answers_come_out_of_turn_or_never() {
    on_a_worker(async {
        let harness = Harness::new();
        harness.broker.hold(Op::Publish);
        let one = tokio::task::spawn_local(harness.broker.publish(kept("1")));
        let two = tokio::task::spawn_local(harness.broker.publish(kept("2")));
        let lost = harness.broker.publish(kept("3"));
        assert_eq!(harness.broker.waiting(Op::Publish), 3);
        assert!(harness.broker.release_one(Op::Publish, 1));
        assert_eq!(
            two.await
                .expect("ran")
                .expect("published")
                .position
                .map(|p| p.offset),
            Some(2)
        );
        assert!(!one.is_finished());
        assert!(harness.broker.release_one(Op::Publish, 0));
        assert_eq!(
            one.await
                .expect("ran")
                .expect("published")
                .position
                .map(|p| p.offset),
            Some(1)
        );
        harness.broker.lose(Op::Publish);
        let late = lost.within(Duration::from_millis(1), BrokerError::Doubtful);
        assert_eq!(late.await, Err(BrokerError::Doubtful));
        assert_eq!(
            harness.top().await.offset,
            3,
            "it was published all the same"
        );
    });
}

#[test]
fn until_it_is_in_force_nothing_is_heard() {
    on_a_worker(async {
        let harness = Harness::new();
        let listener = Listener::new(&harness.shard);
        listener.membership.join(&"news".into());
        harness.broker.hold(Op::Listening);
        let in_force = harness.broker.listening(&"news".into());
        harness
            .broker
            .publish(kept("before"))
            .await
            .expect("published");
        harness.broker.release(Op::Listening);
        in_force.await.expect("in force");
        harness
            .broker
            .publish(kept("after"))
            .await
            .expect("published");
        assert_eq!(taken(&listener, 1).await, [(2, "after".to_string())]);
    });
}

#[test]
fn what_is_doubtful_was_published_and_its_key_keeps_it_single() {
    on_a_worker(async {
        let harness = Harness::new();
        let mut request = kept("x");
        request.idempotency_key = Some("key".into());
        harness.broker.fail(Op::Publish, BrokerError::Doubtful, 1);
        let doubtful = harness.broker.publish(request.clone()).await;
        assert_eq!(doubtful, Err(BrokerError::Doubtful));
        let again = harness.broker.publish(request).await.expect("published");
        assert!(again.suppressed);
        assert_eq!(again.position.map(|position| position.offset), Some(1));
    });
}
