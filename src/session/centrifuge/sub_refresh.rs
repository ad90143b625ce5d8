//! The ends of subscriptions: those by a token are renewed by the client, what the backend granted
//! is renewed by asking the backend, and what is not renewed ends. One timer for all of a session's
//! subscriptions, however often they are renewed.

use actix::AsyncContext;

use super::{
    client_session::{ClientSession, Task},
    replies::TellsClient,
    subscription::{Subscription, SubscriptionKey},
};
use crate::{
    close::{Close, Unsubscribe},
    node::auth::AuthError,
    protocol::{Reply, ReplyError},
    registry::ChannelName,
    session::expiry::{ASK_AGAIN, RefreshVerdict, until},
    unix_time::{ttl_until, unix_now},
};

impl ClientSession<'_> {
    /// Sets the one timer of all subscriptions, for the earliest that ends; in place of the one
    /// before, so that however often a client renews, it has one.
    pub(super) fn watch_subscriptions(&mut self, ctx: &mut Task) {
        let client = &mut *self.client;
        if let Some(timer) = client.subscriptions_timer.take() {
            ctx.cancel_future(timer);
        }
        let ends = client.subscriptions.iter().filter_map(Subscription::end);
        let Some(first) = ends.min() else { return };
        client.subscriptions_timer = Some(ctx.run_later(until(first), |session, ctx| {
            if let Some(mut session) = session.client_session() {
                session.end_subscriptions(ctx);
                session.watch_subscriptions(ctx);
            }
        }));
    }

    /// Ends the subscriptions whose time has come, or asks the backend about them.
    fn end_subscriptions(&mut self, ctx: &mut Task) {
        let now = unix_now();
        let over = self
            .client
            .subscriptions
            .iter_mut()
            .filter_map(|(channel, known)| {
                let is_over = known.end().is_some_and(|end| end <= now);
                is_over.then(|| {
                    known.asking = true;
                    let key = SubscriptionKey {
                        channel: channel.clone(),
                        generation: known.generation,
                    };
                    (key, known.by_token)
                })
            });
        for (ended, by_token) in over.collect::<Vec<_>>() {
            if by_token || self.context.node.settings.hooks.sub_refresh.is_none() {
                self.expire_subscription(&ended.channel);
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

    fn ask_sub_refresh(&mut self, ended: SubscriptionKey, tries: u32, ctx: &mut Task) {
        let (node, user_context) = (self.context.node.clone(), self.user_context());
        let channel = ended.channel.clone();
        let asking = async move { node.hooks.sub_refresh(&user_context, &channel).await };
        self.later(ctx, asking, move |session, answer, ctx| {
            session.on_sub_verdict(ended, RefreshVerdict::of(answer, tries), tries, ctx);
        });
    }

    fn on_sub_verdict(
        &mut self,
        ended: SubscriptionKey,
        verdict: RefreshVerdict,
        tries: u32,
        ctx: &mut Task,
    ) {
        let Some(known) = self.current_mut(&ended) else {
            return;
        };
        match verdict {
            RefreshVerdict::Disconnect(close) => self.end(close),
            // Its client renewed it meanwhile.
            _ if !known.asking => {}
            RefreshVerdict::GoesOn(answer) => {
                known.expire_at = answer.expire_at;
                known.asking = false;
                self.watch_subscriptions(ctx);
            }
            RefreshVerdict::Over => self.expire_subscription(&ended.channel),
            RefreshVerdict::AskAgain => {
                ctx.run_later(ASK_AGAIN, move |session, ctx| {
                    if let Some(mut session) = session.client_session() {
                        session.ask_sub_refresh_again(ended, tries + 1, ctx);
                    }
                });
            }
        }
    }

    /// Asks once more, unless the subscription was renewed or left meanwhile.
    fn ask_sub_refresh_again(&mut self, ended: SubscriptionKey, tries: u32, ctx: &mut Task) {
        let known = self.current_mut(&ended);
        if known.is_some_and(|known| known.asking) {
            self.ask_sub_refresh(ended, tries, ctx);
        }
    }

    /// The client brings a new token for a subscription.
    pub(super) fn sub_refresh(&mut self, id: u32, channel: &str, token: String, ctx: &mut Task) {
        if channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        let Some(known) = self.client.subscriptions.get(channel) else {
            return self.error(id, &ReplyError::PERMISSION_DENIED);
        };
        let key = SubscriptionKey {
            channel: channel.into(),
            generation: known.generation,
        };
        if !self.context.node.takes_token_of(channel) {
            return self.error(id, &ReplyError::NOT_AVAILABLE);
        }
        let (node, name) = (self.context.node.clone(), key.channel.clone());
        let user = self.client.identity.user.clone();
        let client = self.context.connection.info().id.to_string();
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
            let Some(known) = session.current_mut(&key) else {
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
