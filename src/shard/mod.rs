//! A shard: one actor per worker thread, with everything that belongs to that thread's sessions.
//!
//! Owns the registry (channel ⇄ sessions), the sessions' outboxes and the timing wheel, so that
//! nothing on the delivery path is locked but the inbox, once a turn. Sessions live on the same
//! thread and call [`Shard`] directly; other threads put publications into its inbox and send
//! other messages to [`ShardActor`]. Both are bounded in effect: publications reserve room first
//! ([`ShardHandle::reserve`]), and other messages are as rare as signals and administrators. It
//! tells the [`LocalFanout`] of its members and knows no broker.
//! A panic in a shard ends the process: half a server that looks whole is worse than a restart.

mod actor;
mod begin;
mod commands;
mod delivery;
mod drain;
mod entry;
mod handle;
mod inbox;
mod joined_line;
mod membership;
mod queries;
mod reservation;
mod session_ids;
mod state;
mod subscriber;
mod user_channel;
mod window;

use std::{cell::RefCell, rc::Rc, sync::Arc};

pub use self::{
    actor::{Disconnect, SendCommand, ShardActor, Terminate},
    commands::{CommandFrame, Selector, ServerCommand, SessionMessage},
    drain::Drain,
    handle::{QueueBounds, ShardHandle, ShardSettings, Shards},
    membership::Membership,
    queries::{ChannelsOf, CountMembers, MembersOf},
    reservation::Reservation,
    subscriber::{SubscribeOptions, SubscriptionId},
};
use self::{
    delivery::DeliverySettings,
    inbox::{Inbox, OwedWakes},
    joined_line::Numbered,
    state::ShardState,
    user_channel::USER_PREFIX,
    window::Departed,
};
pub(crate) use self::{
    inbox::HeldWakes,
    queries::{InChannel, SessionState, StatesOf},
};
use crate::{
    broker::LocalFanout,
    connection::ConnectionShared,
    id::{SessionId, ShardId},
    registry::ChannelName,
};

/// What belongs to one worker thread.
///
/// The rule of borrowing: its state is borrowed for one step of the shard, the membership or the
/// actor, and never over a call to the fan-out, a broker or a session's own code: what they answer
/// at once may call back. Under a borrow connections are pushed into and written, and actors are
/// sent messages; both only queue work on this thread (a connection's waker is that of a task,
/// which is polled later), so neither calls back.
pub struct Shard {
    id: ShardId,
    shared: Rc<ConnectionShared>,
    fanout: Arc<dyn LocalFanout>,
    state: RefCell<ShardState>,
    /// What other threads hand to it, and what goes in one order with that.
    inbox: Arc<Inbox>,
    /// The other shards that this worker has handed something.
    owed: OwedWakes,
}

impl Shard {
    fn new(
        id: ShardId,
        shared: Rc<ConnectionShared>,
        held_bytes_max: usize,
        fanout: Arc<dyn LocalFanout>,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            state: RefCell::new(ShardState::new(DeliverySettings {
                held_bytes_max,
                compression: shared.config.outbox.compression,
            })),
            shared,
            fanout,
            inbox: Arc::default(),
            owed: OwedWakes::default(),
        })
    }

    /// Number of the worker.
    #[must_use]
    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// What this shard's outboxes share.
    #[must_use]
    pub fn shared(&self) -> &Rc<ConnectionShared> {
        &self.shared
    }

    /// The connection of a session that is here.
    #[cfg(test)]
    pub(crate) fn connection_of(&self, id: SessionId) -> Option<Rc<crate::connection::Connection>> {
        let state = self.state.borrow();
        state.find(id).map(|(_, entry)| entry.connection.clone())
    }

    /// A session has joined a channel.
    fn subscribe(&self, channel: &ChannelName) {
        self.fanout.subscribe(channel, self.id);
        self.count_channels();
    }

    /// A session has left channels. The fan-out knows none of those of users.
    fn unsubscribe<'a>(&self, channels: impl IntoIterator<Item = &'a ChannelName>) {
        for channel in channels {
            if !channel.starts_with(USER_PREFIX) {
                self.fanout.unsubscribe(channel, self.id);
            }
        }
        self.count_channels();
    }

    /// Has another shard woken in this one's next turn. False where there will be none.
    fn owe(&self, inbox: &Arc<Inbox>) -> bool {
        let is_paid = self.inbox.wake();
        if is_paid {
            self.owed.add(inbox);
        }
        is_paid
    }

    fn count_channels(&self) {
        let channels = self.state.borrow().registry.channel_count();
        self.shared.stats.channels.set(channels as u64);
    }

    /// Queues what waits for a session in the windows of its channels, before its end.
    pub(crate) fn send_waiting(&self, id: SessionId) {
        let mut state = self.state.borrow_mut();
        if let Some(key) = state.key_of(id) {
            state.send_waiting(key);
        }
    }

    /// Delivers what leaves a window together.
    fn deliver_line(&self, line: &Departed, at_once: bool) {
        self.shared.stats.window_batches.add(1);
        self.state.borrow_mut().deliver_line(line, at_once);
    }

    /// How many deliveries a line makes.
    fn deliveries_of(&self, line: &Departed) -> usize {
        let state = self.state.borrow();
        state.registry.members(&line.channel).len() * line.publications.len()
    }

    /// Delivers what one turn of the inbox brought. What goes to the same receivers, one behind
    /// the other, is joined once for all of them. Where that is everything, it is written receiver
    /// by receiver, so that each outbox is touched once; else all is queued first and then leaves
    /// together.
    fn deliver_all(&self, turn: &mut Vec<Numbered>) {
        let now = crate::connection::clock::now();
        let mut state = self.state.borrow_mut();
        let same = |a: &Numbered, b: &Numbered| a.1.target() == b.1.target();
        let at_once = turn.windows(2).all(|pair| same(&pair[0], &pair[1]));
        for publications in turn.chunk_by(same) {
            state.deliver(publications, now, at_once);
        }
        state.flush();
        turn.clear();
    }
}
