//! The one order in which it is found out what a request may: who its client is
//! ([`Authenticated`]), what of that which it asks for it may have ([`Authorized`]), whether what
//! says who it is was taken back while the backend was asked ([`Confirmed`]), and whether its user
//! has room for one more session ([`AdmittedClient`]). Each step is the only way to the next one; a
//! session takes the last two where it enters the tables ([`Authorized::for_session`]).
//!
//! For plain clients: raw WebSocket, `/sse`, `/poll` and `/send`. A client of the client protocol
//! is a session before it says who it is, and its connect command asks for the same there. It holds
//! nothing; what it asks for is bounded where it is decided, in [`auth`](super::auth) and
//! [`authorize`](super::authorize).

use bytes::Bytes;

use super::{
    Node,
    auth::{AuthError, Identity},
    authorize::{
        Action,
        plain::{PlainChannel, PlainRequest},
        publish::{ClientMessage, Publisher},
    },
    rate_limit::UserPermit,
};
use crate::{
    broker::PublishRequest,
    hooks::{ConnectHookRequest, HookContext, UserContext},
    protocol::ClientInfo,
    publication::Payload,
    registry::ChannelName,
};

/// What a plain client brings and asks for.
pub(crate) struct AccessRequest<'a> {
    /// The session or request that the backend is asked about.
    pub(crate) hook_context: HookContext,
    /// The token that it brings.
    pub(crate) token: Option<&'a str>,
    /// Whether the backend says who it is where no token does.
    pub(crate) connect_hook: bool,
    /// Channels that it names.
    pub(crate) channels: &'a [ChannelName],
    /// Channels that it has without naming any.
    pub(crate) endpoint: EndpointChannels<'a>,
}

/// Channels that everyone on an endpoint has; none where there is no endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EndpointChannels<'a> {
    /// Those of who names channels or is given some.
    pub(crate) beside_own: &'a [ChannelName],
    /// Those of who has none of its own.
    pub(crate) without_own: &'a [ChannelName],
}

impl<'a> EndpointChannels<'a> {
    fn of(self, has_own: bool) -> &'a [ChannelName] {
        match has_own {
            true => self.beside_own,
            false => self.without_own,
        }
    }
}

/// It is known who the client is.
#[must_use]
pub(crate) struct Authenticated<'a> {
    node: &'a Node,
    identity: Identity,
    request: AccessRequest<'a>,
}

/// It is known what the client may have.
#[must_use]
pub(crate) struct Authorized<'a, T> {
    node: &'a Node,
    identity: Identity,
    granted: T,
}

/// Nothing of what says who the client is was taken back meanwhile.
#[must_use]
pub(crate) struct Confirmed<'a, T> {
    node: &'a Node,
    /// Who it is.
    pub(crate) identity: Identity,
    /// What it may have.
    pub(crate) granted: T,
}

/// The client has a place among its user's sessions.
#[must_use]
pub(crate) struct AdmittedClient<T> {
    identity: Identity,
    /// What it may have.
    pub(crate) granted: T,
    permit: UserPermit,
}

impl<T> AdmittedClient<T> {
    /// Who it is, what it may have, and its place among its user's sessions, given back by drop.
    pub(crate) fn into_parts(self) -> (Identity, T, UserPermit) {
        (self.identity, self.granted, self.permit)
    }

    /// An anonymous client that may have this.
    #[cfg(test)]
    pub(crate) fn anonymous(node: &Node, granted: T) -> Self {
        let identity = Identity::anonymous();
        Self {
            permit: node.admit_user(&identity.user).expect("room"),
            identity,
            granted,
        }
    }
}

impl Node {
    /// Who a plain client is.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub(crate) async fn authenticate_request<'a>(
        &'a self,
        request: AccessRequest<'a>,
    ) -> Result<Authenticated<'a>, AuthError> {
        let names: Vec<String> = match request.connect_hook {
            true => request.channels.iter().map(ToString::to_string).collect(),
            false => Vec::new(),
        };
        let hook = request.connect_hook.then(|| ConnectHookRequest {
            context: &request.hook_context,
            data: Bytes::new(),
            name: "",
            version: "",
            channels: &names,
        });
        let identity = self.authenticate(request.token, hook).await?;
        Ok(Authenticated {
            node: self,
            identity,
            request,
        })
    }

    /// Who a plain client is, and which channels it gets.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), for the first channel that it may not have
    /// ([`AuthError::Channel`], or the backend's refusal), or that they are too many.
    pub(crate) async fn authorize_request<'a>(
        &'a self,
        request: AccessRequest<'a>,
    ) -> Result<Authorized<'a, Vec<PlainChannel>>, AuthError> {
        let authenticated = self.authenticate_request(request).await?;
        authenticated.authorize_channels().await
    }
}

impl<'a> Authenticated<'a> {
    /// Who it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who it is to those who get what it publishes.
    #[must_use]
    pub(crate) fn client_info(&self) -> ClientInfo {
        ClientInfo {
            user: self.identity.user.clone(),
            client: self.request.hook_context.client.clone(),
            conn_info: self.identity.info.clone(),
            chan_info: Bytes::new(),
        }
    }

    async fn authorize_channels(self) -> Result<Authorized<'a, Vec<PlainChannel>>, AuthError> {
        let Self {
            node,
            identity,
            request,
        } = self;
        let has_own = !request.channels.is_empty() || !identity.subscriptions.is_empty();
        let wanted = PlainRequest {
            identity: &identity,
            asked: request.channels,
            endpoint: request.endpoint.of(has_own),
        };
        let user_context = UserContext::of(&identity, request.hook_context);
        let granted = node.authorize_channels(&user_context, wanted).await?;
        Ok(Authorized {
            node,
            identity,
            granted,
        })
    }

    /// A message for every channel that it names, as each is published.
    ///
    /// # Errors
    /// The rules of one of them do not let it ([`AuthError::Channel`]), or the backend refuses or
    /// does not answer: then it publishes in none.
    pub(crate) async fn authorize_publications(
        self,
        publisher: &Publisher,
        payload: &Payload,
    ) -> Result<Authorized<'a, Vec<PublishRequest>>, AuthError> {
        let Self {
            node,
            identity,
            request,
        } = self;
        let user_context = UserContext::of(&identity, request.hook_context);
        let mut granted = Vec::with_capacity(request.channels.len());
        for channel in request.channels {
            let authorized = node.authorize(Action::Publish, channel, &identity, None);
            let denied = |error| AuthError::channel(error, channel);
            let (rules, permission) = authorized.map_err(denied)?;
            let message = ClientMessage {
                channel: channel.clone(),
                payload: payload.clone(),
                publisher: publisher.clone(),
            };
            let publication = message.under(rules, permission);
            granted.push(publication.settle(node, &user_context).await?);
        }
        Ok(Authorized {
            node,
            identity,
            granted,
        })
    }
}

impl<'a, T> Authorized<'a, T> {
    /// Looks again whether what says who it is still counts.
    ///
    /// # Errors
    /// It was taken back while the backend was asked.
    pub(crate) fn confirm(self) -> Result<Confirmed<'a, T>, AuthError> {
        self.node.check_revoked(&self.identity)?;
        Ok(Confirmed {
            node: self.node,
            identity: self.identity,
            granted: self.granted,
        })
    }

    /// Who it is and what it may have, for a session that is admitted and confirmed when it enters
    /// the tables: only from there on do commands of the server reach it.
    pub(crate) fn for_session(self) -> (Identity, T) {
        (self.identity, self.granted)
    }
}

impl<T> Confirmed<'_, T> {
    /// Takes a place among its user's sessions.
    ///
    /// # Errors
    /// [`AuthError::TooManySessions`].
    pub(crate) fn admit(self) -> Result<AdmittedClient<T>, AuthError> {
        let permit = self.node.admit_user(&self.identity.user)?;
        Ok(AdmittedClient {
            identity: self.identity,
            granted: self.granted,
            permit,
        })
    }
}

impl<T> AdmittedClient<T> {
    /// With what becomes of what it may have.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> AdmittedClient<U> {
        AdmittedClient {
            identity: self.identity,
            granted: f(self.granted),
            permit: self.permit,
        }
    }
}

#[cfg(test)]
mod tests;
