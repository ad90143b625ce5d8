//! How a plain client goes on in a channel: from where, under which rules, and what it is told. The same for raw WebSocket, SSE and
//! long-poll.

use std::{sync::Arc, time::Duration};

use crate::{
    broker::BrokerError,
    config::{Namespace, SlowPolicy},
    id::Epoch,
    node::{
        Node,
        recovery::{Recovery, Since, recovery},
    },
    publication::{Item, data_field, json_string},
    registry::ChannelName,
};

/// A plain client's wish for one channel, under the channel's rules.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelRequest {
    /// From where.
    pub since: Since,
    /// The channel keeps history for so long; absent: it keeps none.
    pub keep: Option<Duration>,
    /// What happens to this channel's publications when the client is slow; absent: the node's policy.
    pub policy: Option<SlowPolicy>,
    /// The session is seen in the channel.
    pub presence: bool,
    /// Others are told that it came and went.
    pub announce: bool,
    /// The client is told positions, so they must be kept.
    pub positions: bool,
    /// What the client says goes to this channel too, where its endpoint relays.
    pub publishes: bool,
    /// Until when whoever granted it did, in Unix seconds; the session ends then, since a plain client can renew nothing.
    pub expire_at: Option<u64>,
}

impl ChannelRequest {
    /// From now, in a channel without rules.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            since: Since::Now,
            keep: None,
            policy: None,
            presence: false,
            announce: false,
            positions: false,
            publishes: true,
            expire_at: None,
        }
    }

    /// Under the rules of its channel.
    #[must_use]
    pub fn under(rules: &Namespace, since: Since, positions: bool) -> Self {
        Self {
            since,
            keep: (rules.history_size > 0).then_some(rules.history_ttl),
            policy: rules.slow_policy,
            presence: rules.presence,
            announce: rules.join_leave,
            positions,
            publishes: true,
            expire_at: None,
        }
    }

    /// Whether delivery needs to know nothing of it: everything that comes goes out as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.since == Since::Now && !self.positions && self.policy.is_none()
    }

    /// Whether the channel's offsets are followed.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.keep.is_some() && (self.positions || self.since != Since::Now)
    }

    /// Reads what was missed. Of a channel that keeps nothing, nothing can be: who asked to go on from somewhere is told so.
    ///
    /// # Errors
    /// The broker's.
    pub async fn recovery(
        &self,
        node: &Node,
        channel: &ChannelName,
    ) -> Result<Recovery, BrokerError> {
        match self.keep {
            Some(keep) => {
                let bytes_max = node.settings.limits.recovery_bytes();
                recovery(&*node.broker, channel, &self.since, keep, bytes_max).await
            }
            None => Ok(Recovery::nothing(!matches!(
                self.since,
                Since::Offset { .. }
            ))),
        }
    }
}

/// A kept publication in its envelope, as `publication::form` writes live ones.
#[must_use]
pub fn envelope(channel: &str, item: &Arc<Item>, epoch: Epoch) -> Vec<u8> {
    let mut out = b"{\"channel\":".to_vec();
    json_string(channel, &mut out);
    if item.offset > 0 {
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

/// What an envelope client is told once a channel's replay is through. `since` is absent where the channel keeps nothing.
#[must_use]
pub fn told(channel: &str, recovery: &Recovery) -> Vec<u8> {
    let mut out = b"{\"channel\":".to_vec();
    json_string(channel, &mut out);
    out.extend_from_slice(format!(",\"recovered\":{}", recovery.recovered).as_bytes());
    if !recovery.top.epoch.is_none() {
        out.extend_from_slice(format!(",\"since\":\"{}\"", recovery.top).as_bytes());
    }
    out.push(b'}');
    out
}
