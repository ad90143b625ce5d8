//! The memory broker with a store: under the suite of all brokers, also when it is closed and made
//! again between all steps, and what may be told while something waits to be written.

mod model;
mod restart;
mod waiting;

use super::*;
use crate::{
    broker::{BrokerError, Version},
    store::{ReadReport, Record, Store, StoreError},
    testing::store::ScriptedStore,
};

fn bounds() -> MemoryBounds {
    MemoryBounds {
        history_bytes_max: 1 << 30,
        position_bytes_max: 1 << 30,
        idempotency_bytes_max: 1 << 20,
        idempotency_ttl: Duration::from_secs(300),
    }
}

/// A broker that goes on where these records ended.
fn restored(
    fanout: &Arc<Fanout>,
    store: &Arc<ScriptedStore>,
    records: impl IntoIterator<Item = Record>,
    may_have_lost: bool,
) -> Arc<MemoryBroker> {
    let mut restored = Restored::default();
    for record in records {
        assert!(restored.take(record).is_none(), "the broker's own");
    }
    let report = ReadReport {
        may_have_lost,
        newest_ms: 0,
    };
    let store: Arc<dyn Store> = store.clone();
    let broker = MemoryBroker::restore(fanout.clone(), bounds(), store, restored, report);
    broker.begin().expect("the store writes");
    broker
}

struct DurableHarness {
    harness: Harness,
    store: Arc<ScriptedStore>,
    broker: Arc<MemoryBroker>,
}

impl DurableHarness {
    /// With a store that writes when it is told to.
    fn new() -> Self {
        let (harness, store) = (Harness::new(1 << 30), Arc::new(ScriptedStore::default()));
        let secret = [Record::Secret(crate::store::HashSecret::random())];
        let broker = restored(&harness.fanout, &store, secret, false);
        Self {
            harness,
            store,
            broker,
        }
    }

    /// All that is written, with what was there at the start.
    fn records(&self) -> Vec<Record> {
        let durable = self.broker.durable.as_ref().expect("with a store");
        let mut records = vec![Record::Secret(durable.secret)];
        records.extend(self.store.records());
        records
    }

    fn reopen(&self, records: Vec<Record>) -> Arc<MemoryBroker> {
        restored(&self.harness.fanout, &self.store, records, false)
    }
}

fn waits<T>(answer: &mut BrokerFuture<T>) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(answer).poll(&mut cx).is_pending()
}

fn keyed(channel: &str, payload: &str, key: &str) -> PublishRequest {
    let mut request = kept(channel, payload, LONG);
    request.idempotency_key = Some(key.into());
    request
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn it_passes_the_suite_of_all_brokers() {
    let make = async || {
        let (harness, store) = (Harness::new(1 << 30), ScriptedStore::writing());
        let broker = restored(&harness.fanout, &store, [], false);
        Fixture {
            shard: harness.shard(),
            broker,
            presence: Arc::new(MemoryPresence::default()),
            fanout: harness.fanout,
            room: ROOM,
        }
    };
    on_a_worker(async move {
        suite::every::all(make).await;
    });
}

/// A broker that is closed and made again before each call, once nothing waits.
struct Reopened {
    fanout: Arc<Fanout>,
    store: Arc<ScriptedStore>,
    broker: Mutex<Arc<MemoryBroker>>,
}

impl Reopened {
    fn next(&self) -> Arc<MemoryBroker> {
        self.store.settle();
        let mut broker = self.broker.lock().expect("no panic");
        *broker = restored(&self.fanout, &self.store, self.store.records(), false);
        broker.clone()
    }
}

impl Broker for Reopened {
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        self.next().publish(request)
    }

    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults> {
        self.next().publish_all(requests)
    }

    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.next().publish_join(channel, info);
    }

    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>) {
        self.next().publish_leave(channel, info);
    }

    fn listening(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.next().listening(channel)
    }

    fn history(&self, channel: &ChannelName, filter: HistoryFilter) -> BrokerFuture<History> {
        self.next().history(channel, filter)
    }

    fn histories(
        &self,
        reads: Vec<(ChannelName, HistoryFilter)>,
        bytes_max: usize,
    ) -> BrokerFuture<Vec<History>> {
        self.next().histories(reads, bytes_max)
    }

    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.next().remove_history(channel)
    }

    fn has_subscribers(&self, target: &Target) -> BrokerFuture<bool> {
        self.next().has_subscribers(target)
    }

    fn usage(&self) -> Option<Usage> {
        self.next().usage()
    }

    fn expire(&self, now: Instant) {
        self.next().expire(now);
    }
}

#[test]
fn it_passes_the_suite_when_it_is_closed_and_opened_between_all_steps() {
    on_a_worker(async {
        suite::every::all(async || {
            let (harness, store) = (Harness::new(1 << 30), ScriptedStore::writing());
            let broker = restored(&harness.fanout, &store, [], false);
            let reopened = Reopened {
                fanout: harness.fanout.clone(),
                store,
                broker: Mutex::new(broker),
            };
            Fixture {
                shard: harness.shard(),
                broker: Arc::new(reopened),
                presence: Arc::new(MemoryPresence::default()),
                fanout: harness.fanout,
                room: ROOM,
            }
        })
        .await;
    });
}

// A place that is told before it is written is given anew after a kill. Nobody is told of it: not
// in an answer, not in a history, and no listener gets the message.
#[test]
fn nobody_is_told_a_place_before_it_is_written() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let shard = durable.harness.shard();
        let early = Listener::new(&shard);
        early.membership.join(&"news".into());
        let mut answer = durable.broker.publish(kept("news", "a", LONG));
        let mut live = {
            let target = Target::Channel("news".into());
            durable
                .broker
                .publish(PublishRequest::new(target, text("live")))
        };
        let late = Listener::new(&shard);
        late.membership.join(&"news".into());
        tokio::task::yield_now().await;
        let read = durable
            .broker
            .history(&"news".into(), HistoryFilter::default());
        let top = read.await.expect("an answer").top;
        assert_eq!(
            (top.offset, early.taken(), late.taken()),
            (0, vec![], vec![])
        );
        assert!(waits(&mut answer) && waits(&mut live), "in their order");
        durable.store.write(1);
        let published = answer.await.expect("written");
        assert_eq!(published.position.map(|place| place.offset), Some(1));
        assert_eq!(published.delivered, 2, "those who listen then");
        live.await.expect("behind it");
        let both = [(1, "a".to_string()), (0, "live".to_string())];
        for listener in [&early, &late] {
            assert_eq!(suite::taken(listener, 2).await, both);
        }
        assert_eq!(
            durable.store.lengths(),
            (1, 0),
            "what is not kept is not written"
        );
    });
}

// A disk that fails at a write and at cutting it off again leaves a record whose place is given to
// another. Its key kept a retry out after a restart, though it was never published.
#[test]
fn what_was_in_doubt_and_whose_place_was_given_anew_leaves_no_key() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let mut given = durable.records();
        for (text, key) in [("doubtful", "a"), ("also", "b")] {
            drop(durable.broker.publish(keyed("news", text, key)));
        }
        given.extend(durable.store.waiting());
        durable.store.fail(StoreError::Doubtful);
        for (text, key) in [("given", "c"), ("anew", "d")] {
            drop(durable.broker.publish(keyed("news", text, key)));
        }
        given.extend(durable.store.waiting());
        durable.store.write(usize::MAX);
        let again = durable.reopen(given);
        let known = again.publish(keyed("news", "anew", "d")).await;
        let known = known.expect("as before").position;
        assert_eq!(known.map(|place| place.offset), Some(2));
        let retried = again.publish(keyed("news", "doubtful", "a"));
        durable.store.write(usize::MAX);
        let place = retried.await.expect("published").position;
        assert_eq!(place.map(|place| place.offset), Some(3));
    });
}

// The version of a record in doubt outlived the record: after a restart what its publisher sent
// with an older one, and with the same one again, was taken for known and never published.
#[test]
fn what_was_in_doubt_and_whose_place_was_given_anew_leaves_no_version() {
    on_a_worker(async {
        let versioned = |text: &str, number| {
            let mut request = kept("news", text, LONG);
            request.version = Some(Box::new(Version {
                number,
                epoch: String::new(),
            }));
            request
        };
        let durable = DurableHarness::new();
        drop(durable.broker.publish(versioned("first", 3)));
        durable.store.write(1);
        let mut given = durable.records();
        drop(durable.broker.publish(versioned("doubtful", 9)));
        given.extend(durable.store.waiting());
        durable.store.fail(StoreError::Doubtful);
        drop(durable.broker.publish(kept("news", "given anew", LONG)));
        given.extend(durable.store.waiting());
        durable.store.write(usize::MAX);
        let again = durable.reopen(given);
        let late = again.publish(versioned("late", 3)).await;
        assert!(
            late.expect("as before").suppressed,
            "the first one's is known"
        );
        let retried = again.publish(versioned("doubtful", 9));
        durable.store.write(usize::MAX);
        let retried = retried.await.expect("published");
        let offset = retried.position.map(|place| place.offset);
        assert_eq!((offset, retried.suppressed), (Some(3), false));
    });
}

#[test]
fn what_was_not_written_gives_its_place_its_key_and_its_room_back() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let shard = durable.harness.shard();
        let listener = Listener::new(&shard);
        listener.membership.join(&"news".into());
        let failing = [
            durable.broker.publish(keyed("news", "a", "1")),
            durable.broker.publish(keyed("news", "a", "1")),
            durable.broker.publish(kept("news", "b", LONG)),
        ];
        durable.store.fail(StoreError::NotWritten);
        for answer in failing {
            assert_eq!(answer.await, Err(BrokerError::NotKept));
        }
        assert_eq!(usage(&durable.broker).idempotency_bytes, 0);
        durable.store.refuse(Some(StoreError::Full));
        let refused = durable.broker.publish(kept("news", "c", LONG)).await;
        assert_eq!(refused, Err(BrokerError::Busy));
        durable.store.refuse(None);
        let again = durable.broker.publish(keyed("news", "a", "1"));
        durable.store.write(1);
        let again = again.await.expect("written");
        assert_eq!(
            (again.position.map(|place| place.offset), again.suppressed),
            (Some(1), false)
        );
        assert_eq!(suite::taken(&listener, 1).await, [(1, "a".to_string())]);
        for _ in 0..10 * ROOM {
            let more = durable.broker.publish(kept("news", "x", LONG));
            durable.store.write(1);
            tokio::task::yield_now().await;
            more.await.expect("room is given back");
        }
    });
}

#[test]
fn who_repeats_what_waits_has_its_outcome() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let version = |number, text: &str| {
            let mut request = kept("state", text, LONG);
            request.version = Some(Box::new(Version {
                number,
                epoch: "e".to_string(),
            }));
            durable.broker.publish(request)
        };
        let mut answers = vec![
            durable.broker.publish(keyed("news", "a", "1")),
            durable.broker.publish(keyed("news", "other", "1")),
            version(2, "x"),
            version(1, "late"),
            version(2, "same"),
            version(3, "newer"),
        ];
        assert!(answers.iter_mut().all(waits));
        assert_eq!(durable.store.lengths(), (0, 3));
        durable.store.write(usize::MAX);
        let mut told = Vec::new();
        for answer in answers {
            let result = answer.await.expect("written");
            told.push((result.position.expect("a place").offset, result.suppressed));
        }
        let expected = [
            (1, false),
            (1, true),
            (1, false),
            (1, true),
            (1, true),
            (2, false),
        ];
        assert_eq!(told, expected);
    });
}

// What comes back from the store is told by the lock, not by the channel, since that is cheaper.
// What is not kept must still wait for its own channel alone, and each step must come to its own
// channel.
#[test]
fn channels_under_one_lock_wait_each_for_its_own_steps() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let fanout = &durable.harness.fanout;
        let lock = |name: &ChannelName| fanout.stripe_of(fanout.names().hashed(name));
        let one = ChannelName::from("c0");
        let mut names = (1..).map(|number| ChannelName::from(format!("c{number}")));
        let two = names.find(|name| lock(name) == lock(&one));
        let two = two.expect("there are few locks");
        let live = |name: &ChannelName| {
            let target = Target::Channel(name.clone());
            durable
                .broker
                .publish(PublishRequest::new(target, text("live")))
        };
        let first = durable.broker.publish(kept(&one, "a", LONG));
        let mut other = durable.broker.publish(keyed(&two, "b", "k"));
        let behind = live(&one);
        let mut late = durable.broker.publish(kept(&one, "c", LONG));
        let mut last = live(&two);
        durable.store.write(1);
        let place = first.await.expect("written").position;
        assert_eq!(place.map(|place| place.offset), Some(1));
        behind.await.expect("it has nothing to wait for");
        assert!(waits(&mut other) && waits(&mut late) && waits(&mut last));
        let again = durable.broker.publish(keyed(&two, "b", "k"));
        durable.store.write(2);
        let again = again.await.expect("written");
        assert!(again.suppressed);
        let place = |result: PublishResult| result.position.map(|place| place.offset);
        assert_eq!(place(again), Some(1));
        assert_eq!(place(other.await.expect("written")), Some(1));
        assert_eq!(place(late.await.expect("written")), Some(2));
        last.await.expect("behind its own channel's");
        let waiting = &durable.broker.durable.as_ref().expect("a store").waiting;
        assert_eq!(waiting.load(Relaxed), 0);
    });
}

fn offset(result: PublishResult) -> Option<u64> {
    result.position.map(|place| place.offset)
}

// What waits of a channel is noted by its stream, or by its name where it had none. A stream that
// begins in between must not part the two: a place would be given twice.
#[test]
fn a_stream_that_begins_while_a_key_of_its_channel_waits_goes_on_with_it() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let alone = PublishRequest {
            history: None,
            ..keyed("news", "kept by its key alone", "1")
        };
        let alone = durable.broker.publish(alone);
        let publish = |text: &str| durable.broker.publish(kept("news", text, LONG));
        let (first, second) = (publish("a"), publish("b"));
        durable.store.write(1);
        assert_eq!(alone.await.map(offset), Ok(None));
        let third = publish("c");
        durable.store.write(2);
        assert_eq!(first.await.map(offset), Ok(Some(1)));
        assert_eq!(second.await.map(offset), Ok(Some(2)));
        let fourth = publish("d");
        durable.store.write(usize::MAX);
        assert_eq!(third.await.map(offset), Ok(Some(3)));
        assert_eq!(fourth.await.map(offset), Ok(Some(4)));
        let fifth = publish("e");
        durable.store.write(usize::MAX);
        assert_eq!(fifth.await.map(offset), Ok(Some(5)));
    });
}

// The position of a channel whose first publication waits has nothing yet that would keep it.
// Without it that publication would have no place when it comes back.
#[test]
fn a_position_does_not_expire_while_something_of_its_channel_waits() {
    on_a_worker(async {
        let durable = DurableHarness::new();
        let second = Duration::from_secs(1);
        let first = durable.broker.publish(kept("news", "a", second));
        durable.broker.expire(Instant::now() + 2 * second);
        assert_eq!(durable.broker.streams(), 1);
        durable.store.write(1);
        assert_eq!(first.await.map(offset), Ok(Some(1)));
        let next = durable.broker.publish(kept("news", "b", second));
        durable.store.write(1);
        assert_eq!(next.await.map(offset), Ok(Some(2)));
    });
}
