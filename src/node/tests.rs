//! The node with a broker that does as it is told: no socket, no backend.

use std::sync::Arc;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::{
    Node,
    auth::{AuthError, Identity},
    authorize::{Principal, plain::PlainRequest},
    revoke::TokenInvalidation,
};
use crate::{
    broker::{BrokerError, HistoryFilter},
    config::{Allow, Namespace, Secret, Settings},
    hooks::{HookContext, UserContext},
    registry::ChannelName,
    subscription::ServerSubscription,
    testing::{self, TestNode, paused, scripted::Op},
};

const SECRET: &str = "a secret of more than thirty-two bytes";

pub(super) fn node(change: impl FnOnce(&mut Settings)) -> Arc<Node> {
    test_node(change).node
}

fn test_node(change: impl FnOnce(&mut Settings)) -> TestNode {
    let mut settings = Settings::demonstration();
    change(&mut settings);
    TestNode::with(10, settings)
}

pub(super) fn with_tokens(settings: &mut Settings) {
    settings.token.hmac_secret = vec![Secret::new(SECRET)];
}

pub(super) fn token(claims: &serde_json::Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::default(), claims, &key).expect("a token")
}

fn limited(node: &Node, limit: &str) -> u64 {
    let mut limits = node.metrics.limits();
    let found = limits.find(|(name, _)| *name == limit);
    found.map_or(0, |(_, count)| count)
}

pub(super) fn nobody() -> HookContext {
    HookContext {
        client: "client".to_string(),
        transport: "raw",
        protocol: "json",
        headers: Arc::default(),
    }
}

// A token could be taken back, and a user blocked, while its handshake waited for something: the
// session began all the same. Only blocks were looked at when it began, and nothing at all where a
// request has no session.
#[test]
fn what_was_taken_back_after_someone_was_identified_no_longer_counts() {
    paused(async {
        let node = node(with_tokens);
        let claims = json!({"sub": "42", "iat": 1_700_000_000, "jti": "t1"});
        let identity = node.authenticate(Some(&token(&claims)), None).await;
        let identity = identity.expect("a token that counts");
        assert_eq!(node.check_revoked(&identity), Ok(()));
        let invalidation = |user| TokenInvalidation {
            user,
            issued_before: None,
            channel: None,
            until: None,
        };
        let done = node.invalidate_tokens(invalidation("43")).await;
        assert_eq!((done, node.check_revoked(&identity)), (Ok(()), Ok(())));
        let done = node.invalidate_tokens(invalidation("42")).await;
        let error = node.check_revoked(&identity);
        assert_eq!(
            (done, error),
            (Ok(()), Err(AuthError::Expired)),
            "a newer one helps"
        );
        node.revoke_token("t1", None).await.expect("noted");
        let error = node.check_revoked(&identity).expect_err("revoked");
        assert_eq!(error.close().code, 3500);
        node.block_user("42", None).await.expect("noted");
        assert_eq!(node.check_revoked(&identity), Err(AuthError::BLOCKED));
        let by_hook = Identity {
            by_token: false,
            ..identity
        };
        assert_eq!(node.check_revoked(&by_hook), Err(AuthError::BLOCKED));
        node.unblock_user("42").await.expect("noted");
        assert_eq!(node.check_revoked(&by_hook), Ok(()));
        assert_eq!(node.check_revoked(&Identity::anonymous()), Ok(()));
    });
}

// A raw session over limits.sessions_per_user was refused and not counted, a protocol session was
// counted. Each kind of session counted for itself.
#[test]
fn a_session_over_its_users_limit_is_counted_whatever_kind_it_is() {
    paused(async {
        let node = node(|settings| settings.limits.sessions_per_user = 1);
        let first = node.admit_user("42").expect("room");
        let error = node.admit_user("42").expect_err("no room");
        assert_eq!((error.close().code, error.status()), (3504, 429));
        assert_eq!(limited(&node, "sessions_per_user"), 1);
        drop(first);
        assert!(node.admit_user("42").is_ok() && node.admit_user("").is_ok());
    });
}

// A token with thousands of channels kept a worker busy for seconds, since each was looked for
// among all the others, and raw sessions had as many channels as they liked. They are counted
// before anything is made of them.
#[test]
fn more_channels_than_a_session_may_have_are_refused_by_their_number() {
    paused(async {
        let node = node(|settings| {
            with_tokens(settings);
            settings.limits.subscriptions = 3;
        });
        let channels = |names: &[&str], subs: &[&str]| {
            let subs: serde_json::Map<_, _> = subs
                .iter()
                .map(|name| (name.to_string(), json!({})))
                .collect();
            token(&json!({"sub": "42", "channels": names, "subs": subs}))
        };
        let fits = channels(&["a", "b", "b"], &["b", "c"]);
        let identity = node.authenticate(Some(&fits), None).await.expect("three");
        assert_eq!(identity.subscriptions.len(), 3);
        let error = node
            .authenticate(Some(&channels(&["a", "b"], &["c", "d"])), None)
            .await
            .expect_err("four");
        assert_eq!((error.close().code, error.status()), (3505, 400));

        let user_context = UserContext::of(&identity, nobody());
        let asked: Vec<ChannelName> = ["a", "x"].map(ChannelName::from).to_vec();
        let request = |asked| PlainRequest {
            identity: &identity,
            asked,
            endpoint: &[],
        };
        let fits = node
            .authorize_channels(&user_context, request(&asked[..1]))
            .await;
        assert_eq!(
            fits.map(|channels| channels.len()),
            Ok(3),
            "one is there twice"
        );
        let error = node
            .authorize_channels(&user_context, request(&asked))
            .await;
        assert_eq!(error, Err(AuthError::TooManyChannels), "plain clients too");

        let asked = ["x", "y", "z", "zz"].map(String::from);
        let error = node.initial_subscriptions(&Identity::anonymous(), asked.iter());
        assert_eq!(error.map(|all| all.len()), Err(AuthError::TooManyChannels));
        assert_eq!(limited(&node, "subscriptions"), 3);
    });
}

#[test]
fn whoever_brings_no_token_is_nobody_in_particular_where_that_is_taken() {
    paused(async {
        let open = node(|_| {});
        let identity = open.authenticate(Some("no token is looked at"), None).await;
        assert!(identity.is_ok_and(|identity| identity.user.is_empty()));
        let shut = node(|settings| {
            with_tokens(settings);
            settings.client.anonymous = false;
        });
        let missing = shut.authenticate(None, None).await;
        assert_eq!(missing.map(|_| ()), Err(AuthError::Missing));
        let other = shut
            .authenticate_refresh("43", &token(&json!({"sub": "42"})))
            .await;
        assert_eq!(
            other.map_err(|error| error.close().code).map(|_| ()),
            Err(3500)
        );
    });
}

#[test]
fn a_client_of_the_protocol_has_from_the_start_what_it_is_given_and_what_it_may_have_anyway() {
    paused(async {
        let node = node(|_| {});
        let given = Identity {
            subscriptions: vec![ServerSubscription {
                channel: "given".to_string(),
                ..ServerSubscription::default()
            }],
            ..Identity::anonymous()
        };
        let asked = ["given", "news", "nosuch:a", "$all", "dialog#42"].map(String::from);
        let granted = node.initial_subscriptions(&given, asked.iter());
        let granted = granted.expect("few enough");
        let names: Vec<&str> = granted.iter().map(|sub| sub.channel.as_str()).collect();
        assert_eq!(names, ["given", "news"]);
    });
}

// An identity was made up for it, of which only the user was true.
#[test]
fn whom_the_server_puts_into_a_channel_speaks_there_as_the_rules_let_its_user() {
    paused(async {
        let node = node(|settings| {
            let allow_publish = Allow {
                client: true,
                ..Allow::default()
            };
            settings.channels.configured = true;
            settings.channels.default = Arc::new(Namespace {
                allow_publish,
                ..Namespace::default()
            });
        });
        let may = |user, channel| {
            let user = Principal::named(user);
            node.may_publish_as_subscriber(user, channel)
        };
        assert!(may("42", "news") && may("42", "dialog#42,43"));
        assert!(!may("", "news") && !may("44", "dialog#42,43"));
        assert!(!may("42", "nosuch:news"));
    });
}

#[test]
fn whoever_asks_a_broker_that_does_not_answer_is_told_so_in_time() {
    paused(async {
        let TestNode { node, broker, .. } = test_node(|_| {});
        broker.hold(Op::Publish);
        broker.hold(Op::History);
        let channel = ChannelName::from("c");
        let request = node.unchecked_publish_request(&channel, testing::text("x"));
        let publishing = node.publish(request);
        assert_eq!(broker.published().len(), 1, "it has its place");
        let started = tokio::time::Instant::now();
        assert_eq!(publishing.await, Err(BrokerError::Doubtful));
        assert_eq!(started.elapsed(), node.settings.limits.broker_timeout);
        let reading = node.history(&channel, HistoryFilter::default()).await;
        assert_eq!(reading.map(|_| ()), Err(BrokerError::Unavailable));
        let stats = node.presence_stats(&channel);
        assert!(stats.now().is_ok(), "what is here at once needs no timer");
    });
}

// A newer process may send a command that this one does not know: whoever it was for must not go on
// here, and what follows such a command counts.
#[test]
fn a_command_that_is_not_understood_stands_for_the_end_of_every_session() {
    paused(async {
        let node = node(with_tokens);
        node.control.open();
        node.on_control_line(
            "{\"v\":1,\"command\":\"block_user\",\"user\":\"42\",\"until\":null}\n",
        )
        .await;
        let lines = node.control.next().await;
        assert!(lines.contains("\"block_user\""), "{lines}");
        for line in [
            "{\"v\":7,\"command\":\"block_user\"}\n",
            "{\"v\":1,\"command\":\"new\"}\n",
        ] {
            node.on_control_line(line).await;
            assert_eq!(
                node.control.next().await,
                "{\"v\":1,\"command\":\"disconnect_all\"}\n"
            );
        }
        node.on_control_line("{\"v\":1,\"command\":\"unblock_user\",\"user\":\"42\"}\n")
            .await;
        assert!(node.control.next().await.contains("\"unblock_user\""));
    });
}
