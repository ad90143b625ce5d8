//! The session of a raw endpoint: text and bytes as they are, no protocol above WebSocket.
//!
//! It never writes to the socket itself: it pushes into its [`Connection`]. It leaves every table exactly once, at the latest when it
//! is dropped, which is also what happens if one of its handlers panics. While the backend or the broker is asked, nothing
//! more is read from its client, which keeps the client's messages in order and lets nobody else wait.

use std::{
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
    time::Instant,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, StreamHandler, WrapFuture,
};
use actix_web_actors::ws;
use bytes::BytesMut;

pub mod endpoint;
pub mod message;

use self::{
    endpoint::Endpoint,
    message::{answer_messages, audience_of, fill_message, publish_patiently, relay_requests},
};
use super::{channel_request::ChannelRequest, connect_info::ConnectInfo, context::SessionContext};
use crate::{
    broker::{BrokerError, PublishRequest},
    close::Close,
    codec::{Decoder, Opcode, ProtocolError},
    config::{HookFailureAction, OnMessage},
    connection::{Connection, ConnectionProfile, reader::Reader, socket::Socket},
    heartbeat::Heartbeat,
    hooks::{Answer, HookContext},
    node::{
        Node,
        auth::Identity,
        rate_limit::{RateDecision, RateLimiter},
    },
    publication::Payload,
    registry::ChannelName,
    shard::{SessionMessage, Shard},
};

/// What the request of a raw session has settled.
pub struct RawParams {
    /// What every session has.
    pub connect_info: ConnectInfo,
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Who it is, or how the session ends before it has begun: a page cannot see the status of a refused handshake.
    pub identity: Result<Identity, Close>,
    /// Channels that it asked for or was given, with from where each goes on.
    pub channels: Vec<(ChannelName, ChannelRequest)>,
    /// Whether publications come in an envelope.
    pub envelope: bool,
    /// Whether a text `{}` goes with every ping.
    pub text_heartbeat: bool,
}

/// The actor.
pub struct Session {
    context: SessionContext,
    connection: Rc<Connection>,
    endpoint: Arc<Endpoint>,
    /// To whom its messages are relayed; empty where it may speak to nobody.
    audience: Arc<[ChannelName]>,
    /// What is to be replayed once the actor runs.
    requests: Vec<(ChannelName, ChannelRequest)>,
    envelope: bool,
    /// On whose behalf the backend is asked, where the endpoint asks it.
    hook_context: Option<Box<HookContext>>,
    rate_limiter: RateLimiter,
}

impl Session {
    /// Begins a session on a socket that HTTP has let go of; `read_buf` came behind the handshake.
    pub fn start(
        raw: RawParams,
        shard: &Rc<Shard>,
        node: &Arc<Node>,
        socket: Socket,
        read_buf: BytesMut,
    ) {
        let now = Instant::now();
        let config = shard.config();
        let info = raw.connect_info.info(shard.id().0);
        let mut hook_context = raw.connect_info.hook_context("json", "json");
        // The first ping is spread over the interval, so that clients that came together do not answer together.
        let phase = config
            .heartbeat
            .ping_interval
            .mul_f64(raw.connect_info.id.fraction());
        let window_bits = raw.connect_info.window_bits;
        let connection = Connection::new(
            socket,
            info.clone(),
            config.clone(),
            ConnectionProfile::raw(window_bits, raw.envelope, raw.text_heartbeat),
            Heartbeat::start(info.started, phase),
        );
        let (identity, refused) = match raw.identity {
            Ok(identity) => (identity, None),
            Err(close) => (Identity::default(), Some(close)),
        };
        if !identity.user.is_empty() {
            let _ = info.user.set(identity.user.as_str().into());
        }
        hook_context.user.clone_from(&identity.user);
        hook_context.meta = identity.meta.clone();
        let user = node.users.enter(&identity.user, now);
        let refused = refused.or_else(|| {
            user.is_none()
                .then(|| Close::new(3504, "connection limit: too many sessions of this user"))
        });
        let permit = raw.connect_info.permit;
        let mut context = SessionContext::begin(
            node,
            shard,
            connection.clone(),
            !raw.envelope,
            user.clone(),
            permit,
        );
        let mut requests = Vec::new();
        let mut audience: Arc<[ChannelName]> = Arc::default();
        if let Some(close) = refused {
            connection.close(close, now);
        } else {
            if let Some(greeting) = &raw.endpoint.settings.greeting {
                connection.reply(Opcode::Text, greeting.as_bytes());
            }
            context.identify(&identity);
            audience = audience_of(&raw.endpoint, &raw.channels);
            requests = context.enter(raw.channels);
            if let Some(group) = raw.endpoint.group() {
                context.membership().join(group);
            }
        }
        let limits = &node.settings.limits;
        let decoder = Decoder::new(limits.message_bytes, window_bits.is_some());
        let reader = Reader::new(connection.clone(), decoder, read_buf);
        let mut rate_limiter =
            RateLimiter::new(limits.messages_per_second, limits.messages_burst(), now);
        rate_limiter.set_user(user);
        let asks = matches!(raw.endpoint.settings.on_message, OnMessage::Hook { .. });
        let hook_context = asks.then(|| Box::new(hook_context));
        let session = Self {
            context,
            connection,
            endpoint: raw.endpoint,
            audience,
            requests,
            envelope: raw.envelope,
            hook_context,
            rate_limiter,
        };
        Self::create(|ctx| {
            session
                .context
                .membership()
                .set_inbox(ctx.address().recipient());
            ctx.add_stream(reader);
            session
        });
    }

    fn on_data(&mut self, payload: Payload, ctx: &mut Context<Self>) {
        self.connection.count_message_in();
        if self.rate_limiter.take(Instant::now()) != RateDecision::Pass {
            self.context
                .node()
                .metrics
                .limited(crate::metrics::Limited::Messages);
            let close = Close::new(3013, "too many requests");
            return self.connection.close(close, Instant::now());
        }
        match &self.endpoint.settings.on_message {
            OnMessage::Ignore => {}
            OnMessage::Echo => self.connection.reply(payload.opcode(), payload.as_bytes()),
            OnMessage::Reply(template) => {
                let reply = fill_message(template, payload.as_bytes());
                self.connection.reply(payload.opcode(), &reply);
            }
            OnMessage::Relay { .. } if self.audience.is_empty() => {
                let close = Close::new(3507, "permission denied: publish");
                self.connection.close(close, Instant::now());
            }
            OnMessage::Relay { relay_self } => {
                let requests = relay_requests(
                    self.context.node(),
                    &self.audience,
                    &payload,
                    (!relay_self).then(|| self.connection.info().id),
                );
                self.relay(requests, ctx);
            }
            OnMessage::Hook { on_failure } => {
                let on_failure = on_failure.clone();
                self.ask_backend(payload, on_failure, ctx);
            }
        }
    }

    /// Publishes; while that takes time, nothing more is read from this client.
    fn relay(&mut self, requests: Vec<PublishRequest>, ctx: &mut Context<Self>) {
        let mut publishing = Box::pin(publish_patiently(self.context.node().clone(), requests));
        let mut now = std::task::Context::from_waker(Waker::noop());
        match std::future::Future::poll(pin!(&mut publishing), &mut now) {
            Poll::Ready(result) => self.relayed(result),
            Poll::Pending => ctx.wait(
                publishing
                    .into_actor(self)
                    .map(|result, session, _| session.relayed(result)),
            ),
        }
    }

    fn relayed(&mut self, result: Result<(), BrokerError>) {
        let close = match result {
            Ok(()) => return,
            Err(BrokerError::Busy) => Close::TRY_AGAIN,
            Err(error) => Close {
                reason: error.to_string().into(),
                ..Close::TRY_AGAIN
            },
        };
        self.connection.close(close, Instant::now());
    }

    /// Takes a message to the backend, whose answer goes to its sender. Nothing is read meanwhile, and no life expected.
    fn ask_backend(
        &mut self,
        payload: Payload,
        on_failure: HookFailureAction,
        ctx: &mut Context<Self>,
    ) {
        let Some(hook_context) = self.hook_context.clone() else {
            return;
        };
        self.connection.set_busy(true);
        let node = self.context.node().clone();
        let path = self.endpoint.path.clone();
        let asking = async move { node.hooks.message(&hook_context, &path, payload).await };
        ctx.wait(asking.into_actor(self).map(move |answer, session, _| {
            session.connection.set_busy(false);
            session.answered(answer, &on_failure);
        }));
    }

    fn answered(&mut self, answer: Answer<Vec<Payload>>, on_failure: &HookFailureAction) {
        match answer_messages(answer, on_failure) {
            Ok(messages) => {
                for message in messages {
                    self.connection.reply(message.opcode(), message.as_bytes());
                }
            }
            Err(close) => self.connection.close(close, Instant::now()),
        }
        self.context.membership().flush();
    }

    /// Brings what was missed, channel by channel, before anything live.
    fn resume(&mut self, ctx: &mut Context<Self>) {
        let requests = std::mem::take(&mut self.requests);
        if requests.is_empty() {
            return;
        }
        let node = self.context.node().clone();
        let replaying = async move {
            let mut replays = Vec::new();
            // For all channels together: what they bring waits in one outbox.
            let mut left = node.settings.limits.recovery_bytes();
            for (channel, resume) in requests {
                let mut recovery = resume.recovery(&node, &channel).await;
                if let Ok(recovery) = &mut recovery {
                    recovery.keep_within(&mut left);
                }
                replays.push((channel, recovery));
            }
            replays
        };
        ctx.wait(replaying.into_actor(self).map(|replays, session, _| {
            for (channel, recovery) in replays {
                let Ok(recovery) = recovery else {
                    session.connection.close(Close::TRY_AGAIN, Instant::now());
                    return;
                };
                for item in &recovery.items {
                    if session.envelope {
                        let text =
                            super::channel_request::envelope(&channel, item, recovery.top.epoch);
                        session.connection.reply(Opcode::Text, &text);
                    } else {
                        let payload = &item.payload;
                        session
                            .connection
                            .reply(payload.opcode(), payload.as_bytes());
                    }
                }
                if session.envelope {
                    let text = super::channel_request::told(&channel, &recovery);
                    session.connection.reply(Opcode::Text, &text);
                }
                session.context.membership().go_live(
                    &channel,
                    recovery.top,
                    !recovery.items.is_empty(),
                );
            }
            session.context.membership().flush();
        }));
    }

    fn renew_presence(&mut self, ctx: &mut Context<Self>) {
        if let Some(after) = self.context.renewal() {
            ctx.run_later(after, |session, ctx| {
                session.context.renew();
                session.renew_presence(ctx);
            });
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.resume(ctx);
        self.renew_presence(ctx);
        if let Some(left) = self.context.expiry() {
            ctx.run_later(left, |session, _| session.context.expire());
        }
    }
}

impl Handler<SessionMessage> for Session {
    type Result = ();

    fn handle(&mut self, notice: SessionMessage, _: &mut Self::Context) {
        self.context.on_server_command(&notice);
    }
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for Session {
    fn handle(&mut self, item: Result<ws::Message, ProtocolError>, ctx: &mut Self::Context) {
        match item {
            Ok(ws::Message::Text(text)) => self.on_data(Payload::Text(text), ctx),
            Ok(ws::Message::Binary(bytes)) => self.on_data(Payload::Binary(bytes), ctx),
            Ok(ws::Message::Ping(payload)) => self.connection.pong(&payload),
            // That it came is all that counts, and the reader has noted it.
            Ok(ws::Message::Pong(_)) => {}
            Ok(ws::Message::Close(reason)) => {
                self.connection
                    .answer_close(close_of(reason), Instant::now());
                self.context.leave();
            }
            // The server ended it: a limit, a timeout, a kick, a drain.
            Ok(ws::Message::Nop) => self.context.leave(),
            // The codec joins fragments, so no continuation reaches the actor.
            Ok(ws::Message::Continuation(_)) => {}
            Err(protocol_error) => {
                let close = Close::new(protocol_error.close_code(), protocol_error.to_string());
                self.connection.fail(close, Instant::now());
                self.context.leave();
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// A client's Close; 1005 stands for one without a code (RFC 6455 §7.1.5).
#[must_use]
pub fn close_of(reason: Option<ws::CloseReason>) -> Close {
    reason.map_or(Close::new(1005, ""), |reason| {
        Close::new(reason.code.into(), reason.description.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
