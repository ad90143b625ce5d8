//! The one way into a channel, with recovery, for every protocol: enter held back → wait until the
//! broker listens → read the history → tell the client → go live, with what came meanwhile merged
//! by offset. So nothing is missed or doubled between what the client is told and what it then
//! gets.
//!
//! Bounds: what waits for a subscriber that is held back is the shard's to bound, what is read
//! `limits.recovery_bytes`. What does not get as far as the client being told is undone.

use super::{Protocol, Session, TaskContext, presence::PresenceOptions};
use crate::{
    broker::BrokerError,
    id::StreamPosition,
    node::recovery::{self, Recovery, RecoveryRequest},
    registry::ChannelName,
    shard::{SubscribeOptions, SubscriptionId},
};

/// A channel that a session is to be subscribed to.
pub(super) struct ChannelSubscription {
    pub(super) channel: ChannelName,
    /// What delivery does for it.
    pub(super) options: SubscribeOptions,
    /// What is read before it goes live; absent: nothing, the client is told no position.
    pub(super) recover: Option<RecoveryRequest>,
    /// How the session is seen there.
    pub(super) presence: PresenceOptions,
}

/// A subscription whose history was read; its client is to be told.
pub(super) struct RecoveredSubscription {
    pub(super) subscription: ChannelSubscription,
    pub(super) recovery: Recovery,
    /// What the client has when it goes live.
    position: StreamPosition,
    id: SubscriptionId,
}

#[cfg(test)]
impl RecoveredSubscription {
    /// For tests of what a client is told; no shard knows of it.
    pub(super) fn for_test(subscription: ChannelSubscription, recovery: Recovery) -> Self {
        Self {
            subscription,
            position: recovery.top,
            recovery,
            id: SubscriptionId::default(),
        }
    }
}

impl<P: Protocol> Session<P> {
    /// Subscribes to channels, all of them or none. `tell` tells the client what was recovered, or
    /// why nothing could be, and answers whether it was told; then the subscriptions go live,
    /// else they are left. What was unsubscribed before its history was there is not among what
    /// `tell` gets.
    pub(super) fn subscribe(
        &mut self,
        channels: Vec<ChannelSubscription>,
        ctx: &mut TaskContext<Self>,
        tell: impl FnOnce(
            &mut Self,
            Result<&[RecoveredSubscription], BrokerError>,
            &mut TaskContext<Self>,
        ) -> bool
        + 'static,
    ) {
        let membership = &self.context.membership;
        let held: Vec<_> = channels
            .into_iter()
            .filter_map(|subscription| {
                let id = membership.subscribe(&subscription.channel, subscription.options)?;
                Some((id, subscription))
            })
            .collect();
        let (node, bytes_max) = (self.context.node.clone(), self.context.recovery_left());
        let reading = async move {
            let wanted = held
                .iter()
                .map(|(_, subscription)| (&subscription.channel, subscription.recover.as_ref()));
            let recoveries = recovery::recover_all(&node, wanted, bytes_max).await;
            (held, recoveries)
        };
        self.later(ctx, reading, move |session, (held, recoveries), ctx| {
            session.on_recovered(held, recoveries, ctx, tell);
        });
    }

    fn on_recovered(
        &mut self,
        held: Vec<(SubscriptionId, ChannelSubscription)>,
        recoveries: Result<Vec<Recovery>, BrokerError>,
        ctx: &mut TaskContext<Self>,
        tell: impl FnOnce(
            &mut Self,
            Result<&[RecoveredSubscription], BrokerError>,
            &mut TaskContext<Self>,
        ) -> bool,
    ) {
        let recoveries = match recoveries {
            Ok(recoveries) => recoveries,
            Err(error) => {
                for (id, subscription) in &held {
                    self.context
                        .membership
                        .leave_held(&subscription.channel, *id);
                }
                tell(self, Err(error), ctx);
                return;
            }
        };
        // Asked again, since other recoveries may have been told while this one was read.
        let mut left = self.context.recovery_left();
        let recovered =
            held.into_iter()
                .zip(recoveries)
                .map(|((id, subscription), mut recovery)| {
                    recovery.keep_within(&mut left);
                    let position = recovery.top;
                    if subscription.options.conflated {
                        recovery.hide_place();
                    }
                    RecoveredSubscription {
                        subscription,
                        recovery,
                        position,
                        id,
                    }
                });
        let mut recovered: Vec<_> = recovered.collect();
        let membership = &self.context.membership;
        recovered.retain(|it| membership.is_held(&it.subscription.channel, it.id));
        let told = tell(self, Ok(&recovered), ctx);
        for it in recovered {
            if told {
                self.go_live(it);
            } else {
                let channel = &it.subscription.channel;
                self.context.membership.leave_held(channel, it.id);
            }
        }
        if told {
            P::on_live(self, ctx);
        }
    }

    /// The client knows: publications flow from here on.
    fn go_live(&mut self, it: RecoveredSubscription) {
        let ChannelSubscription {
            channel, presence, ..
        } = it.subscription;
        let primed = !it.recovery.items.is_empty();
        let membership = &self.context.membership;
        if membership.go_live(&channel, it.id, it.position, primed)
            && let Some(user) = self.protocol.user()
        {
            user.enter(&self.context, &channel, presence);
        }
    }
}
