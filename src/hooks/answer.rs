//! What backends answer, as the rest of fanfare sees it.
//!
//! Pure types, read by `envelope` from an answer's body, so bounded by its size. `info`, `data` and `meta` are
//! JSON as it came, or the bytes of `b64info` and `b64data`; empty if absent.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Answer of `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectAnswer {
    /// Who it is; empty: anonymous.
    pub user: String,
    /// When the session ends unless refreshed, in Unix seconds.
    pub expire_at: Option<u64>,
    /// What others see in presence: JSON or bytes; empty if none.
    pub info: Bytes,
    /// What the client gets in its connect reply.
    pub data: Bytes,
    /// Channels to subscribe the client to.
    pub channels: Vec<String>,
    /// The same with particulars.
    pub subs: Vec<(String, SubAnswer)>,
    /// Kept with the session for later hooks.
    pub meta: Bytes,
}

/// A server-side subscription in [`ConnectAnswer`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubAnswer {
    /// When it ends, in Unix seconds.
    pub expire_at: Option<u64>,
    /// What others see in presence.
    pub info: Bytes,
    /// What the client gets with it.
    pub data: Bytes,
    /// Options of the channel for this subscription.
    pub overrides: Overrides,
}

/// Options of a channel that a backend sets for one subscription; absent: as the channel has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Listed in presence.
    pub presence: Option<bool>,
    /// Announced when it begins and ends.
    pub join_leave: Option<bool>,
    /// Recovers without asking.
    pub force_recovery: Option<bool>,
    /// Watches its position without asking.
    pub force_positioning: Option<bool>,
    /// Is told of others' joins and leaves without asking.
    pub force_push_join_leave: Option<bool>,
}

/// Answer of `refresh` and `sub_refresh`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefreshAnswer {
    /// It is over.
    pub expired: bool,
    /// When it ends next, in Unix seconds.
    pub expire_at: Option<u64>,
    /// New info; empty: as before.
    pub info: Bytes,
    /// New metadata; empty: as before.
    pub meta: Bytes,
}

/// Answer of `subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeAnswer {
    /// When it ends unless refreshed, in Unix seconds.
    pub expire_at: Option<u64>,
    /// What others see in presence, beside the session's own info.
    pub info: Bytes,
    /// What the client gets in its subscribe reply.
    pub data: Bytes,
    /// Options of the channel for this subscription.
    pub overrides: Overrides,
    /// What else the client may do in the channel.
    pub allow: Vec<String>,
}

/// Answer of `publish`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishAnswer {
    /// Published in place of what the client sent.
    pub data: Option<Bytes>,
    /// Kept out of the history.
    pub skip_history: bool,
    /// Tags of the publication.
    pub tags: BTreeMap<String, String>,
    /// A second publication with this key is left out.
    pub idempotency_key: String,
    /// Offered as a delta.
    pub delta: bool,
    /// An older version than the channel's is left out.
    pub version: u64,
    /// Versions of another epoch are not compared.
    pub version_epoch: String,
}
