//! What every broker promises.

use std::sync::Arc;

use super::{ALL, Fixture, LONG, history, kept, offsets, taken};
use crate::{
    broker::{PublishRequest, Version},
    id::SessionId,
    protocol::ClientInfo,
    publication::Target,
    registry::ChannelName,
    shard::SubscribeOptions,
    testing::{Listener, text},
};

/// Every test, each with a fixture of its own.
pub(crate) async fn all(make: impl AsyncFn() -> Fixture) {
    history::all(&make).await;
    offsets_grow_by_one_and_all_arrives_in_order(&make().await).await;
    without_history_there_is_no_offset(&make().await).await;
    a_known_key_publishes_once(&make().await).await;
    what_is_not_newer_is_not_published(&make().await).await;
    who_listens_first_and_then_reads_misses_nothing(&make().await).await;
    who_is_left_out_hears_nothing(&make().await).await;
    publications_take_their_places_when_they_are_called(&make().await).await;
    several_are_published_in_their_order_and_each_is_answered(&make().await).await;
    who_has_no_members_has_no_subscribers(&make().await).await;
    presence_lasts_until_it_is_taken_out(&make().await).await;
}

async fn offsets_grow_by_one_and_all_arrives_in_order(fixture: &Fixture) {
    let listener = fixture.listener(&["news"]).await;
    let mut epochs = Vec::new();
    for number in 1..=5u64 {
        let request = kept("news", &number.to_string(), 3, LONG);
        let published = fixture.broker.publish(request).await.expect("room");
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

async fn without_history_there_is_no_offset(fixture: &Fixture) {
    let listener = fixture.listener(&["live"]).await;
    let request = PublishRequest::new(Target::Channel("live".into()), text("x"));
    let published = fixture.broker.publish(request).await.expect("room");
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

async fn a_known_key_publishes_once(fixture: &Fixture) {
    let listener = fixture.listener(&["kept", "live"]).await;
    for channel in ["kept", "live"] {
        let mut request = match channel {
            "kept" => kept(channel, "x", 10, LONG),
            _ => PublishRequest::new(Target::Channel(channel.into()), text("x")),
        };
        request.idempotency_key = Some("key".into());
        let first = fixture.broker.publish(request.clone()).await.expect("room");
        let again = fixture.broker.publish(request.clone()).await.expect("room");
        assert!(!first.suppressed && again.suppressed);
        assert_eq!(first.position, again.position);
        request.idempotency_key = Some("other".into());
        assert!(
            !fixture
                .broker
                .publish(request)
                .await
                .expect("room")
                .suppressed
        );
    }
    assert_eq!(taken(&listener, 5).await.len(), 4);
}

async fn what_is_not_newer_is_not_published(fixture: &Fixture) {
    let publish = |number: u64, epoch: &'static str| {
        let mut request = kept("state", &number.to_string(), 10, LONG);
        request.version = Some(Box::new(Version {
            number,
            epoch: epoch.to_string(),
        }));
        fixture.broker.publish(request)
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
    assert_eq!(offsets(fixture, "state", ALL).await, (vec![1, 2, 3, 4], 4));
}

pub(crate) async fn who_listens_first_and_then_reads_misses_nothing(fixture: &Fixture) {
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
            fixture.broker.listening(&news).await.expect("in force");
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
    let top = offsets(fixture, "news", ALL).await.1;
    for (listener, mut read) in listeners {
        let live = taken(&listener, top as usize - read.len()).await;
        read.extend(live.iter().map(|(offset, _)| offset));
        assert_eq!(read, (1..=top).collect::<Vec<_>>());
    }
}

async fn who_is_left_out_hears_nothing(fixture: &Fixture) {
    let sender = fixture.listener(&["room"]).await;
    let other = fixture.listener(&["room"]).await;
    let mut request = PublishRequest::new(Target::Channel("room".into()), text("mine"));
    request.exclude = Box::new([sender.connection.info().id]);
    fixture.broker.publish(request).await.expect("room");
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

async fn publications_take_their_places_when_they_are_called(fixture: &Fixture) {
    let first = fixture.broker.publish(kept("news", "1", 10, LONG));
    let second = fixture.broker.publish(kept("news", "2", 10, LONG));
    // Awaited the other way round.
    let second = second.await.expect("room").position.expect("a place");
    let first = first.await.expect("room").position.expect("a place");
    assert_eq!((first.offset, second.offset), (1, 2));
    // Nobody awaits it.
    drop(fixture.broker.publish(kept("news", "3", 10, LONG)));
    let fourth = fixture.broker.publish(kept("news", "4", 10, LONG));
    assert_eq!(
        fourth
            .await
            .expect("room")
            .position
            .expect("a place")
            .offset,
        4
    );
}

async fn several_are_published_in_their_order_and_each_is_answered(fixture: &Fixture) {
    let listener = fixture.listener(&["a", "b"]).await;
    let mut requests: Vec<PublishRequest> = ["a", "b", "a"]
        .iter()
        .zip(["1", "2", "3"])
        .map(|(channel, payload)| kept(channel, payload, 10, LONG))
        .collect();
    requests[2].idempotency_key = Some("key".into());
    requests.push(requests[2].clone());
    let results = fixture.broker.publish_all(requests).await.expect("room");
    let told = results.iter().map(|result| {
        let result = result.as_ref().expect("room");
        (result.position.expect("a place").offset, result.suppressed)
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [(1, false), (1, false), (2, false), (2, true)]);
    let texts: Vec<String> = taken(&listener, 3)
        .await
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["1", "2", "3"]);
    assert!(
        fixture
            .broker
            .publish_all(Vec::new())
            .await
            .expect("nothing to do")
            .is_empty()
    );
}

async fn who_has_no_members_has_no_subscribers(fixture: &Fixture) {
    let has = async |target: &Target| fixture.broker.has_subscribers(target).await.expect("known");
    let room = Target::Channel("room".into());
    assert!(!has(&room).await && !has(&Target::Everyone).await);
    let listener = fixture.listener(&["room"]).await;
    assert!(has(&room).await && has(&Target::Everyone).await);
    drop(listener);
    assert!(!has(&room).await);
}

async fn presence_lasts_until_it_is_taken_out(fixture: &Fixture) {
    let room = ChannelName::from("room");
    let info = |user: &str| {
        Arc::new(ClientInfo {
            user: user.to_string(),
            ..ClientInfo::default()
        })
    };
    let sessions: Vec<SessionId> = (0..3).map(|_| SessionId::random()).collect();
    for (session, user) in sessions.iter().zip(["42", "42", "43"]) {
        fixture.presence.add(&room, *session, info(user));
    }
    let stats = async || {
        let stats = fixture
            .presence
            .presence_stats(&room)
            .await
            .expect("an answer");
        (stats.clients, stats.users)
    };
    assert_eq!(stats().await, (3, 2));
    fixture.presence.remove(&room, sessions[0]);
    fixture.presence.remove(&room, sessions[2]);
    assert_eq!(stats().await, (1, 1));
    // Again: other information, not another one.
    fixture.presence.add(&room, sessions[1], info("44"));
    let left = fixture.presence.presence(&room).await.expect("an answer");
    let left: Vec<_> = left
        .iter()
        .map(|(session, info)| (*session, info.user.as_str()))
        .collect();
    assert_eq!(left, [(sessions[1], "44")]);
    fixture.presence.remove(&room, sessions[1]);
    fixture.presence.remove(&room, sessions[1]);
    assert_eq!(stats().await, (0, 0));
    assert!(
        fixture
            .presence
            .presence(&room)
            .await
            .expect("an answer")
            .is_empty()
    );
}
