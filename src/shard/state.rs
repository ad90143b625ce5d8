//! What a shard knows of its sessions, as one value: who is where, what each subscription has had,
//! and whom to write to. Pure but for the connections that it pushes into, owned by the
//! [`Shard`](super::Shard), whose rule of borrowing holds for it.

use std::{rc::Rc, sync::Arc, time::Instant};

use slab::Slab;

use super::{
    SessionMessage, SubscribeOptions, SubscriptionId,
    commands::Selector,
    delivery::{Delivery, DeliverySettings},
    entry::SessionEntry,
    joined_line::{JoinedLine, Numbered},
    session_ids::SessionIds,
    subscriber::{Subscriber, Verdict},
    user_channel::user_channel,
    window::{Departed, Windows},
};
use crate::{
    close::Close,
    connection::{Connection, clock, outbox::BATCH_BYTES_MAX},
    id::{SessionId, StreamPosition},
    publication::{Publication, Target},
    registry::{ChannelName, Registry, SessionKey, Slot},
};

/// Whom to write to is remembered in no more room than this from one turn to the next.
const DIRTY_KEPT: usize = 64 * 1024;

/// Everything of a shard that changes.
pub(super) struct ShardState {
    settings: DeliverySettings,
    pub(super) registry: Registry,
    pub(super) subscribers: Slab<Subscriber>,
    /// Number of the last subscription.
    subscriptions: u32,
    pub(super) sessions: Slab<SessionEntry>,
    by_id: SessionIds,
    /// Sessions to write to at the end of the turn.
    pub(super) dirty: Vec<SessionKey>,
    /// Set once the drain has begun: whose handshake was under way then is closed as soon as it
    /// joins.
    pub(super) draining: Option<Close>,
    /// What waits to leave together; absent where no channel has a window.
    pub(super) windows: Option<Box<Windows>>,
}

impl ShardState {
    /// Of a shard that nobody has joined, and whose channels have no windows.
    pub(super) fn new(settings: DeliverySettings) -> Self {
        Self {
            settings,
            registry: Registry::default(),
            subscribers: Slab::new(),
            subscriptions: 0,
            sessions: Slab::new(),
            by_id: SessionIds::default(),
            dirty: Vec::new(),
            draining: None,
            windows: None,
        }
    }

    /// A place for a session.
    pub(super) fn add_session(&mut self, connection: Rc<Connection>, plain: bool) -> SessionKey {
        let id = connection.info().id;
        let entry = SessionEntry {
            connection,
            inbox: None,
            plain,
        };
        let key = self.sessions.insert(entry) as SessionKey;
        self.registry.add_session(key);
        self.by_id.insert(id, key, &self.sessions);
        key
    }

    pub(super) fn entry(&self, key: SessionKey) -> Option<&SessionEntry> {
        self.sessions.get(key as usize)
    }

    /// A session's place by its id, unless it has left.
    pub(super) fn key_of(&self, id: SessionId) -> Option<SessionKey> {
        self.by_id.find(id, &self.sessions)
    }

    /// A session by its id.
    pub(super) fn find(&self, id: SessionId) -> Option<(SessionKey, &SessionEntry)> {
        let key = self.key_of(id)?;
        Some((key, self.entry(key)?))
    }

    /// The sessions that a command is for.
    pub(super) fn select(&self, selector: &Selector) -> Vec<&SessionEntry> {
        let own = selector.user.as_deref().map(user_channel);
        let keys: Vec<SessionKey> = match (selector.client, &own) {
            (Some(client), _) => self.key_of(client).into_iter().collect(),
            (None, Some(own)) => self.registry.members(own).map(|(key, _)| key).collect(),
            (None, None) => Vec::new(),
        };
        let is_the_users = |key: &SessionKey| {
            let own = own.as_ref();
            own.is_none_or(|own| self.registry.slot(*key, own).is_some())
        };
        let keys = keys.into_iter().filter(is_the_users);
        let entries = keys.filter_map(|key| self.entry(key));
        entries
            .filter(|entry| !selector.except.contains(&entry.id()))
            .collect()
    }

    /// A membership that is to begin; nothing if the session is in the channel.
    pub(super) fn join(&mut self, key: SessionKey, channel: &ChannelName) -> Option<Slot> {
        self.subscriptions = self.subscriptions.wrapping_add(1);
        let pending = Slot::pending(self.subscriptions);
        self.registry.join(key, channel, pending).map(|_| pending)
    }

    /// A subscription that is held back; nothing if the session is in the channel.
    pub(super) fn subscribe(
        &mut self,
        key: SessionKey,
        channel: &ChannelName,
        options: SubscribeOptions,
    ) -> Option<SubscriptionId> {
        self.send_waiting_of_groups(key);
        let id = SubscriptionId(self.subscriptions.wrapping_add(1));
        let slot = self.subscribers.insert(Subscriber::held(id, options));
        if self
            .registry
            .join(key, channel, Slot(slot as u32))
            .is_none()
        {
            self.subscribers.remove(slot);
            return None;
        }
        self.subscriptions = id.0;
        if let Some(windows) = &mut self.windows {
            windows.enter(key, channel);
        }
        Some(id)
    }

    /// The slot of this subscription, while it is the channel's.
    pub(super) fn slot_of(
        &self,
        key: SessionKey,
        channel: &str,
        id: SubscriptionId,
    ) -> Option<Slot> {
        let slot = self.registry.slot(key, channel)?;
        let subscriber = self.subscribers.get(slot.0 as usize)?;
        (subscriber.id() == id).then_some(slot)
    }

    /// Takes a session out of a channel; false if it was not there.
    pub(super) fn leave(&mut self, key: SessionKey, channel: &ChannelName) -> bool {
        self.send_waiting_of_groups(key);
        self.send_waiting_of(key, channel);
        let left = self.registry.leave(key, channel);
        if let Some(ended) = left {
            self.forget(ended.slot);
            if let Some(windows) = &mut self.windows {
                windows.left(key, channel, ended.is_vacant);
            }
        }
        left.is_some()
    }

    /// Takes a session out of all its channels, and names them.
    pub(super) fn leave_all(&mut self, key: SessionKey) -> Vec<ChannelName> {
        if let Some(id) = self.entry(key).map(SessionEntry::id) {
            self.by_id.remove(id, &self.sessions);
        }
        let (mut left, mut slots) = (Vec::new(), Vec::new());
        let windows = &mut self.windows;
        self.registry.remove_session(key, |name, slot, is_empty| {
            left.push(name.clone());
            slots.push(slot);
            if let Some(windows) = windows {
                windows.left(key, name, is_empty);
            }
        });
        for slot in slots {
            self.forget(slot);
        }
        left
    }

    /// A membership begins, behind what waits in its channel.
    pub(super) fn begin(&mut self, key: SessionKey, channel: &ChannelName, pending: Slot) {
        self.send_waiting_of_groups(key);
        self.registry.begin(key, channel, pending);
        if self.registry.slot(key, channel) == Some(Slot::NONE)
            && let Some(windows) = &mut self.windows
        {
            windows.enter(key, channel);
        }
    }

    /// Before a plain session joins or leaves a channel: a message that was relayed into several
    /// channels reaches it by the first of those that it is in, so which one that is must not
    /// change while the message waits.
    fn send_waiting_of_groups(&mut self, key: SessionKey) {
        if self.windows.is_some() && self.entry(key).is_some_and(|entry| entry.plain) {
            self.send_waiting(key);
        }
    }

    /// Queues what waits for a session in all its channels, before its Close.
    pub(super) fn send_waiting(&mut self, key: SessionKey) {
        if self
            .windows
            .as_ref()
            .is_some_and(|windows| !windows.is_empty())
        {
            let channels: Vec<ChannelName> = self.registry.channels_of(key).cloned().collect();
            for channel in channels {
                self.send_waiting_of(key, &channel);
            }
        }
    }

    /// The same for one channel, before the session leaves it.
    fn send_waiting_of(&mut self, key: SessionKey, channel: &ChannelName) {
        let Some(windows) = &mut self.windows else {
            return;
        };
        let Some(slot) = self.registry.slot(key, channel) else {
            return;
        };
        let Some((from, waiting)) = windows.take_for(key, channel) else {
            return;
        };
        let (sessions, mut to) = self.delivery(clock::now(), false);
        let Some(entry) = sessions.get(key as usize) else {
            return;
        };
        for (number, publication) in &waiting {
            if *number >= from {
                to.push(key, entry, slot, publication);
            }
        }
    }

    /// Puts a line into the outboxes of its channel's members.
    pub(super) fn deliver_line(&mut self, line: &Departed, at_once: bool) {
        let compression = self.settings.compression;
        let (sessions, mut to) = self.delivery(clock::now(), at_once);
        let mut joined = JoinedLine::new(&line.publications, line.window_bytes, compression);
        let registry = to.registry;
        for (key, slot) in registry.members(&line.channel) {
            joined.from = line.from.get(&key).copied().unwrap_or(0);
            to.push_line(key, &sessions[key as usize], slot, &mut joined);
        }
    }

    fn forget(&mut self, slot: Slot) {
        if slot != Slot::NONE {
            self.subscribers.try_remove(slot.0 as usize);
        }
    }

    /// Receivers of a publication here, at most.
    pub(super) fn receivers(&self, publication: &Publication) -> usize {
        match publication.target() {
            Target::Everyone => self.sessions.len(),
            Target::Channel(name) => self.registry.members(name).len(),
            Target::User(_) | Target::Session(_) => 1,
        }
    }

    /// Lets a subscription go live, and queues what waited and is newer than its position.
    pub(super) fn go_live(
        &mut self,
        key: SessionKey,
        slot: Slot,
        position: StreamPosition,
        primed: bool,
    ) {
        let Some(subscriber) = self.subscribers.get_mut(slot.0 as usize) else {
            return;
        };
        let waiting = subscriber.go_live(position, primed);
        if waiting.is_empty() {
            return;
        }
        let (sessions, mut delivery) = self.delivery(clock::now(), false);
        let entry = &sessions[key as usize];
        for publication in &waiting {
            delivery.push(key, entry, slot, publication);
        }
    }

    /// Puts publications that go to the same receivers, one behind the other, into their outboxes,
    /// which are written `at_once` or noted for the flush. They have no numbers.
    pub(super) fn deliver(&mut self, publications: &[Numbered], now: Instant, at_once: bool) {
        let Some(target) = publications.first().map(|(_, it)| it.target()) else {
            return;
        };
        let session = match target {
            Target::Session(id) => self.key_of(*id),
            _ => None,
        };
        let compression = self.settings.compression;
        let (sessions, mut to) = self.delivery(now, at_once);
        let mut line = JoinedLine::new(publications, BATCH_BYTES_MAX, compression);
        to.each_receiver(sessions, target, session, |to, key, entry, slot| {
            to.push_line(key, entry, slot, &mut line);
        });
    }

    /// Queues a publication for one session, whatever it subscribes to.
    pub(super) fn deliver_to(&mut self, key: SessionKey, publication: Arc<Publication>) {
        let (sessions, mut delivery) = self.delivery(clock::now(), false);
        if let Some(entry) = sessions.get(key as usize) {
            delivery.push(key, entry, Slot::NONE, &Rc::new(publication));
        }
    }

    fn delivery(&mut self, now: Instant, at_once: bool) -> (&Slab<SessionEntry>, Delivery<'_>) {
        let delivery = Delivery {
            registry: &self.registry,
            subscribers: &mut self.subscribers,
            dirty: &mut self.dirty,
            now,
            at_once,
            settings: self.settings,
        };
        (&self.sessions, delivery)
    }

    /// Breaks the subscriptions of a channel whose offsets are counted, and has their sessions
    /// told, each once.
    pub(super) fn tell_missed(&mut self, channel: &ChannelName) {
        for (key, slot) in self.registry.members(channel) {
            let subscriber = self.subscribers.get_mut(slot.0 as usize);
            if subscriber.is_some_and(|subscriber| subscriber.lose() == Verdict::Missed) {
                self.sessions[key as usize].send(SessionMessage::Missed(channel.clone()));
            }
        }
    }

    /// Writes to every session that got something.
    pub(super) fn flush(&mut self) {
        let now = clock::now();
        for key in self.dirty.drain(..) {
            if let Some(entry) = self.sessions.get(key as usize) {
                entry.connection.flush(now);
            }
        }
        if self.dirty.capacity() > DIRTY_KEPT {
            self.dirty = Vec::new();
        }
    }
}
