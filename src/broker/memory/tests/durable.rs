//! The memory broker with a store: under the suite of all brokers, also when it is closed and made
//! again between all steps, and a model of what may be told while something waits to be written.

use std::collections::BTreeMap;

use super::*;
use crate::{
    broker::Version,
    store::{ReadReport, Record, Source, Store, StoreError},
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

struct Durable {
    rig: Rig,
    store: Arc<ScriptedStore>,
    broker: Arc<MemoryBroker>,
}

impl Durable {
    /// With a store that writes when it is told to.
    fn new() -> Self {
        let (rig, store) = (Rig::new(1 << 30), Arc::new(ScriptedStore::default()));
        let secret = [Record::Secret(crate::store::Secret::random())];
        let broker = restored(&rig.fanout, &store, secret, false);
        Self { rig, store, broker }
    }

    /// All that is written, with what was there at the start.
    fn records(&self) -> Vec<Record> {
        let durable = self.broker.durable.as_ref().expect("with a store");
        let mut records = vec![Record::Secret(durable.secret)];
        records.extend(self.store.records());
        records
    }

    fn reopen(&self, records: Vec<Record>) -> Arc<MemoryBroker> {
        restored(&self.rig.fanout, &self.store, records, false)
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
        let (rig, store) = (Rig::new(1 << 30), ScriptedStore::writing());
        let broker = restored(&rig.fanout, &store, [], false);
        Fixture {
            shard: rig.shard(),
            broker,
            presence: Arc::new(MemoryPresence::default()),
            fanout: rig.fanout,
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
            let (rig, store) = (Rig::new(1 << 30), ScriptedStore::writing());
            let broker = restored(&rig.fanout, &store, [], false);
            let reopened = Reopened {
                fanout: rig.fanout.clone(),
                store,
                broker: Mutex::new(broker),
            };
            Fixture {
                shard: rig.shard(),
                broker: Arc::new(reopened),
                presence: Arc::new(MemoryPresence::default()),
                fanout: rig.fanout,
                room: ROOM,
            }
        })
        .await;
    });
}

// A place that is told before it is written is given anew after a kill. Nobody is told of it: not in
// an answer, not in a history, and no listener gets the message.
#[test]
fn nobody_is_told_a_place_before_it_is_written() {
    on_a_worker(async {
        let durable = Durable::new();
        let shard = durable.rig.shard();
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
        let durable = Durable::new();
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

// The version of a record in doubt outlived the record: after a restart what its publisher sent with
// an older one, and with the same one again, was taken for known and never published.
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
        let durable = Durable::new();
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
        let durable = Durable::new();
        let shard = durable.rig.shard();
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
        let durable = Durable::new();
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

/// Top, epoch and items.
type Seen = (u64, String, Vec<(u64, String)>);

fn state(broker: &MemoryBroker) -> BTreeMap<String, Seen> {
    let mut all = BTreeMap::new();
    for stripe in &broker.stripes {
        for (name, stream) in &locked(stripe).streams {
            let items = stream.items.iter().map(|kept| {
                let text = String::from_utf8_lossy(kept.item.payload.as_bytes()).into_owned();
                (kept.item.offset, text)
            });
            let items = items.collect();
            all.insert(
                name.to_string(),
                (stream.top, stream.epoch.to_string(), items),
            );
        }
    }
    all
}

// Everything that was acknowledged is there after a kill, and what was removed is not. A snapshot in
// the place of all records before it says the same.
#[test]
fn records_and_snapshots_make_the_same_broker_again() {
    on_a_worker(async {
        let durable = Durable::new();
        let mut answers = Vec::new();
        for number in 0..200 {
            let channel = format!("c{}", number % 17);
            answers.push(
                durable
                    .broker
                    .publish(keyed(&channel, &number.to_string(), "k")),
            );
            answers.push(
                durable
                    .broker
                    .publish(kept(&channel, &format!("{number}b"), LONG)),
            );
        }
        let live = PublishRequest {
            idempotency_key: Some("live".into()),
            ..PublishRequest::new(Target::Channel("live".into()), text("x"))
        };
        answers.push(durable.broker.publish(live.clone()));
        durable.store.write(usize::MAX);
        let removed = durable.broker.remove_history(&"c3".into());
        durable.store.write(usize::MAX);
        removed.await.expect("written");
        let before = state(&durable.broker);
        assert_eq!(before["c3"].2, []);
        let snapshot: Vec<_> = durable.broker.snapshot().flatten().collect();
        let mut behind = durable.records();
        behind.extend(snapshot.clone());
        for records in [durable.records(), snapshot, behind] {
            let again = durable.reopen(records);
            assert_eq!(state(&again), before);
            let (ours, others) = (usage(&durable.broker), usage(&again));
            assert_eq!(ours.history_bytes, others.history_bytes);
            assert_eq!(ours.idempotency_bytes, others.idempotency_bytes);
            for channel in ["c0", "live"] {
                let mut request = keyed(channel, "again", "k");
                if channel == "live" {
                    request = live.clone();
                }
                let known = again.publish(request).await.expect("known");
                assert!(known.suppressed, "{channel}");
            }
            let unused =
                |broker: &MemoryBroker| broker.read(&"unused".into(), &HistoryFilter::default());
            assert_eq!(unused(&again).top, unused(&durable.broker).top);
        }
    });
}

#[test]
fn where_something_may_be_lost_every_stream_has_a_new_epoch_for_good() {
    on_a_worker(async {
        let (rig, store) = (Rig::new(1 << 30), ScriptedStore::writing());
        let first = restored(&rig.fanout, &store, [], false);
        first
            .publish(kept("news", "a", LONG))
            .await
            .expect("written");
        let read = |broker: &MemoryBroker, channel: &str| {
            broker.read(&channel.into(), &HistoryFilter::default())
        };
        let old = (read(&first, "news"), read(&first, "unused"));
        let second = restored(&rig.fanout, &store, store.records(), true);
        let new = (read(&second, "news"), read(&second, "unused"));
        assert_ne!(new.0.top.epoch, old.0.top.epoch);
        assert_ne!(new.1.top.epoch, old.1.top.epoch);
        assert_eq!(
            (new.0.items.len(), new.0.top.offset),
            (1, 1),
            "what is left is kept"
        );
        // The next start finds the new ones, with or without a publication since.
        second
            .publish(kept("other", "b", LONG))
            .await
            .expect("written");
        let third = restored(&rig.fanout, &store, store.records(), false);
        assert_eq!(read(&third, "news").top, new.0.top);
        assert_eq!(read(&third, "unused").top, new.1.top);
        assert_eq!(state(&third)["other"].0, 1);
    });
}

#[test]
fn what_expires_does_so_while_the_process_is_down_and_a_clock_ahead_does_no_harm() {
    on_a_worker(async {
        let (rig, store) = (Rig::new(1 << 30), ScriptedStore::writing());
        let broker = restored(&rig.fanout, &store, [], false);
        for channel in ["short", "long"] {
            let ttl = if channel == "short" { 1 } else { 3600 };
            let request = kept(channel, "x", Duration::from_secs(ttl));
            broker.publish(request).await.expect("written");
        }
        let at = |newest_ms| {
            let mut restored = Restored::default();
            for record in store.records() {
                restored.take(record);
            }
            let report = ReadReport {
                may_have_lost: false,
                newest_ms,
            };
            let store: Arc<dyn Store> = store.clone();
            MemoryBroker::restore(rig.fanout.clone(), bounds(), store, restored, report)
        };
        let later = at(crate::unix_time::unix_now_ms() + 2000);
        let state = state(&later);
        assert_eq!((state["short"].0, &state["short"].2[..]), (1, &[][..]));
        assert_eq!(state["long"].2.len(), 1);
        later.expire(Instant::now() + Duration::from_millis(900));
        assert_eq!(
            later.streams(),
            2,
            "its position is kept for its time from the start on"
        );
        // The clock was an hour ahead when the item was written, and is right now.
        let records = store.records().into_iter().map(|record| match record {
            Record::Publication(mut one) => {
                one.expires_ms += 3_600_000;
                Record::Publication(one)
            }
            other => other,
        });
        let records: Vec<_> = records.collect();
        let ahead = restored(&rig.fanout, &store, records, false);
        ahead
            .publish(kept("short", "new", Duration::from_secs(1)))
            .await
            .expect("taken");
        ahead.expire(Instant::now() + Duration::from_secs(3));
        assert_eq!(
            usage(&ahead).history_bytes,
            usage(&later).history_bytes,
            "only the long one"
        );
    });
}

/// By a clock that was put back, what was published then counted as expired at the next start, since what was written before had a later
/// time; with it went the whole history. Found by the rig (seed 12), with a clock that went back 53 minutes and a history of 30.
#[test]
fn a_clock_that_was_put_back_costs_no_history() {
    on_a_worker(async {
        let (rig, store) = (Rig::new(1 << 30), ScriptedStore::writing());
        let hour_ahead = crate::unix_time::unix_now_ms() + 3_600_000;
        let at_hour_ahead = |records: Vec<Record>| {
            let mut restored = Restored::default();
            for record in records {
                restored.take(record);
            }
            let report = ReadReport {
                may_have_lost: false,
                newest_ms: hour_ahead,
            };
            let store: Arc<dyn Store> = store.clone();
            MemoryBroker::restore(rig.fanout.clone(), bounds(), store, restored, report)
        };
        // The files say that it was an hour later, and the clock does not.
        let broker = at_hour_ahead(Vec::new());
        broker.begin().expect("the store writes");
        let half_an_hour = Duration::from_secs(1800);
        let request = kept("news", "x", half_an_hour);
        broker.publish(request).await.expect("written");
        assert_eq!(state(&at_hour_ahead(store.records()))["news"].2.len(), 1);
        let snapshot = Source::snapshot(&*broker).flatten().collect();
        assert_eq!(state(&at_hour_ahead(snapshot))["news"].2.len(), 1);
    });
}

/// A generator of numbers that a failure can be repeated with.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }
}

/// What the model knows of one channel.
#[derive(Default)]
struct Model {
    /// Committed, in order.
    items: Vec<String>,
    /// Placed and not written: text, and whether it is kept.
    waiting: Vec<(String, bool, BrokerFuture<PublishResult>)>,
    /// What its listener must have had.
    heard: Vec<(u64, String)>,
}

// Random places, commits, failed writes, restarts and listeners: each who listens has each item
// once and in order, whatever is answered is what is in the history, and nothing else is.
#[test]
fn a_model_of_places_commits_and_failed_writes_holds() {
    for seed in 0..40 {
        on_a_worker(async move { model(seed).await });
    }
}

async fn model(seed: u64) {
    let mut dice = Dice(seed);
    let mut durable = Durable::new();
    let shard = durable.rig.shard();
    let names = ["a", "b"];
    let listeners = names.map(|name| {
        let listener = Listener::new(&shard);
        listener.membership.join(&name.into());
        listener
    });
    let mut models = [Model::default(), Model::default()];
    // The order in which they are written, by the channel's place in `names`.
    let mut queue: Vec<usize> = Vec::new();
    for step in 0..150 {
        match dice.roll(10) {
            0..=4 => {
                let (index, is_kept) = (dice.roll(2) as usize, dice.roll(3) > 0);
                let payload = format!("{step}");
                let request = match is_kept {
                    true => PublishRequest {
                        history: Some(HistoryOptions {
                            size: 1000,
                            ttl: LONG,
                        }),
                        ..kept(names[index], &payload, LONG)
                    },
                    false => {
                        PublishRequest::new(Target::Channel(names[index].into()), text(&payload))
                    }
                };
                let answer = durable.broker.publish(request);
                let model = &mut models[index];
                if !is_kept && model.waiting.is_empty() {
                    assert_eq!(answer.await.expect("room").position, None);
                    model.heard.push((0, payload));
                    continue;
                }
                model.waiting.push((payload, is_kept, answer));
                queue.extend(is_kept.then_some(index));
            }
            5..=7 => {
                let number = dice.roll(4) as usize;
                let written = durable.store.write(number);
                for index in queue.drain(..written) {
                    commit(&mut models[index], true).await;
                }
            }
            8 => {
                durable.store.fail(StoreError::NotWritten);
                for index in queue.drain(..) {
                    commit(&mut models[index], false).await;
                }
            }
            _ if queue.is_empty() => {
                durable.broker = durable.reopen(durable.records());
            }
            _ => {}
        }
        for (name, model) in names.iter().zip(&models) {
            let history = durable
                .broker
                .read(&(*name).into(), &HistoryFilter::default());
            let items = history
                .items
                .iter()
                .map(|item| String::from_utf8_lossy(item.payload.as_bytes()).into_owned());
            assert_eq!(
                items.collect::<Vec<_>>(),
                model.items,
                "seed {seed}, step {step}"
            );
            assert_eq!(history.top.offset, model.items.len() as u64);
        }
    }
    for (listener, model) in listeners.iter().zip(&models) {
        let heard = suite::taken(listener, model.heard.len()).await;
        assert_eq!(heard, model.heard, "seed {seed}");
    }
}

/// The first that waits to be written was, or was not; those behind it that are not kept go on.
async fn commit(model: &mut Model, is_written: bool) {
    let (payload, is_kept, answer) = model.waiting.remove(0);
    assert!(is_kept);
    match is_written {
        true => {
            model.items.push(payload.clone());
            let offset = model.items.len() as u64;
            model.heard.push((offset, payload));
            let place = answer.await.expect("written").position.expect("a place");
            assert_eq!(place.offset, offset);
        }
        false => assert_eq!(answer.await, Err(BrokerError::NotKept)),
    }
    while model
        .waiting
        .first()
        .is_some_and(|(_, is_kept, _)| !is_kept)
    {
        let (payload, _, answer) = model.waiting.remove(0);
        model.heard.push((0, payload));
        answer.await.expect("room");
    }
}

// After a crash of the machine a publication in the middle may be missing, and a history with a gap gave
// the wrong ones to who came back. What is before a gap is no history, and where the newest is
// missing there is none.
#[test]
fn a_history_that_is_read_has_no_gap() {
    on_a_worker(async {
        let durable = Durable::new();
        let mut answers = Vec::new();
        for number in 1..=6 {
            answers.push(
                durable
                    .broker
                    .publish(kept("news", &number.to_string(), LONG)),
            );
        }
        durable.store.write(usize::MAX);
        let without = |offset: u64| {
            let is_lost = |record: &Record| match record {
                Record::Publication(one) => one.item.offset == offset,
                _ => false,
            };
            let records = durable.records().into_iter();
            records
                .filter(|record| !is_lost(record))
                .collect::<Vec<_>>()
        };
        let offsets = |records: Vec<Record>| {
            let broker = durable.reopen(records);
            let history = broker.read(&"news".into(), &HistoryFilter::default());
            let offsets = history.items.iter().map(|item| item.offset);
            (history.top.offset, offsets.collect::<Vec<_>>())
        };
        assert_eq!(offsets(durable.records()), (6, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(offsets(without(3)), (6, vec![4, 5, 6]));
        let snapshot: Vec<_> = durable.broker.snapshot().flatten().collect();
        let newest = |record: &Record| match record {
            Record::Item(kept) => kept.item.offset == 6,
            _ => false,
        };
        let lacking = snapshot.into_iter().filter(|record| !newest(record));
        assert_eq!(offsets(lacking.collect()), (6, vec![]));
    });
}
