//! The shard's own channel of a user's sessions; no fan-out knows it.

use crate::registry::ChannelName;

/// How such a name begins.
pub(super) const USER_PREFIX: &str = "$user:";

/// The name of the channel that all sessions of a user are in.
pub(super) fn user_channel(user: &str) -> ChannelName {
    format!("{USER_PREFIX}{user}").into()
}
