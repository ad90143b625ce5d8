//! The broker: between whoever publishes and the shards that hold the receivers; keeper of history and presence.
//!
//! [`Broker`] states the guarantee that everything above relies on; [`memory`] is the broker of a single node.
//! `suite` is the set of tests that every implementation must pass.

pub mod memory;
#[cfg(test)]
pub mod suite;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

pub use crate::id::Position;
use crate::{
    id::{SessionId, ShardId},
    protocol::ClientInfo,
    publication::{Item, Payload, Target},
    registry::ChannelName,
};

/// A publication that was not accepted. Nobody received any of it, and it has no place in any history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A shard that listens has no room (`limits.shard_queue`, `limits.shard_queue_bytes`); come again.
    #[error("a shard has no room for another publication, try again")]
    Busy,
}

/// What is to be done about a channel's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Publications kept at most.
    pub size: usize,
    /// How long each is kept; the stream's position outlives its last publication by as much.
    pub ttl: Duration,
}

/// A publisher's own count, so that what comes late does not replace what is newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The count; only a greater one is published.
    pub number: u64,
    /// Names the count; another name begins anew.
    pub epoch: String,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Draft {
    /// To whom.
    pub target: Target,
    /// The message.
    pub payload: Payload,
    /// Sessions that do not receive it.
    pub exclude: Box<[SessionId]>,
    /// The client that published it.
    pub info: Option<Arc<ClientInfo>>,
    /// Words beside the message.
    pub tags: Option<Arc<BTreeMap<String, String>>>,
    /// History of the channel; absent: none is kept and the publication gets no offset.
    pub retention: Option<Retention>,
    /// Whether the publication before it goes along, for deltas.
    pub delta: bool,
    /// A publication of the same channel and key within `limits.idempotency_ttl` is published once.
    pub idempotency_key: Option<Box<str>>,
    /// The publisher's count.
    pub version: Option<Box<Version>>,
    /// All channels of a message that goes to several.
    pub group: Option<Arc<[ChannelName]>>,
}

impl Draft {
    /// A message with nothing else to it.
    #[must_use]
    pub fn new(target: Target, payload: Payload) -> Self {
        Self {
            target,
            payload,
            exclude: Box::default(),
            info: None,
            tags: None,
            retention: None,
            delta: false,
            idempotency_key: None,
            version: None,
            group: None,
        }
    }
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place, where the channel keeps history; of what was suppressed, the place that the channel was at.
    pub position: Option<Position>,
    /// Receivers on this node at that moment.
    pub delivered: usize,
    /// It was not sent to anyone: its key was known, or its version was not newer.
    pub suppressed: bool,
}

/// Which part of a history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only what is newer than this offset (older, with `reverse`); absent: from the oldest kept (the newest, with `reverse`).
    pub since: Option<u64>,
    /// At most so many; absent: all that are kept; 0: only the position.
    pub limit: Option<usize>,
    /// Newest first.
    pub reverse: bool,
    /// A stream that is read is kept so long after, even if it is empty: its position was told to someone.
    pub keep: Duration,
}

/// A part of a history.
#[derive(Clone, Debug)]
pub struct History {
    /// The publications, in order.
    pub items: Vec<Arc<Item>>,
    /// The newest place of the stream.
    pub top: Position,
}

/// Counts of a channel's presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Sessions.
    pub clients: usize,
    /// Different users among them.
    pub users: usize,
}

/// An answer that may come from another machine.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refused>> + Send + 'a>>;

/// What carries publications to the shards that listen, and keeps what is kept of channels.
///
/// Guarantee of every implementation:
/// * A publication that was accepted reaches every shard that was listening to its channel when it was accepted, once,
///   unless this process ends.
/// * Offsets of a channel with history grow by one from 1 within an epoch. Publications of one channel reach each shard in the
///   order of their offsets. Whoever listens first and then reads the history misses nothing: every publication is in the
///   history read, or reaches the shard after it.
/// * History holds the newest publications up to its size, age and the bound on all histories; what it holds has no gap.
/// * A publication that is refused reached no shard and has no offset.
/// * No call waits for a client. A publish that finds no room is refused rather than queued without bound.
/// * Presence of a session that is not renewed ends by itself.
///
/// No caller may assume that an answer is there when the call returns, or that receivers are on this node.
pub trait Broker: Send + Sync {
    /// Publishes.
    fn publish(&self, draft: Draft) -> Pending<'_, Published>;

    /// Tells a channel's members that someone came or went; never kept.
    fn announce(
        &self,
        channel: &ChannelName,
        joined: bool,
        info: Arc<ClientInfo>,
    ) -> Pending<'_, ()>;

    /// Reads a channel's history. A channel without a stream gets one, so that its position can be told.
    fn history(&self, channel: &ChannelName, query: Query) -> Pending<'_, History>;

    /// Forgets a channel's history; its position goes on, so that whoever follows it is not confused.
    fn remove_history(&self, channel: &ChannelName) -> Pending<'_, ()>;

    /// Notes that a session is in a channel, for so long; again to renew it.
    fn present(
        &self,
        channel: &ChannelName,
        session: SessionId,
        info: Arc<ClientInfo>,
        ttl: Duration,
    ) -> Pending<'_, ()>;

    /// Takes a session out of a channel's presence.
    fn absent(&self, channel: &ChannelName, session: SessionId) -> Pending<'_, ()>;

    /// Who is in a channel.
    fn presence(&self, channel: &ChannelName) -> Pending<'_, Vec<(SessionId, Arc<ClientInfo>)>>;

    /// How many are in a channel.
    fn presence_stats(&self, channel: &ChannelName) -> Pending<'_, PresenceStats>;

    /// A shard got a member of a channel. Returns whether it is the first on this node.
    fn listen(&self, channel: &ChannelName, shard: ShardId) -> bool;

    /// A shard lost a member of a channel. Returns whether it was the last on this node.
    fn unlisten(&self, channel: &ChannelName, shard: ShardId) -> bool;

    /// Channels that have a member on this node, the server's own left out.
    fn channels(&self) -> usize;

    /// Bytes that the histories hold, where that is known here.
    fn history_bytes(&self) -> usize;

    /// These channels with their members on this node, for those whose name `admits`; at most `limit`.
    fn list_channels(
        &self,
        admits: &dyn Fn(&str) -> bool,
        limit: usize,
    ) -> Vec<(ChannelName, usize)>;

    /// Whether anyone on this node would receive a publication for `target` now; to save work, not to decide.
    fn is_heard(&self, target: &Target) -> bool;

    /// Lets go of what has expired; called about once a second, does a bounded amount each time.
    fn tick(&self, now: std::time::Instant);
}
