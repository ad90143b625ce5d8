//! The session of the Centrifuge protocol, over any transport: WebSocket, streamed HTTP answers with `/emulation`, and one way.
//!
//! It owns the state of one client and answers its commands in order, except those that wait for the backend or the broker: they
//! are answered when they can be, at most `limits.commands_pending` at a time; beyond that nothing more is read. What a
//! client sends wrong gets the code that the protocol names and harms no other session. It leaves every table exactly once, at
//! the latest when it is dropped.

mod commands;
mod connect;
mod grant;
mod recovered;
mod refresh;
mod server_commands;
mod subscribe;
mod transport;

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle,
    StreamHandler, WrapFuture,
};
use actix_web_actors::ws;
use bytes::Bytes;

use self::grant::Subscription;
pub use self::transport::ClientTransport;
use super::{
    presence::{SessionPresence, now_or_later},
    raw::close_of,
};
use crate::{
    admission::Permit,
    close::{Close, Ending},
    codec::ProtocolError,
    connection::{Connection, info::TransportKind},
    hooks::HookContext,
    metrics::Limited,
    node::{
        Node,
        auth::Identity,
        emulation::{self, Commands},
        rate_limit::{RateDecision, RateLimiter},
    },
    protocol::{self, Command, Encoding, Outcome, Push, ReplyError, Request},
    registry::ChannelName,
    server::Closed,
    shard::Membership,
};

/// Where a session is between its first command and its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing came yet.
    New,
    /// It is being found out who it is.
    Connecting,
    /// Its connect was answered with an error: the next command ends it.
    Refused,
    /// It may do what it may.
    Connected,
}

/// The actor.
pub struct ClientSession {
    node: Arc<Node>,
    connection: Rc<Connection>,
    membership: Membership,
    presence: SessionPresence,
    way: ClientTransport,
    stage: Stage,
    identity: Identity,
    hook_context: HookContext,
    /// A token that came with the request rather than with the connect command.
    token: Option<String>,
    subscriptions: HashMap<ChannelName, Subscription>,
    /// Tells subscriptions of one channel apart that came one after the other.
    serial: u64,
    /// Commands that wait for others.
    pending: usize,
    /// Commands behind a connect that waits; at most those of one frame.
    backlog: VecDeque<Command>,
    rate_limiter: RateLimiter,
    /// Name for commands that come by requests of their own.
    place: Option<emulation::EmulationGuard>,
    /// The timer of `identity.expire_at`.
    expiry_timer: Option<SpawnHandle>,
    /// The timer of the subscription that ends first.
    subscriptions_timer: Option<SpawnHandle>,
    /// A timer to renew presence is set.
    renewing: bool,
    _permit: Permit,
}

impl ClientSession {
    /// Takes one frame's commands.
    fn on_frame(&mut self, frame: &Bytes, ctx: &mut Context<Self>) {
        self.connection.count_message_in();
        if self.way.one_way {
            return self.on_one_way(frame, ctx);
        }
        for command in protocol::commands(self.way.encoding, frame) {
            match command {
                Ok(command) if self.stage == Stage::Connecting => self.backlog.push_back(command),
                Ok(command) => self.on_command(command, ctx),
                Err(malformed) => {
                    log::debug!("session {}: {malformed}", self.connection.info().id);
                    self.end(Close::BAD_REQUEST.because(malformed));
                }
            }
            if self.connection.ending().is_some() {
                return;
            }
        }
    }

    /// The only thing that a listening client says is who it is.
    fn on_one_way(&mut self, frame: &Bytes, ctx: &mut Context<Self>) {
        if self.stage != Stage::New {
            return self.end(Close::BAD_REQUEST);
        }
        match protocol::connect_request(self.way.encoding, frame) {
            Ok(request) => self.connect(0, request, ctx),
            Err(malformed) => self.end(Close::BAD_REQUEST.because(malformed)),
        }
    }

    fn on_command(&mut self, command: Command, ctx: &mut Context<Self>) {
        let Command { id, request } = command;
        match (self.stage, &request) {
            (Stage::New, Request::Connect(_)) | (Stage::Connected, _) => {}
            _ => return self.end(Close::BAD_REQUEST.because("connect comes first, once")),
        }
        if !matches!(request, Request::Pong | Request::Connect(_)) {
            match self.rate_limiter.take(Instant::now()) {
                RateDecision::Pass => {}
                RateDecision::Refuse => {
                    self.node.metrics.limited(Limited::Messages);
                    return self.error(id, &ReplyError::TOO_MANY_REQUESTS);
                }
                RateDecision::End => return self.end(Close::TOO_MANY_REQUESTS),
            }
        }
        // Its answers fill half of what may wait, or as many commands wait as may; a frame can hold thousands, and streams are not read.
        let is_free = matches!(
            request,
            Request::Pong | Request::Connect(_) | Request::Unsubscribe { .. }
        );
        if !is_free && self.connection.reads_paused() {
            self.node.metrics.limited(Limited::Messages);
            return self.error(id, &ReplyError::TOO_MANY_REQUESTS);
        }
        match request {
            Request::Pong => {
                if !self.connection.take_pong() {
                    self.end(Close::BAD_REQUEST.because("a pong without a ping"));
                }
            }
            Request::Connect(_) if self.stage != Stage::New => self.end(Close::BAD_REQUEST),
            Request::Connect(request) => self.connect(id, request, ctx),
            Request::Subscribe(request) => self.subscribe(id, request, ctx),
            Request::Unsubscribe { channel } => self.unsubscribe(id, &channel),
            Request::Publish { channel, data } => self.publish(id, &channel, data, ctx),
            Request::Presence { channel } => self.presence(id, &channel, ctx),
            Request::PresenceStats { channel } => self.presence_stats(id, &channel, ctx),
            Request::History(request) => self.history(id, request, ctx),
            Request::Ping => self.error(id, &ReplyError::NOT_AVAILABLE),
            Request::Send { data } => self.send(data, ctx),
            Request::Rpc { method, data } => self.rpc(id, method, data, ctx),
            Request::Refresh { token } => self.refresh(id, token, ctx),
            Request::SubRefresh { channel, token } => self.sub_refresh(id, &channel, token, ctx),
        }
    }

    /// Does `then` with what a future gives: at once if nothing in it waits, else when it is there. What waits counts as pending.
    fn later<T: 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        future: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        match now_or_later(Box::pin(future)) {
            Ok(value) => then(self, value, ctx),
            Err(future) => {
                self.add_pending(1);
                ctx.spawn(future.into_actor(self).map(|value, session, ctx| {
                    session.add_pending(-1);
                    then(session, value, ctx);
                    session.membership.flush();
                }));
            }
        }
    }

    fn add_pending(&mut self, change: isize) {
        self.pending = self.pending.saturating_add_signed(change);
        let full = self.pending >= self.node.settings.limits.commands_pending.max(1);
        self.connection.set_busy(full);
    }

    fn reply(&self, id: u32, outcome: &Outcome<'_>) {
        if id == 0 {
            return;
        }
        let mut message = Vec::new();
        protocol::encode_reply(self.way.encoding, id, outcome, &mut message);
        self.connection.message(&message);
    }

    fn error(&self, id: u32, error: &ReplyError) {
        self.reply(id, &Outcome::Error(error));
    }

    fn push(&self, channel: &str, push: &Push<'_>) {
        let mut message = Vec::new();
        let one_way = self.way.one_way;
        protocol::encode_push(self.way.encoding, one_way, channel, push, &mut message);
        self.connection.message(&message);
    }

    /// Ends the session: what was answered goes out, then the close.
    fn end(&self, close: Close) {
        self.connection.close(close, Instant::now());
    }

    /// Leaves every table; later calls do nothing.
    fn leave(&mut self) {
        if self.membership.leave() {
            let ending = if std::thread::panicking() {
                Ending::ByServer(Close::INTERNAL)
            } else {
                self.connection.ending().unwrap_or(Ending::Lost)
            };
            self.place = None;
            self.subscriptions.clear();
            self.presence.end(&ending);
            self.rate_limiter.set_user(None);
            self.node.server.do_send(Closed {
                session: self.connection.info().id,
                ending,
            });
        }
    }
}

impl Actor for ClientSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let patience = self.node.settings.client.connect_timeout;
        ctx.run_later(patience, |session, ctx| {
            if matches!(session.stage, Stage::New | Stage::Refused) {
                session.end(Close::STALE);
                session.membership.flush();
                session.stop_if_streamed(ctx);
            }
        });
    }
}

impl ClientSession {
    /// A streamed session ends with its body; when that never began to be asked for, by this.
    fn stop_if_streamed(&mut self, ctx: &mut Context<Self>) {
        let streamed = !matches!(
            self.connection.info().transport,
            TransportKind::WebSocket
                | TransportKind::WebSocketTls
                | TransportKind::WebSocketUnix
                | TransportKind::UniWebSocket
        );
        if streamed {
            ctx.run_later(Duration::from_secs(5), |session, ctx| {
                session.leave();
                ctx.stop();
            });
        }
    }
}

impl Handler<Commands> for ClientSession {
    type Result = ();

    fn handle(&mut self, Commands(frame): Commands, ctx: &mut Self::Context) {
        if self.connection.ending().is_some() {
            return;
        }
        self.connection.on_activity(frame.len());
        self.on_frame(&frame, ctx);
        // Nothing pauses who posts without reading its stream.
        if self.connection.reply_cost() > self.node.settings.limits.outbox_bytes {
            self.connection.fail(Close::SLOW, Instant::now());
        }
        self.membership.flush();
    }
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for ClientSession {
    fn handle(&mut self, item: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        match (item, self.way.encoding) {
            (Ok(ws::Message::Text(text)), Encoding::Json) => self.on_frame(text.as_bytes(), ctx),
            (Ok(ws::Message::Binary(bytes)), Encoding::Protobuf) => self.on_frame(&bytes, ctx),
            (Ok(ws::Message::Text(_) | ws::Message::Binary(_)), _) => {
                self.end(Close::BAD_REQUEST.because("JSON comes as text, Protobuf as binary"));
            }
            (Ok(ws::Message::Ping(payload)), _) => self.connection.pong(&payload),
            (Ok(ws::Message::Pong(_) | ws::Message::Continuation(_)), _) => {}
            (Ok(ws::Message::Close(reason)), _) => {
                self.connection
                    .answer_close(close_of(reason), Instant::now());
                self.leave();
            }
            // The server ended it: a limit, a timeout, a kick, a drain.
            (Ok(ws::Message::Nop), _) => self.leave(),
            (Err(protocol_error), _) => {
                let close = Close::new(protocol_error.close_code(), protocol_error.to_string());
                self.connection.fail(close, Instant::now());
                self.leave();
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Drop for ClientSession {
    fn drop(&mut self) {
        self.leave();
    }
}
