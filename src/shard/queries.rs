//! Who is where: what a shard tells the server's API of its registry. Each question costs what it
//! looks at, on the shard's thread; the API asks for a page of sessions or one channel at a time.
//! The server's own channels are left out.

use std::{sync::Arc, time::Duration};

use actix::{Handler, Message, MessageResult};

use super::{ShardActor, entry::SessionEntry};
use crate::{
    connection::ConnectionPhase,
    id::SessionId,
    registry::{ChannelName, is_internal},
};

/// Asks which sessions of a shard are in a channel.
#[derive(Message)]
#[rtype(result = "Vec<SessionId>")]
pub struct MembersOf(pub ChannelName);

/// Asks in which channels sessions are; those of other shards are left out.
#[derive(Message)]
#[rtype(result = "Vec<(SessionId, Vec<ChannelName>)>")]
pub struct ChannelsOf(pub Arc<[SessionId]>);

/// Asks which of these sessions are in a channel; those of other shards are left out.
#[derive(Message)]
#[rtype(result = "Vec<SessionId>")]
pub(crate) struct InChannel {
    /// Where they may be, held back or live.
    pub(crate) channel: ChannelName,
    /// Those that are asked for, of any shard.
    pub(crate) sessions: Arc<[SessionId]>,
}

/// How a session is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionState {
    /// Where it is in its life.
    pub(crate) phase: ConnectionPhase,
    /// Channels that it is in.
    pub(crate) subscriptions: usize,
    /// Messages that wait for it.
    pub(crate) queue_messages: usize,
    /// Bytes of these that are not written yet, as `limits.outbox_bytes` counts them.
    pub(crate) queue_bytes: usize,
    /// Since bytes last came from its client.
    pub(crate) idle: Duration,
}

/// Asks how sessions are; those of other shards are left out.
#[derive(Message)]
#[rtype(result = "Vec<(SessionId, SessionState)>")]
pub(crate) struct StatesOf(pub(crate) Arc<[SessionId]>);

/// Asks how many memberships of channels a shard has.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct CountMembers;

impl Handler<MembersOf> for ShardActor {
    type Result = MessageResult<MembersOf>;

    fn handle(&mut self, MembersOf(channel): MembersOf, _: &mut Self::Context) -> Self::Result {
        let state = self.shard.state.borrow();
        let members = state.registry.members(&channel);
        let entries = members.filter_map(|(key, _)| state.entry(key));
        MessageResult(entries.map(SessionEntry::id).collect())
    }
}

impl Handler<ChannelsOf> for ShardActor {
    type Result = MessageResult<ChannelsOf>;

    fn handle(&mut self, ChannelsOf(sessions): ChannelsOf, _: &mut Self::Context) -> Self::Result {
        let state = self.shard.state.borrow();
        let here = sessions
            .iter()
            .filter_map(|id| Some((*id, state.find(*id)?.0)));
        let listed = here.map(|(id, key)| {
            let channels = state.registry.channels_of(key);
            let channels = channels.filter(|name| !is_internal(name));
            (id, channels.cloned().collect())
        });
        MessageResult(listed.collect())
    }
}

impl Handler<InChannel> for ShardActor {
    type Result = MessageResult<InChannel>;

    fn handle(&mut self, asked: InChannel, _: &mut Self::Context) -> Self::Result {
        let state = self.shard.state.borrow();
        let here = asked.sessions.iter().copied();
        let is_there = |id: &SessionId| {
            let found = state.find(*id);
            found.is_some_and(|(key, _)| state.registry.slot(key, &asked.channel).is_some())
        };
        MessageResult(here.filter(is_there).collect())
    }
}

impl Handler<StatesOf> for ShardActor {
    type Result = MessageResult<StatesOf>;

    fn handle(&mut self, StatesOf(sessions): StatesOf, _: &mut Self::Context) -> Self::Result {
        let state = self.shard.state.borrow();
        let here = sessions
            .iter()
            .filter_map(|id| Some((*id, state.find(*id)?)));
        let states = here.map(|(id, (key, entry))| {
            let channels = state.registry.channels_of(key);
            let state = SessionState {
                phase: entry.connection.phase(),
                subscriptions: channels.filter(|name| !is_internal(name)).count(),
                queue_messages: entry.connection.outbox_len(),
                queue_bytes: entry.connection.outbox_bytes(),
                idle: entry.connection.idle(),
            };
            (id, state)
        });
        MessageResult(states.collect())
    }
}

impl Handler<CountMembers> for ShardActor {
    type Result = usize;

    fn handle(&mut self, _: CountMembers, _: &mut Self::Context) -> usize {
        let state = self.shard.state.borrow();
        let channels = state
            .registry
            .channels()
            .filter(|(name, _)| !is_internal(name));
        channels.map(|(_, members)| members).sum()
    }
}
