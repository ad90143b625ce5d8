//! Who is where: what a shard tells the server's API of its registry. Each question costs what it
//! looks at, on the shard's thread; the API asks for a page of sessions or one channel at a time.
//! The server's own channels are left out.

use std::sync::Arc;

use actix::{Handler, Message, MessageResult};

use super::{ShardActor, entry::Entry};
use crate::{
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
        MessageResult(entries.map(Entry::id).collect())
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
