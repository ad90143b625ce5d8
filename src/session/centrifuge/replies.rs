//! What a client is told, in its encoding: replies, errors, pushes, the end.

use std::fmt;

use log::Level;

use super::transport::ClientTransport;
use crate::{
    close::Close,
    logger::{self, Address, REFUSAL_PAUSE, Subject, escape::Cut},
    node::auth::AuthError,
    protocol::{self, Push, Reply, ReplyError},
    session::SessionContext,
};

/// Bytes of a reason that a line of the log has.
const REASON_BYTES_MAX: usize = 300;

/// Who tells a client something: its session, before and after it is known who it is.
pub(super) trait TellsClient {
    fn context(&self) -> &SessionContext;

    fn transport(&self) -> ClientTransport;

    /// The answer to a command; what has no number gets none.
    fn reply(&self, id: u32, reply: &Reply<'_>) {
        if id == 0 {
            return;
        }
        let mut message = Vec::new();
        protocol::encode_reply(self.transport().encoding, id, reply, &mut message);
        self.context().connection.message(&message);
    }

    /// Why a command is not done.
    fn error(&self, id: u32, error: &ReplyError) {
        let info = self.context().connection.info();
        log::debug!(
            id:% = info.id,
            user = info.user().unwrap_or_default(),
            command = id,
            code = error.code,
            reason = &*error.message;
            "command refused"
        );
        self.reply(id, &Reply::Error(error));
    }

    /// The same, where the protocol has an error for it; else the session ends.
    fn refuse(&self, id: u32, error: &AuthError) {
        match error.reply_error() {
            Ok(error) => self.error(id, &error),
            Err(close) => self.end(close),
        }
    }

    /// Says in the log why the client may not do what it asks for, with what it is not told.
    fn tell_refused(&self, what: &'static str, reason: &dyn fmt::Display) {
        let info = self.context().connection.info();
        let address = Address(info.address);
        let subject = Subject::new(Level::Info, module_path!(), what)
            .from(address)
            .with("reason", reason);
        logger::throttled(subject, REFUSAL_PAUSE, |times| {
            let id = info.id;
            let reason = Cut(reason, REASON_BYTES_MAX);
            log::info!(id:%, address:%, reason:%, times; "{what}");
        });
    }

    /// What the client has not asked for.
    fn push(&self, channel: &str, push: &Push<'_>) {
        let ClientTransport {
            encoding,
            unidirectional,
            ..
        } = self.transport();
        let mut message = Vec::new();
        protocol::encode_push(encoding, unidirectional, channel, push, &mut message);
        self.context().connection.message(&message);
    }

    /// Ends the session: what was answered goes out, then the close.
    fn end(&self, close: Close) {
        self.context().close(close);
    }
}
