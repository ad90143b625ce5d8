//! The order in which a plain client comes in, on a node without a socket or a backend.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    broker::KeyOwner,
    config::{Allow, Namespace},
    node::tests::{nobody, node, token, with_tokens},
    testing::{self, paused},
};

fn asking<'a>(token: Option<&'a str>, channels: &'a [ChannelName]) -> AccessRequest<'a> {
    AccessRequest {
        hook_context: nobody(),
        token,
        connect_hook: false,
        channels,
        endpoint: EndpointChannels::default(),
    }
}

// The routes took the steps by themselves, each in an order of its own, and one could be left out.
#[test]
fn a_plain_client_is_admitted_once_nothing_of_what_lets_it_in_was_taken_back() {
    paused(async {
        let node = node(|settings| {
            with_tokens(settings);
            settings.limits.sessions_per_user = 1;
        });
        let token = token(&json!({"sub": "42"}));
        let news = [ChannelName::from("news")];
        let authorized = || node.authorize_request(asking(Some(&token), &news));
        let of_blocked = authorized().await.expect("it may");
        node.block_user("42", None).await.expect("noted");
        assert_eq!(of_blocked.confirm().err(), Some(AuthError::BLOCKED));
        node.unblock_user("42").await.expect("noted");
        let confirmed = authorized().await.expect("it may").confirm();
        let first = confirmed.and_then(Confirmed::admit).expect("room");
        assert_eq!(first.identity.user, "42");
        assert_eq!(first.granted.len(), 1);
        let confirmed = authorized().await.expect("it may").confirm();
        let refused = confirmed.and_then(Confirmed::admit).err();
        assert_eq!(refused, Some(AuthError::TooManySessions));
        drop(first.permit);
        let confirmed = authorized().await.expect("it may").confirm();
        assert!(confirmed.and_then(Confirmed::admit).is_ok());
    });
}

#[test]
fn an_endpoint_has_other_channels_for_who_has_none_of_its_own() {
    paused(async {
        let node = node(|_| {});
        let [news, all, lobby] = ["news", "all", "lobby"].map(ChannelName::from);
        let (beside_own, without_own) = ([all.clone()], [all, lobby]);
        for (channels, expected) in [(&[news][..], ["news", "all"]), (&[][..], ["all", "lobby"])] {
            let request = AccessRequest {
                endpoint: EndpointChannels {
                    beside_own: &beside_own,
                    without_own: &without_own,
                },
                ..asking(None, channels)
            };
            let authorized = node.authorize_request(request).await.expect("it may");
            let (_, granted) = authorized.for_session();
            let names: Vec<&str> = granted.iter().map(|plain| &*plain.channel).collect();
            assert_eq!(names, expected);
        }
    });
}

// What a client published by `/send` and by the client protocol was put together in two places.
#[test]
fn a_publication_of_a_client_has_its_name_and_its_key() {
    paused(async {
        let node = node(|settings| {
            with_tokens(settings);
            settings.channels.default = Arc::new(Namespace {
                allow_publish: Allow {
                    client: true,
                    ..Allow::default()
                },
                ..Namespace::default()
            });
        });
        let token = token(&json!({"sub": "42", "info": {"a": 1}}));
        let names = ["a", "b"].map(ChannelName::from);
        let publish = |channels, token| {
            let node = node.clone();
            async move {
                let request = asking(token, channels);
                let authenticated = node.authenticate_request(request).await?;
                let publisher = Publisher {
                    info: Arc::new(authenticated.client_info()),
                    address: None,
                    idempotency_key: Some("key".into()),
                    as_bytes: false,
                };
                let payload = testing::text("x");
                let authorized = authenticated.authorize_publications(&publisher, &payload);
                Ok::<_, AuthError>(authorized.await?.confirm()?.granted)
            }
        };
        let requests = publish(&names[..], Some(&*token)).await.expect("it may");
        assert_eq!(requests.len(), 2);
        for request in requests {
            let info = request.info.expect("a client");
            assert_eq!((&*info.user, &*info.client), ("42", "client"));
            assert_eq!(&*info.conn_info, b"{\"a\":1}");
            let key = request.idempotency_key.expect("a key");
            assert_eq!(&*key.text, "key");
            assert_eq!(key.owner, Some(KeyOwner::of("42", None)));
        }
        let refused = publish(&names[..], None)
            .await
            .map(|requests| requests.len());
        let error = refused.expect_err("nobody may");
        let text = "permission denied (allow.publish of [channels]): a";
        assert_eq!((error.status(), &*error.text()), (403, text));
    });
}
