//! Who is where: what a shard tells the server's API of its registry. Each question costs what it looks at, on the shard's thread;
//! the API asks for a page of sessions or one channel at a time. The server's own channels are left out.

use std::sync::Arc;

use actix::{Handler, Message, MessageResult};

use super::ShardActor;
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
        let (sessions, registry) = (self.shard.sessions.borrow(), self.shard.registry.borrow());
        let members = registry.members(&channel);
        let ids = members.filter_map(|(key, _)| sessions.get(key as usize));
        MessageResult(ids.map(|entry| entry.connection.info().id).collect())
    }
}

impl Handler<ChannelsOf> for ShardActor {
    type Result = MessageResult<ChannelsOf>;

    fn handle(&mut self, ChannelsOf(sessions): ChannelsOf, _: &mut Self::Context) -> Self::Result {
        let (by_id, registry) = (self.shard.by_id.borrow(), self.shard.registry.borrow());
        let here = sessions
            .iter()
            .filter_map(|id| Some((*id, *by_id.get(id)?)));
        let listed = here.map(|(id, key)| {
            let channels = registry.channels_of(key).filter(|name| !is_internal(name));
            (id, channels.cloned().collect())
        });
        MessageResult(listed.collect())
    }
}

impl Handler<CountMembers> for ShardActor {
    type Result = usize;

    fn handle(&mut self, _: CountMembers, _: &mut Self::Context) -> usize {
        let registry = self.shard.registry.borrow();
        let channels = registry.channels().filter(|(name, _)| !is_internal(name));
        channels.map(|(_, members)| members).sum()
    }
}
