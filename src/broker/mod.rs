//! The broker: between whoever publishes and the shards that hold the receivers.
//!
//! [`Broker`] states the guarantee that everything above relies on; [`memory`] is the broker of a single node.

pub mod memory;

use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    id::ShardId,
    publication::{Publication, Target},
    registry::ChannelName,
};

/// A publication that was not accepted. Nobody received any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A shard that listens has no room (`limits.shard_queue`, `limits.shard_queue_bytes`); come again.
    #[error("a shard has no room for another publication, try again")]
    Busy,
}

/// Answer to a publish; awaited, since a broker may be on another machine.
pub type Publishing<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// What carries publications to the shards that listen.
///
/// Guarantee of every implementation:
/// * A publication that was accepted reaches every shard that was listening to one of its channels when it was
///   accepted, once, unless this process ends.
/// * Publications of one channel reach each shard in the order in which they were accepted.
/// * A publication that is refused reached no shard.
/// * No call waits for a client. A publish that finds no room is refused rather than queued without bound.
///
/// No caller may assume that a publish is done when the call returns, or that receivers are on this node.
pub trait Broker: Send + Sync {
    /// Hands a publication on.
    fn publish(&self, publication: Arc<Publication>) -> Publishing<'_>;

    /// A shard got its first member of a channel.
    fn listen(&self, channel: &ChannelName, shard: ShardId);

    /// A shard lost its last member of a channel.
    fn unlisten(&self, channel: &ChannelName, shard: ShardId);

    /// Channels that have a member on this node, the server's own left out.
    fn channels(&self) -> usize;

    /// Whether anyone on this node would receive a publication for `target` now; to save work, not to decide.
    fn is_heard(&self, target: &Target) -> bool;
}
