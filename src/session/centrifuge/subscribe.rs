//! Subscriptions: the client's own and those that the server makes. Who may is decided first; then
//! [`ClientSession::subscribe`] is the one way in.

use super::{
    client_session::{ClientSession, Task},
    replies::TellsClient,
    subscription::{PendingSubscription, Subscription, SubscriptionKey},
};
use crate::{
    broker::BrokerError,
    close::Close,
    metrics::Limited,
    node::authorize::{Grant, tell_left_out},
    protocol::{Push, Reply, ReplyError, SubscribeRequest},
    registry::ChannelName,
    session::subscribe::{ChannelSubscription, RecoveredSubscription},
    subscription::ServerSubscription,
    unix_time::unix_now,
};

impl ClientSession<'_> {
    pub(super) fn subscribe_by_client(
        &mut self,
        id: u32,
        request: SubscribeRequest,
        ctx: &mut Task,
    ) {
        if request.channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        if let Some(error) = request.unsupported() {
            return self.error(id, &error);
        }
        let channel: ChannelName = request.channel.as_str().into();
        let known = &self.client.subscriptions;
        if known.contains(&channel) {
            return self.error(id, &ReplyError::ALREADY_SUBSCRIBED);
        }
        if known.len() >= self.context.node.settings.limits.subscriptions {
            self.context.node.metrics.limited(Limited::Subscriptions);
            return self.error(id, &ReplyError::LIMIT_EXCEEDED);
        }
        let rules = match self.context.node.rules_for_client(&channel) {
            Ok(rules) => rules,
            Err(error) => return self.error(id, &error),
        };
        let (node, identity) = (self.context.node.clone(), self.client.identity.clone());
        let (user_context, asked) = (self.user_context(), request.clone());
        let deciding = async move {
            node.authorize_subscribe(&identity, &user_context, &asked)
                .await
        };
        let key = self.reserve(channel, false);
        self.later(ctx, deciding, move |session, decision, ctx| {
            if session.current_mut(&key).is_none() {
                // Unsubscribed meanwhile.
                return session.error(id, &ReplyError::PERMISSION_DENIED);
            }
            match decision {
                Ok(grant) => {
                    let pending = PendingSubscription::new(key, rules, grant, &request);
                    session.on_granted(id, pending, &request.epoch, ctx);
                }
                Err(error) => {
                    session.forget(&key);
                    session.refuse(id, &error);
                }
            }
        });
    }

    /// Notes a channel, so that nothing subscribes to it a second time.
    fn reserve(&mut self, channel: ChannelName, server_side: bool) -> SubscriptionKey {
        let client = &mut *self.client;
        client.generation += 1;
        let generation = client.generation;
        let subscription = Subscription {
            generation,
            server_side,
            ..Subscription::default()
        };
        client.subscriptions.insert(channel.clone(), subscription);
        SubscriptionKey {
            channel,
            generation,
        }
    }

    /// A subscription, unless it was left meanwhile.
    pub(super) fn current_mut(&mut self, key: &SubscriptionKey) -> Option<&mut Subscription> {
        let known = self.client.subscriptions.get_mut(&key.channel)?;
        (known.generation == key.generation).then_some(known)
    }

    /// Gives a channel up that did not become a subscription; a later one of the same channel
    /// stays.
    fn forget(&mut self, key: &SubscriptionKey) {
        if self.current_mut(key).is_some() {
            self.client.subscriptions.remove(&key.channel);
        }
    }

    fn on_granted(&mut self, id: u32, pending: PendingSubscription, epoch: &str, ctx: &mut Task) {
        let wanted = vec![pending.wanted(epoch)];
        self.subscribe(wanted, ctx, move |session, recovered, ctx| {
            session.answer_subscribe(id, &pending, recovered, ctx)
        });
    }

    fn answer_subscribe(
        &mut self,
        id: u32,
        pending: &PendingSubscription,
        recovered: Result<&[RecoveredSubscription], BrokerError>,
        ctx: &mut Task,
    ) -> bool {
        let error = match recovered {
            Ok([it]) if pending.is_unrecoverable(it) => ReplyError::UNRECOVERABLE_POSITION,
            Ok([it]) => {
                let told = pending.told(it, self.transport.encoding);
                self.reply(id, &Reply::Subscribe(told.result(unix_now())));
                self.on_subscribed(pending, ctx);
                return true;
            }
            // It missed something, or was unsubscribed, before it was there.
            Ok(_) => {
                self.error(id, &ReplyError::INTERNAL);
                return false;
            }
            Err(error) => error.into(),
        };
        self.forget(&pending.key);
        self.error(id, &error);
        false
    }

    /// The client was told of a subscription.
    pub(super) fn on_subscribed(&mut self, pending: &PendingSubscription, ctx: &mut Task) {
        let grant = &pending.grant;
        let Some(known) = self.client.subscriptions.get_mut(&pending.key.channel) else {
            return;
        };
        known.live = true;
        known.by_token = grant.by_token;
        known.expire_at = grant.expire_at;
        known.grace = grant.grace;
        known.allow.clone_from(&grant.allow);
        if grant.expire_at.is_some() {
            self.watch_subscriptions(ctx);
        }
    }

    /// A subscription that the server makes; `asked` is what the client said of it with its
    /// connect.
    pub(super) fn server_side(
        &mut self,
        given: &ServerSubscription,
        asked: Option<SubscribeRequest>,
    ) -> Option<(PendingSubscription, ChannelSubscription)> {
        let channel: ChannelName = given.channel.as_str().into();
        let rules = match self.context.node.rules(&channel) {
            Ok(rules) => rules.clone(),
            Err(error) => {
                tell_left_out(&channel, &error);
                return None;
            }
        };
        if self.client.subscriptions.contains(&channel) {
            return None;
        }
        let key = self.reserve(channel, true);
        let mut request = asked.unwrap_or_default();
        if let Some(position) = given.recover_since {
            request.recover = true;
            request.offset = position.offset;
            request.epoch = position.epoch.to_string();
        }
        let grant = Grant::from(given);
        let pending = PendingSubscription::new(key, rules, grant, &request);
        let wanted = pending.wanted(&request.epoch);
        Some((pending, wanted))
    }

    /// A subscription that the server makes later on; the client is told by a push.
    pub(super) fn subscribe_by_server(&mut self, given: &ServerSubscription, ctx: &mut Task) {
        let is_new = !self.client.subscriptions.contains(&given.channel);
        if is_new && !self.context.has_room_for_channel() {
            return;
        }
        let Some((pending, wanted)) = self.server_side(given, None) else {
            return;
        };
        self.subscribe(vec![wanted], ctx, move |session, recovered, ctx| {
            let Ok([it]) = recovered else {
                session.context.tell_not_entered(&pending.key.channel);
                if recovered.is_err() {
                    session.forget(&pending.key);
                }
                return false;
            };
            session.push_subscribe(&pending, it);
            session.on_subscribed(&pending, ctx);
            true
        });
    }

    fn push_subscribe(&self, pending: &PendingSubscription, it: &RecoveredSubscription) {
        let told = pending.told(it, self.transport.encoding);
        let result = told.result(unix_now());
        let push = Push::Subscribe {
            recoverable: result.recoverable,
            epoch: result.epoch,
            offset: result.offset,
            positioned: result.positioned,
            data: result.data.clone(),
        };
        self.push(&pending.key.channel, &push);
        // What was missed comes as if it came now.
        for publication in result.publications {
            self.push(&pending.key.channel, &Push::Pub(publication));
        }
    }

    pub(super) fn unsubscribe(&mut self, id: u32, channel: &str) {
        if channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        self.drop_subscription(&channel.into());
        self.reply(id, &Reply::Unsubscribe);
    }

    /// Leaves a channel; the client has been told or asked for it. False if it was not there.
    pub(super) fn drop_subscription(&mut self, channel: &ChannelName) -> bool {
        let dropped = self.client.subscriptions.remove(channel);
        if dropped {
            self.context.membership.unsubscribe(channel);
            self.client.user.leave_channel(self.context, channel);
        }
        dropped
    }
}
