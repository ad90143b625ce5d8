//! What backends answer, as the rest of fanfare sees it.
//!
//! Pure types, read by `envelope` from an answer's body, so bounded by its size. `info`, `data` and
//! `meta` are JSON as it came, or the bytes of `b64info` and `b64data`; empty if absent.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::subscription::{ServerSubscription, SubscriptionOverrides};

/// Answer of `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectAnswer {
    /// The user; empty is anonymous.
    pub(crate) user: String,
    /// When the session ends unless refreshed, in Unix seconds.
    pub(crate) expire_at: Option<u64>,
    /// Public information for presence: JSON or bytes; empty for none.
    pub info: Bytes,
    /// Payload of the connect reply; empty for none.
    pub(crate) data: Bytes,
    /// Channels to subscribe the client to.
    pub(crate) channels: Vec<String>,
    /// Subscriptions with options of their own.
    pub(crate) subs: Vec<ServerSubscription>,
    /// The backend's notes on the session, sent with later hooks; JSON, empty for none.
    pub(crate) meta: Bytes,
}

/// Answer of `refresh` and `sub_refresh`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefreshAnswer {
    /// The session or subscription has ended.
    pub(crate) expired: bool,
    /// When it ends unless it is refreshed again, in Unix seconds.
    pub(crate) expire_at: Option<u64>,
    /// New info; empty: as before.
    pub info: Bytes,
    /// New metadata; empty: as before.
    pub(crate) meta: Bytes,
}

/// Answer of `subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscribeAnswer {
    /// When the subscription ends unless it is refreshed, in Unix seconds.
    pub(crate) expire_at: Option<u64>,
    /// Public information of the subscription, beside the session's own; empty for none.
    pub info: Bytes,
    /// Payload of the subscribe reply; empty for none.
    pub(crate) data: Bytes,
    /// What differs from the channel's rules.
    pub(crate) overrides: SubscriptionOverrides,
    /// What else the client may do in the channel.
    pub(crate) allow: Vec<String>,
}

/// Answer of `publish`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublishAnswer {
    /// Published in place of what the client sent.
    pub(crate) data: Option<Bytes>,
    /// Whether the publication is kept out of the history.
    pub(crate) skip_history: bool,
    /// Tags of the publication.
    pub tags: BTreeMap<String, String>,
    /// A second publication with this key is left out.
    pub idempotency_key: String,
    /// Whether subscribers may get it as a delta.
    pub(crate) delta: bool,
    /// An older version than the channel's is left out.
    pub version: u64,
    /// Versions of another epoch are not compared.
    pub(crate) version_epoch: String,
}
