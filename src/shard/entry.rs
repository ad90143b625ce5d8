//! A session as its shard knows it. Owned by the shard's state; gone with the session's membership.

use std::rc::Rc;

use actix::WeakRecipient;

use super::commands::SessionMessage;
use crate::{connection::Connection, id::SessionId};

/// A session's place in its shard.
pub(super) struct SessionEntry {
    pub(super) connection: Rc<Connection>,
    /// Its actor, once it has started. Weak, which is a pointer: a sender of its own would be 112
    /// bytes more for each session, and is made where there is something to send.
    pub(super) inbox: Option<WeakRecipient<SessionMessage>>,
    /// Its client does not follow joins and leaves, and takes a message that goes to several of
    /// its channels once.
    pub(super) plain: bool,
}

impl SessionEntry {
    pub(super) fn id(&self) -> SessionId {
        self.connection.info().id
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a gap once a subscription (limits.subscriptions); commands come from callers of the API, who pay for each (limits of the key), and are done in the next turn"
    )]
    pub(super) fn send(&self, message: SessionMessage) {
        if let Some(inbox) = self.inbox.as_ref().and_then(WeakRecipient::upgrade) {
            inbox.do_send(message);
        }
    }
}
