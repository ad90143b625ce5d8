//! A session: the actor at the end of one WebSocket connection.
//!
//! It owns the state of one client and handles text, binary, ping, pong and close. It never writes to the socket
//! itself: it pushes into its [`Outbox`]. It leaves every table exactly once, at the latest when it is dropped, which
//! is also what happens if one of its handlers panics.

pub mod endpoint;
pub mod handshake;

use std::{
    future::Future,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, Instant, SystemTime},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, StreamHandler, WrapFuture,
};
use actix_web_actors::ws;
use bytes::BytesMut;

use self::endpoint::Endpoint;
use crate::{
    admission::Permit,
    broker::{Broker, Refused},
    close::{Close, Ending},
    codec::{Decoder, Opcode, Violation},
    config::OnMessage,
    heartbeat::Heartbeat,
    id::SessionId,
    publication::{Form, Payload, Publication, Target},
    registry::ChannelName,
    server::{Closed, Opened, Server},
    shard::{Membership, Shard},
    transport::{
        info::{SessionInfo, Traffic, TransportKind},
        outbox::Outbox,
        reader::Reader,
        socket::Socket,
    },
};

/// How long a relayed message waits for room in the shards, and how often it asks. Meanwhile its sender is not
/// read from; after it, the sender is told to come again (1013).
const RELAY_PATIENCE: Duration = Duration::from_secs(2);
const RELAY_RETRY: Duration = Duration::from_millis(5);

/// Everything a handshake has settled about the session that begins.
pub struct Opening {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The session's id.
    pub id: SessionId,
    /// The client's address.
    pub address: Option<std::net::IpAddr>,
    /// The chosen subprotocol.
    pub subprotocol: Option<Box<str>>,
    /// The `User-Agent`, cut.
    pub user_agent: Option<Box<str>>,
    /// How the connection is carried.
    pub transport: TransportKind,
    /// The agreed window of permessage-deflate.
    pub window_bits: Option<u8>,
    /// Channels the client named.
    pub channels: Vec<ChannelName>,
    /// Whether a text `{}` goes with every ping.
    pub text_heartbeat: bool,
    /// `limits.message_bytes`.
    pub message_bytes_max: usize,
    /// The place under the limits.
    pub permit: Permit,
}

/// The actor.
pub struct Session {
    outbox: Rc<Outbox>,
    membership: Membership,
    endpoint: Arc<Endpoint>,
    audience: Target,
    server: Addr<Server>,
    /// Given back when the socket is gone.
    _permit: Permit,
}

impl Session {
    /// Begins a session on a socket that HTTP has let go of; `read_buf` came behind the handshake.
    pub fn start(
        opening: Opening,
        shard: &Rc<Shard>,
        server: &Addr<Server>,
        socket: Socket,
        read_buf: BytesMut,
    ) {
        let common = shard.common();
        let info = Arc::new(SessionInfo {
            id: opening.id,
            user: None,
            address: opening.address,
            endpoint: opening.endpoint.path.clone(),
            subprotocol: opening.subprotocol,
            user_agent: opening.user_agent,
            transport: opening.transport,
            worker: shard.id().0,
            since: SystemTime::now(),
            started: Instant::now(),
            traffic: Traffic::default(),
        });
        // The first ping is spread over the interval, so that clients that came together do not answer together.
        let phase = common.rhythm.ping_interval.mul_f64(opening.id.fraction());
        let outbox = Outbox::new(
            socket,
            info.clone(),
            common.clone(),
            opening.window_bits.map_or(Form::Raw, Form::RawDeflated),
            opening.text_heartbeat,
            Heartbeat::start(info.started, phase),
        );
        if let Some(greeting) = &opening.endpoint.settings.greeting {
            outbox.reply(Opcode::Text, greeting.as_bytes());
        }
        let (channels, audience) = opening.endpoint.audience(opening.channels);
        let membership = shard.join(outbox.clone(), &channels);
        server.do_send(Opened(info));
        let decoder = Decoder::new(opening.message_bytes_max, opening.window_bits.is_some());
        let reader = Reader::new(outbox.clone(), decoder, read_buf);
        let session = Self {
            outbox,
            membership,
            endpoint: opening.endpoint,
            audience,
            server: server.clone(),
            _permit: opening.permit,
        };
        Self::create(|ctx| {
            ctx.add_stream(reader);
            session
        });
    }

    fn on_data(&mut self, payload: Payload, ctx: &mut Context<Self>) {
        self.outbox.count_message_in();
        match &self.endpoint.settings.on_message {
            OnMessage::Ignore => {}
            OnMessage::Echo => self.outbox.reply(payload.opcode(), payload.as_bytes()),
            OnMessage::Reply(template) => {
                let reply = fill_message(template, payload.as_bytes());
                self.outbox.reply(payload.opcode(), &reply);
            }
            OnMessage::Relay { relay_self } => {
                let exclude = (!relay_self).then(|| self.outbox.info().id);
                let publication = Publication::new(self.audience.clone(), payload, exclude);
                self.relay(publication, ctx);
            }
        }
    }

    /// Publishes; while that takes time, nothing more is read from this client, which keeps its messages in order
    /// and lets nobody else wait.
    fn relay(&mut self, publication: Arc<Publication>, ctx: &mut Context<Self>) {
        let broker = self.membership.shard().broker().clone();
        let mut publishing = Box::pin(publish_patiently(broker, publication));
        let mut now = std::task::Context::from_waker(Waker::noop());
        match pin!(&mut publishing).poll(&mut now) {
            Poll::Ready(result) => self.relayed(result),
            Poll::Pending => ctx.wait(
                publishing
                    .into_actor(self)
                    .map(|result, session, _| session.relayed(result)),
            ),
        }
    }

    fn relayed(&mut self, result: Result<(), Refused>) {
        if let Err(Refused::Busy) = result {
            self.outbox.close(Close::TRY_AGAIN, Instant::now());
        }
    }

    /// Leaves every table; later calls do nothing.
    fn leave(&self) {
        if self.membership.leave() {
            let ending = if std::thread::panicking() {
                Ending::ByServer(Close::INTERNAL)
            } else {
                self.outbox.ending().unwrap_or(Ending::Lost)
            };
            self.server.do_send(Closed {
                session: self.outbox.info().id,
                ending,
            });
        }
    }
}

/// Publishes, asking again while there is no room, until patience ends.
async fn publish_patiently(
    broker: Arc<dyn Broker>,
    publication: Arc<Publication>,
) -> Result<(), Refused> {
    let mut waited = Duration::ZERO;
    loop {
        match broker.publish(publication.clone()).await {
            Err(Refused::Busy) if waited < RELAY_PATIENCE => {
                tokio::time::sleep(RELAY_RETRY).await;
                waited += RELAY_RETRY;
            }
            result => return result,
        }
    }
}

/// Puts `message` in place of every `{message}`; bytes stay bytes, so binary messages survive.
fn fill_message(template: &str, message: &[u8]) -> Vec<u8> {
    let mut reply = Vec::with_capacity(template.len() + message.len());
    for (index, part) in template.split("{message}").enumerate() {
        if index > 0 {
            reply.extend_from_slice(message);
        }
        reply.extend_from_slice(part.as_bytes());
    }
    reply
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl StreamHandler<Result<ws::Message, Violation>> for Session {
    fn handle(&mut self, item: Result<ws::Message, Violation>, ctx: &mut Self::Context) {
        match item {
            Ok(ws::Message::Text(text)) => self.on_data(Payload::Text(text), ctx),
            Ok(ws::Message::Binary(bytes)) => self.on_data(Payload::Binary(bytes), ctx),
            Ok(ws::Message::Ping(payload)) => self.outbox.pong(&payload),
            // That it came is all that counts, and the reader has noted it.
            Ok(ws::Message::Pong(_)) => {}
            Ok(ws::Message::Close(reason)) => {
                let close = reason.map_or(Close::new(1005, ""), |reason| {
                    Close::new(reason.code.into(), reason.description.unwrap_or_default())
                });
                self.outbox.answer_close(close, Instant::now());
                self.leave();
            }
            // The server ended it: a limit, a timeout, a kick, a drain.
            Ok(ws::Message::Nop) => self.leave(),
            // The codec joins fragments, so no continuation reaches the actor.
            Ok(ws::Message::Continuation(_)) => {}
            Err(violation) => {
                let close = Close::new(violation.close_code(), violation.to_string());
                self.outbox.fail(close, Instant::now());
                self.leave();
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
