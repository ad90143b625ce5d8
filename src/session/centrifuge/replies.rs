//! What a client is told, in its encoding: replies, errors, pushes, the end.

use std::fmt;

use log::Level;

use super::{Centrifuge, transport::ClientTransport};
use crate::{
    close::Close,
    logger::{self, Address, REFUSAL_PAUSE, Subject, escape::Cut},
    node::auth::AuthError,
    protocol::{self, Push, Reply, ReplyError},
    session::Session,
};

/// Bytes of a reason that a line of the log has.
const REASON_BYTES_MAX: usize = 300;

impl Session<Centrifuge> {
    pub(super) fn reply(&self, id: u32, reply: &Reply<'_>) {
        if id == 0 {
            return;
        }
        let mut message = Vec::new();
        protocol::encode_reply(self.protocol.transport.encoding, id, reply, &mut message);
        self.context.connection.message(&message);
    }

    pub(super) fn error(&self, id: u32, error: &ReplyError) {
        let info = self.context.connection.info();
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

    pub(super) fn refuse(&self, id: u32, error: &AuthError) {
        match error.reply_error() {
            Ok(error) => self.error(id, &error),
            Err(close) => self.end(close),
        }
    }

    /// Says in the log why the client may not do what it asks for, with what it is not told.
    pub(super) fn tell_refused(&self, what: &'static str, reason: &dyn fmt::Display) {
        let info = self.context.connection.info();
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

    pub(super) fn push(&self, channel: &str, push: &Push<'_>) {
        let ClientTransport {
            encoding,
            unidirectional,
            ..
        } = self.protocol.transport;
        let mut message = Vec::new();
        protocol::encode_push(encoding, unidirectional, channel, push, &mut message);
        self.context.connection.message(&message);
    }

    /// Ends the session: what was answered goes out, then the close.
    pub(super) fn end(&self, close: Close) {
        self.context.close(close);
    }
}
