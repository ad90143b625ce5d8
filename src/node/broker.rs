//! What sessions and routes ask of the broker. None of it is answered later than `limits.broker_timeout`: who waits longer is
//! told that the broker is away, and of a publication that it may have been published. What is here at once needs no timer.

use std::{sync::Arc, time::Duration};

use super::Node;
use crate::{
    broker::{
        BrokerError, BrokerFuture, History, HistoryFilter, PresenceStats, PublishRequest,
        PublishResult,
    },
    id::SessionId,
    protocol::ClientInfo,
    registry::ChannelName,
};

/// Who is in a channel.
type Present = Vec<(SessionId, Arc<ClientInfo>)>;

impl Node {
    /// Publishes; the publication has its place when this returns, whether or not its answer is waited for.
    pub fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        self.in_time(self.broker.publish(request), BrokerError::Doubtful)
    }

    /// Tells a channel's subscribers that someone came or went.
    pub(crate) fn announce(
        &self,
        channel: &ChannelName,
        joined: bool,
        info: Arc<ClientInfo>,
    ) -> BrokerFuture<()> {
        self.ask(self.broker.announce(channel, joined, info))
    }

    /// A part of a channel's history.
    pub(crate) fn history(
        &self,
        channel: &ChannelName,
        filter: HistoryFilter,
    ) -> BrokerFuture<History> {
        self.ask(self.broker.history(channel, filter))
    }

    /// Forgets a channel's history.
    pub(crate) fn remove_history(&self, channel: &ChannelName) -> BrokerFuture<()> {
        self.ask(self.broker.remove_history(channel))
    }

    /// Notes that a session is in a channel, for so long.
    pub(crate) fn add_presence(
        &self,
        channel: &ChannelName,
        session: SessionId,
        info: Arc<ClientInfo>,
        ttl: Duration,
    ) -> BrokerFuture<()> {
        self.ask(self.broker.present(channel, session, info, ttl))
    }

    /// Takes a session out of a channel's presence.
    pub(crate) fn remove_presence(
        &self,
        channel: &ChannelName,
        session: SessionId,
    ) -> BrokerFuture<()> {
        self.ask(self.broker.absent(channel, session))
    }

    /// Who is in a channel.
    pub(crate) fn presence(&self, channel: &ChannelName) -> BrokerFuture<Present> {
        self.ask(self.broker.presence(channel))
    }

    /// How many are in a channel.
    pub(crate) fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats> {
        self.ask(self.broker.presence_stats(channel))
    }

    /// Channels with a subscriber on this node, those whose name `admits`, at most `limit` of them.
    pub(crate) fn list_channels(
        &self,
        admits: &dyn Fn(&str) -> bool,
        limit: usize,
    ) -> Vec<(ChannelName, usize)> {
        self.broker.list_channels(admits, limit)
    }

    /// How many channels have a subscriber on this node.
    pub(crate) fn count_channels(&self) -> usize {
        self.broker.channels()
    }

    /// Bytes that the histories hold.
    pub(crate) fn history_bytes(&self) -> usize {
        self.broker.history_bytes()
    }

    /// What asks for something that can be asked for again.
    fn ask<T: Send + 'static>(&self, answer: BrokerFuture<T>) -> BrokerFuture<T> {
        self.in_time(answer, BrokerError::Unavailable)
    }

    /// The one place where the deadline is set.
    fn in_time<T: Send + 'static>(
        &self,
        answer: BrokerFuture<T>,
        late: BrokerError,
    ) -> BrokerFuture<T> {
        answer.within(self.settings.limits.broker_timeout, late)
    }
}
