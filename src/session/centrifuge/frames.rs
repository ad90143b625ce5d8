//! How frames become commands: in their order, as far as the session's turn goes. What is left of a
//! frame waits in [`Centrifuge`]'s `work`: of a socket at most one frame, since nothing is read
//! meanwhile, of a streamed session as many as the emulation registry lets wait.

use std::time::Instant;

use bytes::Bytes;

use super::{
    Centrifuge, ClientPhase, UnfinishedFrame, replies::TellsClient, transport::ClientTransport,
};
use crate::{
    close::Close,
    connection::clock,
    node::rate_limit::RateDecision,
    protocol::{self, Command, CommandDecoder, ConnectRequest, Encoding, Request},
    session::{Session, TaskContext},
    shard::CommandFrame,
};

impl Session<Centrifuge> {
    /// Takes one frame's commands.
    pub(super) fn on_commands(&mut self, frame: CommandFrame, ctx: &mut TaskContext<Self>) {
        self.context.connection.count_message_in();
        let ClientTransport {
            encoding,
            unidirectional,
            ..
        } = self.protocol.transport;
        if unidirectional {
            self.context.turn.spend_command();
            return self.on_unidirectional(encoding, &frame.commands, ctx);
        }
        let mut work = UnfinishedFrame {
            commands: protocol::decode_commands(encoding, &frame.commands),
            _room: frame.room,
        };
        // Behind a frame that is not done it waits.
        if !self.protocol.work.is_empty() || !self.run_commands(&mut work.commands, ctx) {
            self.protocol.work.push_back(work);
        }
    }

    /// Goes on with the frames that wait, as far as the turn goes.
    pub(super) fn run_work(&mut self, ctx: &mut TaskContext<Self>) {
        let mut work = std::mem::take(&mut self.protocol.work);
        while let Some(first) = work.front_mut()
            && self.run_commands(&mut first.commands, ctx)
        {
            work.pop_front();
        }
        if !work.is_empty() {
            self.protocol.work = work;
        }
    }

    /// Does the commands of a frame, as far as the turn goes; true once none is left to be done.
    pub(super) fn run_commands(
        &mut self,
        commands: &mut CommandDecoder,
        ctx: &mut TaskContext<Self>,
    ) -> bool {
        while !self.context.has_ended() {
            if self.context.turn.is_spent() {
                return false;
            }
            match commands.next() {
                None => return true,
                Some(Ok(command)) => self.on_client_command(command, ctx),
                Some(Err(malformed)) => {
                    self.end(Close::BAD_REQUEST.because(malformed));
                }
            }
            self.context.turn.spend_command();
        }
        true
    }

    /// Nothing pauses who posts without reading its stream.
    pub(super) fn end_if_unread(&self) {
        let context = &self.context;
        if context.connection.info().transport.is_streamed()
            && context.connection.reply_cost() > context.node.settings.limits.outbox_bytes
        {
            context.connection.fail(Close::SLOW, clock::now());
        }
    }

    /// Connects a client that has said with its handshake who it is.
    pub(super) fn connect_at_once(&mut self, request: ConnectRequest, ctx: &mut TaskContext<Self>) {
        if let ClientPhase::New { token } = &mut self.protocol.phase {
            let token = token.take();
            self.connect(0, request, token, ctx);
        }
    }

    /// Whether there is a command in a frame that does more than connect and subscribe. What cannot
    /// be read ends the session where it is done.
    pub(super) fn acts(&self, frame: &Bytes) -> bool {
        let ClientTransport {
            encoding,
            unidirectional,
            ..
        } = self.protocol.transport;
        let is_harmless = |command: &Command| {
            matches!(command.request, Request::Connect(_) | Request::Subscribe(_))
        };
        let mut commands = protocol::decode_commands(encoding, frame).flatten();
        !unidirectional && !commands.all(|command| is_harmless(&command))
    }

    /// The only thing that a listening client says is who it is. What comes behind it keeps the
    /// connection alive, and counts against the client's rate.
    pub(super) fn on_unidirectional(
        &mut self,
        encoding: Encoding,
        frame: &Bytes,
        ctx: &mut TaskContext<Self>,
    ) {
        let token = match &mut self.protocol.phase {
            ClientPhase::New { token } => token.take(),
            ClientPhase::Connected(client) => {
                if client.rate_limiter.take(Instant::now()) == RateDecision::End {
                    self.end(Close::TOO_MANY_REQUESTS);
                }
                return;
            }
            _ => return,
        };
        match protocol::connect_request(encoding, frame) {
            Ok(request) => self.connect(0, request, token, ctx),
            Err(malformed) => self.end(Close::BAD_REQUEST.because(malformed)),
        }
    }
}
