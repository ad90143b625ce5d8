//! What a client publishes, by a command of the client protocol or by `/send`. Where the rules let
//! it: a request under them, the backend's word where they leave it to the backend, and the key by
//! which it is published once, charged to the client. In this order, here alone.

use std::{net::IpAddr, sync::Arc};

use super::{Permission, grant};
use crate::{
    broker::PublishRequest,
    config::Namespace,
    hooks::UserContext,
    node::{Node, auth::AuthError},
    protocol::ClientInfo,
    publication::Payload,
    registry::ChannelName,
};

/// A client that publishes.
#[derive(Clone)]
pub(crate) struct Publisher {
    /// Who it is to those who get it.
    pub(crate) info: Arc<ClientInfo>,
    /// From where: who has no user is charged by it.
    pub(crate) address: Option<IpAddr>,
    /// A key of its own for what it publishes; one that the backend gives counts instead.
    pub(crate) idempotency_key: Option<Box<str>>,
    /// It publishes bytes, and so is what the backend puts in their place, whatever it is.
    pub(crate) as_bytes: bool,
}

/// A message of a client's for a channel.
pub(crate) struct ClientMessage {
    /// The channel.
    pub(crate) channel: ChannelName,
    /// The message.
    pub(crate) payload: Payload,
    /// Whose it is.
    pub(crate) publisher: Publisher,
}

/// What a client publishes, as far as the rules decide it.
#[must_use]
pub(crate) enum ClientPublication {
    /// It can be published.
    Ready(PublishRequest),
    /// The backend is to be asked first.
    AskHook(AwaitedPublication),
}

/// What a client publishes if the backend lets it.
#[must_use]
pub(crate) struct AwaitedPublication {
    channel: ChannelName,
    request: PublishRequest,
    publisher: Publisher,
}

impl ClientMessage {
    /// The message under the rules of its channel, which permit it.
    pub(crate) fn under(self, rules: &Namespace, permission: Permission) -> ClientPublication {
        let Self {
            channel,
            payload,
            publisher,
        } = self;
        let awaited = (permission == Permission::AskHook).then(|| channel.clone());
        let mut request = PublishRequest::under(rules, channel, payload);
        request.info = Some(publisher.info.clone());
        match awaited {
            Some(channel) => ClientPublication::AskHook(AwaitedPublication {
                channel,
                request,
                publisher,
            }),
            None => ClientPublication::Ready(publisher.charged(request)),
        }
    }
}

impl Publisher {
    /// With the key by which it is published once, charged to the client.
    fn charged(self, mut request: PublishRequest) -> PublishRequest {
        if request.idempotency_key.is_none() {
            request.idempotency_key = self.idempotency_key.map(Into::into);
        }
        request.charge_key(&self.info.user, self.address);
        request
    }
}

impl ClientPublication {
    /// Asks the backend where it is to be asked.
    ///
    /// # Errors
    /// The backend's refusal, or that it did not answer.
    pub(in crate::node) async fn settle(
        self,
        node: &Node,
        user_context: &UserContext,
    ) -> Result<PublishRequest, AuthError> {
        match self {
            Self::Ready(request) => Ok(request),
            Self::AskHook(awaited) => awaited.ask(node, user_context).await,
        }
    }
}

impl AwaitedPublication {
    /// Lets the backend say whether it is published, and how.
    ///
    /// # Errors
    /// The backend's refusal, or that it did not answer.
    pub(crate) async fn ask(
        self,
        node: &Node,
        user_context: &UserContext,
    ) -> Result<PublishRequest, AuthError> {
        let Self {
            channel,
            mut request,
            publisher,
        } = self;
        let data = request.payload.bytes();
        let answer = node.hooks.publish(user_context, &channel, data).await?;
        grant::apply(answer, &mut request, publisher.as_bytes);
        Ok(publisher.charged(request))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{broker::KeyOwner, publication::Target, testing};

    fn publisher(user: &str) -> Publisher {
        Publisher {
            info: Arc::new(ClientInfo {
                user: user.to_string(),
                client: "client".to_string(),
                conn_info: Bytes::new(),
                chan_info: Bytes::new(),
            }),
            address: Some([192, 0, 2, 1].into()),
            idempotency_key: Some("own".into()),
            as_bytes: false,
        }
    }

    #[test]
    fn the_key_that_counts_is_charged_to_the_client_whoever_gave_it() {
        for (given, counts) in [(None, "own"), (Some("of the backend"), "of the backend")] {
            for user in ["42", ""] {
                let target = Target::Channel("c".into());
                let mut request = PublishRequest::new(target, testing::text("x"));
                request.idempotency_key = given.map(Into::into);
                let publisher = publisher(user);
                let owner = KeyOwner::of(user, publisher.address);
                let key = publisher.charged(request).idempotency_key.expect("a key");
                assert_eq!((&*key.text, key.owner), (counts, Some(owner)));
            }
        }
    }

    #[test]
    fn only_what_the_rules_leave_to_the_backend_waits_for_it() {
        for (permission, waits) in [(Permission::Granted, false), (Permission::AskHook, true)] {
            let message = ClientMessage {
                channel: "c".into(),
                payload: testing::text("x"),
                publisher: publisher("42"),
            };
            let publication = message.under(&Namespace::default(), permission);
            let is_waiting = matches!(publication, ClientPublication::AskHook(_));
            assert_eq!(is_waiting, waits, "{permission:?}");
        }
    }
}
