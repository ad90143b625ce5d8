//! Who is in a channel: the trait, which knows nothing of publications.

use std::sync::Arc;

use super::BrokerFuture;
use crate::{id::SessionId, protocol::ClientInfo, registry::ChannelName};

/// Counts of a channel's presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Sessions that are in the channel and shown there.
    pub(crate) clients: usize,
    /// Different users among them.
    pub(crate) users: usize,
}

/// Who is in a channel, on all nodes that share it.
///
/// Guarantee of every implementation:
/// * What this node tells of a session in a channel takes effect in the order in which it was told,
///   the newest last. So nobody who has left is there again because an earlier word came late.
/// * Whoever was added stays until removed, or until this node ends: the implementation renews, no
///   caller does. People of a node that died vanish by themselves (`limits.presence_ttl`, or sooner
///   where nodes watch each other).
/// * [`add`](Self::add) and [`remove`](Self::remove) wait for nothing and cannot fail; what cannot
///   be told now is told later, in at most one entry a session and channel. Until then an answer
///   may lack it.
pub trait Presence: Send + Sync {
    /// A session is in a channel; again for a session that is there: this is its information from
    /// now on.
    fn add(&self, channel: &ChannelName, session: SessionId, info: Arc<ClientInfo>);

    /// A session has left a channel.
    fn remove(&self, channel: &ChannelName, session: SessionId);

    /// Who is in a channel, in no particular order.
    fn presence(&self, channel: &ChannelName) -> BrokerFuture<Vec<(SessionId, Arc<ClientInfo>)>>;

    /// How many are in a channel.
    fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats>;
}
