//! The mark in a shard's mailbox behind which a membership begins.

use actix::Message;

use crate::registry::{ChannelName, SessionKey, Slot};

/// A session's membership of a channel begins: what comes behind this in the mailbox is its.
/// Bound: one for each channel that is joined, which cost their sessions commands
/// (`limits.commands_per_turn`) before the shard comes to its mailbox again.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Begin {
    pub(super) key: SessionKey,
    pub(super) channel: ChannelName,
    /// Which of its memberships it is; another session may have the key by now.
    pub(super) pending: Slot,
}
