//! Subscriptions: the client's own and those that the server makes. One way for both: enter the registry held back, read the
//! history, tell the client, go live.

use std::sync::Arc;

use actix::Context;

use super::{
    ClientSession,
    grant::{Grant, Refusal, Subscription, decide},
    recovered::{PendingSubscription, RecoveredSubscription},
};
use crate::{
    close::Close,
    config::Namespace,
    metrics::Limited,
    node::recovery::Since,
    protocol::{Outcome, Push, ReplyError, SubscribeRequest},
    registry::ChannelName,
    shard::{ServerSubscription, SubscribeOptions},
};

impl ClientSession {
    pub(super) fn subscribe(
        &mut self,
        id: u32,
        request: SubscribeRequest,
        ctx: &mut Context<Self>,
    ) {
        if request.channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        let channel: ChannelName = request.channel.as_str().into();
        if self.subscriptions.contains_key(&channel) {
            return self.error(id, &ReplyError::ALREADY_SUBSCRIBED);
        }
        if self.subscriptions.len() >= self.node.settings.limits.subscriptions {
            self.node.metrics.limited(Limited::Subscriptions);
            return self.error(id, &ReplyError::LIMIT_EXCEEDED);
        }
        let rules = match self.node.rules(&channel) {
            Ok(rules) => rules.clone(),
            Err(error) => return self.error(id, &error),
        };
        let serial = self.reserve(&channel, false);
        let deciding = decide(
            self.node.clone(),
            rules.clone(),
            self.identity.clone(),
            self.hook_context.clone(),
            request.clone(),
        );
        self.later(ctx, deciding, move |session, decision, ctx| {
            if !session.is_current(&channel, serial) {
                // Unsubscribed meanwhile.
                return session.error(id, &ReplyError::PERMISSION_DENIED);
            }
            match decision {
                Ok(grant) => session.begin(id, request, channel, rules, grant, ctx),
                Err(refusal) => {
                    session.subscriptions.remove(&channel);
                    match refusal {
                        Refusal::Error(error) => session.error(id, &error),
                        Refusal::Close(close) => session.end(close),
                    }
                }
            }
        });
    }

    fn reserve(&mut self, channel: &ChannelName, server_side: bool) -> u64 {
        self.serial += 1;
        let subscription = Subscription {
            serial: self.serial,
            live: false,
            server_side,
            by_token: false,
            expire_at: None,
            asking: false,
            allow: Vec::new(),
        };
        self.subscriptions.insert(channel.clone(), subscription);
        self.serial
    }

    pub(super) fn is_current(&self, channel: &str, serial: u64) -> bool {
        self.subscriptions
            .get(channel)
            .is_some_and(|known| known.serial == serial)
    }

    fn begin(
        &mut self,
        id: u32,
        request: SubscribeRequest,
        channel: ChannelName,
        rules: Arc<Namespace>,
        grant: Grant,
        ctx: &mut Context<Self>,
    ) {
        let serial = self.serial_of(&channel);
        let flag = request.flag;
        let entered = self.enter(channel.clone(), rules, grant, &request);
        let node = self.node.clone();
        let bytes_max = self.recovery_left();
        let reading = async move { entered.read(&node, bytes_max).await };
        self.later(ctx, reading, move |session, begun, ctx| {
            if !session.is_current(&channel, serial) {
                // It missed something, or was unsubscribed, before it was there.
                return session.error(id, &ReplyError::INTERNAL);
            }
            if begun.is_refused() {
                session.drop_subscription(&channel);
                return session.error(id, &ReplyError::INTERNAL);
            }
            if begun.is_unrecoverable(flag) {
                session.drop_subscription(&channel);
                return session.error(id, &ReplyError::UNRECOVERABLE_POSITION);
            }
            let (epoch, payloads) = (begun.epoch(), begun.payloads(session.way.encoding));
            session.reply(id, &Outcome::Subscribe(begun.result(&epoch, &payloads)));
            session.go_live(begun, ctx);
        });
    }

    /// Bytes that a recovery may bring now: with what waits already it must not run into the bound of the outbox.
    pub(super) fn recovery_left(&self) -> usize {
        let bytes_max = self.node.settings.limits.recovery_bytes();
        bytes_max.saturating_sub(self.connection.reply_cost())
    }

    fn serial_of(&self, channel: &str) -> u64 {
        self.subscriptions
            .get(channel)
            .map_or(0, |known| known.serial)
    }

    /// Enters the registry, held back.
    fn enter(
        &mut self,
        channel: ChannelName,
        rules: Arc<Namespace>,
        grant: Grant,
        request: &SubscribeRequest,
    ) -> PendingSubscription {
        let kept = rules.history_size > 0;
        let forced = grant.overrides.force_recovery.unwrap_or(rules.recovery);
        let recoverable = kept && (forced || request.recoverable || rules.cache_recovery);
        let asks = request.positioned || request.recover;
        let positioned =
            recoverable || (kept && (asks || grant.overrides.force_positioning == Some(true)));
        let asks_join_leave =
            request.join_leave || grant.overrides.force_push_join_leave == Some(true);
        let options = SubscribeOptions {
            positioned,
            join_leave: rules.join_leave && asks_join_leave,
            delta: positioned && rules.delta && request.delta == "fossil",
            policy: rules.slow_policy,
        };
        let recovering = request.recover && positioned;
        let from = Since::Offset {
            offset: request.offset,
            epoch: request.epoch.clone(),
        };
        let since = positioned.then(|| match (recovering, rules.cache_recovery) {
            (true, false) => from,
            (_, true) => Since::Newest(1),
            (false, false) => Since::Now,
        });
        self.membership.subscribe(&channel, options);
        PendingSubscription {
            channel,
            rules,
            options,
            recoverable,
            recovering,
            offset: request.offset,
            since,
            grant,
        }
    }

    /// The client knows: publications flow from here on.
    pub(super) fn go_live(&mut self, begun: RecoveredSubscription, ctx: &mut Context<Self>) {
        let Some((top, primed)) = begun.top() else {
            return self.drop_subscription(begun.channel());
        };
        let PendingSubscription {
            channel,
            rules,
            grant,
            ..
        } = begun.entered;
        self.membership.go_live(&channel, top, primed);
        let Some(subscription) = self.subscriptions.get_mut(&channel) else {
            return;
        };
        subscription.live = true;
        subscription.by_token = grant.by_token;
        subscription.expire_at = grant.expire_at;
        subscription.allow = grant.allow;
        let presence = grant.overrides.presence.unwrap_or(rules.presence);
        let announce = grant.overrides.join_leave.unwrap_or(rules.join_leave);
        self.presence
            .enter(&channel, grant.info, presence, announce);
        self.renew_presence(ctx);
        if grant.expire_at.is_some() {
            self.watch_subscriptions(ctx);
        }
    }

    /// A subscription that the server makes with the connect; `asked` is what the client said of it.
    pub(super) fn enter_server_side(
        &mut self,
        given: &ServerSubscription,
        asked: Option<SubscribeRequest>,
    ) -> Option<PendingSubscription> {
        let channel: ChannelName = given.channel.as_str().into();
        let rules = match self.node.rules(&channel) {
            Ok(rules) => rules.clone(),
            Err(error) => {
                log::warn!("a session was to be subscribed to {channel}: {error}");
                return None;
            }
        };
        if self.subscriptions.contains_key(&channel) {
            return None;
        }
        self.reserve(&channel, true);
        let mut request = asked.unwrap_or_default();
        if let Some(position) = given.recover_since {
            request.recover = true;
            request.offset = position.offset;
            request.epoch = position.epoch.to_string();
        }
        let grant = Grant {
            info: given.info.clone(),
            data: given.data.clone(),
            expire_at: given.expire_at,
            overrides: given.overrides,
            by_token: false,
            allow: Vec::new(),
        };
        Some(self.enter(channel, rules, grant, &request))
    }

    /// A subscription that the server makes later on; the client is told by a push.
    pub(super) fn subscribe_by_order(
        &mut self,
        given: &ServerSubscription,
        ctx: &mut Context<Self>,
    ) {
        let Some(entered) = self.enter_server_side(given, None) else {
            return;
        };
        let (channel, node) = (entered.channel.clone(), self.node.clone());
        let serial = self.serial_of(&channel);
        let bytes_max = self.recovery_left();
        let reading = async move { entered.read(&node, bytes_max).await };
        self.later(ctx, reading, move |session, begun, ctx| {
            if !session.is_current(&channel, serial) {
                return;
            }
            if begun.is_refused() {
                return session.drop_subscription(&channel);
            }
            let (epoch, payloads) = (begun.epoch(), begun.payloads(session.way.encoding));
            let result = begun.result(&epoch, &payloads);
            session.push(
                &channel,
                &Push::Subscribe {
                    recoverable: result.recoverable,
                    epoch: result.epoch,
                    offset: result.offset,
                    positioned: result.positioned,
                    data: result.data.clone(),
                },
            );
            // What was missed comes as if it came now.
            for publication in result.publications {
                session.push(&channel, &Push::Pub(publication));
            }
            session.go_live(begun, ctx);
        });
    }

    pub(super) fn unsubscribe(&mut self, id: u32, channel: &str) {
        if channel.is_empty() {
            return self.end(Close::BAD_REQUEST.because("a channel is needed"));
        }
        self.drop_subscription(&channel.into());
        self.reply(id, &Outcome::Unsubscribe);
    }

    /// Leaves a channel; the client has been told or asked for it.
    pub(super) fn drop_subscription(&mut self, channel: &ChannelName) {
        if self.subscriptions.remove(channel).is_some() {
            self.membership.unsubscribe(channel);
            self.presence.leave(channel);
        }
    }
}
