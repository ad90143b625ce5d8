//! Which session is in which channel: a two-way index, owned by one shard, pure data.
//!
//! Both directions change in the same method, so they cannot disagree; each asserts the other in
//! debug builds. A channel without members costs nothing: its entry goes with its last member.
//! Joining and leaving take constant time, since each membership knows its place in both lists.

use std::{collections::HashMap, sync::Arc};

use slab::Slab;

/// Name of a channel, shared by all who hold it; what it may be,
/// [`channel_name`](crate::channel_name) says.
pub type ChannelName = Arc<str>;

/// Whether a channel is one of the server's own: a raw endpoint's, or a user's sessions. Clients
/// and the API cannot name it.
#[must_use]
pub(crate) fn is_internal(channel: &str) -> bool {
    channel.starts_with('$')
}

/// A session's place in its shard; reused after the session has left.
pub(crate) type SessionKey = u32;

/// What a membership carries for its owner; [`Slot::NONE`] where that is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u32);

impl Slot {
    /// Its owner keeps nothing of it.
    pub const NONE: Self = Self(u32::MAX);

    /// Nothing yet: the membership has not begun. `number` tells it from the session's one before
    /// in that channel; no owner has so many things that one of them is under this.
    pub(crate) fn pending(number: u32) -> Self {
        Self((1 << 31) | (number % (1 << 30)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Member {
    session: SessionKey,
    /// The place of this membership in the session's list.
    place: u32,
    slot: Slot,
}

#[derive(Debug)]
struct RegisteredChannel {
    name: ChannelName,
    members: Vec<Member>,
}

/// A membership that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedMembership {
    pub(crate) slot: Slot,
    /// The channel is empty now.
    pub(crate) is_vacant: bool,
}

/// The index. Sessions are added by [`add_session`](Self::add_session) under keys the caller
/// chooses.
#[derive(Debug, Default)]
pub struct Registry {
    names: HashMap<ChannelName, usize>,
    channels: Slab<RegisteredChannel>,
    /// For each session key: channel, and the place of this membership in the channel's list.
    sessions: Vec<Option<Vec<(u32, u32)>>>,
}

impl Registry {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for a session that is in no channel yet.
    pub fn add_session(&mut self, session: SessionKey) {
        let index = session as usize;
        if self.sessions.len() <= index {
            self.sessions.resize_with(index + 1, || None);
        }
        debug_assert!(self.sessions[index].is_none(), "session {session} twice");
        self.sessions[index] = Some(Vec::new());
    }

    /// Takes a session out of all its channels and forgets it. Calls `left` for each: the channel,
    /// the membership's slot, and whether the channel is empty now.
    pub(crate) fn remove_session(
        &mut self,
        session: SessionKey,
        mut left: impl FnMut(&ChannelName, Slot, bool),
    ) {
        let Some(slot) = self.sessions.get_mut(session as usize) else {
            return;
        };
        let Some(memberships) = slot.take() else {
            return;
        };
        for (channel, place) in memberships {
            self.take_member(channel, place, &mut left);
        }
    }

    /// Puts a session into a channel. Returns `None` if it was there already, else whether the
    /// channel was empty before. Cost: linear in the session's own channels, which
    /// `limits.subscriptions` bounds.
    pub fn join(&mut self, session: SessionKey, name: &ChannelName, slot: Slot) -> Option<bool> {
        let memberships = self
            .sessions
            .get_mut(session as usize)
            .and_then(Option::as_mut)?;
        let channel = match self.names.get(name) {
            Some(&channel) => channel,
            None => {
                let channel = self.channels.insert(RegisteredChannel {
                    name: name.clone(),
                    members: Vec::new(),
                });
                self.names.insert(name.clone(), channel);
                channel
            }
        };
        if memberships.iter().any(|&(c, _)| c as usize == channel) {
            return None;
        }
        let members = &mut self.channels[channel].members;
        let occupied = members.is_empty();
        if memberships.is_empty() {
            // Most sessions stay in one channel; room for four would be four times as much.
            memberships.reserve_exact(1);
        }
        memberships.push((channel as u32, members.len() as u32));
        members.push(Member {
            session,
            place: memberships.len() as u32 - 1,
            slot,
        });
        Some(occupied)
    }

    /// Takes a session out of one channel. Returns `None` if it was not there.
    pub(crate) fn leave(&mut self, session: SessionKey, name: &str) -> Option<EndedMembership> {
        let channel = *self.names.get(name)? as u32;
        let memberships = self
            .sessions
            .get_mut(session as usize)
            .and_then(Option::as_mut)?;
        let index = memberships.iter().position(|&(c, _)| c == channel)?;
        let (_, place) = memberships.swap_remove(index);
        if let Some(&(moved_channel, moved_place)) = memberships.get(index) {
            self.channels[moved_channel as usize].members[moved_place as usize].place =
                index as u32;
        }
        let mut taken = None;
        self.take_member(channel, place, &mut |_, slot, is_vacant| {
            taken = Some(EndedMembership { slot, is_vacant });
        });
        taken
    }

    /// A session's membership of a channel.
    #[must_use]
    pub(crate) fn slot(&self, session: SessionKey, name: &str) -> Option<Slot> {
        let channel = *self.names.get(name)?;
        let memberships = self.sessions.get(session as usize)?.as_ref()?;
        let &(_, place) = memberships.iter().find(|&&(c, _)| c as usize == channel)?;
        Some(self.channels[channel].members[place as usize].slot)
    }

    /// Has the membership that is [`pending`](Slot::pending) carry nothing from now on.
    pub(crate) fn begin(&mut self, session: SessionKey, name: &str, pending: Slot) {
        let Some(&channel) = self.names.get(name) else {
            return;
        };
        let memberships = self.sessions.get(session as usize).and_then(Option::as_ref);
        let mut memberships = memberships.into_iter().flatten();
        let Some(&(_, place)) = memberships.find(|&&(c, _)| c as usize == channel) else {
            return;
        };
        let slot = &mut self.channels[channel].members[place as usize].slot;
        if *slot == pending {
            *slot = Slot::NONE;
        }
    }

    /// The members of a channel with their slots, in no particular order.
    pub fn members(&self, name: &str) -> impl ExactSizeIterator<Item = (SessionKey, Slot)> + '_ {
        let members = match self.names.get(name) {
            Some(&channel) => self.channels[channel].members.as_slice(),
            None => &[],
        };
        members.iter().map(|member| (member.session, member.slot))
    }

    /// The channels of a session, in no particular order.
    pub(crate) fn channels_of(&self, session: SessionKey) -> impl Iterator<Item = &ChannelName> {
        self.sessions
            .get(session as usize)
            .and_then(Option::as_ref)
            .into_iter()
            .flatten()
            .map(|&(channel, _)| &self.channels[channel as usize].name)
    }

    /// Every channel with how many members it has, in no particular order.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (&ChannelName, usize)> {
        let entries = self.channels.iter();
        entries.map(|(_, channel)| (&channel.name, channel.members.len()))
    }

    /// Channels that have a member.
    #[must_use]
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Removes the member at `place`; the last member takes its place and the moved session is told
    /// so.
    fn take_member(
        &mut self,
        channel: u32,
        place: u32,
        left: &mut impl FnMut(&ChannelName, Slot, bool),
    ) {
        let entry = &mut self.channels[channel as usize];
        let taken = entry.members.swap_remove(place as usize);
        if let Some(moved) = entry.members.get(place as usize) {
            // The session being removed has given up its list already; only others need the news.
            if let Some(list) = self.sessions[moved.session as usize].as_mut() {
                list[moved.place as usize].1 = place;
            }
        }
        left(&entry.name, taken.slot, entry.members.is_empty());
        if entry.members.is_empty() {
            let entry = self.channels.remove(channel as usize);
            self.names.remove(&entry.name);
        } else if entry.members.capacity() > 64
            && entry.members.len() * 4 < entry.members.capacity()
        {
            let half = entry.members.capacity() / 2;
            entry.members.shrink_to(half);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// The same index, written in the plainest way.
    #[derive(Default)]
    struct Model {
        sessions: BTreeMap<SessionKey, BTreeSet<String>>,
    }

    impl Model {
        fn members(&self, name: &str) -> BTreeSet<SessionKey> {
            self.sessions
                .iter()
                .filter(|(_, channels)| channels.contains(name))
                .map(|(&session, _)| session)
                .collect()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(SessionKey),
        Remove(SessionKey),
        Join(SessionKey, u8),
        Leave(SessionKey, u8),
    }

    /// A slot that tells memberships apart.
    fn slot_of(session: SessionKey, name: &str) -> Slot {
        Slot(session * 100 + u32::from(name.as_bytes()[1]))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..12u32).prop_map(Step::Add),
            (0..12u32).prop_map(Step::Remove),
            (0..12u32, 0..6u8).prop_map(|(s, c)| Step::Join(s, c)),
            (0..12u32, 0..6u8).prop_map(|(s, c)| Step::Join(s, c)),
            (0..12u32, 0..6u8).prop_map(|(s, c)| Step::Leave(s, c)),
        ]
    }

    proptest! {
        #[test]
        fn any_sequence_of_steps_agrees_with_the_naive_model(steps in prop::collection::vec(step(), 0..300)) {
            let mut registry = Registry::new();
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Add(session) => {
                        if let std::collections::btree_map::Entry::Vacant(entry) = model.sessions.entry(session) {
                            entry.insert(BTreeSet::new());
                            registry.add_session(session);
                        }
                    }
                    Step::Remove(session) => {
                        let mut vacated = BTreeSet::new();
                        registry.remove_session(session, |name, slot, empty| {
                            assert_eq!(slot, slot_of(session, name));
                            if empty {
                                assert!(vacated.insert(name.to_string()), "a channel vacated twice");
                            }
                        });
                        let mine = model.sessions.remove(&session).unwrap_or_default();
                        let expected: BTreeSet<String> =
                            mine.into_iter().filter(|name| model.members(name).is_empty()).collect();
                        prop_assert_eq!(vacated, expected);
                    }
                    Step::Join(session, channel) => {
                        let name = format!("c{channel}");
                        let expected = model.sessions.contains_key(&session).then(|| model.members(&name).is_empty());
                        let fresh = model.sessions.get_mut(&session).is_some_and(|set| set.insert(name.clone()));
                        prop_assert_eq!(
                            registry.join(session, &name.as_str().into(), slot_of(session, &name)),
                            if fresh { expected } else { None }
                        );
                    }
                    Step::Leave(session, channel) => {
                        let name = format!("c{channel}");
                        let was = model.sessions.get_mut(&session).is_some_and(|set| set.remove(&name));
                        prop_assert_eq!(
                            registry.leave(session, &name),
                            was.then(|| EndedMembership {
                                slot: slot_of(session, &name),
                                is_vacant: model.members(&name).is_empty(),
                            })
                        );
                    }
                }
                let mut occupied = BTreeSet::new();
                for channel in 0..6u8 {
                    let name = format!("c{channel}");
                    let members = registry.members(&name);
                    let count = members.len();
                    let members: BTreeSet<_> = members
                        .map(|(session, slot)| {
                            assert_eq!(slot, slot_of(session, &name));
                            assert_eq!(registry.slot(session, &name), Some(slot));
                            session
                        })
                        .collect();
                    prop_assert_eq!(count, members.len());
                    prop_assert_eq!(&members, &model.members(&name));
                    if !members.is_empty() {
                        occupied.insert(name);
                    }
                }
                prop_assert_eq!(registry.channel_count(), occupied.len());
                for (&session, channels) in &model.sessions {
                    let mine: BTreeSet<String> =
                        registry.channels_of(session).map(|name| name.to_string()).collect();
                    prop_assert_eq!(&mine, channels);
                }
            }
        }
    }
}
