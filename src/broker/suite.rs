//! The tests that every broker must pass, whatever it keeps its channels in. An implementation calls [`all`] with a way to make
//! a broker and a shard that listens to it.

use std::{future::Future, rc::Rc, sync::Arc, time::Duration};

use super::{
    Broker, BrokerError, HistoryFilter, HistoryOptions, PublishRequest, StreamPosition, Version,
};
use crate::{
    id::SessionId,
    protocol::ClientInfo,
    publication::Target,
    registry::ChannelName,
    shard::{Shard, SubscribeOptions},
    testing::{Listener, text},
};

/// A broker under test with a shard of this node.
pub struct Fixture {
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// The shard.
    pub shard: Rc<Shard>,
    /// Publications that the shard's mailbox holds.
    pub room: usize,
}

/// Every test, each with a rig of its own.
pub async fn all<F: Future<Output = Fixture>>(make: impl Fn() -> F) {
    offsets_grow_by_one_and_all_arrives_in_order(make().await).await;
    history_is_read_from_any_place_in_both_directions(make().await).await;
    history_is_bounded_by_size_and_age_and_what_is_left_has_no_gap(make().await).await;
    without_history_there_is_no_offset(make().await).await;
    a_known_key_publishes_once(make().await).await;
    what_is_not_newer_is_not_published(make().await).await;
    a_removed_history_leaves_the_position(make().await).await;
    what_is_refused_has_no_offset_and_reached_nobody(make().await).await;
    who_listens_first_and_then_reads_misses_nothing(make().await).await;
    presence_ends_by_leaving_or_by_itself(make().await).await;
    first_and_last_members_are_told(make().await);
    who_is_left_out_hears_nothing(make().await).await;
}

fn kept(channel: &str, payload: &str, size: usize, ttl: Duration) -> PublishRequest {
    let mut draft = PublishRequest::new(Target::Channel(channel.into()), text(payload));
    draft.history = Some(HistoryOptions { size, ttl });
    draft
}

const LONG: Duration = Duration::from_secs(600);

const ALL: HistoryFilter = HistoryFilter {
    since: None,
    limit: None,
    reverse: false,
    keep: LONG,
};

/// Waits until the listener has so many, or gives what it has after a while.
async fn taken(listener: &Listener, count: usize) -> Vec<(u64, String)> {
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

async fn offsets_grow_by_one_and_all_arrives_in_order(fixture: Fixture) {
    let listener = Listener::new(&fixture.shard);
    listener.membership.join(&"news".into());
    let mut epochs = Vec::new();
    for number in 1..=5u64 {
        let draft = kept("news", &number.to_string(), 3, LONG);
        let published = fixture.broker.publish(draft).await.expect("room");
        let position = published.position.expect("a place");
        assert_eq!((position.offset, published.delivered), (number, 1));
        epochs.push(position.epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1, "one stream");
    let expected: Vec<(u64, String)> = (1..=5).map(|n| (n, n.to_string())).collect();
    assert_eq!(taken(&listener, 5).await, expected);
    let other = fixture
        .broker
        .publish(kept("other", "x", 3, LONG))
        .await
        .expect("room");
    let other = other.position.expect("a place");
    assert_eq!(other.offset, 1);
    assert_ne!(
        other.epoch, epochs[0],
        "each channel has a stream of its own"
    );
}

async fn history_is_read_from_any_place_in_both_directions(fixture: Fixture) {
    assert_eq!(offsets(&fixture, "news", ALL).await, (vec![], 0));
    for number in 1..=10 {
        let draft = kept("news", &number.to_string(), 10, LONG);
        fixture.broker.publish(draft).await.expect("room");
    }
    let limited = |limit| HistoryFilter {
        limit: Some(limit),
        ..ALL
    };
    let since = |since| HistoryFilter {
        since: Some(since),
        ..ALL
    };
    assert_eq!(offsets(&fixture, "news", limited(0)).await, (vec![], 10));
    assert_eq!(offsets(&fixture, "news", limited(2)).await.0, [1, 2]);
    assert_eq!(offsets(&fixture, "news", since(8)).await.0, [9, 10]);
    assert_eq!(offsets(&fixture, "news", since(10)).await, (vec![], 10));
    assert_eq!(
        offsets(&fixture, "news", since(u64::MAX)).await,
        (vec![], 10)
    );
    let back = HistoryFilter {
        reverse: true,
        ..limited(3)
    };
    assert_eq!(offsets(&fixture, "news", back).await.0, [10, 9, 8]);
    let back_from = HistoryFilter {
        since: Some(5),
        ..back
    };
    assert_eq!(offsets(&fixture, "news", back_from).await.0, [4, 3, 2]);
}

async fn history_is_bounded_by_size_and_age_and_what_is_left_has_no_gap(fixture: Fixture) {
    for number in 1..=7 {
        let draft = kept("small", &number.to_string(), 3, LONG);
        fixture.broker.publish(draft).await.expect("room");
    }
    assert_eq!(offsets(&fixture, "small", ALL).await, (vec![5, 6, 7], 7));
    let short = Duration::from_millis(30);
    fixture
        .broker
        .publish(kept("brief", "1", 10, short))
        .await
        .expect("room");
    fixture
        .broker
        .publish(kept("brief", "2", 10, short))
        .await
        .expect("room");
    for _ in 0..2000 {
        if offsets(&fixture, "brief", ALL).await == (vec![], 2) {
            let published = fixture
                .broker
                .publish(kept("brief", "3", 10, LONG))
                .await
                .expect("room");
            assert_eq!(
                published.position.expect("a place").offset,
                3,
                "the stream goes on"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("a history that never ages");
}

async fn without_history_there_is_no_offset(fixture: Fixture) {
    let listener = Listener::new(&fixture.shard);
    listener.membership.join(&"live".into());
    let draft = PublishRequest::new(Target::Channel("live".into()), text("x"));
    let published = fixture.broker.publish(draft).await.expect("room");
    assert_eq!((published.position, published.delivered), (None, 1));
    assert_eq!(taken(&listener, 1).await, [(0, "x".to_string())]);
    let nobody = PublishRequest::new(Target::Channel("empty".into()), text("x"));
    assert_eq!(
        fixture
            .broker
            .publish(nobody)
            .await
            .expect("room")
            .delivered,
        0
    );
}

async fn a_known_key_publishes_once(fixture: Fixture) {
    let listener = Listener::new(&fixture.shard);
    for channel in ["kept", "live"] {
        listener.membership.join(&channel.into());
    }
    for channel in ["kept", "live"] {
        let mut draft = match channel {
            "kept" => kept(channel, "x", 10, LONG),
            _ => PublishRequest::new(Target::Channel(channel.into()), text("x")),
        };
        draft.idempotency_key = Some("key".into());
        let first = fixture.broker.publish(draft.clone()).await.expect("room");
        let again = fixture.broker.publish(draft.clone()).await.expect("room");
        assert!(!first.suppressed && again.suppressed);
        assert_eq!(first.position, again.position);
        draft.idempotency_key = Some("other".into());
        assert!(
            !fixture
                .broker
                .publish(draft)
                .await
                .expect("room")
                .suppressed
        );
    }
    assert_eq!(taken(&listener, 5).await.len(), 4);
}

async fn what_is_not_newer_is_not_published(fixture: Fixture) {
    let publish = |number: u64, epoch: &'static str| {
        let mut draft = kept("state", &number.to_string(), 10, LONG);
        draft.version = Some(Box::new(Version {
            number,
            epoch: epoch.to_string(),
        }));
        fixture.broker.publish(draft)
    };
    let mut suppressed = Vec::new();
    for (number, epoch) in [
        (1, "a"),
        (3, "a"),
        (2, "a"),
        (3, "a"),
        (4, "a"),
        (1, "b"),
        (1, "b"),
    ] {
        suppressed.push(publish(number, epoch).await.expect("room").suppressed);
    }
    assert_eq!(suppressed, [false, false, true, true, false, false, true]);
    assert_eq!(offsets(&fixture, "state", ALL).await, (vec![1, 2, 3, 4], 4));
}

async fn a_removed_history_leaves_the_position(fixture: Fixture) {
    for _ in 0..3 {
        fixture
            .broker
            .publish(kept("news", "x", 10, LONG))
            .await
            .expect("room");
    }
    let news = ChannelName::from("news");
    let before = fixture
        .broker
        .history(&news, ALL)
        .await
        .expect("an answer")
        .top;
    fixture
        .broker
        .remove_history(&news)
        .await
        .expect("an answer");
    let history = fixture.broker.history(&news, ALL).await.expect("an answer");
    assert_eq!((history.items.len(), history.top), (0, before));
    let next = fixture
        .broker
        .publish(kept("news", "x", 10, LONG))
        .await
        .expect("room");
    let expected = StreamPosition {
        offset: 4,
        epoch: before.epoch,
    };
    assert_eq!(next.position, Some(expected));
}

async fn what_is_refused_has_no_offset_and_reached_nobody(fixture: Fixture) {
    let listener = Listener::new(&fixture.shard);
    listener.membership.join(&"news".into());
    let mut accepted = 0;
    let refused = loop {
        // Without a pause in which the shard could empty its mailbox.
        match fixture
            .broker
            .publish(kept("news", "x", 10_000, LONG))
            .await
        {
            Ok(published) => {
                accepted += 1;
                assert_eq!(
                    published.position.map(|position| position.offset),
                    Some(accepted)
                );
                assert!(accepted <= fixture.room as u64, "no bound");
            }
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, BrokerError::Busy);
    assert_eq!(offsets(&fixture, "news", ALL).await.1, accepted);
    assert_eq!(
        taken(&listener, accepted as usize).await.len(),
        accepted as usize
    );
    let next = fixture
        .broker
        .publish(kept("news", "x", 10_000, LONG))
        .await
        .expect("room again");
    assert_eq!(
        next.position.map(|position| position.offset),
        Some(accepted + 1)
    );
}

async fn who_listens_first_and_then_reads_misses_nothing(fixture: Fixture) {
    let news = ChannelName::from("news");
    let options = SubscribeOptions {
        positioned: true,
        ..SubscribeOptions::default()
    };
    let mut listeners = Vec::new();
    for number in 1..=40u64 {
        if number % 8 == 0 {
            let listener = Listener::new(&fixture.shard);
            let id = listener.membership.subscribe(&news, options).expect("new");
            // What is published between the two is held back and merged.
            fixture
                .broker
                .publish(kept("news", "between", 1000, LONG))
                .await
                .expect("room");
            let history = fixture.broker.history(&news, ALL).await.expect("an answer");
            fixture
                .broker
                .publish(kept("news", "behind", 1000, LONG))
                .await
                .expect("room");
            tokio::task::yield_now().await;
            let read: Vec<u64> = history.items.iter().map(|item| item.offset).collect();
            listener.membership.go_live(&news, id, history.top, true);
            listeners.push((listener, read));
        }
        fixture
            .broker
            .publish(kept("news", "x", 1000, LONG))
            .await
            .expect("room");
        tokio::task::yield_now().await;
    }
    let top = offsets(&fixture, "news", ALL).await.1;
    for (listener, mut read) in listeners {
        let live = taken(&listener, top as usize - read.len()).await;
        read.extend(live.iter().map(|(offset, _)| offset));
        assert_eq!(read, (1..=top).collect::<Vec<_>>());
    }
}

async fn presence_ends_by_leaving_or_by_itself(fixture: Fixture) {
    let room = ChannelName::from("room");
    let info = |user: &str| {
        Arc::new(ClientInfo {
            user: user.to_string(),
            ..ClientInfo::default()
        })
    };
    let (first, second, third) = (
        SessionId::random(),
        SessionId::random(),
        SessionId::random(),
    );
    let short = Duration::from_millis(30);
    for (session, user, ttl) in [
        (first, "42", LONG),
        (second, "42", LONG),
        (third, "43", short),
    ] {
        fixture
            .broker
            .present(&room, session, info(user), ttl)
            .await
            .expect("an answer");
    }
    let stats = fixture
        .broker
        .presence_stats(&room)
        .await
        .expect("an answer");
    assert!(stats.clients >= 2 && stats.users >= 1);
    for _ in 0..2000 {
        let stats = fixture
            .broker
            .presence_stats(&room)
            .await
            .expect("an answer");
        if (stats.clients, stats.users) == (2, 1) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture
        .broker
        .absent(&room, first)
        .await
        .expect("an answer");
    let left = fixture.broker.presence(&room).await.expect("an answer");
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].0, left[0].1.user.as_str()), (second, "42"));
    fixture
        .broker
        .absent(&room, second)
        .await
        .expect("an answer");
    assert!(
        fixture
            .broker
            .presence(&room)
            .await
            .expect("an answer")
            .is_empty()
    );
}

fn first_and_last_members_are_told(fixture: Fixture) {
    let (room, shard) = (ChannelName::from("room"), fixture.shard.id());
    assert!(fixture.broker.listen(&room, shard));
    assert!(!fixture.broker.listen(&room, shard));
    assert_eq!(fixture.broker.channels(), 1);
    let listed = fixture
        .broker
        .list_channels(&|name| name.starts_with('r'), 10);
    assert_eq!(listed, [(room.clone(), 2)]);
    assert!(fixture.broker.list_channels(&|_| false, 10).is_empty());
    assert!(fixture.broker.is_heard(&Target::Channel(room.clone())));
    assert!(!fixture.broker.unlisten(&room, shard));
    assert!(fixture.broker.unlisten(&room, shard));
    assert!(!fixture.broker.unlisten(&room, shard), "leaving twice");
    assert_eq!(fixture.broker.channels(), 0);
    assert!(!fixture.broker.is_heard(&Target::Channel(room)));
}

async fn who_is_left_out_hears_nothing(fixture: Fixture) {
    let (sender, other) = (Listener::new(&fixture.shard), Listener::new(&fixture.shard));
    for listener in [&sender, &other] {
        listener.membership.join(&"room".into());
    }
    let mut draft = PublishRequest::new(Target::Channel("room".into()), text("mine"));
    draft.exclude = Box::new([sender.connection.info().id]);
    fixture.broker.publish(draft).await.expect("room");
    fixture
        .broker
        .publish(PublishRequest::new(
            Target::Channel("room".into()),
            text("all"),
        ))
        .await
        .expect("room");
    assert_eq!(taken(&other, 2).await.len(), 2);
    assert_eq!(taken(&sender, 1).await, [(0, "all".to_string())]);
}
