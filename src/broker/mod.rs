//! What is between whoever publishes and the shards that hold the receivers: three traits that know
//! no shard and no node.
//!
//! [`Broker`] orders publications, carries them to the nodes that listen, and keeps history; its
//! documentation states the guarantee that everything above relies on. [`Presence`] knows who is in
//! a channel. [`LocalFanout`] knows which shards of this node listen. [`memory`] is broker and
//! presence of a single node, [`fanout`] the one fan-out that every broker uses, and `Front` is
//! what callers hold of any broker: it counts, and waits for no answer without end. `Late` stands
//! for a broker that is not there yet. `suite` is the set of tests that every implementation must
//! pass.

mod by_name;
mod error;
pub mod fanout;
mod front;
mod future;
mod history;
mod late;
pub mod memory;
mod presence;
mod publish;
#[cfg(test)]
pub(crate) mod suite;
mod usage;

use std::{sync::Arc, time::Instant};

pub(crate) use self::late::Late;
pub use self::{
    error::BrokerError,
    front::Front,
    future::BrokerFuture,
    history::{Fit, History, HistoryFilter},
    presence::{Presence, PresenceStats},
    publish::{HistoryOptions, IdempotencyKey, KeyOwner, PublishRequest, PublishResult, Version},
    usage::Usage,
};
use crate::{id::ShardId, protocol::ClientInfo, publication::Target, registry::ChannelName};

/// One answer for each of several publications, in their order.
pub(crate) type PublishResults = Vec<Result<PublishResult, BrokerError>>;

/// What carries publications to the shards that listen, and keeps what is kept of channels.
///
/// Guarantee of every implementation:
/// * A publication takes its place when it is called, not when its answer is first polled:
///   publications of one channel made one after the other on this node are published in that order.
///   To drop an answer does not take a publication back.
/// * A publication that was accepted reaches every shard that was [`listening`](Self::listening) to
///   its channel when it was accepted, once and in the order of the channel's publications, or the
///   channel's positioned subscribers there are told that they have missed something; unless this
///   process ends.
/// * Offsets of a channel with history grow within an epoch. Each publication names the offset that
///   it follows ([`Item::follows`](crate::publication::Item::follows)); who has everything up to
///   there and takes it has missed nothing. No offset is given twice in an epoch; where the store
///   behind a broker can lose what it acknowledged and give an offset anew, that publication is of
///   another lineage ([`Publication::lineage`](crate::publication::Publication::lineage)) or the
///   epoch changes, and is not taken for a duplicate in silence.
/// * Whoever is listening first and then reads the history misses nothing: every publication is in
///   the history read, or reaches the shard after it.
/// * History holds the newest publications up to its size, age and the bound on all histories; what
///   it holds has no gap.
/// * A publication that is [`Busy`](BrokerError::Busy) or [`Unavailable`](BrokerError::Unavailable)
///   reached no shard and has no offset. One that is [`Doubtful`](BrokerError::Doubtful) may have
///   reached all, and may do so yet; made again with the same idempotency key it is published once.
/// * No call waits for a client. A publication that finds no room is refused rather than queued
///   without bound.
///
/// No caller may assume that an answer is there when the call returns, that it comes at all
/// (callers hold a `Front`), or that receivers are on this node. An implementation that answers at
/// once answers with [`BrokerFuture::ready`], which allocates nothing.
pub trait Broker: Send + Sync {
    /// Publishes to the request's target, under the guarantee above.
    fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult>;

    /// Publishes several, in their order, with one answer for each. It is not all or nothing. An
    /// error of the whole holds for each of them.
    fn publish_all(&self, requests: Vec<PublishRequest>) -> BrokerFuture<PublishResults>;

    /// Tells a channel's members that someone came. Never kept; where there is no room it is left
    /// out and counted, and presence tells the truth.
    fn publish_join(&self, channel: &ChannelName, info: Arc<ClientInfo>);

    /// The same for someone who left.
    fn publish_leave(&self, channel: &ChannelName, info: Arc<ClientInfo>);

    /// Resolves once what is published to the channel from then on reaches this node. To be awaited
    /// after a shard has subscribed by [`LocalFanout`], and before history is read or a client
    /// is told that it is subscribed.
    fn listening(&self, channel: &ChannelName) -> BrokerFuture<()>;

    /// Reads a channel's history. A channel without a stream gets one, so that its position can be
    /// told.
    fn history(&self, channel: &ChannelName, filter: HistoryFilter) -> BrokerFuture<History>;

    /// Reads several at once, in their order under one bound in bytes beside each filter's own: a
    /// read that comes to the end of it is truncated as its filter says (a [`Fit::Page`] as a
    /// [`Fit::Part`]), and those behind it have what is left.
    fn histories(
        &self,
        reads: Vec<(ChannelName, HistoryFilter)>,
        bytes_max: usize,
    ) -> BrokerFuture<Vec<History>>;

    /// Forgets a channel's history; its position goes on, so that whoever follows it is not
    /// confused.
    fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()>;

    /// Whether anyone would receive a publication for `target` now; to save work, not to decide.
    fn has_subscribers(&self, target: &Target) -> BrokerFuture<bool>;

    /// What is held in this process; absent where it is kept elsewhere.
    fn usage(&self) -> Option<Usage>;

    /// Lets go of what has expired in this process; called about once a second, does a bounded
    /// amount each time.
    fn expire(&self, now: Instant);
}

/// Which shards of this node listen to a channel; what a shard tells of its members. Neither call
/// waits or fails.
pub trait LocalFanout: Send + Sync {
    /// A shard has one more member of a channel. [`Broker::listening`] says when that is in force.
    fn subscribe(&self, channel: &ChannelName, shard: ShardId);

    /// A shard has one member fewer.
    fn unsubscribe(&self, channel: &ChannelName, shard: ShardId);
}
