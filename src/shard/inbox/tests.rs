//! Who is woken when, and that nothing which is sent to a shard comes before what was handed to it.

use std::{rc::Rc, sync::Arc};

use super::*;
use crate::{
    broker::{LocalFanout, fanout::Fanout},
    publication::{Payload, Target},
    shard::{CountMembers, Shard, ShardHandle, Shards},
    testing::{Listener, on_a_worker, shard_settings},
};

const CHANNEL: &str = "room";

/// This worker's own shard, and another one with a listener.
struct Harness {
    fanout: Arc<Fanout>,
    own: Rc<Shard>,
    other: Rc<Shard>,
    handle: ShardHandle,
    listener: Listener,
}

impl Harness {
    fn new() -> Self {
        let shards = Arc::new(Shards::new(Arc::default(), shard_settings(1000)));
        let fanout = Arc::new(Fanout::new(shards.clone(), Box::new(|_, _| {})));
        let local: Arc<dyn LocalFanout> = fanout.clone();
        let (own, other) = (shards.current(&local), shards.new_here(&local));
        let listener = Listener::new(&other);
        listener.membership.join(&CHANNEL.into());
        let handle = shards.all().pop().expect("the other one");
        Self {
            fanout,
            own,
            other,
            handle,
            listener,
        }
    }

    fn publish(&self, number: u64) {
        publish(&self.fanout, number);
    }

    /// Lets the actors go on.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    fn is_woken(&self) -> bool {
        self.other.inbox.is_woken.load(SeqCst)
    }

    fn texts(&self) -> Vec<String> {
        let taken = self.listener.taken().into_iter();
        taken.map(|(_, text)| text).collect()
    }
}

/// Publishes a text; how many get it.
fn publish_to(fanout: &Fanout, channel: &str, text: &str) -> usize {
    let target = Target::Channel(channel.into());
    let publication = Publication::message(target, Payload::Text(text.into()));
    fanout.send(publication).expect("room")
}

fn publish(fanout: &Fanout, number: u64) {
    assert_eq!(publish_to(fanout, CHANNEL, &number.to_string()), 1);
}

// A thread that is woken for the first of several publications may take the core of the one that
// hands them over, and deliver it alone: with two workers a delivery took twice the time.
#[test]
fn another_workers_shard_is_woken_once_all_that_a_turn_publishes_is_handed_over() {
    on_a_worker(async {
        let harness = Harness::new();
        Harness::settle().await;
        for number in 0..10 {
            harness.publish(number);
            assert!(!harness.is_woken(), "after {number}");
        }
        assert_eq!(harness.other.inbox.lock().len(), 10);
        // The own shard's turn.
        Harness::settle().await;
        let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(harness.texts(), expected);
        assert!(!harness.is_woken() && harness.own.owed.0.borrow().is_empty());
    });
}

// Nobody else pays for a thread that has no shard.
#[test]
fn whoever_is_no_worker_wakes_a_shard_at_once_and_in_the_order_of_all() {
    on_a_worker(async {
        let harness = Harness::new();
        Harness::settle().await;
        harness.publish(0);
        let fanout = harness.fanout.clone();
        let published = std::thread::spawn(move || publish(&fanout, 1));
        published.join().expect("no panic");
        assert!(harness.is_woken());
        Harness::settle().await;
        assert_eq!(harness.texts(), ["0", "1"]);
    });
}

// The thread that writes the state delivers a batch of publications; nobody else may make one wait
// for the rest of them for ever.
#[test]
fn who_is_no_worker_may_hold_wakes_until_all_is_handed_over() {
    on_a_worker(async {
        let harness = Harness::new();
        Harness::settle().await;
        let (fanout, other) = (harness.fanout.clone(), harness.other.inbox.clone());
        let published = std::thread::spawn(move || {
            let held = HeldWakes::begin();
            for number in 0..10 {
                let nested = HeldWakes::begin();
                publish(&fanout, number);
                drop(nested);
                assert!(!other.is_woken.load(SeqCst), "after {number}");
            }
            drop(held);
            assert!(other.is_woken.load(SeqCst));
        });
        published.join().expect("no panic");
        Harness::settle().await;
        assert_eq!(harness.texts().len(), 10);
    });
}

// An owed wake was paid only once the own shard had nothing more to do: for as long as that took, a
// shard with nothing else to do slept.
#[test]
fn another_workers_shard_does_not_wait_for_the_backlog_of_the_own_one() {
    on_a_worker(async {
        let harness = Harness::new();
        let own = Listener::new(&harness.own);
        own.membership.join(&"own".into());
        Harness::settle().await;
        for _ in 0..900 {
            publish_to(&harness.fanout, "own", "x");
        }
        tokio::task::yield_now().await;
        harness.publish(0);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(harness.texts(), ["0"]);
        assert!(own.taken().len() < 900, "its own backlog is not done");
    });
}

// What is a turn already gains nothing by waiting.
#[test]
fn a_full_turn_wakes_at_once() {
    on_a_worker(async {
        let harness = Harness::new();
        Harness::settle().await;
        for number in 0..63 {
            harness.publish(number);
        }
        assert!(!harness.is_woken());
        harness.publish(63);
        assert!(harness.is_woken());
    });
}

// Room that was taken in a shard which has ended comes back, or its channels would be busy for
// ever.
#[test]
fn of_a_shard_that_has_ended_nothing_is_kept() {
    on_a_worker(async {
        let harness = Harness::new();
        harness.publish(0);
        harness.other.inbox.close();
        assert_eq!(harness.handle.queued_publications(), 0);
        harness.publish(1);
        assert_eq!(harness.handle.queued_publications(), 0);
        assert!(!harness.other.inbox.is_open());
    });
}

// A command that a worker sends behind a publication is heard behind it, as before they went two
// ways; also where the publications take several turns.
#[test]
fn what_a_worker_sends_to_a_shard_comes_behind_what_it_has_handed_over() {
    on_a_worker(async {
        let harness = Harness::new();
        Harness::settle().await;
        for number in 0..60 {
            harness.publish(number);
        }
        assert!(!harness.is_woken());
        let counted = harness.handle.addr().send(CountMembers);
        assert!(harness.is_woken());
        counted.await.expect("an answer");
        assert_eq!(harness.other.inbox.lock().len(), 0);
        for number in 60..360 {
            harness.publish(number);
        }
        let counted = harness.handle.addr().send(CountMembers);
        counted.await.expect("an answer");
        assert!(harness.texts().len() >= 316, "all but the last turn");
    });
}

// The mark of a membership stands between the publications before it and those behind it.
#[test]
fn who_joins_gets_nothing_that_was_handed_over_before() {
    on_a_worker(async {
        let harness = Harness::new();
        Harness::settle().await;
        harness.publish(0);
        let late = Listener::new(&harness.other);
        late.membership.join(&CHANNEL.into());
        assert_eq!(publish_to(&harness.fanout, CHANNEL, "1"), 2);
        Harness::settle().await;
        assert_eq!(harness.texts(), ["0", "1"]);
        assert_eq!(late.taken(), [(0, "1".to_string())]);
    });
}
