//! What a token grants, as plain data. Made by [`claims`](super::claims) from a verified payload, so that its size is bounded by
//! the token's; checked for form only: whether a channel exists and may be joined is the caller's to decide.

use bytes::Bytes;

/// What a connection token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The user; empty is anonymous.
    pub user: String,
    /// When the session ends, in Unix seconds; `None` is never.
    pub expire_at: Option<u64>,
    /// When the token itself ends, in Unix seconds, `token.leeway` not counted.
    pub token_exp: Option<u64>,
    /// When it was issued, in Unix seconds.
    pub issued_at: Option<u64>,
    /// Its own id (`jti`).
    pub id: Option<String>,
    /// Shown to others in presence: JSON on one line, or whatever bytes `b64info` had; empty is none.
    pub info: Bytes,
    /// Kept with the session and never shown to clients: JSON; empty is none.
    pub meta: Bytes,
    /// Channels that the session is subscribed to.
    pub channels: Vec<String>,
    /// The same with options, in the order of their names.
    pub subs: Vec<(String, SubOptions)>,
}

/// Options of a subscription that a connection token asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubOptions {
    /// As [`Connection::info`], for this channel.
    pub info: Bytes,
    /// Given to the client with the subscription.
    pub data: Bytes,
    /// What differs from the channel's rules.
    pub overrides: Overrides,
}

/// What differs from a channel's rules; `None` does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Whether the subscriber shows in presence.
    pub presence: Option<bool>,
    /// Whether its joins and leaves are told.
    pub join_leave: Option<bool>,
    /// Whether it recovers without asking for it.
    pub force_recovery: Option<bool>,
    /// Whether it gets positions without asking for them.
    pub force_positioning: Option<bool>,
    /// Whether it gets joins and leaves without asking for them.
    pub force_push_join_leave: Option<bool>,
}

/// What a subscription token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// For whom; must be the session's user.
    pub user: String,
    /// To which channel.
    pub channel: String,
    /// For which client only, if any.
    pub client: Option<String>,
    /// When the subscription ends, in Unix seconds; `None` is never.
    pub expire_at: Option<u64>,
    /// When the token itself ends, in Unix seconds, `token.leeway` not counted.
    pub token_exp: Option<u64>,
    /// When it was issued, in Unix seconds.
    pub issued_at: Option<u64>,
    /// Its own id (`jti`).
    pub id: Option<String>,
    /// As [`Connection::info`], for this channel.
    pub info: Bytes,
    /// What differs from the channel's rules.
    pub overrides: Overrides,
}
