//! Sessions: one actor for each client, whatever its protocol and whatever carries it.
//!
//! [`Session`] owns the life of a client: it begins on a socket or on a streamed body, hears what
//! comes, waits for others without holding anyone up, and leaves every table exactly once, at the
//! latest when it is dropped. What its messages mean is its [`Protocol`]'s: [`raw`] speaks plain
//! WebSocket, [`centrifuge`] the Centrifuge protocol over any transport, [`stream`] is the
//! listening end of `/sse` and `/poll`. A session never writes to a socket: it pushes into its
//! connection's outbox. Bounds: what a client sends waits in its socket while the session waits for
//! others, and what is sent to it is bounded by the outbox. What it does at a time is bounded by
//! its [`turn`].

mod announcements;
pub(crate) mod body;
pub(crate) mod centrifuge;
pub(crate) mod channel_request;
pub(crate) mod connect_info;
mod context;
mod expiry;
pub(crate) mod handshake;
mod plain;
mod presence;
pub(crate) mod query;
pub(crate) mod raw;
mod ready;
mod rest;
pub(crate) mod stream;
mod subscribe;
mod task;
#[cfg(test)]
mod tests;
mod turn;
mod user;
mod waiting;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Handler, Recipient, StreamHandler};
use actix_web_actors::ws;

use self::{
    connect_info::ConnectInfo,
    task::{ReadsSocket, SessionTask},
};
pub(crate) use self::{context::SessionContext, task::TaskContext, user::ConnectedUser};
use crate::{
    close::{Close, Ending},
    codec::{Decoder, ProtocolError},
    connection::{
        Connection, ConnectionProfile, clock,
        info::SessionInfo,
        reader::{Inbound, Reader},
        socket::Upgraded,
    },
    node::Node,
    protocol::Encoding,
    publication::Payload,
    registry::ChannelName,
    shard::{CommandFrame, ServerCommand, SessionMessage, Shard},
};

/// One client.
///
/// Its inputs, all heard on its worker's thread:
/// * what its socket brings ([`Inbound`]): text, binary, ping, pong, close, bytes that nobody
///   hears of, a fault of the client's, and once that the session was ended by someone else;
/// * [`SessionMessage`]s: commands of the server, gaps that the shard has found, frames of commands
///   (by `/emulation`, or those with which the request of a stream came), and the word that a
///   streamed body was dropped;
/// * answers of the backend and the broker, by [`later`](Self::later);
/// * its next turn, once a spent one has let the others of the worker go first;
/// * its timers: the end of its credentials and of its subscriptions, the next try to ask a backend
///   that was away, the wait for a client's connect, and the wait for the body of a
///   stream that ended before it was fetched. Pings and deadlines are its connection's;
/// * being dropped, at the latest.
pub(crate) struct Session<P: Protocol> {
    pub(crate) context: SessionContext,
    pub(crate) protocol: P,
}

/// A protocol that plugs into a [`Session`]. It is plain data: it owns what only its clients have,
/// and speaks through the session's connection. A function that gets a session may find it closing;
/// what it sends then goes nowhere.
pub(crate) trait Protocol: Sized + Unpin + 'static {
    /// What the request has settled beside the session's connection.
    type Params;

    /// Whether the client follows no joins and leaves, and takes a message that goes to several of
    /// its channels once.
    fn is_plain(params: &Self::Params) -> bool;

    /// How its messages are written, where it is the client protocol.
    fn encoding(_: &Self::Params) -> Option<Encoding> {
        None
    }

    /// Begins: the session is in the tables, and nothing has been sent or read yet.
    fn begin(
        context: SessionContext,
        params: Self::Params,
        ctx: &mut TaskContext<Session<Self>>,
    ) -> Session<Self>;

    /// The client's user, once it is known who that is.
    fn user(&mut self) -> Option<&mut ConnectedUser>;

    /// Answers that may be waited for before nothing more is read from the client.
    fn pending_max(session: &Session<Self>) -> usize;

    /// A whole text or binary message came.
    fn on_message(
        session: &mut Session<Self>,
        message: Payload,
        ctx: &mut TaskContext<Session<Self>>,
    );

    /// A frame of commands came by a request of its own; only sessions that entered the emulation
    /// registry hear any.
    fn on_frame(_: &mut Session<Self>, _: CommandFrame, _: &mut TaskContext<Session<Self>>) {}

    /// A new turn begins: what the last one left is gone on with.
    fn on_turn(_: &mut Session<Self>, _: &mut TaskContext<Session<Self>>) {}

    /// The server wants something of the session other than its end.
    fn on_command(
        session: &mut Session<Self>,
        command: &ServerCommand,
        ctx: &mut TaskContext<Session<Self>>,
    );

    /// Whether the session was its user's before a moment. Only sessions of the client protocol end
    /// others, so that for the rest it is enough when they began.
    fn is_older(session: &Session<Self>, than: Instant) -> bool {
        session.context.connection.info().started < than
    }

    /// Subscriptions that the client was told of have gone live.
    fn on_live(_: &mut Session<Self>, _: &mut TaskContext<Session<Self>>) {}

    /// A subscription that follows offsets has missed a publication; nothing more is delivered to
    /// it.
    fn on_missed(session: &mut Session<Self>, channel: &ChannelName);

    /// The session leaves; called once.
    fn leave(session: &mut Session<Self>, ending: &Ending) {
        if let Some(user) = session.protocol.user() {
            user.leave(&session.context, ending);
        }
    }
}

/// What a session is made of, whatever carries it.
pub(crate) struct NewSession<'a, P: Protocol> {
    /// What the request has settled.
    pub(crate) connect_info: ConnectInfo,
    /// How it speaks.
    pub(crate) profile: ConnectionProfile,
    /// What its protocol begins with.
    pub(crate) params: P::Params,
    /// The shard of this thread.
    pub(crate) shard: &'a Rc<Shard>,
    /// What all share.
    pub(crate) node: &'a Arc<Node>,
}

impl<P: Protocol> NewSession<'_, P> {
    fn info(&self) -> Arc<SessionInfo> {
        let worker = self.shard.id().0;
        self.connect_info.info(worker, P::encoding(&self.params))
    }
}

impl<P: Protocol> Session<P> {
    /// Begins a session on a socket that HTTP has let go of; `read_buf` came behind the handshake.
    pub(crate) fn start_on_socket(new: NewSession<'_, P>, upgraded: Upgraded) {
        let deflate = new.connect_info.window_bits.is_some();
        let decoder = Decoder::new(new.node.settings.limits.message_bytes, deflate);
        let info = new.info();
        let config = new.shard.shared().clone();
        let connection = Connection::new(upgraded.socket, info, config, new.profile);
        // It leaves with the session's first poll, when the session is in the tables.
        connection.head(upgraded.head);
        let reader = Reader::new(connection.clone(), decoder, upgraded.read_buf);
        Self::start(new, connection, Some(reader));
    }

    /// Begins a session whose frames are taken from its connection by the body of an HTTP answer.
    pub(crate) fn start_on_body(
        new: NewSession<'_, P>,
    ) -> (Rc<Connection>, Recipient<SessionMessage>) {
        let info = new.info();
        let connection = Connection::for_body(info, new.shard.shared().clone(), new.profile);
        let session = Self::start(new, connection.clone(), None);
        (connection, session.recipient())
    }

    /// Enters the tables and begins the protocol before anything else can happen on this thread.
    fn start(
        new: NewSession<'_, P>,
        connection: Rc<Connection>,
        reader: Option<Reader>,
    ) -> Addr<Self> {
        SessionTask::spawn(reader, |ctx| {
            let membership = new.shard.join(connection.clone(), P::is_plain(&new.params));
            membership.set_inbox(ctx.address().downgrade().recipient());
            let permit = new.connect_info.permit;
            let context = SessionContext::new(new.node.clone(), connection, membership, permit);
            P::begin(context, new.params, ctx)
        })
    }

    fn on_command(&mut self, command: &ServerCommand, ctx: &mut TaskContext<Self>) {
        match command {
            ServerCommand::Disconnect(close) => self.context.close(close.clone()),
            ServerCommand::DisconnectOlder { than, close } => {
                if P::is_older(self, *than) {
                    self.context.close(close.clone());
                }
            }
            _ if self.context.has_ended() => {}
            command if Self::is_ended_by(command) => self.context.close(Close::EXPIRED),
            command => P::on_command(self, command, ctx),
        }
    }

    /// The client's Close is answered with its own code; one without a code is told by 1005 (RFC
    /// 6455 §7.1.5).
    fn on_close(&mut self, reason: Option<ws::CloseReason>) {
        let close = reason.map_or(Close::NO_STATUS, |reason| {
            Close::new(reason.code.into(), reason.description.unwrap_or_default())
        });
        self.context.membership.send_waiting();
        self.context.connection.answer_close(close, clock::now());
        self.leave();
    }

    fn on_fault(&mut self, fault: &ProtocolError) {
        let close = Close::new(fault.close_code(), fault.to_string());
        self.context.membership.send_waiting();
        self.context.connection.fail(close, clock::now());
        self.leave();
    }

    /// Leaves every table; later calls do nothing.
    fn leave(&mut self) {
        if self.context.leave() {
            let ending = if std::thread::panicking() {
                Ending::ByServer(Close::INTERNAL)
            } else {
                self.context.connection.ending().unwrap_or(Ending::Lost)
            };
            P::leave(self, &ending);
            self.context.tell_closed(ending);
        }
    }
}

impl<P: Protocol> Actor for Session<P> {
    type Context = TaskContext<Self>;
}

impl<P: Protocol> ReadsSocket for Session<P> {
    fn pauses_reading(&self) -> bool {
        let connection = &self.context.connection;
        connection.reads_paused() || connection.is_resting()
    }
}

impl<P: Protocol> StreamHandler<Inbound> for Session<P> {
    fn handle(&mut self, inbound: Inbound, ctx: &mut Self::Context) {
        match inbound {
            Inbound::Message(ws::Message::Text(text)) => {
                self.context.turn.spend_bytes(text.len());
                P::on_message(self, Payload::Text(text), ctx);
            }
            Inbound::Message(ws::Message::Binary(bytes)) => {
                self.context.turn.spend_bytes(bytes.len());
                P::on_message(self, Payload::Binary(bytes), ctx);
            }
            Inbound::Message(ws::Message::Ping(payload)) => {
                self.context.turn.spend_command();
                self.context.connection.pong(&payload);
            }
            Inbound::Message(ws::Message::Close(reason)) => self.on_close(reason),
            // A pong is a sign of life, which the reader has noted.
            Inbound::Message(ws::Message::Pong(_)) => self.context.turn.spend_command(),
            // The codec joins fragments.
            Inbound::Message(ws::Message::Continuation(_) | ws::Message::Nop) => {}
            Inbound::Unheard(bytes) => {
                self.context.turn.spend_command();
                self.context.turn.spend_bytes(bytes);
            }
            Inbound::Fault(fault) => self.on_fault(&fault),
            Inbound::Ended => self.leave(),
        }
        self.rest_if_spent(ctx);
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl<P: Protocol> Handler<SessionMessage> for Session<P> {
    type Result = ();

    fn handle(&mut self, message: SessionMessage, ctx: &mut Self::Context) {
        match message {
            SessionMessage::Missed(channel) => P::on_missed(self, &channel),
            SessionMessage::Command(command) => self.on_command(&command, ctx),
            SessionMessage::Frame(frame) => {
                if !self.context.has_ended() {
                    let bytes = frame.commands.len();
                    self.context.connection.on_activity(bytes);
                    self.context.turn.spend_bytes(bytes);
                    P::on_frame(self, frame, ctx);
                }
            }
            SessionMessage::Gone => {
                self.context.connection.end(Ending::Lost);
                self.leave();
                ctx.stop();
            }
        }
        self.context.membership.flush();
        self.rest_if_spent(ctx);
    }
}

impl<P: Protocol> Drop for Session<P> {
    fn drop(&mut self) {
        self.leave();
    }
}
