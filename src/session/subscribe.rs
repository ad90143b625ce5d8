//! The one way into a channel, with recovery, for every protocol: enter held back → wait until the
//! broker listens → read the history → tell the client → go live, with what came meanwhile merged
//! by offset. So nothing is missed or doubled between what the client is told and what it then
//! gets.
//!
//! Bounds: what waits for a subscriber that is held back is the shard's to bound, what is read
//! `limits.recovery_bytes`. What does not get as far as the client being told is undone.

use std::future::Future;

use super::{
    ConnectedUser, Protocol, Session, SessionContext, TaskContext, presence::PresenceOptions,
};
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

/// Who is subscribed: a session, or what a protocol sees of its own.
pub(super) trait SubscribingSession {
    /// Its place in the node, and its user, once that is known.
    fn parts(&mut self) -> (&SessionContext, Option<&mut ConnectedUser>);
}

impl<P: Protocol> SubscribingSession for Session<P> {
    fn parts(&mut self) -> (&SessionContext, Option<&mut ConnectedUser>) {
        (&self.context, self.protocol.user())
    }
}

/// Channels that were entered held back, with what was read of them.
pub(super) struct HeldBack {
    held: Vec<(SubscriptionId, ChannelSubscription)>,
    recoveries: Result<Vec<Recovery>, BrokerError>,
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
        let reading = enter(&self.context, channels);
        self.later(ctx, reading, move |session, read, ctx| {
            if read.settle(session, |session, recovered| tell(session, recovered, ctx)) {
                P::on_live(session, ctx);
            }
        });
    }
}

/// Enters channels held back and reads, once the broker listens, what there was in them.
pub(super) fn enter(
    context: &SessionContext,
    channels: Vec<ChannelSubscription>,
) -> impl Future<Output = HeldBack> + use<> {
    let held: Vec<_> = channels
        .into_iter()
        .filter_map(|subscription| {
            let (channel, options) = (&subscription.channel, subscription.options);
            let id = context.membership.subscribe(channel, options)?;
            Some((id, subscription))
        })
        .collect();
    let (node, bytes_max) = (context.node.clone(), context.recovery_left());
    async move {
        let wanted = held
            .iter()
            .map(|(_, subscription)| (&subscription.channel, subscription.recover.as_ref()));
        let recoveries = recovery::recover_all(&node, wanted, bytes_max).await;
        HeldBack { held, recoveries }
    }
}

impl HeldBack {
    /// Has the client told; then all go live, or are left. Answers whether it was told of them.
    pub(super) fn settle<S: SubscribingSession>(
        self,
        subscriber: &mut S,
        tell: impl FnOnce(&mut S, Result<&[RecoveredSubscription], BrokerError>) -> bool,
    ) -> bool {
        let (context, _) = subscriber.parts();
        let recoveries = match self.recoveries {
            Ok(recoveries) => recoveries,
            Err(error) => {
                for (id, subscription) in &self.held {
                    context.membership.leave_held(&subscription.channel, *id);
                }
                tell(subscriber, Err(error));
                return false;
            }
        };
        let mut recovered = recovered(context, self.held, recoveries);
        recovered.retain(|it| {
            let channel = &it.subscription.channel;
            context.membership.is_held(channel, it.id)
        });
        let told = tell(subscriber, Ok(&recovered));
        let (context, mut user) = subscriber.parts();
        for it in recovered {
            if told {
                it.go_live(context, user.as_deref_mut());
            } else {
                let channel = &it.subscription.channel;
                context.membership.leave_held(channel, it.id);
            }
        }
        told
    }
}

/// What was read, as far as there is room for it now: other recoveries may have been told while
/// this one was read.
fn recovered(
    context: &SessionContext,
    held: Vec<(SubscriptionId, ChannelSubscription)>,
    recoveries: Vec<Recovery>,
) -> Vec<RecoveredSubscription> {
    let mut left = context.recovery_left();
    let recovered = held.into_iter().zip(recoveries);
    let recovered = recovered.map(|((id, subscription), mut recovery)| {
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
    recovered.collect()
}

impl RecoveredSubscription {
    /// The client knows: publications flow from here on.
    fn go_live(self, context: &SessionContext, user: Option<&mut ConnectedUser>) {
        let ChannelSubscription {
            channel, presence, ..
        } = self.subscription;
        let primed = !self.recovery.items.is_empty();
        let membership = &context.membership;
        if membership.go_live(&channel, self.id, self.position, primed)
            && let Some(user) = user
        {
            user.enter(context, &channel, presence);
        }
    }
}
