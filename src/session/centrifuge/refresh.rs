//! Tokens that a client brings anew, and what its protocol adds to the end of its identity
//! ([`expiry`](crate::session::expiry)): who renews it, and how the client is told.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;

use super::{
    Centrifuge, KnownClient,
    client_session::{ClientSession, Task},
    replies::TellsClient,
    transport::ClientTransport,
    welcome::VERSION,
};
use crate::{
    close::{Close, Unsubscribe},
    hooks::UserContext,
    node::{
        Node,
        auth::{AuthError, Identity},
        authorize::Action,
    },
    protocol::{Push, Reply, ReplyError},
    registry::ChannelName,
    session::{
        Session,
        expiry::{Expiring, GRACE, Refreshed, Term},
    },
    unix_time::ttl_until,
};

/// Channels that a client's last token put it into, or let it subscribe to, and its new one does
/// not name: it is there no longer by right. What it may have anyhow stays, as what the backend
/// gave.
fn taken_back(node: &Node, client: &KnownClient, new: &Identity) -> Vec<ChannelName> {
    let named: HashSet<&str> = new.subscriptions.iter().map(|it| &*it.channel).collect();
    let before = client.identity.subscriptions.iter();
    let before = before.filter(|_| client.identity.by_token);
    let known = before.filter_map(|given| client.subscriptions.entry(&given.channel));
    let lost = known.filter(|(channel, known)| {
        let may_anyhow = || {
            let authorized = node.authorize(Action::Subscribe, channel, new, None);
            known.by_token || authorized.is_ok()
        };
        let name: &str = channel;
        !named.contains(name) && (known.server_side || !may_anyhow())
    });
    lost.map(|(channel, _)| channel.clone()).collect()
}

impl KnownClient {
    /// A client renews its token when it ends; one that only listens renews nothing.
    fn term(&self, transport: ClientTransport) -> Term {
        let renews = self.identity.by_token && !transport.unidirectional;
        Term {
            at: self.user.expire_at,
            grace: if renews { GRACE } else { Duration::ZERO },
        }
    }
}

/// Tokens are renewed by the client, what the backend granted is renewed by asking the backend.
impl Expiring for Centrifuge {
    fn term(&mut self) -> Term {
        let client = self.phase.client();
        client.map_or(Term::NEVER, |client| client.term(self.transport))
    }

    fn asks_for(session: &mut Session<Self>) -> Option<UserContext> {
        let session = session.client_session()?;
        let has_hook = session.context.node.settings.hooks.refresh.is_some();
        let asks = has_hook && !session.client.identity.by_token;
        asks.then(|| session.user_context())
    }

    /// One-way clients are told that they go on.
    fn on_refreshed(session: &mut Session<Self>, meta: Bytes) {
        let Some(session) = session.client_session() else {
            return;
        };
        if !meta.is_empty() {
            session.client.identity.meta = meta;
        }
        if session.transport.unidirectional {
            let at = session.client.user.expire_at;
            let push = Push::Refresh {
                expires: at.is_some(),
                ttl: at.map_or(0, ttl_until),
            };
            session.push("", &push);
        }
    }
}

impl ClientSession<'_> {
    /// The client brings a new token.
    pub(super) fn refresh(&mut self, id: u32, token: String, ctx: &mut Task) {
        if !self.context.node.takes_token(&token) {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let (node, user) = (self.context.node.clone(), self.client.identity.user.clone());
        let reading = async move { node.authenticate_refresh(&user, &token).await };
        self.later(ctx, reading, move |session, identity, ctx| {
            session.on_new_token(id, identity, ctx);
        });
    }

    fn on_new_token(&mut self, id: u32, identity: Result<Identity, AuthError>, ctx: &mut Task) {
        let identity = match identity {
            Ok(identity) => identity,
            // An error would end the SDK's client for good; so it comes back, with a new token.
            Err(AuthError::Expired) => return self.end(Close::EXPIRED),
            Err(error) => return self.refuse(id, &error),
        };
        let taken_back = taken_back(&self.context.node, self.client, &identity);
        let known = &mut self.client.identity;
        known.subscriptions.clone_from(&identity.subscriptions);
        known.issued_at = identity.issued_at;
        known.token_id = identity.token_id;
        known.by_token = true;
        let expire_at = identity.expire_at;
        let refreshed = Refreshed::new(expire_at, identity.info, Bytes::new());
        refreshed.apply(self.context, &mut self.client.user);
        let term = self.client.term(self.transport);
        term.watch(&mut self.client.user, ctx);
        for channel in taken_back {
            self.drop_subscription(&channel);
            self.push_unsubscribe(&channel, Unsubscribe::SERVER);
        }
        self.reply(
            id,
            &Reply::Refresh {
                client: self.context.connection.info().id.to_string(),
                version: VERSION.to_string(),
                expires: expire_at.is_some(),
                ttl: expire_at.map_or(0, ttl_until),
            },
        );
    }
}
