//! A subscription of the protocol from its granting to its end: pure data. What its client is told
//! of it stands in [`told`].

mod told;

use std::sync::Arc;

use crate::{
    config::Namespace,
    node::{
        authorize::Grant,
        recovery::{RecoveryRequest, Since},
    },
    protocol::SubscribeRequest,
    registry::ChannelName,
    session::{
        presence::PresenceOptions,
        subscribe::{ChannelSubscription, RecoveredSubscription},
    },
    shard::SubscribeOptions,
};

/// A client's flag: a subscription that cannot be recovered is refused instead of begun anew
/// (protocol page, part 5).
const FLAG_REQUIRE_RECOVERY: i64 = 2;

/// A channel of this session.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    /// Tells it apart from those of the same channel before and after it.
    pub(super) generation: u64,
    /// The client has been told that it is subscribed.
    pub(super) live: bool,
    /// The server made it.
    pub(super) server_side: bool,
    /// A token renews it.
    pub(super) by_token: bool,
    /// When it ends unless renewed, in Unix seconds.
    pub(super) expire_at: Option<u64>,
    /// Seconds that it holds beyond that, since the client renews it then.
    pub(super) grace: u64,
    /// The backend is being asked whether it goes on.
    pub(super) asking: bool,
    /// What the backend allows beside, by the words of `allow.*`.
    pub(super) allow: Vec<String>,
}

impl Subscription {
    /// When something is to be done about its end, in Unix seconds; absent: never, or it is being
    /// done.
    pub(super) fn end(&self) -> Option<u64> {
        let at = self.expire_at.filter(|_| self.live && !self.asking)?;
        Some(at.saturating_add(self.grace))
    }
}

/// Which subscription of a session's it is: a channel has several, one after the other.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionKey {
    pub(super) channel: ChannelName,
    /// The [`Subscription::generation`] that it has as long as it is there.
    pub(super) generation: u64,
}

/// A subscription that was granted; its client is not told yet.
pub(super) struct PendingSubscription {
    pub(super) key: SubscriptionKey,
    pub(super) grant: Grant,
    rules: Arc<Namespace>,
    options: SubscribeOptions,
    recoverable: bool,
    /// The client asked to recover, from this offset.
    recovering: bool,
    offset: u64,
    flag: i64,
}

impl PendingSubscription {
    /// What a client asked for, under the rules of the channel and what was granted.
    pub(super) fn new(
        key: SubscriptionKey,
        rules: Arc<Namespace>,
        grant: Grant,
        request: &SubscribeRequest,
    ) -> Self {
        let kept = rules.history_size > 0 && !rules.conflates();
        let forced = grant.overrides.force_recovery.unwrap_or(rules.recovery);
        let recoverable = kept && (forced || request.recoverable || rules.cache_recovery);
        let asks = request.positioned || request.recover;
        let positioned =
            recoverable || (kept && (asks || grant.overrides.force_positioning == Some(true)));
        let overrides = &grant.overrides;
        let announces = overrides.join_leave.unwrap_or(rules.join_leave);
        let forced = overrides
            .force_push_join_leave
            .unwrap_or(rules.force_push_join_leave);
        let options = SubscribeOptions {
            positioned,
            // Other subscribers may be announced where this one is not.
            join_leave: forced || (announces && request.join_leave),
            delta: positioned && rules.delta && request.delta == "fossil",
            policy: rules.slow_policy,
            conflated: rules.conflates(),
        };
        Self {
            key,
            grant,
            rules,
            options,
            recoverable,
            recovering: request.recover && positioned,
            offset: request.offset,
            flag: request.flag,
        }
    }

    /// What the session subscribes to; `epoch` is the stream that the client names.
    pub(super) fn wanted(&self, epoch: &str) -> ChannelSubscription {
        let since = match (self.recovering, self.rules.cache_recovery) {
            (true, true) => Since::Cached {
                offset: self.offset,
                epoch: epoch.to_string(),
            },
            (false, true) => Since::Newest(1),
            (true, false) => Since::Offset {
                offset: self.offset,
                epoch: epoch.to_string(),
            },
            (false, false) => Since::Now,
        };
        let overrides = &self.grant.overrides;
        // What is newest is read without a position to go on from, too.
        let is_cached = self.rules.conflates() && self.rules.cache_recovery;
        ChannelSubscription {
            channel: self.key.channel.clone(),
            options: self.options,
            recover: (self.options.positioned || is_cached).then_some(RecoveryRequest {
                since,
                keep: Some(self.rules.history_ttl),
            }),
            presence: PresenceOptions {
                chan_info: self.grant.info.clone(),
                presence: overrides.presence.unwrap_or(self.rules.presence),
                announce: overrides.join_leave.unwrap_or(self.rules.join_leave),
            },
        }
    }

    /// The one of several that was recovered.
    pub(super) fn find<'a>(pending: &'a [Self], it: &RecoveredSubscription) -> Option<&'a Self> {
        let channel = &it.subscription.channel;
        pending
            .iter()
            .find(|pending| pending.key.channel == *channel)
    }

    /// Whether the client wants it only with all that it missed, and some is lost.
    pub(super) fn is_unrecoverable(&self, it: &RecoveredSubscription) -> bool {
        self.flag & FLAG_REQUIRE_RECOVERY != 0 && self.recovering && !it.recovery.recovered
    }
}

#[cfg(test)]
mod tests;
