//! Time in the life of a client's credentials: tokens are renewed by the client, what the backend
//! granted is renewed by asking the backend, and what is not renewed ends. One timer for the
//! session and one for all its subscriptions, however often they are renewed.

use std::{collections::HashSet, time::Duration};

use actix::AsyncContext;

use super::{Centrifuge, Client, connect::VERSION, subscription::Subscription};
use crate::{
    close::{Close, Unsubscribe},
    hooks::{Answer, HookContext, RefreshAnswer},
    node::{
        Node,
        auth::{AuthError, Identity},
        authorize::{Action, GRACE_SECS},
    },
    protocol::{Push, Reply, ReplyError},
    registry::ChannelName,
    session::{
        Session, TaskContext,
        expiry::{is_past, until},
    },
    unix_time::{ttl_until, unix_now},
};

/// How long beyond its end a token that the client renews is still good: the client renews it when
/// it ends.
const GRACE: Duration = Duration::from_secs(GRACE_SECS);

/// How soon the backend is asked again when it did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A subscription whose end has come: its channel and its number.
type Ended = (ChannelName, u64);

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

impl Session<Centrifuge> {
    /// Sets the timer of the session's own end, in place of the one before.
    pub(super) fn watch_expiry(&mut self, ctx: &mut TaskContext<Self>) {
        let unidirectional = self.protocol.transport.unidirectional;
        let Some(client) = self.protocol.client_mut() else {
            return;
        };
        if let Some(timer) = client.expiry_timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = client.user.expire_at else {
            return;
        };
        let grace = match client.identity.by_token && !unidirectional {
            true => GRACE,
            false => Duration::ZERO,
        };
        client.expiry_timer = Some(ctx.run_later(until(at) + grace, move |session, ctx| {
            if until(at) > Duration::from_secs(1) {
                // It was further ahead than timers go.
                return session.watch_expiry(ctx);
            }
            let by_token = session
                .protocol
                .client()
                .is_some_and(|it| it.identity.by_token);
            if by_token || session.context.node.settings.hooks.refresh.is_none() {
                session.expire();
            } else {
                session.ask_refresh(0, ctx);
            }
        }));
    }

    fn expire(&mut self) {
        self.end(Close::EXPIRED);
        self.context.membership.flush();
    }

    /// Asks the backend whether the session goes on; it may be away for as long as a client's
    /// renewal may take.
    fn ask_refresh(&mut self, tries: u32, ctx: &mut TaskContext<Self>) {
        let (node, hook_context) = (self.context.node.clone(), self.hook_context());
        let asking = async move { node.hooks.refresh(&hook_context).await };
        self.later(ctx, asking, move |session, answer, ctx| {
            session.on_refresh_answer(answer, tries, ctx);
        });
    }

    fn on_refresh_answer(
        &mut self,
        answer: Answer<RefreshAnswer>,
        tries: u32,
        ctx: &mut TaskContext<Self>,
    ) {
        match answer {
            // An end in the past would only be asked about again at once.
            Ok(answer) if answer.expired || is_past(answer.expire_at) => self.expire(),
            Ok(answer) => {
                if let Some(client) = self.protocol.client_mut() {
                    client.user.expire_at = answer.expire_at;
                    if !answer.info.is_empty() {
                        client.user.set_conn_info(&self.context, answer.info);
                    }
                    if !answer.meta.is_empty() {
                        client.identity.meta = answer.meta;
                    }
                }
                self.push_refresh();
                self.watch_expiry(ctx);
            }
            Err(failure) => {
                let error = AuthError::from(failure);
                if let Some(close) = error.disconnect() {
                    self.end(close);
                } else if error.is_unavailable() && ASK_AGAIN * tries < GRACE {
                    ctx.run_later(ASK_AGAIN, move |session, ctx| {
                        session.ask_refresh(tries + 1, ctx);
                    });
                } else {
                    self.expire();
                }
            }
        }
    }

    /// One-way clients are told that they go on.
    pub(super) fn push_refresh(&self) {
        if let Some(client) = self.protocol.client()
            && self.protocol.transport.unidirectional
        {
            let at = client.user.expire_at;
            let push = Push::Refresh {
                expires: at.is_some(),
                ttl: at.map_or(0, ttl_until),
            };
            self.push("", &push);
        }
    }

    /// The client brings a new token.
    pub(super) fn refresh(&mut self, id: u32, token: String, ctx: &mut TaskContext<Self>) {
        if !self.context.node.takes_token(&token) {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let node = self.context.node.clone();
        let HookContext { user, .. } = self.hook_context();
        let reading = async move { node.authenticate_refresh(&user, &token).await };
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
        client.user.expire_at = identity.expire_at;
        client.identity.issued_at = identity.issued_at;
        client.identity.token_id = identity.token_id;
        client.identity.by_token = true;
        if !identity.info.is_empty() {
            client.user.set_conn_info(&self.context, identity.info);
        }
        self.watch_expiry(ctx);
        for channel in taken_back {
            self.drop_subscription(&channel);
            self.push_unsubscribe(&channel, Unsubscribe::SERVER);
        }
        self.reply(
            id,
            &Reply::Refresh {
                client: self.context.connection.info().id.to_string(),
                version: VERSION.to_string(),
                expires: identity.expire_at.is_some(),
                ttl: identity.expire_at.map_or(0, ttl_until),
            },
        );
    }

    /// Sets the one timer of all subscriptions, for the earliest that ends; in place of the one
    /// before, so that however often a client renews, it has one.
    pub(super) fn watch_subscriptions(&mut self, ctx: &mut TaskContext<Self>) {
        let Some(client) = self.protocol.client_mut() else {
            return;
        };
        if let Some(timer) = client.subscriptions_timer.take() {
            ctx.cancel_future(timer);
        }
        let ends = client.subscriptions.iter().filter_map(Subscription::end);
        let Some(first) = ends.min() else { return };
        client.subscriptions_timer = Some(ctx.run_later(until(first), |session, ctx| {
            session.end_subscriptions(ctx);
            session.watch_subscriptions(ctx);
        }));
    }

    /// Ends the subscriptions whose time has come, or asks the backend about them.
    fn end_subscriptions(&mut self, ctx: &mut TaskContext<Self>) {
        let Some(client) = self.protocol.client_mut() else {
            return;
        };
        let now = unix_now();
        let over = client
            .subscriptions
            .iter_mut()
            .filter_map(|(channel, known)| {
                let is_over = known.end().is_some_and(|end| end <= now);
                is_over.then(|| {
                    known.asking = true;
                    ((channel.clone(), known.generation), known.by_token)
                })
            });
        for (ended, by_token) in over.collect::<Vec<_>>() {
            if by_token || self.context.node.settings.hooks.sub_refresh.is_none() {
                self.expire_subscription(&ended.0);
            } else {
                self.ask_sub_refresh(ended, 0, ctx);
            }
        }
    }

    fn expire_subscription(&mut self, channel: &ChannelName) {
        self.drop_subscription(channel);
        self.push_unsubscribe(channel, Unsubscribe::EXPIRED);
        self.context.membership.flush();
    }

    fn ask_sub_refresh(&mut self, ended: Ended, tries: u32, ctx: &mut TaskContext<Self>) {
        let (node, hook_context) = (self.context.node.clone(), self.hook_context());
        let channel = ended.0.clone();
        let asking = async move { node.hooks.sub_refresh(&hook_context, &channel).await };
        self.later(ctx, asking, move |session, answer, ctx| {
            if session.is_current(&ended.0, ended.1) {
                session.on_sub_refresh_answer(ended, answer, tries, ctx);
            }
        });
    }

    fn on_sub_refresh_answer(
        &mut self,
        ended: Ended,
        answer: Answer<RefreshAnswer>,
        tries: u32,
        ctx: &mut TaskContext<Self>,
    ) {
        let channel = &ended.0;
        match answer {
            Ok(answer) if !answer.expired && !is_past(answer.expire_at) => {
                if let Some(known) = self.subscription_mut(channel) {
                    known.expire_at = answer.expire_at;
                    known.asking = false;
                }
                self.watch_subscriptions(ctx);
            }
            Err(failure) if ASK_AGAIN * tries < GRACE => {
                let error = AuthError::from(failure);
                if let Some(close) = error.disconnect() {
                    self.end(close);
                } else if error.is_unavailable() {
                    ctx.run_later(ASK_AGAIN, move |session, ctx| {
                        session.ask_sub_refresh(ended, tries + 1, ctx);
                    });
                } else {
                    self.expire_subscription(channel);
                }
            }
            _ => self.expire_subscription(channel),
        }
    }

    fn subscription_mut(&mut self, channel: &str) -> Option<&mut Subscription> {
        self.protocol.client_mut()?.subscriptions.get_mut(channel)
    }

    /// The client brings a new token for a subscription.
    pub(super) fn sub_refresh(
        &mut self,
        id: u32,
        channel: &str,
        token: String,
        ctx: &mut TaskContext<Self>,
    ) {
        if channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        let Some(generation) = self.subscription_mut(channel).map(|known| known.generation) else {
            return self.error(id, &ReplyError::PERMISSION_DENIED);
        };
        if !self.context.node.takes_token_of(channel) {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let (node, name) = (self.context.node.clone(), ChannelName::from(channel));
        let HookContext { user, client, .. } = self.hook_context();
        let channel = name.clone();
        let reading = async move { node.authorize_token(&user, &client, &name, &token).await };
        self.later(ctx, reading, move |session, grant, ctx| {
            let grant = match grant {
                Ok(grant) => grant,
                // An error would end the SDK's subscription for good. The old end stays, and what
                // ends it then makes the SDK subscribe anew, with another token.
                Err(AuthError::Expired) => {
                    let (expires, ttl) = (false, 0);
                    return session.reply(id, &Reply::SubRefresh { expires, ttl });
                }
                Err(error) => return session.refuse(id, &error),
            };
            let known = session.subscription_mut(&channel);
            let Some(known) = known.filter(|known| known.generation == generation) else {
                return session.error(id, &ReplyError::PERMISSION_DENIED);
            };
            let at = grant.expire_at;
            known.expire_at = at;
            known.by_token = true;
            known.grace = grant.grace;
            known.asking = false;
            session.watch_subscriptions(ctx);
            session.reply(
                id,
                &Reply::SubRefresh {
                    expires: at.is_some(),
                    ttl: at.map_or(0, ttl_until),
                },
            );
        });
    }
}
