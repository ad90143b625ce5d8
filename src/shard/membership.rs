//! A session's membership of its shard: its channels, and its leaving, once, on every path.

use std::{cell::Cell, rc::Rc, time::Instant};

use actix::Recipient;

use super::{
    SessionMessage, Shard, SubscribeOptions, delivery::Delivery, subscriber::Subscriber,
    subscriber::SubscriptionId, user_channel,
};
use crate::{
    id::{SessionId, StreamPosition},
    registry::{ChannelName, SessionKey, Slot},
};

/// A session's membership of its shard; leaving happens once, at the latest when this is dropped.
pub struct Membership {
    pub(super) shard: Rc<Shard>,
    pub(super) key: SessionKey,
    pub(super) id: SessionId,
    pub(super) member: Cell<bool>,
}

impl Membership {
    /// The shard.
    #[must_use]
    pub fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Names the actor that hears [`SessionMessage`]s.
    pub fn set_inbox(&self, inbox: Recipient<SessionMessage>) {
        if let Some(entry) = self.shard.sessions.borrow_mut().get_mut(self.key as usize) {
            entry.inbox = Some(inbox);
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

    /// Joins a channel, held back until [`go_live`](Self::go_live). Nothing if it was joined already.
    pub fn subscribe(
        &self,
        channel: &ChannelName,
        options: SubscribeOptions,
    ) -> Option<SubscriptionId> {
        let id = SubscriptionId(self.shard.subscriptions.get().wrapping_add(1));
        let subscriber = Subscriber::held(id, options);
        let slot = self.shard.subscribers.borrow_mut().insert(subscriber);
        if !self.enter(channel, Slot(slot as u32)) {
            self.shard.subscribers.borrow_mut().remove(slot);
            return None;
        }
        self.shard.subscriptions.set(id.0);
        Some(id)
    }

    /// Whether the channel is still subscribed to by this subscription, and not by a later one.
    #[must_use]
    pub fn is_held(&self, channel: &str, id: SubscriptionId) -> bool {
        let slot = self.shard.registry.borrow().slot(self.key, channel);
        let subscribers = self.shard.subscribers.borrow();
        slot.and_then(|slot| subscribers.get(slot.0 as usize))
            .is_some_and(|subscriber| subscriber.id() == id)
    }

    /// Leaves a channel if it is still subscribed to by this subscription.
    pub fn leave_held(&self, channel: &ChannelName, id: SubscriptionId) {
        if self.is_held(channel, id) {
            self.unsubscribe(channel);
        }
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

    /// The client has everything up to `position`; what came meanwhile and is newer is queued behind it. False if the
    /// subscription is not there any more.
    pub fn go_live(
        &self,
        channel: &str,
        id: SubscriptionId,
        position: StreamPosition,
        primed: bool,
    ) -> bool {
        let shard = &self.shard;
        let Some(slot) = shard.registry.borrow().slot(self.key, channel) else {
            return false;
        };
        let waiting = match shard.subscribers.borrow_mut().get_mut(slot.0 as usize) {
            Some(subscriber) if subscriber.id() == id => subscriber.go_live(position, primed),
            _ => return false,
        };
        let (sessions, registry) = (shard.sessions.borrow(), shard.registry.borrow());
        let mut delivery = Delivery {
            shard,
            registry: &registry,
            sessions: &sessions,
            now: Instant::now(),
            at_once: false,
        };
        let entry = &sessions[self.key as usize];
        for publication in &waiting {
            delivery.push(self.key, entry, slot, publication);
        }
        true
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
        if let Some(entry) = self.shard.sessions.borrow().get(self.key as usize) {
            entry.connection.flush(Instant::now());
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
        let mut sessions = self.shard.sessions.borrow_mut();
        // Its bytes stay for the next session: giving them back would mean rebuilding the list of free places.
        sessions.try_remove(self.key as usize);
    }
}
