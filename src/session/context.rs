//! What every session has in the node, whatever its protocol: its connection, its membership of the
//! shard, its permit. Owned by the session's actor, which leaves it once.

use std::{rc::Rc, sync::Arc};

use super::turn::Turn;
use crate::{
    admission::Permit,
    close::{Close, Ending},
    connection::{Connection, clock},
    metrics::Limited,
    node::Node,
    registry::ChannelName,
    shard::Membership,
};

/// A session's place in the node, before and after it is known whose it is.
pub(crate) struct SessionContext {
    pub(super) node: Arc<Node>,
    pub(super) connection: Rc<Connection>,
    pub(super) membership: Membership,
    /// Answers of the backend and the broker that are waited for.
    pub(super) pending: u32,
    /// How much it may do before the others get their turn.
    pub(super) turn: Turn,
    /// Given back when the session is gone, not when it has left the tables.
    _permit: Permit,
}

impl SessionContext {
    pub(super) fn new(
        node: Arc<Node>,
        connection: Rc<Connection>,
        membership: Membership,
        permit: Permit,
    ) -> Self {
        node.tell_opened(connection.info().clone());
        let turn = Turn::new(&node.settings);
        Self {
            node,
            connection,
            membership,
            pending: 0,
            turn,
            _permit: permit,
        }
    }

    /// Ends the session in an orderly way: what was answered and what waits for it goes out, then
    /// the close.
    pub(super) fn close(&self, close: Close) {
        self.membership.send_waiting();
        self.connection.close(close, clock::now());
    }

    /// Whether the session's end has begun, whoever began it.
    pub(super) fn has_ended(&self) -> bool {
        self.connection.ending().is_some()
    }

    /// Bytes that a recovery may bring now: with what waits already it must not run into the bound
    /// of the outbox.
    pub(super) fn recovery_left(&self) -> usize {
        let bytes_max = self.node.settings.limits.recovery_bytes();
        bytes_max.saturating_sub(self.connection.reply_cost())
    }

    /// Says in the log that the server wanted the session in a channel, and it is not there: the
    /// broker was away, or it was taken out again meanwhile.
    pub(super) fn tell_not_entered(&self, channel: &ChannelName) {
        let id = self.connection.info().id;
        log::warn!("session {id} was to be subscribed to {channel}: it is not there");
    }

    /// Whether the server may put the session into one more channel (`limits.subscriptions`). Where
    /// it may not, that is counted and logged: the server has asked for it, not the client.
    pub(super) fn has_room_for_channel(&self) -> bool {
        let subscriptions_max = self.node.settings.limits.subscriptions;
        let has_room = self.membership.channels() < subscriptions_max;
        if !has_room {
            self.node.metrics.limited(Limited::Subscriptions);
            let id = self.connection.info().id;
            log::warn!(
                "session {id} has as many channels as it may (limits.subscriptions, \
                 {subscriptions_max}): the server's subscribe is left out"
            );
        }
        has_room
    }

    /// Leaves the shard; true for the call that did.
    pub(super) fn leave(&self) -> bool {
        self.membership.leave()
    }

    /// Takes the session out of the directory.
    pub(super) fn tell_closed(&self, ending: Ending) {
        #[cfg(feature = "planted-faults")]
        if crate::planted::strikes(crate::planted::Fault::LeaksASession) {
            return;
        }
        let session = self.connection.info().id;
        self.node.tell_closed(session, ending);
    }
}
