//! What sessions and routes ask of the broker, of presence and of the fan-out. Their
//! [`Front`](crate::broker::Front) sees to it that none of it is answered later than
//! `limits.broker_timeout`.

use std::sync::Arc;

use super::Node;
use crate::{
    broker::{
        BrokerFuture, History, HistoryFilter, PresenceStats, PublishRequest, PublishResult,
        PublishResults, Usage,
    },
    id::SessionId,
    protocol::ClientInfo,
    registry::ChannelName,
};

/// Who is in a channel.
type PresentClients = Vec<(SessionId, Arc<ClientInfo>)>;

impl Node {
    /// Publishes. The publication has its place when this returns; the answer says which.
    pub(crate) fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        self.broker.publish(request)
    }

    /// Publishes several, in their order, and answers for each.
    pub(crate) fn publish_all(
        &self,
        requests: Vec<PublishRequest>,
    ) -> impl Future<Output = PublishResults> + Send + 'static {
        let number = requests.len();
        let answers = self.broker.publish_all(requests);
        // What holds for all of them holds for each.
        async move {
            answers
                .await
                .unwrap_or_else(|error| vec![Err(error); number])
        }
    }

    /// A part of a channel's history.
    pub(crate) fn history(
        &self,
        channel: &ChannelName,
        filter: HistoryFilter,
    ) -> BrokerFuture<History> {
        self.broker.history(channel, filter)
    }

    /// Forgets a channel's history.
    pub(crate) fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.broker.remove_history(channel)
    }

    /// Who is in a channel.
    pub(crate) fn presence(&self, channel: &ChannelName) -> BrokerFuture<PresentClients> {
        self.presence.presence(channel)
    }

    /// How many are in a channel.
    pub(crate) fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats> {
        self.presence.presence_stats(channel)
    }

    /// Channels with a subscriber on this node, those whose name `admits`, at most `limit` of them.
    pub(crate) fn list_channels(
        &self,
        admits: &dyn Fn(&str) -> bool,
        limit: usize,
    ) -> Vec<(ChannelName, usize)> {
        self.fanout.list_channels(admits, limit)
    }

    /// How many channels have a subscriber on this node.
    pub(crate) fn count_channels(&self) -> usize {
        self.fanout.channels()
    }

    /// What the broker holds in this process.
    pub(crate) fn usage(&self) -> Usage {
        self.broker.usage().unwrap_or_default()
    }
}
