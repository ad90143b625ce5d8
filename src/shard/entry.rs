//! A session as its shard knows it. Owned by the shard's state; gone with the session's membership.

use std::rc::Rc;

use actix::Recipient;

use super::commands::SessionMessage;
use crate::{connection::Connection, id::SessionId};

/// A session's place in its shard.
pub(super) struct Entry {
    pub(super) connection: Rc<Connection>,
    /// Its actor, once it has started.
    pub(super) inbox: Option<Recipient<SessionMessage>>,
    /// Its client does not follow joins and leaves, and takes a message that goes to several of
    /// its channels once.
    pub(super) plain: bool,
}

impl Entry {
    pub(super) fn id(&self) -> SessionId {
        self.connection.info().id
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a gap once a subscription (limits.subscriptions); commands come from callers of the API, and are done in the next turn"
    )]
    pub(super) fn send(&self, message: SessionMessage) {
        if let Some(inbox) = &self.inbox {
            inbox.do_send(message);
        }
    }
}
