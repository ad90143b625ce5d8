//! How a plain client goes on in a channel: from where, under which rules, and what it is told. The
//! same for raw WebSocket, SSE and long-poll.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{presence::PresenceOptions, query::Query, subscribe::ChannelSubscription};
use crate::{
    config::{Namespace, SlowPolicy},
    id::Epoch,
    node::{
        authorize::plain::{Origin, PlainChannel},
        recovery::{Recovery, RecoveryRequest, Since},
    },
    publication::{Item, data_field, json_string},
    registry::ChannelName,
    shard::SubscribeOptions,
};

/// The channels of a plain client, with from where it goes on in each. `positions`: it is told
/// positions.
pub(crate) fn channel_requests(
    granted: Vec<PlainChannel>,
    query: &Query,
    positions: bool,
) -> Vec<ChannelRequest> {
    let each = granted.into_iter().enumerate().map(|(index, plain)| {
        let since = match (plain.origin, query.since(index)) {
            (Origin::Asked, since) => since,
            // Where an answer told this client all its positions, the given channels stand behind
            // those it named.
            (Origin::Given, since @ (Since::Now | Since::Offset { .. })) => since,
            (Origin::Given, Since::Newest(_) | Since::Cached { .. }) | (Origin::Endpoint, _) => {
                Since::Now
            }
        };
        ChannelRequest::granted(plain, since, positions)
    });
    each.collect()
}

/// A plain client's wish for one channel, under the channel's rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChannelRequest {
    /// The channel.
    pub(crate) channel: ChannelName,
    /// The position from which the client goes on.
    pub(crate) since: Since,
    /// The channel keeps history for so long; absent: it keeps none.
    pub(crate) keep: Option<Duration>,
    /// What happens to this channel's publications when the client is slow; absent: the node's
    /// policy.
    pub(crate) policy: Option<SlowPolicy>,
    /// The session is seen in the channel.
    pub(crate) presence: bool,
    /// Others are told that it came and went.
    pub(crate) announce: bool,
    /// The client is told positions, so they must be kept.
    pub(crate) positions: bool,
    /// Publications may give way to newer ones: nobody can go on from a position.
    pub(crate) conflated: bool,
    /// What the client says goes to this channel too, where its endpoint relays.
    pub(crate) publishes: bool,
    /// Until when whoever granted it did, in Unix seconds; the session ends then, since a plain
    /// client can renew nothing.
    pub(crate) expire_at: Option<u64>,
    /// Public information of the client in this channel, as JSON; empty for none.
    pub info: Bytes,
}

impl ChannelRequest {
    /// From now, in a channel without rules.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn plain(channel: &str) -> Self {
        Self {
            channel: channel.into(),
            since: Since::Now,
            keep: None,
            policy: None,
            presence: false,
            announce: false,
            positions: false,
            conflated: false,
            publishes: true,
            expire_at: None,
            info: Bytes::new(),
        }
    }

    /// As the channel was granted, under its rules where there are any.
    #[must_use]
    pub(crate) fn granted(plain: PlainChannel, since: Since, positions: bool) -> Self {
        let (grant, rules) = (plain.grant, plain.rules.as_deref());
        let (presence, announce) = match rules {
            None => (false, false),
            Some(rules) => (
                grant.overrides.presence.unwrap_or(rules.presence),
                grant.overrides.join_leave.unwrap_or(rules.join_leave),
            ),
        };
        let overrides = &grant.overrides;
        // Whoever granted it wants no gap to pass unnoticed: the session ends at one (3010).
        let forced = [overrides.force_recovery, overrides.force_positioning].contains(&Some(true));
        let cached = rules.filter(|rules| rules.cache_recovery);
        let conflated = rules.is_some_and(Namespace::conflates);
        let since = match (since, cached.map_or(0, |rules| rules.history_size)) {
            (since, 0) => since,
            // A late comer has the newest at once.
            (Since::Now, _) => Since::Newest(1),
            // So has who comes back where no position tells what it has.
            (Since::Offset { .. }, _) if conflated => Since::Newest(1),
            // Where the newest is all that is kept, it makes up for whatever was missed before it.
            (Since::Offset { offset, epoch }, 1) => Since::Cached { offset, epoch },
            (since, _) => since,
        };
        // A position counts there as in a channel that keeps nothing.
        let resumes = matches!(since, Since::Offset { .. } | Since::Cached { .. });
        Self {
            channel: plain.channel,
            keep: rules
                .filter(|rules| rules.history_size > 0 && !(conflated && resumes))
                .map(|rules| rules.history_ttl),
            policy: rules.and_then(|rules| rules.slow_policy),
            presence,
            announce,
            since,
            positions: !conflated && (positions || forced),
            conflated,
            publishes: plain.publishes,
            expire_at: grant.expire_at,
            info: grant.info,
        }
    }

    /// Whether delivery needs to know nothing of it: everything that comes goes out as it is.
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.since == Since::Now && !self.positions && self.policy.is_none()
    }

    /// Has its client wait for what comes from now on, where no position tells what it has.
    pub(crate) fn wait_where_nothing_is_known(&mut self) {
        if self.conflated {
            (self.since, self.keep) = (Since::nowhere(), None);
        }
    }

    /// Whether the channel's offsets are followed.
    #[must_use]
    pub(crate) fn is_kept(&self) -> bool {
        !self.conflated && self.keep.is_some() && (self.positions || self.since != Since::Now)
    }

    /// How its session is seen in the channel.
    pub(super) fn presence_options(&self) -> PresenceOptions {
        PresenceOptions {
            chan_info: self.info.clone(),
            presence: self.presence,
            announce: self.announce,
        }
    }

    /// What is to be read before it goes live.
    pub(super) fn recovery_request(&self) -> RecoveryRequest {
        RecoveryRequest {
            since: self.since.clone(),
            keep: self.keep,
        }
    }

    /// The subscription that it asks for.
    pub(super) fn subscription(&self) -> ChannelSubscription {
        ChannelSubscription {
            channel: self.channel.clone(),
            options: SubscribeOptions {
                positioned: self.is_kept(),
                conflated: self.conflated,
                policy: self.policy,
                ..SubscribeOptions::default()
            },
            presence: self.presence_options(),
            recover: Some(self.recovery_request()),
        }
    }
}

/// A kept publication in its envelope, as `publication::encode` writes live ones.
#[must_use]
pub(crate) fn envelope(channel: &str, item: &Arc<Item>, epoch: Epoch) -> Vec<u8> {
    let mut out = b"{\"channel\":".to_vec();
    json_string(channel, &mut out);
    if item.offset > 0 && !epoch.is_none() {
        let offset = item.offset;
        out.extend_from_slice(
            format!(",\"offset\":{offset},\"since\":\"{offset}@{epoch}\"").as_bytes(),
        );
    }
    out.push(b',');
    data_field(item, &mut out);
    out.push(b'}');
    out
}

/// What an envelope client is told once a channel's replay is through. `since` is absent where the
/// channel keeps nothing.
#[must_use]
pub(crate) fn told(channel: &str, recovery: &Recovery) -> Vec<u8> {
    let mut out = b"{\"channel\":".to_vec();
    json_string(channel, &mut out);
    out.extend_from_slice(format!(",\"recovered\":{}", recovery.recovered).as_bytes());
    if !recovery.top.epoch.is_none() {
        out.extend_from_slice(format!(",\"since\":\"{}\"", recovery.top).as_bytes());
    }
    out.push(b'}');
    out
}
