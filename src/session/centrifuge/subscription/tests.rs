//! Subscriptions as plain data: what is read for them, what their clients are told, when they end.

use super::*;
use crate::{
    id::{Epoch, StreamPosition},
    node::{authorize::GRACE_SECS, recovery::Recovery},
    protocol::Encoding,
    publication::{Item, Payload as Message},
    subscription::SubscriptionOverrides,
};

fn kept() -> Namespace {
    Namespace {
        history_size: 10,
        ..Namespace::default()
    }
}

fn key() -> SubscriptionKey {
    SubscriptionKey {
        channel: "c".into(),
        generation: 1,
    }
}

fn pending(rules: Namespace, request: &SubscribeRequest) -> PendingSubscription {
    PendingSubscription::new(key(), rules.into(), Grant::default(), request)
}

fn since(pending: &PendingSubscription) -> Option<Since> {
    pending.wanted("ab").recover.map(|request| request.since)
}

fn recovering() -> SubscribeRequest {
    SubscribeRequest {
        recover: true,
        offset: 5,
        ..SubscribeRequest::default()
    }
}

fn recovered(pending: &PendingSubscription, items: &[u64]) -> RecoveredSubscription {
    let item = |offset: &u64| Arc::new(Item::new(Message::Text("x".into()), *offset));
    RecoveredSubscription::for_test(
        pending.wanted("ab"),
        Recovery {
            items: items.iter().map(item).collect(),
            top: StreamPosition {
                offset: 7,
                epoch: Epoch::random(),
            },
            recovered: !items.is_empty(),
        },
    )
}

#[test]
fn what_is_read_depends_on_what_the_channel_keeps_and_the_client_asks() {
    let asks_nothing = SubscribeRequest::default();
    assert_eq!(
        since(&pending(Namespace::default(), &recovering())),
        None,
        "nothing is kept"
    );
    assert_eq!(
        since(&pending(kept(), &asks_nothing)),
        None,
        "and nobody asks"
    );
    let positioned = SubscribeRequest {
        positioned: true,
        ..SubscribeRequest::default()
    };
    assert_eq!(since(&pending(kept(), &positioned)), Some(Since::Now));
    let from = Since::Offset {
        offset: 5,
        epoch: "ab".to_string(),
    };
    assert_eq!(since(&pending(kept(), &recovering())), Some(from));
    let cache = Namespace {
        cache_recovery: true,
        ..kept()
    };
    assert_eq!(
        since(&pending(cache.clone(), &asks_nothing)),
        Some(Since::Newest(1))
    );
    let cached = Since::Cached {
        offset: 5,
        epoch: "ab".to_string(),
    };
    assert_eq!(since(&pending(cache, &recovering())), Some(cached));
    let forced = Namespace {
        recovery: true,
        ..kept()
    };
    assert_eq!(since(&pending(forced, &asks_nothing)), Some(Since::Now));
}

// Only who asked got joins and leaves, whatever the backend said. A namespace could not turn
// them on for everyone, and an override counted only where the namespace announced anyway.
#[test]
fn joins_and_leaves_go_to_who_asks_for_them_and_to_whom_they_are_forced_on() {
    let told = |announces: bool, forces: bool, overrides: SubscriptionOverrides, asks: bool| {
        let rules = Namespace {
            join_leave: announces,
            force_push_join_leave: forces,
            ..Namespace::default()
        };
        let grant = Grant {
            overrides,
            ..Grant::default()
        };
        let request = SubscribeRequest {
            join_leave: asks,
            ..SubscribeRequest::default()
        };
        let pending = PendingSubscription::new(key(), rules.into(), grant, &request);
        pending.wanted("").options.join_leave
    };
    let none = SubscriptionOverrides::default();
    let force = |value| SubscriptionOverrides {
        force_push_join_leave: Some(value),
        ..none
    };
    let announce = SubscriptionOverrides {
        join_leave: Some(true),
        ..none
    };
    for (announces, forces, overrides, asks, expected) in [
        (false, false, none, true, false),
        (true, false, none, false, false),
        (true, false, none, true, true),
        (true, true, none, false, true),
        (true, true, force(false), false, false),
        (true, true, force(false), true, true),
        (true, false, force(true), false, true),
        (false, false, force(true), false, true),
        (false, false, announce, true, true),
    ] {
        let found = told(announces, forces, overrides, asks);
        assert_eq!(found, expected, "{announces} {forces} {overrides:?} {asks}");
    }
}

#[test]
fn who_recovers_counts_on_from_where_it_was() {
    let pending = pending(kept(), &recovering());
    let it = recovered(&pending, &[6, 7]);
    let told = pending.told(&it, Encoding::Json);
    let result = told.result(0);
    assert!(result.recovered && result.was_recovering && result.positioned);
    assert_eq!((result.offset, result.publications.len()), (5, 2));
}

#[test]
fn who_missed_something_begins_where_the_channel_is_unless_it_wants_all_or_nothing() {
    let request = SubscribeRequest {
        flag: FLAG_REQUIRE_RECOVERY,
        ..recovering()
    };
    let (any, all) = (pending(kept(), &recovering()), pending(kept(), &request));
    let it = recovered(&any, &[]);
    assert!(!any.is_unrecoverable(&it) && all.is_unrecoverable(&it));
    let told = any.told(&it, Encoding::Json);
    assert_eq!(
        (told.result(0).recovered, told.result(0).offset),
        (false, 7)
    );
}

#[test]
fn a_subscription_ends_after_the_grace_of_its_token_and_not_while_the_backend_is_asked() {
    let mut known = Subscription {
        expire_at: Some(100),
        ..Subscription::default()
    };
    assert_eq!(known.end(), None, "its client does not know of it yet");
    known.live = true;
    assert_eq!(known.end(), Some(100));
    known.grace = GRACE_SECS;
    assert_eq!(known.end(), Some(100 + GRACE_SECS));
    known.asking = true;
    assert_eq!(known.end(), None);
}
