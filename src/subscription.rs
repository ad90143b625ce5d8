//! Subscriptions that a token, a hook or the server's API makes for a session, and what such a
//! subscription has otherwise than its channel.
//!
//! Plain data, owned by whoever passes it on. Sizes are bounded where they come from: a token's, an
//! answer's, a request's body. It must not judge whether the channel exists or may be joined.

use bytes::Bytes;

use crate::id::StreamPosition;

/// A subscription that is made for a session without its client's asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSubscription {
    /// The channel.
    pub channel: String,
    /// Public information for presence, as JSON or bytes; empty for none.
    pub info: Bytes,
    /// Payload that the client gets with the subscription; empty for none.
    pub(crate) data: Bytes,
    /// When it ends unless it is refreshed, in Unix seconds; `None` is never.
    pub(crate) expire_at: Option<u64>,
    /// Deliver first what was published after this position.
    pub(crate) recover_since: Option<StreamPosition>,
    /// What differs from the channel's rules.
    pub(crate) overrides: SubscriptionOverrides,
}

impl ServerSubscription {
    /// A subscription to a channel with the channel's rules and nothing else.
    #[must_use]
    pub(crate) fn to(channel: String) -> Self {
        Self {
            channel,
            ..Self::default()
        }
    }
}

/// What one subscription has otherwise than its channel's rules say; `None` is as the channel has
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscriptionOverrides {
    /// Whether the subscriber shows in presence.
    pub(crate) presence: Option<bool>,
    /// Whether others are told that it joins and leaves.
    pub(crate) join_leave: Option<bool>,
    /// Whether it can recover without asking for it.
    pub(crate) force_recovery: Option<bool>,
    /// Whether it watches its position without asking for it.
    pub(crate) force_positioning: Option<bool>,
    /// Whether it is told of others' joins and leaves without asking for it.
    pub(crate) force_push_join_leave: Option<bool>,
}
