//! What a command of a client leads to: that depends on where the client is, and of a connected
//! one on its rate and on how much it has not read or waits for already.

use std::time::Instant;

use super::{
    Centrifuge, ClientPhase,
    client_session::{ClientSession, Task},
    replies::TellsClient,
};
use crate::{
    close::Close,
    metrics::Limited,
    node::rate_limit::RateDecision,
    protocol::{Command, ReplyError, Request},
    session::Session,
};

impl Session<Centrifuge> {
    /// What a command leads to depends on where the client is.
    pub(super) fn on_client_command(&mut self, command: Command, ctx: &mut Task) {
        let backlog_max = self.context.node.settings.limits.commands_pending.max(1);
        match &mut self.protocol.phase {
            ClientPhase::New { token } => match command.request {
                Request::Connect(request) => {
                    let token = token.take();
                    self.connect(command.id, request, token, ctx);
                }
                _ => self.end(Close::BAD_REQUEST.because("connect comes first, once")),
            },
            ClientPhase::Authenticating { backlog } | ClientPhase::Welcoming { backlog, .. } => {
                if backlog.commands.len() < backlog_max {
                    backlog.commands.push_back(command);
                } else {
                    self.context.node.metrics.limited(Limited::Messages);
                    self.error(command.id, &ReplyError::TOO_MANY_REQUESTS);
                }
            }
            ClientPhase::Refused => {
                self.end(Close::BAD_REQUEST.because("connect comes first, once"))
            }
            ClientPhase::Connected(_) => {
                if let Some(mut session) = self.client_session() {
                    session.on_command(command, ctx);
                }
            }
        }
    }
}

impl ClientSession<'_> {
    /// A command of a connected client, as its rate allows.
    fn on_command(&mut self, command: Command, ctx: &mut Task) {
        let Command { id, request } = command;
        let rate = match request {
            Request::Pong | Request::Connect(_) => RateDecision::Pass,
            _ => self.client.rate_limiter.take(Instant::now()),
        };
        match rate {
            RateDecision::Pass => {}
            RateDecision::Refuse => {
                self.context.node.metrics.limited(Limited::Messages);
                return self.error(id, &ReplyError::TOO_MANY_REQUESTS);
            }
            RateDecision::End => return self.end(Close::TOO_MANY_REQUESTS),
        }
        // Its answers fill half of what may wait, or as many commands wait as may; a frame can hold
        // thousands, and streams are not read.
        let is_free = matches!(
            request,
            Request::Pong | Request::Connect(_) | Request::Unsubscribe { .. }
        );
        if !is_free && (self.is_waiting() || self.context.connection.is_unread()) {
            self.context.node.metrics.limited(Limited::Messages);
            return self.error(id, &ReplyError::TOO_MANY_REQUESTS);
        }
        self.do_command(id, request, ctx);
    }

    fn do_command(&mut self, id: u32, request: Request, ctx: &mut Task) {
        match request {
            Request::Pong => {
                if !self.context.connection.take_pong() {
                    self.end(Close::BAD_REQUEST.because("a pong without a ping"));
                }
            }
            Request::Connect(_) => self.end(Close::BAD_REQUEST),
            Request::Subscribe(request) => self.subscribe_by_client(id, request, ctx),
            Request::Unsubscribe { channel } => self.unsubscribe(id, &channel),
            Request::Publish { channel, data } => self.publish(id, &channel, data, ctx),
            Request::Presence { channel } => self.presence(id, &channel, ctx),
            Request::PresenceStats { channel } => self.presence_stats(id, &channel, ctx),
            Request::History(request) => self.history(id, request, ctx),
            Request::Unavailable => self.error(id, &ReplyError::NOT_AVAILABLE),
            Request::Send { data } => self.send(data, ctx),
            Request::Rpc { method, data } => self.rpc(id, method, data, ctx),
            Request::Refresh { token } => self.refresh(id, token, ctx),
            Request::SubRefresh { channel, token } => self.sub_refresh(id, &channel, token, ctx),
        }
    }
}
