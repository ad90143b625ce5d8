//! A shard: one actor per worker thread, with everything that belongs to that thread's sessions.
//!
//! Owns the registry (channel ⇄ sessions), the sessions' outboxes and the timing wheel, so that nothing on the
//! delivery path is locked. Sessions live on the same thread and call [`Shard`] directly; other threads send
//! messages to [`ShardActor`]. Its mailbox is bounded in effect: publications reserve room first
//! ([`ShardHandle::reserve`]), and other messages are as rare as signals and administrators. It tells the
//! [`LocalFanout`] of its members and knows no broker.
//! A panic in a shard ends the process: half a server that looks whole is worse than a restart.

mod actor;
mod commands;
mod delivery;
mod handle;
mod membership;
mod queries;
mod subscriber;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use actix::Recipient;
use slab::Slab;

pub use self::{
    actor::{Disconnect, Drain, SendCommand, ShardActor, Terminate},
    commands::{Overrides, Selector, ServerCommand, ServerSubscription, SessionMessage},
    handle::{QueueBounds, Reservation, ShardHandle, ShardSettings, Shards},
    membership::Membership,
    queries::{ChannelsOf, CountMembers, MembersOf},
    subscriber::{SubscribeOptions, SubscriptionId},
};
use self::{
    delivery::Delivery,
    subscriber::{Subscriber, Verdict},
};
use crate::{
    broker::LocalFanout,
    close::Close,
    connection::{Connection, ConnectionConfig},
    id::{SessionId, ShardId},
    publication::{Publication, Target},
    registry::{ChannelName, Registry, SessionKey, Slot},
};

/// A session's place in its shard.
struct Entry {
    connection: Rc<Connection>,
    /// Its actor, once it has started.
    inbox: Option<Recipient<SessionMessage>>,
    /// Its client does not follow joins and leaves, and takes a message that goes to several of its channels once.
    plain: bool,
}

impl Entry {
    fn send(&self, notice: SessionMessage) {
        if let Some(inbox) = &self.inbox {
            inbox.do_send(notice);
        }
    }
}

/// What belongs to one worker thread.
pub struct Shard {
    id: ShardId,
    config: Rc<ConnectionConfig>,
    registry: RefCell<Registry>,
    subscribers: RefCell<Slab<Subscriber>>,
    /// Number of the last subscription.
    subscriptions: Cell<u32>,
    sessions: RefCell<Slab<Entry>>,
    by_id: RefCell<HashMap<SessionId, SessionKey>>,
    /// Sessions to write to at the end of the turn.
    dirty: RefCell<Vec<SessionKey>>,
    fanout: Arc<dyn LocalFanout>,
    /// See [`ShardSettings`].
    held_bytes_max: usize,
    /// Set once the drain has begun: whose handshake was under way then is closed as soon as it joins.
    draining: RefCell<Option<Close>>,
}

/// Name of the shard's own channel of a user's sessions; no broker knows it.
fn user_channel(user: &str) -> ChannelName {
    format!("$user:{user}").into()
}

impl Shard {
    fn new(
        id: ShardId,
        config: ConnectionConfig,
        held_bytes_max: usize,
        fanout: Arc<dyn LocalFanout>,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            config: Rc::new(config),
            registry: RefCell::default(),
            subscribers: RefCell::default(),
            subscriptions: Cell::default(),
            sessions: RefCell::default(),
            by_id: RefCell::default(),
            dirty: RefCell::default(),
            fanout,
            held_bytes_max,
            draining: RefCell::default(),
        })
    }

    /// Number of the worker.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// What this shard's outboxes share.
    #[must_use]
    pub fn config(&self) -> &Rc<ConnectionConfig> {
        &self.config
    }

    /// Gives a session its place. It leaves when the membership is dropped.
    pub fn join(self: &Rc<Self>, connection: Rc<Connection>, plain: bool) -> Membership {
        let id = connection.info().id;
        let key = self.sessions.borrow_mut().insert(Entry {
            connection: connection.clone(),
            inbox: None,
            plain,
        }) as SessionKey;
        self.registry.borrow_mut().add_session(key);
        self.by_id.borrow_mut().insert(id, key);
        self.config.stats.sessions.add(1);
        let membership = Membership {
            shard: self.clone(),
            key,
            id,
            member: Cell::new(true),
        };
        let now = Instant::now();
        connection.place(key, now);
        if let Some(close) = &*self.draining.borrow() {
            connection.close(close.clone(), now);
        }
        membership
    }

    fn listen(&self, channel: &ChannelName) {
        self.fanout.subscribe(channel, self.id);
        self.count_channels();
    }

    fn unlisten(&self, channel: &ChannelName) {
        if channel.starts_with("$user:") {
            return;
        }
        self.fanout.unsubscribe(channel, self.id);
    }

    fn leave_all(&self, key: SessionKey) {
        let mut left = Vec::new();
        self.registry
            .borrow_mut()
            .remove_session(key, |name, slot, _| left.push((name.clone(), slot)));
        for (name, slot) in &left {
            if *slot != Slot::NONE {
                self.subscribers.borrow_mut().try_remove(slot.0 as usize);
            }
            self.unlisten(name);
        }
        self.count_channels();
        self.config.stats.sessions.sub(1);
    }

    fn count_channels(&self) {
        let channels = self.registry.borrow().channel_count();
        self.config.stats.channels.set(channels as u64);
    }

    /// Delivers what one turn of the mailbox brought. A single publication is queued and written receiver by receiver, so
    /// that each outbox is touched once; several are all queued first and then leave together.
    fn deliver_all(&self, publications: &mut Vec<Arc<Publication>>) {
        let now = Instant::now();
        let at_once = publications.len() == 1;
        for publication in publications.drain(..) {
            self.deliver(publication, now, at_once);
        }
        self.flush();
    }

    /// Receivers of a publication here, at most.
    fn receivers(&self, publication: &Publication) -> usize {
        match publication.target() {
            Target::Everyone => self.sessions.borrow().len(),
            Target::Channel(name) => self.registry.borrow().members(name).len(),
            Target::User(_) | Target::Session(_) => 1,
        }
    }

    /// Puts a publication into the outboxes of its receivers, which are written `at_once` or noted for the flush.
    fn deliver(&self, publication: Arc<Publication>, now: Instant, at_once: bool) {
        let shared = Rc::new(publication);
        let sessions = self.sessions.borrow();
        let registry = self.registry.borrow();
        let mut to = Delivery {
            shard: self,
            registry: &registry,
            sessions: &sessions,
            now,
            at_once,
        };
        match shared.target() {
            Target::Everyone => {
                for (key, entry) in sessions.iter() {
                    to.push(key as SessionKey, entry, Slot::NONE, &shared);
                }
            }
            Target::Channel(channel) => {
                for (key, slot) in registry.members(channel) {
                    to.push(key, &sessions[key as usize], slot, &shared);
                }
            }
            Target::User(user) => {
                for (key, _) in registry.members(&user_channel(user)) {
                    to.push(key, &sessions[key as usize], Slot::NONE, &shared);
                }
            }
            Target::Session(id) => {
                if let Some(&key) = self.by_id.borrow().get(id) {
                    to.push(key, &sessions[key as usize], Slot::NONE, &shared);
                }
            }
        }
    }

    /// Breaks the subscriptions of a channel whose offsets are counted, and has their sessions told, each once.
    fn tell_missed(&self, channel: &ChannelName) {
        let (registry, sessions) = (self.registry.borrow(), self.sessions.borrow());
        let mut subscribers = self.subscribers.borrow_mut();
        for (key, slot) in registry.members(channel) {
            let subscriber = subscribers.get_mut(slot.0 as usize);
            if subscriber.is_some_and(|subscriber| subscriber.lose() == Verdict::Missed) {
                sessions[key as usize].send(SessionMessage::Missed(channel.clone()));
            }
        }
    }

    /// Writes to every session that got something.
    fn flush(&self) {
        let now = Instant::now();
        let sessions = self.sessions.borrow();
        let mut dirty = self.dirty.borrow_mut();
        for key in dirty.drain(..) {
            if let Some(entry) = sessions.get(key as usize) {
                entry.connection.flush(now);
            }
        }
        if dirty.capacity() > 64 * 1024 {
            *dirty = Vec::new();
        }
    }
}
