//! A shard: one actor per worker thread, with everything that belongs to that thread's sessions.
//!
//! Owns the registry (channel ⇄ sessions), the sessions' outboxes and the timing wheel, so that nothing on the
//! delivery path is locked. Sessions live on the same thread and call [`Shard`] directly; other threads send
//! messages to [`ShardActor`]. Its mailbox is bounded in effect: publications reserve room first
//! ([`ShardHandle::reserve`]), and other messages are as rare as signals and administrators.
//! A panic in a shard ends the process: half a server that looks whole is worse than a restart.

mod actor;
mod handle;
mod order;
mod roll;
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

use self::subscriber::{Subscriber, Verdict};
pub use self::{
    actor::{Cut, Deliver, Drain, Kick, ShardActor, Tell},
    handle::{QueueBounds, ShardHandle, ShardSettings, Shards},
    order::{Notice, Order, Overrides, ServerSubscription, Who},
    roll::{ChannelsOf, CountMembers, MembersOf},
    subscriber::Wishes,
};
use crate::{
    broker::Broker,
    close::Close,
    id::{Position, SessionId, ShardId},
    publication::{Delta, Publication, Target},
    registry::{ChannelName, Registry, SessionKey, Slot},
    transport::{
        outbox::{Common, Outbox},
        queue::SharedPublication,
    },
};

/// A session's place in its shard.
struct Seat {
    outbox: Rc<Outbox>,
    /// Its actor, once it has started.
    inbox: Option<Recipient<Notice>>,
    /// Its client does not follow joins and leaves, and takes a message that goes to several of its channels once.
    plain: bool,
}

impl Seat {
    fn tell(&self, notice: Notice) {
        if let Some(inbox) = &self.inbox {
            inbox.do_send(notice);
        }
    }
}

/// Told when a channel gets its first member on this node (true) or loses its last.
pub type Occupancy = dyn Fn(&ChannelName, bool) + Send + Sync;

/// What belongs to one worker thread.
pub struct Shard {
    id: ShardId,
    common: Rc<Common>,
    registry: RefCell<Registry>,
    subscribers: RefCell<Slab<Subscriber>>,
    seats: RefCell<Slab<Seat>>,
    by_id: RefCell<HashMap<SessionId, SessionKey>>,
    /// Sessions to write to at the end of the turn.
    dirty: RefCell<Vec<SessionKey>>,
    broker: Arc<dyn Broker>,
    occupancy: Arc<Occupancy>,
    /// Set once the drain has begun: whose handshake was under way then is closed as soon as it joins.
    leaving: RefCell<Option<Close>>,
}

/// Name of the shard's own channel of a user's sessions; no broker knows it.
fn user_channel(user: &str) -> ChannelName {
    format!("$user:{user}").into()
}

impl Shard {
    fn new(
        id: ShardId,
        common: Common,
        broker: Arc<dyn Broker>,
        occupancy: Arc<Occupancy>,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            common: Rc::new(common),
            registry: RefCell::default(),
            subscribers: RefCell::default(),
            seats: RefCell::default(),
            by_id: RefCell::default(),
            dirty: RefCell::default(),
            broker,
            occupancy,
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

    /// Gives a session its place. It leaves when the membership is dropped.
    pub fn join(self: &Rc<Self>, outbox: Rc<Outbox>, plain: bool) -> Membership {
        let id = outbox.info().id;
        let key = self.seats.borrow_mut().insert(Seat {
            outbox: outbox.clone(),
            inbox: None,
            plain,
        }) as SessionKey;
        self.registry.borrow_mut().add_session(key);
        self.by_id.borrow_mut().insert(id, key);
        self.common.stats.sessions.add(1);
        let membership = Membership {
            shard: self.clone(),
            key,
            id,
            member: Cell::new(true),
        };
        let now = Instant::now();
        outbox.place(key, now);
        if let Some(close) = &*self.leaving.borrow() {
            outbox.close(close.clone(), now);
        }
        membership
    }

    fn listen(&self, channel: &ChannelName) {
        if self.broker.listen(channel, self.id) && !channel.starts_with('$') {
            (self.occupancy)(channel, true);
        }
        self.count_channels();
    }

    fn unlisten(&self, channel: &ChannelName) {
        if channel.starts_with("$user:") {
            return;
        }
        if self.broker.unlisten(channel, self.id) && !channel.starts_with('$') {
            (self.occupancy)(channel, false);
        }
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

    /// Receivers of a publication here, at most.
    fn receivers(&self, publication: &Publication) -> usize {
        match publication.target() {
            Target::Everyone => self.seats.borrow().len(),
            Target::Channel(name) => self.registry.borrow().members(name).len(),
            Target::User(_) | Target::Session(_) => 1,
        }
    }

    /// Puts a publication into the outboxes of its receivers, which are written `at_once` or noted for the flush.
    fn deliver(&self, publication: Arc<Publication>, now: Instant, at_once: bool) {
        let shared = Rc::new(publication);
        let seats = self.seats.borrow();
        let registry = self.registry.borrow();
        let mut to = Delivery {
            shard: self,
            registry: &registry,
            seats: &seats,
            now,
            at_once,
        };
        match shared.target() {
            Target::Everyone => {
                for (key, seat) in seats.iter() {
                    to.push(key as SessionKey, seat, Slot::NONE, &shared);
                }
            }
            Target::Channel(channel) => {
                for (key, slot) in registry.members(channel) {
                    to.push(key, &seats[key as usize], slot, &shared);
                }
            }
            Target::User(user) => {
                for (key, _) in registry.members(&user_channel(user)) {
                    to.push(key, &seats[key as usize], Slot::NONE, &shared);
                }
            }
            Target::Session(id) => {
                if let Some(&key) = self.by_id.borrow().get(id) {
                    to.push(key, &seats[key as usize], Slot::NONE, &shared);
                }
            }
        }
    }

    /// Writes to every session that got something.
    fn flush(&self) {
        let now = Instant::now();
        let seats = self.seats.borrow();
        let mut dirty = self.dirty.borrow_mut();
        for key in dirty.drain(..) {
            if let Some(seat) = seats.get(key as usize) {
                seat.outbox.flush(now);
            }
        }
        if dirty.capacity() > 64 * 1024 {
            *dirty = Vec::new();
        }
    }
}

/// One publication's way to its receivers.
struct Delivery<'a> {
    shard: &'a Shard,
    registry: &'a Registry,
    seats: &'a Slab<Seat>,
    now: Instant,
    at_once: bool,
}

impl Delivery<'_> {
    fn push(&mut self, key: SessionKey, seat: &Seat, slot: Slot, shared: &SharedPublication) {
        let outbox = &seat.outbox;
        let excluded = shared.excludes(outbox.info().id);
        let (delta, policy) = if slot == Slot::NONE {
            if excluded || shared.item().is_none() {
                return;
            }
            (Delta::Off, None)
        } else {
            let mut subscribers = self.shard.subscribers.borrow_mut();
            let Some(subscriber) = subscribers.get_mut(slot.0 as usize) else {
                return;
            };
            match subscriber.take(shared, excluded) {
                Verdict::Skip => return,
                Verdict::Missed => return seat.tell(missed(shared)),
                Verdict::Deliver(delta) => (delta, subscriber.wishes().policy),
            }
        };
        if seat.plain && self.had_by_another_channel(key, shared) {
            return;
        }
        let form = match delta {
            Delta::Off => outbox.style().form,
            _ => outbox.style().form.with_delta(delta),
        };
        let lost = |lost: Vec<SharedPublication>| self.tell_lost(key, &lost);
        if !outbox.push(shared, form, policy, self.now, lost) {
            return;
        }
        if self.at_once {
            outbox.flush(self.now);
        } else {
            self.shard.dirty.borrow_mut().push(key);
        }
    }

    /// A message that was relayed into several channels reaches a plain client of more than one of them by the first.
    fn had_by_another_channel(&self, key: SessionKey, shared: &Publication) -> bool {
        let before = shared.group().into_iter().flatten();
        before
            .take_while(|name| ***name != *shared.channel())
            .any(|name| self.registry.slot(key, name).is_some())
    }

    fn tell_lost(&self, key: SessionKey, lost: &[SharedPublication]) {
        let mut subscribers = self.shard.subscribers.borrow_mut();
        for publication in lost {
            let subscriber = self
                .registry
                .slot(key, publication.channel())
                .and_then(|slot| subscribers.get_mut(slot.0 as usize));
            if subscriber.is_some_and(|subscriber| subscriber.lose() == Verdict::Missed) {
                self.seats[key as usize].tell(missed(publication));
            }
        }
    }
}

fn missed(publication: &Publication) -> Notice {
    Notice::Missed(publication.channel().into())
}

/// A session's membership of its shard; leaving happens once, at the latest when this is dropped.
pub struct Membership {
    shard: Rc<Shard>,
    key: SessionKey,
    id: SessionId,
    member: Cell<bool>,
}

impl Membership {
    /// The shard.
    #[must_use]
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Names the actor that hears [`Notice`]s.
    pub fn set_inbox(&self, inbox: Recipient<Notice>) {
        if let Some(seat) = self.shard.seats.borrow_mut().get_mut(self.key as usize) {
            seat.inbox = Some(inbox);
        }
    }

    /// Puts the session among its user's.
    pub fn enter_user(&self, user: &str) {
        if !user.is_empty() {
            let mut registry = self.shard.registry.borrow_mut();
            registry.join(self.key, &user_channel(user), Slot::NONE);
        }
    }

    /// Joins a channel of which everything that comes is delivered as it comes. Returns false if it was joined already.
    pub fn join(&self, channel: &ChannelName) -> bool {
        self.enter(channel, Slot::NONE)
    }

    /// Joins a channel, held back until [`go_live`](Self::go_live). Returns false if it was joined already.
    pub fn subscribe(&self, channel: &ChannelName, wishes: Wishes) -> bool {
        let slot = self
            .shard
            .subscribers
            .borrow_mut()
            .insert(Subscriber::held(wishes));
        let entered = self.enter(channel, Slot(slot as u32));
        if !entered {
            self.shard.subscribers.borrow_mut().remove(slot);
        }
        entered
    }

    fn enter(&self, channel: &ChannelName, slot: Slot) -> bool {
        // Two steps, so that the registry is free again when the broker is called.
        let joined = self
            .shard
            .registry
            .borrow_mut()
            .join(self.key, channel, slot);
        if joined.is_some() {
            self.shard.listen(channel);
        }
        joined.is_some()
    }

    /// The client has everything up to `position`; what came meanwhile and is newer is queued behind it.
    pub fn go_live(&self, channel: &str, position: Position, primed: bool) {
        let shard = &self.shard;
        let Some(slot) = shard.registry.borrow().slot(self.key, channel) else {
            return;
        };
        let waiting = match shard.subscribers.borrow_mut().get_mut(slot.0 as usize) {
            Some(subscriber) => subscriber.go_live(position, primed),
            None => return,
        };
        let (seats, registry) = (shard.seats.borrow(), shard.registry.borrow());
        let mut delivery = Delivery {
            shard,
            registry: &registry,
            seats: &seats,
            now: Instant::now(),
            at_once: false,
        };
        let seat = &seats[self.key as usize];
        for publication in &waiting {
            delivery.push(self.key, seat, slot, publication);
        }
    }

    /// Leaves a channel; false if it was not there.
    pub fn unsubscribe(&self, channel: &ChannelName) -> bool {
        let left = self.shard.registry.borrow_mut().leave(self.key, channel);
        let Some((slot, _)) = left else {
            return false;
        };
        if slot != Slot::NONE {
            self.shard
                .subscribers
                .borrow_mut()
                .try_remove(slot.0 as usize);
        }
        self.shard.unlisten(channel);
        self.shard.count_channels();
        true
    }

    /// Has the outbox written at the end of this turn, for replies that no read has led to.
    pub fn flush(&self) {
        if let Some(seat) = self.shard.seats.borrow().get(self.key as usize) {
            seat.outbox.flush(Instant::now());
        }
    }

    /// Leaves all channels and the count of sessions; the place is kept for the alarms of a closing
    /// connection. Returns whether this was the call that left.
    pub fn leave(&self) -> bool {
        let left = self.member.replace(false);
        if left {
            self.shard.by_id.borrow_mut().remove(&self.id);
            self.shard.leave_all(self.key);
        }
        left
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
        let mut seats = self.shard.seats.borrow_mut();
        // Its bytes stay for the next session: giving them back would mean rebuilding the list of free places.
        seats.try_remove(self.key as usize);
    }
}
