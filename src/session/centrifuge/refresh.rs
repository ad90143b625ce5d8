//! Time in the life of a session's credentials: tokens are renewed by the client, what the backend granted is renewed by asking
//! the backend, and what is not renewed ends. Presence is renewed here too.

use std::time::Duration;

use actix::{AsyncContext, Context};

use super::{
    ClientSession,
    connect::VERSION,
    grant::{Refusal, Subscription, authenticate_token},
};
use crate::{
    close::{Close, Unsubscribe},
    node::auth::{AuthError, seconds_until, unix_now},
    protocol::{Outcome, Push, ReplyError},
    registry::ChannelName,
};

/// How long beyond its end a token that the client renews is still good: the client renews it when it ends.
pub(super) const GRACE: Duration = Duration::from_secs(25);

/// How soon the backend is asked again when it did not answer.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Timers are set no further ahead, so that no wrong date overflows one.
const AHEAD_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

fn is_past(at: Option<u64>) -> bool {
    at.is_some_and(|at| at <= unix_now())
}

fn until(at: u64) -> Duration {
    Duration::from_secs(seconds_until(at).into()).min(AHEAD_MAX)
}

impl ClientSession {
    /// Sets the timer of the session's own end, in place of the one before.
    pub(super) fn watch_expiry(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.expiry_timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = self.identity.expire_at else {
            return;
        };
        let grace = match self.identity.by_token && !self.way.one_way {
            true => GRACE,
            false => Duration::ZERO,
        };
        let timer = ctx.run_later(until(at) + grace, move |session, ctx| {
            session.expiry_timer = None;
            if until(at) > Duration::from_secs(1) {
                // It was further ahead than timers go.
                return session.watch_expiry(ctx);
            }
            if session.identity.by_token || session.node.settings.hooks.refresh.is_none() {
                session.expire();
            } else {
                session.ask_refresh(0, ctx);
            }
        });
        self.expiry_timer = Some(timer);
    }

    pub(super) fn expire(&mut self) {
        self.end(Close::EXPIRED);
        self.membership.flush();
    }

    /// Asks the backend whether the session goes on; it may be away for as long as a client's renewal may take.
    fn ask_refresh(&mut self, tries: u32, ctx: &mut Context<Self>) {
        let (node, hook_context) = (self.node.clone(), self.hook_context.clone());
        let asking = async move { node.hooks.refresh(&hook_context).await };
        self.later(ctx, asking, move |session, answer, ctx| match answer {
            // An end in the past would only be asked about again at once.
            Ok(answer) if answer.expired || is_past(answer.expire_at) => session.expire(),
            Ok(answer) => {
                session.identity.expire_at = answer.expire_at;
                if !answer.info.is_empty() {
                    session.presence.set_conn_info(answer.info);
                }
                if !answer.meta.is_empty() {
                    session.hook_context.meta.clone_from(&answer.meta);
                    session.identity.meta = answer.meta;
                }
                session.told_refresh();
                session.watch_expiry(ctx);
            }
            Err(failure) => match AuthError::from(failure) {
                AuthError::Disconnected(close) => session.end(close),
                AuthError::Unavailable(_) if ASK_AGAIN * tries < GRACE => {
                    ctx.run_later(ASK_AGAIN, move |session, ctx| {
                        session.ask_refresh(tries + 1, ctx);
                    });
                }
                _ => session.expire(),
            },
        });
    }

    /// One-way clients are told that they go on.
    pub(super) fn told_refresh(&self) {
        if self.way.one_way {
            let at = self.identity.expire_at;
            let push = Push::Refresh {
                expires: at.is_some(),
                ttl: at.map_or(0, seconds_until),
            };
            self.push("", &push);
        }
    }

    /// The client brings a new token.
    pub(super) fn refresh(&mut self, id: u32, token: String, ctx: &mut Context<Self>) {
        if !self.node.tokens.is_configured() {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let node = self.node.clone();
        let reading = async move { node.authenticate_token(&token).await };
        self.later(ctx, reading, move |session, identity, ctx| {
            let identity = match identity {
                Ok(identity) if identity.user == session.identity.user => identity,
                Ok(_) => return session.end(Close::INVALID_TOKEN.because("another user's")),
                Err(AuthError::Expired) => return session.error(id, &ReplyError::TOKEN_EXPIRED),
                Err(_) => return session.end(Close::INVALID_TOKEN),
            };
            session.identity.expire_at = identity.expire_at;
            session.identity.issued_at = identity.issued_at;
            session.identity.by_token = true;
            if !identity.info.is_empty() {
                session.presence.set_conn_info(identity.info);
            }
            session.watch_expiry(ctx);
            session.reply(
                id,
                &Outcome::Refresh {
                    client: session.connection.info().id.to_string(),
                    version: VERSION.to_string(),
                    expires: identity.expire_at.is_some(),
                    ttl: identity.expire_at.map_or(0, seconds_until),
                },
            );
        });
    }

    /// Sets the one timer of all subscriptions, for the earliest that ends; in place of the one before, so that however often a
    /// client renews, it has one.
    pub(super) fn watch_subscriptions(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.subscriptions_timer.take() {
            ctx.cancel_future(timer);
        }
        let ends = self.subscriptions.values().filter_map(Subscription::end);
        let Some(first) = ends.min() else { return };
        let timer = ctx.run_later(until(first), |session, ctx| {
            session.subscriptions_timer = None;
            session.end_subscriptions(ctx);
            session.watch_subscriptions(ctx);
        });
        self.subscriptions_timer = Some(timer);
    }

    /// Ends the subscriptions whose time has come, or asks the backend about them.
    fn end_subscriptions(&mut self, ctx: &mut Context<Self>) {
        let now = unix_now();
        let over = self
            .subscriptions
            .iter_mut()
            .filter_map(|(channel, known)| {
                let is_over = known.end().is_some_and(|end| end <= now);
                is_over.then(|| {
                    known.asking = true;
                    (channel.clone(), known.serial, known.by_token)
                })
            });
        for (channel, serial, by_token) in over.collect::<Vec<_>>() {
            if by_token || self.node.settings.hooks.sub_refresh.is_none() {
                self.expire_subscription(&channel);
            } else {
                self.ask_sub_refresh(channel, serial, 0, ctx);
            }
        }
    }

    fn expire_subscription(&mut self, channel: &ChannelName) {
        self.drop_subscription(channel);
        self.push_unsubscribe(channel, Unsubscribe::EXPIRED);
        self.membership.flush();
    }

    fn ask_sub_refresh(
        &mut self,
        channel: ChannelName,
        serial: u64,
        tries: u32,
        ctx: &mut Context<Self>,
    ) {
        let (node, hook_context, name) = (
            self.node.clone(),
            self.hook_context.clone(),
            channel.clone(),
        );
        let asking = async move { node.hooks.sub_refresh(&hook_context, &name).await };
        self.later(ctx, asking, move |session, answer, ctx| {
            if !session.is_current(&channel, serial) {
                return;
            }
            match answer {
                Ok(answer) if !answer.expired && !is_past(answer.expire_at) => {
                    if let Some(known) = session.subscriptions.get_mut(&channel) {
                        known.expire_at = answer.expire_at;
                        known.asking = false;
                    }
                    session.watch_subscriptions(ctx);
                }
                Err(failure) if ASK_AGAIN * tries < GRACE => match AuthError::from(failure) {
                    AuthError::Disconnected(close) => session.end(close),
                    AuthError::Unavailable(_) => {
                        ctx.run_later(ASK_AGAIN, move |session, ctx| {
                            session.ask_sub_refresh(channel, serial, tries + 1, ctx);
                        });
                    }
                    _ => session.expire_subscription(&channel),
                },
                _ => session.expire_subscription(&channel),
            }
        });
    }

    /// The client brings a new token for a subscription.
    pub(super) fn sub_refresh(
        &mut self,
        id: u32,
        channel: &str,
        token: String,
        ctx: &mut Context<Self>,
    ) {
        if channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        let Some(known) = self.subscriptions.get(channel) else {
            return self.error(id, &ReplyError::PERMISSION_DENIED);
        };
        if !self.node.tokens.is_configured() {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let (serial, channel) = (known.serial, ChannelName::from(channel));
        let (node, name) = (self.node.clone(), channel.clone());
        let (user, client) = (self.identity.user.clone(), self.hook_context.client.clone());
        let reading = async move { authenticate_token(&node, &user, &client, &name, &token).await };
        self.later(ctx, reading, move |session, grant, ctx| {
            let grant = match grant {
                Ok(grant) => grant,
                Err(Refusal::Error(error)) => return session.error(id, &error),
                Err(Refusal::Close(close)) => return session.end(close),
            };
            if !session.is_current(&channel, serial) {
                return session.error(id, &ReplyError::PERMISSION_DENIED);
            }
            let at = grant.expire_at();
            if let Some(known) = session.subscriptions.get_mut(&channel) {
                known.expire_at = at;
                known.by_token = true;
                known.asking = false;
            }
            session.watch_subscriptions(ctx);
            session.reply(
                id,
                &Outcome::SubRefresh {
                    expires: at.is_some(),
                    ttl: at.map_or(0, seconds_until),
                },
            );
        });
    }

    /// Renews presence for as long as there is any; one timer, however often channels come and go.
    pub(super) fn renew_presence(&mut self, ctx: &mut Context<Self>) {
        if self.renewing {
            return;
        }
        if let Some(after) = self.presence.renewal() {
            self.renewing = true;
            ctx.run_later(after, |session, ctx| {
                session.renewing = false;
                session.presence.renew();
                session.renew_presence(ctx);
            });
        }
    }
}
