//! What a token claims, as plain data. Made by `read_claims` from a verified payload, so that its
//! size is bounded by the token's; checked for form only: whether a channel exists and may be
//! joined is the caller's to decide.

use bytes::Bytes;

use crate::subscription::{ServerSubscription, SubscriptionOverrides};

/// What a connection token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionClaims {
    /// The user; empty is anonymous.
    pub(crate) user: String,
    /// When the session ends, in Unix seconds; `None` is never.
    pub(crate) expire_at: Option<u64>,
    /// When the token itself ends, in Unix seconds, `token.leeway` not counted.
    pub(crate) token_exp: Option<u64>,
    /// When it was issued, in Unix seconds.
    pub(crate) issued_at: Option<u64>,
    /// Its own id (`jti`).
    pub(crate) id: Option<String>,
    /// Shown to others in presence: JSON on one line, or whatever bytes `b64info` had; empty is
    /// none.
    pub info: Bytes,
    /// Kept with the session and never shown to clients: JSON; empty is none.
    pub(crate) meta: Bytes,
    /// Channels that the session is subscribed to.
    pub(crate) channels: Vec<String>,
    /// Channels with options of their own, in the order of their names.
    pub(crate) subs: Vec<ServerSubscription>,
}

/// What a subscription token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionClaims {
    /// The user that it is for; must be the session's.
    pub(crate) user: String,
    /// The channel that it is for.
    pub(crate) channel: String,
    /// The one client that it is for, if it names one.
    pub(crate) client: Option<String>,
    /// When the subscription ends, in Unix seconds; `None` is never.
    pub(crate) expire_at: Option<u64>,
    /// When the token itself ends, in Unix seconds, `token.leeway` not counted.
    pub(crate) token_exp: Option<u64>,
    /// When it was issued, in Unix seconds.
    pub(crate) issued_at: Option<u64>,
    /// Its own id (`jti`).
    pub(crate) id: Option<String>,
    /// As [`ConnectionClaims::info`], for this channel.
    pub info: Bytes,
    /// What differs from the channel's rules.
    pub(crate) overrides: SubscriptionOverrides,
}
