//! The way from a broker to the shards of this node: who listens to a channel here, room in every
//! shard, and the sending.
//!
//! One for the process, whatever the broker is. Channels are spread over `STRIPES` locks, each held
//! for as long as a publication is handed to the shards that listen, which is what makes all of
//! them hear a channel's publications in one order. Bounds: an entry a channel that has a member,
//! and the shards' inboxes: nothing is sent to one without a [`Reservation`]. It must
//! not wait for anyone, nor know histories or sessions.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use log::Level;

use super::{
    BrokerError, LocalFanout,
    by_name::{ByName, Hashed, Names},
};
use crate::{
    id::ShardId,
    logger::{self, FAULT_PAUSE, Subject},
    publication::{Content, Publication, Target},
    registry::{ChannelName, is_internal},
    shard::{Reservation, ShardHandle, Shards},
};

/// Locks that channels are spread over.
pub(crate) const STRIPES: usize = 64;

/// Told when a channel gets its first member on this node (true) or loses its last, the server's
/// own channels included. Called under the channel's lock, so that what is told last is what is so;
/// it must not wait.
pub(crate) type Occupancy = dyn Fn(&ChannelName, bool) + Send + Sync;

/// A channel's members on this node.
#[derive(Default)]
struct MemberCounts {
    /// Shards with a member, and how many members each has.
    by_shard: Vec<(ShardId, u32)>,
}

impl MemberCounts {
    /// Returns whether it is the first.
    fn add(&mut self, shard: ShardId) -> bool {
        let is_first = self.by_shard.is_empty();
        match self.by_shard.iter_mut().find(|(id, _)| *id == shard) {
            Some((_, members)) => *members += 1,
            None => {
                self.by_shard.reserve_exact(1);
                self.by_shard.push((shard, 1));
            }
        }
        is_first
    }

    /// Members of all shards.
    fn members(&self) -> usize {
        let members = self.by_shard.iter().map(|(_, members)| *members as usize);
        members.sum()
    }

    /// Returns whether it was the last.
    fn remove(&mut self, shard: ShardId) -> bool {
        let Some(index) = self.by_shard.iter().position(|(id, _)| *id == shard) else {
            return false;
        };
        self.by_shard[index].1 -= 1;
        if self.by_shard[index].1 == 0 {
            self.by_shard.swap_remove(index);
        }
        self.by_shard.is_empty()
    }
}

type ChannelMembers = ByName<MemberCounts>;

/// The fan-out of this process.
pub struct Fanout {
    shards: Arc<Shards>,
    occupancy: Box<Occupancy>,
    names: Names,
    stripes: [Mutex<ChannelMembers>; STRIPES],
    /// Channels in all stripes, the server's own left out.
    channels: AtomicUsize,
}

impl Fanout {
    /// Of the shards of this process, with whom to tell of first and last members.
    #[must_use]
    pub fn new(shards: Arc<Shards>, occupancy: Box<Occupancy>) -> Self {
        let names = Names::default();
        Self {
            shards,
            occupancy,
            stripes: std::array::from_fn(|_| Mutex::new(ByName::new(names.clone()))),
            names,
            channels: AtomicUsize::new(0),
        }
    }

    /// How this hashes the names of channels.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The lock that a channel is under. A broker that has locks of its own for channels takes the
    /// one of this number, and before this one.
    pub(super) fn stripe_of(&self, channel: Hashed<'_>) -> usize {
        channel.part(STRIPES)
    }

    fn lock(&self, stripe: usize) -> MutexGuard<'_, ChannelMembers> {
        // Nothing under the lock is left half done by what could panic there (memory aside, which
        // aborts).
        self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `act` with the shards that are subscribed to a channel, under its lock: none comes or
    /// goes meanwhile.
    pub(crate) fn with_shards<R>(
        &self,
        channel: &ChannelName,
        act: impl FnOnce(&SubscribedShards<'_>) -> R,
    ) -> R {
        self.with_shards_hashed(self.names.hashed(channel), act)
    }

    /// The same for whoever has hashed the channel's name.
    pub(super) fn with_shards_hashed<R>(
        &self,
        channel: Hashed<'_>,
        act: impl FnOnce(&SubscribedShards<'_>) -> R,
    ) -> R {
        let stripe = self.lock(self.stripe_of(channel));
        match stripe.get(channel) {
            None => act(&SubscribedShards {
                by_shard: &[],
                handles: &[],
            }),
            Some((_, counts)) => act(&SubscribedShards {
                by_shard: &counts.by_shard,
                handles: &self.shards.read(),
            }),
        }
    }

    /// Sends a publication to whoever it is for on this node, to all shards concerned or to none.
    /// Returns the receivers.
    pub(crate) fn send(&self, publication: Publication) -> Result<usize, BrokerError> {
        let bytes = publication.weight();
        if let Target::Channel(channel) = publication.target() {
            // The name is the publication's own, which moves on.
            let channel = channel.clone();
            return self.with_shards(&channel, |shards| {
                let room = shards.reserve(bytes)?;
                shards.send(|| publication, room);
                Ok(shards.members())
            });
        }
        // No channel, so no order between publishers to keep: the target may be in any shard.
        let handles = self.shards.read();
        let room: Option<Vec<Reservation>> =
            handles.iter().map(|shard| shard.reserve(bytes)).collect();
        let room = room.ok_or(BrokerError::Busy)?;
        let delivered = match publication.target() {
            Target::Everyone => handles.iter().map(ShardHandle::sessions).sum(),
            _ => 0,
        };
        let publication = Arc::new(publication);
        for (shard, room) in handles.iter().zip(room) {
            shard.deliver(publication.clone(), room);
        }
        Ok(delivered)
    }

    /// Tells a channel's members on this node who came or went. Where a shard has no room nobody is
    /// told, which is counted and logged; presence has the truth.
    pub(crate) fn send_join_leave(&self, channel: &ChannelName, content: Content) {
        let target = Target::Channel(channel.clone());
        if self.send(Publication::new(target, content)).is_ok() {
            return;
        }
        let untold = &self.shards.metrics().joins_leaves_untold;
        untold.fetch_add(1, Relaxed);
        let what =
            "joins and leaves were not told, a shard has no room for them (limits.shard_queue)";
        let subject = Subject::new(Level::Warn, module_path!(), what);
        logger::throttled(subject, FAULT_PAUSE, |times| {
            let since_start = untold.load(Relaxed);
            log::warn!(channel:% = channel, times, since_start; "{what}");
        });
    }

    /// Has the members of a channel that count its offsets told that they have missed something
    /// that no broker can bring. So far only the tests' engine loses anything.
    #[cfg(test)]
    pub(crate) fn tell_missed(&self, channel: &ChannelName) {
        self.with_shards(channel, |shards| {
            for &(shard, _) in shards.by_shard {
                shards.handle(shard).tell_missed(channel.clone());
            }
        });
    }

    /// Whether anyone on this node would receive a publication for `target` now.
    pub(crate) fn has_subscribers(&self, target: &Target) -> bool {
        match target {
            Target::Channel(channel) => self.has_members(channel),
            _ => self.shards.has_sessions(),
        }
    }

    /// Whether a channel has a member on this node.
    pub(super) fn has_members(&self, channel: &ChannelName) -> bool {
        let channel = self.names.hashed(channel);
        self.lock(self.stripe_of(channel)).contains(channel)
    }

    /// Channels that have a member on this node, the server's own left out.
    #[must_use]
    pub(crate) fn channels(&self) -> usize {
        self.channels.load(Relaxed)
    }

    /// These channels with their members on this node, for those whose name `admits`; at most
    /// `limit`.
    pub(crate) fn list_channels(
        &self,
        admits: &dyn Fn(&str) -> bool,
        limit: usize,
    ) -> Vec<(ChannelName, usize)> {
        let mut found = Vec::new();
        for stripe in 0..STRIPES {
            let stripe = self.lock(stripe);
            let here = stripe.iter().filter_map(|(name, counts)| {
                let is_listed = !is_internal(name) && admits(name);
                is_listed.then(|| (name.clone(), counts.members()))
            });
            found.extend(here.take(limit - found.len()));
        }
        found
    }

    /// The channels of one of the [`STRIPES`] whose name `admits`, with their members on this node.
    pub(crate) fn list_stripe(
        &self,
        stripe: usize,
        admits: &dyn Fn(&str) -> bool,
    ) -> Vec<(ChannelName, usize)> {
        let stripe = self.lock(stripe);
        let here = stripe.iter();
        let here = here.filter(|(name, _)| !is_internal(name) && admits(name));
        let counted = here.map(|(name, counts)| (name.clone(), counts.members()));
        counted.collect()
    }

    /// Entries, and memberships of all shards, the server's own channels included.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> FanoutEntries {
        let mut entries = FanoutEntries::default();
        for stripe in 0..STRIPES {
            let stripe = self.lock(stripe);
            let members = stripe.iter().flat_map(|(_, counts)| &counts.by_shard);
            entries.channels += stripe.len();
            entries.members += members.map(|(_, members)| *members as usize).sum::<usize>();
        }
        entries
    }
}

/// What a fan-out holds.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FanoutEntries {
    /// Channels with a member on this node.
    pub(crate) channels: usize,
    /// Memberships of all shards.
    pub(crate) members: usize,
}

impl LocalFanout for Fanout {
    fn subscribe(&self, channel: &ChannelName, shard: ShardId) {
        let key = self.names.hashed(channel);
        let mut stripe = self.lock(self.stripe_of(key));
        let begun = || (channel.clone(), MemberCounts::default());
        if stripe.get_or_insert_with(key, begun).1.add(shard) {
            if !is_internal(channel) {
                self.channels.fetch_add(1, Relaxed);
            }
            (self.occupancy)(channel, true);
        }
    }

    fn unsubscribe(&self, channel: &ChannelName, shard: ShardId) {
        let key = self.names.hashed(channel);
        let mut stripe = self.lock(self.stripe_of(key));
        let is_vacant = stripe
            .get_mut(key)
            .is_some_and(|(_, counts)| counts.remove(shard));
        if is_vacant {
            stripe.remove(key);
            stripe.shrink();
            if !is_internal(channel) {
                self.channels.fetch_sub(1, Relaxed);
            }
            (self.occupancy)(channel, false);
        }
    }
}

/// Room for one publication in the shards that were subscribed when it was taken; given back shard
/// by shard if it is not used.
pub(crate) struct Reservations(Vec<(ShardId, Reservation)>);

/// The shards that are subscribed to a channel, while nobody else can change them.
pub(crate) struct SubscribedShards<'a> {
    by_shard: &'a [(ShardId, u32)],
    /// Of all shards; an id is a place in it.
    handles: &'a [ShardHandle],
}

impl SubscribedShards<'_> {
    /// Members on this node.
    pub(crate) fn members(&self) -> usize {
        let members = self.by_shard.iter().map(|(_, members)| *members as usize);
        members.sum()
    }

    fn handle(&self, shard: ShardId) -> &ShardHandle {
        // A shard that listens is in the list: it is added before the shard has a session, and
        // never taken out.
        &self.handles[shard.0 as usize]
    }

    /// Takes room in every shard that listens, or in none.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservations, BrokerError> {
        let mut room = Vec::with_capacity(self.by_shard.len());
        for &(shard, _) in self.by_shard {
            let reservation = self.handle(shard).reserve(bytes);
            room.push((shard, reservation.ok_or(BrokerError::Busy)?));
        }
        Ok(Reservations(room))
    }

    /// Sends the publication that `make` makes to every shard that listens now; where none does, it
    /// is not made. One that did not listen when the room was taken gets it if it has room; if not,
    /// its members are told that they have missed something. Whatever room is left is given back.
    #[inline]
    pub(crate) fn send(&self, make: impl FnOnce() -> Publication, room: Reservations) {
        if !self.by_shard.is_empty() {
            self.send_made(Arc::new(make()), room);
        }
    }

    fn send_made(&self, publication: Arc<Publication>, Reservations(mut room): Reservations) {
        for &(shard, _) in self.by_shard {
            let handle = self.handle(shard);
            let taken = room.iter().position(|(id, _)| *id == shard);
            let reservation = match taken {
                Some(index) => Some(room.swap_remove(index).1),
                None => handle.reserve(publication.weight()),
            };
            match (reservation, publication.target()) {
                (Some(reservation), _) => handle.deliver(publication.clone(), reservation),
                (None, Target::Channel(channel)) => handle.tell_missed(channel.clone()),
                (None, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
