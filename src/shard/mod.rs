//! A shard: one actor per worker thread, with everything that belongs to that thread's sessions.
//!
//! Owns the registry (channel ⇄ sessions), the sessions' outboxes and the timing wheel, so that nothing on the
//! delivery path is locked. Sessions live on the same thread and call [`Shard`] directly; other threads send
//! messages to [`ShardActor`]. Its mailbox is bounded in effect: publications reserve room first
//! ([`ShardHandle::reserve`]), and other messages are as rare as signals and administrators.
//! A panic in a shard ends the process: half a server that looks whole is worse than a restart.

mod actor;
mod handle;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use slab::Slab;

pub use self::{
    actor::{Cut, Deliver, Drain, Kick, ShardActor},
    handle::{QueueBounds, ShardHandle, ShardSettings, Shards},
};
use crate::{
    broker::Broker,
    close::Close,
    id::ShardId,
    publication::{Publication, Target},
    registry::{ChannelName, Registry, SessionKey},
    transport::outbox::{Common, Outbox},
};

/// What belongs to one worker thread.
pub struct Shard {
    id: ShardId,
    common: Rc<Common>,
    registry: RefCell<Registry>,
    sessions: RefCell<Slab<Rc<Outbox>>>,
    /// Sessions to write to at the end of the turn.
    dirty: RefCell<Vec<SessionKey>>,
    broker: Arc<dyn Broker>,
    /// Set once the drain has begun: whose handshake was under way then is closed as soon as it joins.
    leaving: RefCell<Option<Close>>,
}

impl Shard {
    fn new(id: ShardId, common: Common, broker: Arc<dyn Broker>) -> Rc<Self> {
        Rc::new(Self {
            id,
            common: Rc::new(common),
            registry: RefCell::default(),
            sessions: RefCell::default(),
            dirty: RefCell::default(),
            broker,
            leaving: RefCell::default(),
        })
    }

    /// Number of the worker.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// What this shard's outboxes share.
    #[must_use]
    pub fn common(&self) -> &Rc<Common> {
        &self.common
    }

    /// The broker that this shard listens to.
    #[must_use]
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Gives a session its place and puts it into its channels. It leaves when the membership is dropped.
    pub fn join(self: &Rc<Self>, outbox: Rc<Outbox>, channels: &[ChannelName]) -> Membership {
        let key = self.sessions.borrow_mut().insert(outbox.clone()) as SessionKey;
        self.registry.borrow_mut().add_session(key);
        self.common.stats.sessions.add(1);
        let membership = Membership {
            shard: self.clone(),
            key,
            member: Cell::new(true),
        };
        for channel in channels {
            self.subscribe(key, channel);
        }
        let now = Instant::now();
        outbox.place(key, now);
        if let Some(close) = &*self.leaving.borrow() {
            outbox.close(close.clone(), now);
        }
        membership
    }

    fn subscribe(&self, key: SessionKey, channel: &ChannelName) {
        // Two steps, so that the registry is free again when the broker is called.
        let joined = self.registry.borrow_mut().join(key, channel);
        if joined == Some(true) {
            self.broker.listen(channel, self.id);
        }
        self.count_channels();
    }

    fn leave_channels(&self, key: SessionKey) {
        let mut vacated = Vec::new();
        self.registry
            .borrow_mut()
            .remove_session(key, |name| vacated.push(name.clone()));
        for name in &vacated {
            self.broker.unlisten(name, self.id);
        }
        self.count_channels();
        self.common.stats.sessions.sub(1);
    }

    fn count_channels(&self) {
        let channels = self.registry.borrow().channel_count();
        self.common.stats.channels.set(channels as u64);
    }

    /// Delivers what one turn of the mailbox brought. A single publication is queued and written receiver by receiver, so
    /// that each outbox is touched once; several are all queued first and then leave together.
    fn deliver_turn(&self, publications: &mut Vec<Arc<Publication>>) {
        let now = Instant::now();
        let at_once = publications.len() == 1;
        for publication in publications.drain(..) {
            self.deliver(publication, now, at_once);
        }
        self.flush();
    }

    /// Receivers of a publication here; a session in several of its channels counts for each.
    fn receivers(&self, publication: &Publication) -> usize {
        match publication.target() {
            Target::Everyone => self.sessions.borrow().len(),
            Target::Channels(channels) => {
                let registry = self.registry.borrow();
                channels
                    .iter()
                    .map(|name| registry.members(name).len())
                    .sum()
            }
        }
    }

    /// Puts a publication into the outboxes of its receivers, which are written `at_once` or noted for the flush.
    fn deliver(&self, publication: Arc<Publication>, now: Instant, at_once: bool) {
        let shared = Rc::new(publication);
        let sessions = self.sessions.borrow();
        let mut dirty = self.dirty.borrow_mut();
        let exclude = shared.exclude();
        let mut push = |key: SessionKey, outbox: &Outbox| {
            if exclude.is_some_and(|id| id == outbox.info().id) || !outbox.push(&shared, now) {
                return;
            }
            if at_once {
                outbox.flush(now);
            } else {
                dirty.push(key);
            }
        };
        match shared.target() {
            Target::Everyone => {
                for (key, outbox) in sessions.iter() {
                    push(key as SessionKey, outbox);
                }
            }
            Target::Channels(channels) => {
                let registry = self.registry.borrow();
                if let [channel] = channels.as_slice() {
                    for key in registry.members(channel) {
                        push(key, &sessions[key as usize]);
                    }
                } else {
                    let mut keys: Vec<SessionKey> = channels
                        .iter()
                        .flat_map(|channel| registry.members(channel))
                        .collect();
                    keys.sort_unstable();
                    keys.dedup();
                    for key in keys {
                        push(key, &sessions[key as usize]);
                    }
                }
            }
        }
    }

    /// Writes to every session that got something.
    fn flush(&self) {
        let now = Instant::now();
        let sessions = self.sessions.borrow();
        let mut dirty = self.dirty.borrow_mut();
        for key in dirty.drain(..) {
            if let Some(outbox) = sessions.get(key as usize) {
                outbox.flush(now);
            }
        }
        if dirty.capacity() > 64 * 1024 {
            *dirty = Vec::new();
        }
    }
}

/// A session's membership of its shard; leaving happens once, at the latest when this is dropped.
pub struct Membership {
    shard: Rc<Shard>,
    key: SessionKey,
    member: Cell<bool>,
}

impl Membership {
    /// The shard.
    #[must_use]
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Leaves all channels and the count of sessions; the place is kept for the alarms of a closing
    /// connection. Returns whether this was the call that left.
    pub fn leave(&self) -> bool {
        let left = self.member.replace(false);
        if left {
            self.shard.leave_channels(self.key);
        }
        left
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
        let mut sessions = self.shard.sessions.borrow_mut();
        // Its 16 bytes stay for the next session: giving them back would mean rebuilding the list of free places.
        sessions.try_remove(self.key as usize);
    }
}
