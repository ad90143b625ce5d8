//! Tokens that a client brings anew, and what its protocol adds to the end of its identity
//! ([`expiry`](crate::session::expiry)): who renews it, and how the client is told.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;

use super::{Centrifuge, Client, connect::VERSION};
use crate::{
    close::{Close, Unsubscribe},
    hooks::HookContext,
    node::{
        Node,
        auth::{AuthError, Identity},
        authorize::Action,
    },
    protocol::{Push, Reply, ReplyError},
    registry::ChannelName,
    session::{
        Session, TaskContext,
        expiry::{Expiring, GRACE, Refreshed},
    },
    unix_time::ttl_until,
};

/// Channels that a client's last token put it into, or let it subscribe to, and its new one does
/// not name: it is there no longer by right. What it may have anyhow stays, as what the backend
/// gave.
fn taken_back(node: &Node, client: &Client, new: &Identity) -> Vec<ChannelName> {
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

/// Tokens are renewed by the client, what the backend granted is renewed by asking the backend.
impl Expiring for Centrifuge {
    fn expires_at(&mut self) -> Option<u64> {
        self.client().and_then(|client| client.user.expire_at)
    }

    /// A client renews its token when it ends; who is told nothing renews nothing.
    fn grace(&self) -> Duration {
        let by_token = self.client().is_some_and(|it| it.identity.by_token);
        match by_token && !self.transport.unidirectional {
            true => GRACE,
            false => Duration::ZERO,
        }
    }

    fn asks_for(session: &Session<Self>) -> Option<HookContext> {
        let client = session.protocol.client()?;
        let hooks = &session.context.node.settings.hooks;
        let asks = !client.identity.by_token && hooks.refresh.is_some();
        asks.then(|| session.hook_context())
    }

    /// One-way clients are told that they go on.
    fn on_refreshed(session: &mut Session<Self>, meta: Bytes) {
        let is_told = session.protocol.transport.unidirectional;
        let Some(client) = session.protocol.client_mut() else {
            return;
        };
        if !meta.is_empty() {
            client.identity.meta = meta;
        }
        let at = client.user.expire_at;
        if is_told {
            let push = Push::Refresh {
                expires: at.is_some(),
                ttl: at.map_or(0, ttl_until),
            };
            session.push("", &push);
        }
    }
}

impl Session<Centrifuge> {
    /// The client brings a new token.
    pub(super) fn refresh(&mut self, id: u32, token: String, ctx: &mut TaskContext<Self>) {
        if !self.context.node.takes_token(&token) {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let node = self.context.node.clone();
        let hook_context = self.hook_context();
        let reading =
            async move { node.authenticate_refresh(hook_context.user(), &token).await };
        self.later(ctx, reading, move |session, identity, ctx| {
            session.on_new_token(id, identity, ctx);
        });
    }

    fn on_new_token(
        &mut self,
        id: u32,
        identity: Result<Identity, AuthError>,
        ctx: &mut TaskContext<Self>,
    ) {
        let identity = match identity {
            Ok(identity) => identity,
            // An error would end the SDK's client for good; so it comes back, with a new token.
            Err(AuthError::Expired) => return self.end(Close::EXPIRED),
            Err(error) => return self.refuse(id, &error),
        };
        let Some(client) = self.protocol.client_mut() else {
            return;
        };
        let taken_back = taken_back(&self.context.node, client, &identity);
        client
            .identity
            .subscriptions
            .clone_from(&identity.subscriptions);
        client.identity.issued_at = identity.issued_at;
        client.identity.token_id = identity.token_id;
        client.identity.by_token = true;
        let expire_at = identity.expire_at;
        let refreshed = Refreshed::new(expire_at, identity.info, Bytes::new());
        self.refresh_identity(refreshed, ctx);
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
