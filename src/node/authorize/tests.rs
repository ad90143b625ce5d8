//! Who may, as tables: no broker, no backend, no socket.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    plain::{Origin, PlainChannel, PlainRequest, apply_rules, settle_publishing},
    *,
};
use crate::{
    config::Allow,
    hooks::SubscribeAnswer,
    registry::ChannelName,
    subscription::{ServerSubscription, SubscriptionOverrides},
};

fn rules(subscribe: Allow, publish: Allow) -> Namespace {
    Namespace {
        allow_subscribe: subscribe,
        allow_publish: publish,
        ..Namespace::default()
    }
}

/// `[channels]` with these rules, and a namespace `shut` in which nobody may do anything.
fn channels(default: Namespace) -> Channels {
    let shut = Arc::new(Namespace {
        name: "shut".to_string(),
        ..Namespace::default()
    });
    Channels {
        configured: true,
        default: Arc::new(default),
        namespaces: BTreeMap::from([("shut".to_string(), shut)]),
    }
}

fn user(name: &str) -> Identity {
    Identity {
        user: name.to_string(),
        ..Identity::anonymous()
    }
}

fn given(channels: &[&str]) -> Identity {
    let given = channels.iter().map(|channel| ServerSubscription {
        channel: channel.to_string(),
        info: bytes::Bytes::from_static(b"{}"),
        ..ServerSubscription::default()
    });
    Identity {
        subscriptions: given.collect(),
        ..user("42")
    }
}

const NOBODY: Allow = Allow {
    client: false,
    anonymous: false,
    subscriber: false,
    token: false,
    hook: false,
};
const CLIENT: Allow = Allow {
    client: true,
    ..NOBODY
};
const ANONYMOUS: Allow = Allow {
    anonymous: true,
    ..NOBODY
};
const SUBSCRIBER: Allow = Allow {
    subscriber: true,
    ..NOBODY
};
const HOOK: Allow = Allow {
    hook: true,
    ..NOBODY
};

#[test]
fn the_rules_let_users_nobody_in_particular_subscribers_or_whom_the_backend_lets() {
    use Permission::{AskHook, Denied, Granted};
    let none: Option<&[String]> = None;
    let member: Option<&[String]> = Some(&[]);
    let of = |action, allow, identity: &Identity, subscription| {
        let rules = Namespace {
            allow_subscribe: allow,
            allow_publish: allow,
            allow_history: allow,
            allow_presence: allow,
            ..Namespace::default()
        };
        permission(action, "c", &rules, identity, subscription)
    };
    let (nobody, somebody) = (Identity::anonymous(), user("42"));
    for action in [
        Action::Subscribe,
        Action::Publish,
        Action::History,
        Action::Presence,
    ] {
        assert_eq!(of(action, NOBODY, &somebody, none), Denied, "{action:?}");
        assert_eq!(of(action, CLIENT, &somebody, none), Granted, "{action:?}");
        assert_eq!(of(action, CLIENT, &nobody, none), Denied, "{action:?}");
        assert_eq!(of(action, ANONYMOUS, &nobody, none), Granted, "{action:?}");
        assert_eq!(of(action, ANONYMOUS, &somebody, none), Denied, "{action:?}");
        assert_eq!(
            of(action, SUBSCRIBER, &somebody, none),
            Denied,
            "{action:?}"
        );
        let by_membership = match action {
            Action::Subscribe => Denied,
            _ => Granted,
        };
        assert_eq!(of(action, SUBSCRIBER, &nobody, member), by_membership);
        let asked = match action {
            Action::Subscribe | Action::Publish => AskHook,
            Action::History | Action::Presence => Denied,
        };
        assert_eq!(of(action, HOOK, &somebody, none), asked, "{action:?}");
    }
    assert_eq!(of(Action::Subscribe, NOBODY, &given(&["c"]), none), Granted);
    assert_eq!(of(Action::Publish, NOBODY, &given(&["c"]), none), Denied);
}

#[test]
fn a_channel_for_some_users_is_for_them_whatever_else_is_allowed() {
    let open = rules(CLIENT, CLIENT);
    let shut = rules(NOBODY, NOBODY);
    let of =
        |action, rules, name: &str| permission(action, "dialog#42,567", rules, &user(name), None);
    assert_eq!(of(Action::Subscribe, &shut, "42"), Permission::Granted);
    assert_eq!(of(Action::Subscribe, &shut, "567"), Permission::Granted);
    assert_eq!(of(Action::Subscribe, &open, "4"), Permission::Denied);
    assert_eq!(of(Action::Publish, &shut, "42"), Permission::Denied);
    assert_eq!(of(Action::Publish, &open, "42"), Permission::Granted);
    assert_eq!(of(Action::Publish, &open, ""), Permission::Denied);
}

#[test]
fn what_the_backend_allows_a_subscriber_counts_beside_the_rules() {
    let shut = rules(NOBODY, NOBODY);
    let may = |action, words: &[&str]| {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        permission(action, "c", &shut, &user("42"), Some(&words)) == Permission::Granted
    };
    assert!(may(Action::Publish, &["publish"]) && may(Action::Publish, &["hst", "pub"]));
    assert!(may(Action::History, &["history"]) && may(Action::Presence, &["prs"]));
    assert!(!may(Action::Publish, &["history", "prs"]) && !may(Action::Subscribe, &["sub"]));
}

fn names(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| ChannelName::from(*name)).collect()
}

fn planned(
    channels: &Channels,
    identity: &Identity,
    asked: &[&str],
    endpoint: &[&str],
) -> Result<Vec<PlainChannel>, AuthError> {
    let (asked, endpoint) = (names(asked), names(endpoint));
    let request = PlainRequest {
        identity,
        asked: &asked,
        endpoint: &endpoint,
    };
    let mut planned = apply_rules(channels, request)?;
    settle_publishing(channels, identity, &mut planned);
    Ok(planned)
}

#[test]
fn a_plain_client_has_what_it_asks_for_what_it_is_given_and_what_its_endpoint_has() {
    let open = channels(rules(CLIENT, NOBODY));
    let made = planned(&open, &given(&["a", "shut:g"]), &["a", "b"], &["b", "own"]);
    let made = made.expect("all of them");
    let listed: Vec<_> = made
        .iter()
        .map(|plain| (&*plain.channel, plain.origin, plain.grant.info.len()))
        .collect();
    assert_eq!(
        listed,
        [
            ("a", Origin::Asked, 2),
            ("b", Origin::Asked, 0),
            ("shut:g", Origin::Given, 2),
            ("own", Origin::Endpoint, 0),
        ],
        "what its token says of a channel counts where it asks for it too"
    );
    assert!(made.iter().all(|plain| plain.rules.is_some()));
}

#[test]
fn a_plain_client_is_told_the_first_channel_that_it_may_not_have() {
    let open = channels(rules(CLIENT, NOBODY));
    let error = |asked: &[&str]| planned(&open, &user("42"), asked, &[]).expect_err("not all");
    for (asked, code, channel) in [
        (["a", "shut:b"], 103, "shut:b"),
        (["nosuch:a", "shut:b"], 102, "nosuch:a"),
        (["a", "$all"], 107, "the server's own"),
    ] {
        let told = error(&asked).reply_error().map(|error| error.code);
        assert_eq!(told, Ok(code), "{asked:?}");
        assert!(error(&asked).text().ends_with(channel), "{asked:?}");
    }
    let left_out = planned(&open, &given(&["nosuch:a", "a b", "$all", "c"]), &[], &[]);
    let left: Vec<_> = left_out
        .expect("one")
        .into_iter()
        .map(|plain| plain.channel)
        .collect();
    assert_eq!(
        left,
        names(&["c"]),
        "what is given and cannot be is left out"
    );
}

// A raw endpoint with channels of its own relayed into them whatever allow.publish said, against
// the README. Only channels that a client had asked for or was given were looked up in the rules.
#[test]
fn what_a_client_says_goes_where_the_rules_let_a_subscriber_publish_and_nowhere_else() {
    let publishes = |channels: &Channels, identity: &Identity| {
        let made = planned(channels, identity, &["a"], &["own", "nosuch:own"]).expect("both");
        made.iter().map(|plain| plain.publishes).collect::<Vec<_>>()
    };
    let shut = channels(rules(CLIENT, NOBODY));
    assert_eq!(publishes(&shut, &user("42")), [false, false, false]);
    for allow in [CLIENT, SUBSCRIBER] {
        let open = channels(rules(CLIENT, allow));
        assert_eq!(publishes(&open, &user("42")), [true, true, false]);
    }
    let by_backend = channels(rules(CLIENT, HOOK));
    assert_eq!(
        publishes(&by_backend, &user("42")),
        [false; 3],
        "nothing asks the backend about each message that is relayed"
    );
    let unwritten = Channels::default();
    assert_eq!(publishes(&unwritten, &Identity::anonymous()), [true; 3]);
}

#[test]
fn what_the_backend_answers_is_the_grant_of_a_plain_client_too() {
    let asks = channels(rules(HOOK, NOBODY));
    let mut made = planned(&asks, &user("42"), &["a"], &[]).expect("to be asked");
    assert!(made[0].is_to_be_asked() && !made[0].publishes);
    made[0].apply_answer(SubscribeAnswer {
        info: bytes::Bytes::from_static(b"[1]"),
        expire_at: Some(7),
        overrides: SubscriptionOverrides {
            presence: Some(true),
            ..SubscriptionOverrides::default()
        },
        allow: vec!["publish".to_string()],
        ..SubscribeAnswer::default()
    });
    settle_publishing(&asks, &user("42"), &mut made);
    let plain = &made[0];
    assert!(!plain.is_to_be_asked() && plain.publishes);
    assert_eq!(
        (&plain.grant.info[..], plain.grant.expire_at),
        (&b"[1]"[..], Some(7))
    );
    let overrides = SubscriptionOverrides {
        presence: Some(true),
        ..SubscriptionOverrides::default()
    };
    assert_eq!(plain.grant.overrides, overrides);
}
