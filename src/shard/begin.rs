//! The mark in a shard's inbox behind which a membership begins.

use crate::registry::{ChannelName, SessionKey, Slot};

/// A session's membership of a channel begins: what comes behind this in the inbox is its.
/// Bound: one for each channel that is joined, which cost their sessions commands
/// (`limits.commands_per_turn`) before the shard comes to its inbox again.
pub(super) struct Begin {
    pub(super) key: SessionKey,
    pub(super) channel: ChannelName,
    /// Which of its memberships it is; another session may have the key by now.
    pub(super) pending: Slot,
}
