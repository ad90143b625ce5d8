//! A session's membership of its shard: its channels, and its leaving, once, on every path.

use std::{cell::Cell, rc::Rc, sync::Arc};

use actix::WeakRecipient;

use super::{
    SessionMessage, Shard, SubscribeOptions, SubscriptionId, begin::Begin, inbox::Incoming,
    user_channel::user_channel,
};
use crate::{
    connection::{Connection, clock},
    id::StreamPosition,
    publication::Publication,
    registry::{ChannelName, SessionKey, Slot, is_internal},
};

/// A session's membership of its shard; leaving happens once, at the latest when this is dropped.
pub struct Membership {
    shard: Rc<Shard>,
    key: SessionKey,
    member: Cell<bool>,
}

impl Shard {
    /// Gives a session its place. It leaves when the membership is dropped.
    pub fn join(self: &Rc<Self>, connection: Rc<Connection>, plain: bool) -> Membership {
        let key = self
            .state
            .borrow_mut()
            .add_session(connection.clone(), plain);
        self.shared.stats.sessions.add(1);
        let membership = Membership {
            shard: self.clone(),
            key,
            member: Cell::new(true),
        };
        let now = clock::now();
        connection.place(key, now);
        let draining = self.state.borrow().draining.clone();
        if let Some(close) = draining {
            connection.close(close, now);
        }
        membership
    }
}

impl Membership {
    /// Names the actor that hears [`SessionMessage`]s.
    pub(crate) fn set_inbox(&self, inbox: WeakRecipient<SessionMessage>) {
        let mut state = self.shard.state.borrow_mut();
        if let Some(entry) = state.sessions.get_mut(self.key as usize) {
            entry.inbox = Some(inbox);
        }
    }

    /// Puts the session among its user's.
    pub(crate) fn enter_user(&self, user: &str) {
        if !user.is_empty() {
            let mut state = self.shard.state.borrow_mut();
            state
                .registry
                .join(self.key, &user_channel(user), Slot::NONE);
        }
    }

    /// Joins a channel of which everything that is published from now on is delivered as it comes,
    /// and nothing that was before. Returns false if it was joined already.
    pub fn join(&self, channel: &ChannelName) -> bool {
        let pending = self.shard.state.borrow_mut().join(self.key, channel);
        if let Some(pending) = pending {
            // In this order: what comes behind the mark is whole, since the shard cannot stop
            // listening in between.
            self.begin_behind_the_inbox(channel, pending);
            self.shard.subscribe(channel);
        }
        pending.is_some()
    }

    /// What waits in the inbox may be older than what was not sent here while nobody listened: a
    /// member that got it would have a hole.
    fn begin_behind_the_inbox(&self, channel: &ChannelName, pending: Slot) {
        let inbox = &self.shard.inbox;
        if !inbox.is_open() {
            // Its actor has ended, or was never there: nothing waits.
            let mut state = self.shard.state.borrow_mut();
            return state.begin(self.key, channel, pending);
        }
        inbox.push(Incoming::Begin(Begin {
            key: self.key,
            channel: channel.clone(),
            pending,
        }));
        inbox.wake();
    }

    /// Joins a channel, held back until [`go_live`](Self::go_live). Nothing if it was joined
    /// already.
    pub fn subscribe(
        &self,
        channel: &ChannelName,
        options: SubscribeOptions,
    ) -> Option<SubscriptionId> {
        let mut state = self.shard.state.borrow_mut();
        let id = state.subscribe(self.key, channel, options)?;
        drop(state);
        self.shard.subscribe(channel);
        Some(id)
    }

    /// Whether the channel is still subscribed to by this subscription, and not by a later one.
    #[must_use]
    pub(crate) fn is_held(&self, channel: &str, id: SubscriptionId) -> bool {
        let state = self.shard.state.borrow();
        state.slot_of(self.key, channel, id).is_some()
    }

    /// Leaves a channel if it is still subscribed to by this subscription.
    pub(crate) fn leave_held(&self, channel: &ChannelName, id: SubscriptionId) {
        if self.is_held(channel, id) {
            self.unsubscribe(channel);
        }
    }

    /// The client has everything up to `position`; what came meanwhile and is newer is queued
    /// behind it. False if the subscription is not there any more.
    pub fn go_live(
        &self,
        channel: &str,
        id: SubscriptionId,
        position: StreamPosition,
        primed: bool,
    ) -> bool {
        let mut state = self.shard.state.borrow_mut();
        let slot = state.slot_of(self.key, channel, id);
        if let Some(slot) = slot {
            state.go_live(self.key, slot, position, primed);
        }
        slot.is_some()
    }

    /// Whether the session is in a channel, held back or live.
    #[must_use]
    pub(crate) fn is_member(&self, channel: &str) -> bool {
        let state = self.shard.state.borrow();
        state.registry.slot(self.key, channel).is_some()
    }

    /// Channels that the session is in, the server's own left out.
    #[must_use]
    pub(crate) fn channels(&self) -> usize {
        let state = self.shard.state.borrow();
        let channels = state.registry.channels_of(self.key);
        channels.filter(|name| !is_internal(name)).count()
    }

    /// The first by name of the session's channels, the server's own left out.
    #[must_use]
    pub(crate) fn first_channel(&self) -> Option<ChannelName> {
        let state = self.shard.state.borrow();
        let channels = state.registry.channels_of(self.key);
        channels.filter(|name| !is_internal(name)).min().cloned()
    }

    /// Queues a publication for this session alone; to be flushed at the end of its turn.
    pub(crate) fn push(&self, publication: Publication) {
        let mut state = self.shard.state.borrow_mut();
        state.deliver_to(self.key, Arc::new(publication));
    }

    /// Leaves a channel; false if it was not there.
    pub(crate) fn unsubscribe(&self, channel: &ChannelName) -> bool {
        let left = self.shard.state.borrow_mut().leave(self.key, channel);
        if left {
            self.shard.unsubscribe([channel]);
        }
        left
    }

    /// Queues what waits for the session in the windows of its channels: nothing comes behind a
    /// Close.
    pub(crate) fn send_waiting(&self) {
        self.shard.state.borrow_mut().send_waiting(self.key);
    }

    /// Has the outbox written at the end of this turn, for replies that no read has led to.
    pub(crate) fn flush(&self) {
        if let Some(entry) = self.shard.state.borrow().entry(self.key) {
            entry.connection.flush(clock::now());
        }
    }

    /// Leaves all channels and the count of sessions; the place is kept for the timers of a closing
    /// connection. Returns whether this was the call that left.
    pub(crate) fn leave(&self) -> bool {
        let is_first = self.member.replace(false);
        if is_first {
            let mut state = self.shard.state.borrow_mut();
            let left = state.leave_all(self.key);
            drop(state);
            self.shard.unsubscribe(&left);
            self.shard.shared.stats.sessions.sub(1);
        }
        is_first
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave();
        let mut state = self.shard.state.borrow_mut();
        // Its bytes stay for the next session: giving them back would mean rebuilding the list of
        // free places.
        let entry = state.sessions.try_remove(self.key as usize);
        drop(state);
        // What goes with it, such as a socket, goes without the shard being borrowed.
        drop(entry);
    }
}
