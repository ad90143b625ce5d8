//! What two brokers of one engine promise each other's clients.

use std::sync::Arc;

use super::{ALL, Fixture, LONG, kept, offsets, taken};
use crate::{
    broker::{PublishRequest, Version},
    id::SessionId,
    protocol::ClientInfo,
    publication::Target,
    registry::ChannelName,
    shard::SubscribeOptions,
    testing::{Listener, text},
};

/// Every test, each with two nodes of its own.
pub(crate) async fn all(make: impl AsyncFn() -> (Fixture, Fixture)) {
    both_nodes_hear_all_in_one_order(&make().await).await;
    who_listens_on_one_and_reads_while_another_publishes_misses_nothing(&make().await).await;
    keys_and_versions_hold_across_nodes(&make().await).await;
    both_see_who_is_there(&make().await).await;
    a_subscriber_anywhere_is_one(&make().await).await;
}

type Nodes = (Fixture, Fixture);

async fn both_nodes_hear_all_in_one_order((one, two): &Nodes) {
    let here = one.listener(&["news"]).await;
    let there = two.listener(&["news"]).await;
    for number in 1..=20u64 {
        let node = if number % 3 == 0 { two } else { one };
        let published = node
            .broker
            .publish(kept("news", "x", 5, LONG))
            .await
            .expect("room");
        assert_eq!(published.position.expect("a place").offset, number);
        assert_eq!(published.delivered, 1, "of this node");
    }
    let expected: Vec<u64> = (1..=20).collect();
    for listener in [&here, &there] {
        let offsets: Vec<u64> = taken(listener, 20)
            .await
            .iter()
            .map(|(offset, _)| *offset)
            .collect();
        assert_eq!(offsets, expected);
    }
    let live = PublishRequest::new(Target::Channel("news".into()), text("live"));
    two.broker.publish(live).await.expect("room");
    for listener in [&here, &there] {
        assert_eq!(taken(listener, 1).await, [(0, "live".to_string())]);
    }
    assert_eq!(
        offsets(two, "news", ALL).await,
        offsets(one, "news", ALL).await
    );
}

async fn who_listens_on_one_and_reads_while_another_publishes_misses_nothing((one, two): &Nodes) {
    let news = ChannelName::from("news");
    let options = SubscribeOptions {
        positioned: true,
        ..SubscribeOptions::default()
    };
    let mut listeners = Vec::new();
    for number in 0..40 {
        if number % 8 == 0 {
            let node = if number % 16 == 0 { one } else { two };
            let listener = Listener::new(&node.shard);
            let id = listener.membership.subscribe(&news, options).expect("new");
            node.broker.listening(&news).await.expect("in force");
            one.broker
                .publish(kept("news", "x", 1000, LONG))
                .await
                .expect("room");
            let history = node.broker.history(&news, ALL).await.expect("an answer");
            two.broker
                .publish(kept("news", "x", 1000, LONG))
                .await
                .expect("room");
            tokio::task::yield_now().await;
            let read: Vec<u64> = history.items.iter().map(|item| item.offset).collect();
            listener.membership.go_live(&news, id, history.top, true);
            listeners.push((listener, read));
        }
        let node = if number % 2 == 0 { one } else { two };
        node.broker
            .publish(kept("news", "x", 1000, LONG))
            .await
            .expect("room");
        tokio::task::yield_now().await;
    }
    let top = offsets(one, "news", ALL).await.1;
    for (listener, mut read) in listeners {
        let live = taken(&listener, top as usize - read.len()).await;
        read.extend(live.iter().map(|(offset, _)| offset));
        assert_eq!(read, (1..=top).collect::<Vec<_>>());
    }
}

async fn keys_and_versions_hold_across_nodes((one, two): &Nodes) {
    let mut request = kept("state", "x", 10, LONG);
    request.idempotency_key = Some("key".into());
    let first = one.broker.publish(request.clone()).await.expect("room");
    let again = two.broker.publish(request).await.expect("room");
    assert!(!first.suppressed && again.suppressed);
    assert_eq!(first.position, again.position);
    let mut request = kept("state", "x", 10, LONG);
    for (node, number, suppressed) in [
        (one, 2, false),
        (two, 2, true),
        (two, 3, false),
        (one, 3, true),
    ] {
        request.version = Some(Box::new(Version {
            number,
            epoch: "a".to_string(),
        }));
        let result = node.broker.publish(request.clone()).await.expect("room");
        assert_eq!(result.suppressed, suppressed, "{number}");
    }
}

async fn both_see_who_is_there((one, two): &Nodes) {
    let room = ChannelName::from("room");
    let (here, there) = (SessionId::random(), SessionId::random());
    one.presence
        .add(&room, here, Arc::new(ClientInfo::default()));
    two.presence
        .add(&room, there, Arc::new(ClientInfo::default()));
    for node in [one, two] {
        let stats = node
            .presence
            .presence_stats(&room)
            .await
            .expect("an answer");
        assert_eq!(stats.clients, 2);
    }
    one.presence.remove(&room, here);
    let left = two.presence.presence(&room).await.expect("an answer");
    assert_eq!(
        left.iter().map(|(session, _)| *session).collect::<Vec<_>>(),
        [there]
    );
}

async fn a_subscriber_anywhere_is_one((one, two): &Nodes) {
    let target = Target::Channel("room".into());
    let listener = two.listener(&["room"]).await;
    assert!(one.broker.has_subscribers(&target).await.expect("known"));
    assert_eq!((one.fanout.channels(), two.fanout.channels()), (0, 1));
    drop(listener);
    assert!(!one.broker.has_subscribers(&target).await.expect("known"));
}
