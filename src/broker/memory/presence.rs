//! Who is in the channels of this node. An entry stays until it is taken out: sessions leave on
//! every path, and all of them end with the process. Bound: one entry a session and channel that
//! has presence (`limits.subscriptions`).

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    broker::{BrokerFuture, Presence, PresenceStats},
    id::SessionId,
    protocol::ClientInfo,
    registry::ChannelName,
};

/// Locks that channels are spread over.
const STRIPES: usize = 64;

/// Room that is not worth a copy to give back.
const ROOM_MIN: usize = 64;

/// Who is in each of the channels under one lock.
type PresenceTable = HashMap<ChannelName, HashMap<SessionId, Arc<ClientInfo>>>;

/// The presence of a single node.
pub(crate) struct MemoryPresence {
    hasher: RandomState,
    stripes: [Mutex<PresenceTable>; STRIPES],
}

/// Gives back room once most of it is free: a burst must not keep its peak.
fn shrink<K: Eq + Hash, V>(table: &mut HashMap<K, V>) {
    let (len, capacity) = (table.len(), table.capacity());
    if capacity > ROOM_MIN && len * 4 < capacity {
        table.shrink_to(len * 2);
    }
}

impl Default for MemoryPresence {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            stripes: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl MemoryPresence {
    fn lock(&self, channel: &str) -> MutexGuard<'_, PresenceTable> {
        let index = self.hasher.hash_one(channel) % STRIPES as u64;
        // Nothing under the lock is left half done by what could panic there (memory aside, which
        // aborts).
        self.stripes[index as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presence for MemoryPresence {
    fn add(&self, channel: &ChannelName, session: SessionId, info: Arc<ClientInfo>) {
        let mut channels = self.lock(channel);
        let present = channels.entry(channel.clone()).or_default();
        present.insert(session, info);
    }

    fn remove(&self, channel: &ChannelName, session: SessionId) {
        let mut channels = self.lock(channel);
        let is_empty = channels.get_mut(channel).is_some_and(|present| {
            present.remove(&session);
            shrink(present);
            present.is_empty()
        });
        if is_empty {
            channels.remove(channel);
            shrink(&mut channels);
        }
    }

    fn presence(&self, channel: &ChannelName) -> BrokerFuture<Vec<(SessionId, Arc<ClientInfo>)>> {
        let channels = self.lock(channel);
        let present = channels.get(channel).into_iter().flatten();
        let present = present.map(|(&session, info)| (session, info.clone()));
        BrokerFuture::ready(Ok(present.collect()))
    }

    fn presence_stats(&self, channel: &ChannelName) -> BrokerFuture<PresenceStats> {
        let channels = self.lock(channel);
        let stats = channels.get(channel).map(|present| {
            let users: HashSet<&str> = present.values().map(|info| info.user.as_str()).collect();
            PresenceStats {
                clients: present.len(),
                users: users.len(),
            }
        });
        BrokerFuture::ready(Ok(stats.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A channel kept the room of the most members that it ever had until the last one left.
    #[test]
    fn the_room_of_a_burst_of_members_is_given_back_when_most_have_left() {
        let (presence, channel) = (MemoryPresence::default(), ChannelName::from("c"));
        let sessions: Vec<SessionId> = (0..1000).map(|_| SessionId::random()).collect();
        for session in &sessions {
            presence.add(&channel, *session, Arc::new(ClientInfo::default()));
        }
        for session in &sessions[10..] {
            presence.remove(&channel, *session);
        }
        let channels = presence.lock(&channel);
        let present = channels.get(&channel).expect("ten of them");
        assert_eq!(present.len(), 10);
        assert!(present.capacity() <= ROOM_MIN, "{}", present.capacity());
    }
}
