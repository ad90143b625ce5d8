//! The session of a raw endpoint: text and bytes as they are, no protocol above WebSocket.
//!
//! It never writes to the socket itself: it pushes into its [`Outbox`]. It leaves every table exactly once, at the latest when it
//! is dropped, which is also what happens if one of its handlers panics. While the backend or the broker is asked, nothing
//! more is read from its client, which keeps the client's messages in order and lets nobody else wait.

use std::{
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, StreamHandler, WrapFuture,
};
use actix_web_actors::ws;
use bytes::BytesMut;

use super::{attendance::Attendance, endpoint::Endpoint, opening::Opening, resume::Resume};
use crate::{
    admission::Permit,
    broker::{Draft, Refused},
    close::{Close, Ending},
    codec::{Decoder, Opcode, Violation},
    config::{HookFailureAction, OnMessage},
    heartbeat::Heartbeat,
    hooks::{Answer, Caller, HookFailure},
    hub::{
        Hub,
        identity::{Identity, seconds_until},
        meter::{Meter, Toll, UserPermit},
    },
    publication::Payload,
    registry::ChannelName,
    server::{Closed, Opened},
    shard::{Membership, Notice, Order, Shard, Wishes},
    transport::{
        outbox::{Outbox, Style},
        reader::Reader,
        socket::Socket,
    },
};

/// How long a relayed message waits for room in the shards, and how often it asks. Meanwhile its sender is not
/// read from; after it, the sender is told to come again (1013).
const RELAY_PATIENCE: Duration = Duration::from_secs(2);
const RELAY_RETRY: Duration = Duration::from_millis(5);

/// What the request of a raw session has settled.
pub struct RawOpening {
    /// What every session has.
    pub opening: Opening,
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Who it is, or how the session ends before it has begun: a page cannot see the status of a refused handshake.
    pub identity: Result<Identity, Close>,
    /// Channels that it asked for or was given, with from where each goes on.
    pub channels: Vec<(ChannelName, Resume)>,
    /// Whether publications come in an envelope.
    pub envelope: bool,
    /// Whether a text `{}` goes with every ping.
    pub text_heartbeat: bool,
}

/// The actor.
pub struct Session {
    hub: Arc<Hub>,
    outbox: Rc<Outbox>,
    membership: Membership,
    attendance: Attendance,
    endpoint: Arc<Endpoint>,
    /// To whom its messages are relayed.
    audience: Arc<[ChannelName]>,
    /// What is to be replayed once the actor runs.
    resumes: Vec<(ChannelName, Resume)>,
    envelope: bool,
    caller: Caller,
    meter: Meter,
    expire_at: Option<u64>,
    _user: Option<UserPermit>,
    /// Given back when the socket is gone.
    _permit: Permit,
}

impl Session {
    /// Begins a session on a socket that HTTP has let go of; `read_buf` came behind the handshake.
    pub fn start(
        raw: RawOpening,
        shard: &Rc<Shard>,
        hub: &Arc<Hub>,
        socket: Socket,
        read_buf: BytesMut,
    ) {
        let now = Instant::now();
        let common = shard.common();
        let info = raw.opening.info(shard.id().0);
        let mut caller = raw.opening.caller("json", "json");
        // The first ping is spread over the interval, so that clients that came together do not answer together.
        let phase = common
            .rhythm
            .ping_interval
            .mul_f64(raw.opening.id.fraction());
        let window_bits = raw.opening.window_bits;
        let outbox = Outbox::new(
            socket,
            info.clone(),
            common.clone(),
            Style::raw(window_bits, raw.envelope, raw.text_heartbeat),
            Heartbeat::start(info.started, phase),
        );
        let (identity, refused) = match raw.identity {
            Ok(identity) => (identity, None),
            Err(close) => (Identity::default(), Some(close)),
        };
        if !identity.user.is_empty() {
            let _ = info.user.set(identity.user.as_str().into());
        }
        caller.user.clone_from(&identity.user);
        caller.meta = identity.meta.clone();
        let membership = shard.join(outbox.clone(), !raw.envelope);
        hub.server.do_send(Opened(info.clone()));
        let user = hub.users.enter(&identity.user, now);
        let refused = refused.or_else(|| {
            user.is_none()
                .then(|| Close::new(3504, "connection limit: too many sessions of this user"))
        });
        let mut attendance = Attendance::new(hub.clone(), info);
        let mut resumes = Vec::new();
        let mut audience: Vec<ChannelName> = Vec::new();
        if let Some(close) = refused {
            outbox.close(close, now);
        } else {
            if let Some(greeting) = &raw.endpoint.settings.greeting {
                outbox.reply(Opcode::Text, greeting.as_bytes());
            }
            membership.enter_user(&identity.user);
            attendance.begin(&identity.user, identity.info.clone());
            for (channel, resume) in raw.channels {
                audience.push(channel.clone());
                let entered = if resume.is_plain() {
                    membership.join(&channel)
                } else {
                    membership.subscribe(
                        &channel,
                        Wishes {
                            positioned: resume.is_kept(),
                            policy: resume.policy,
                            ..Wishes::default()
                        },
                    )
                };
                if entered {
                    let (presence, announce) = (resume.presence, resume.announce);
                    attendance.enter(&channel, bytes::Bytes::new(), presence, announce);
                    if !resume.is_plain() {
                        resumes.push((channel, resume));
                    }
                }
            }
            if let Some(group) = raw.endpoint.group() {
                membership.join(group);
                if audience.is_empty() {
                    audience.push(group.clone());
                }
            }
        }
        let limits = &hub.settings.limits;
        let decoder = Decoder::new(limits.message_bytes, window_bits.is_some());
        let reader = Reader::new(outbox.clone(), decoder, read_buf);
        let mut meter = Meter::new(limits.messages_per_second, limits.messages_burst(), now);
        meter.set_user(user.clone());
        let session = Self {
            hub: hub.clone(),
            outbox,
            membership,
            attendance,
            endpoint: raw.endpoint,
            audience: audience.into(),
            resumes,
            envelope: raw.envelope,
            caller,
            meter,
            expire_at: identity.expire_at,
            _user: user,
            _permit: raw.opening.permit,
        };
        Self::create(|ctx| {
            session.membership.set_inbox(ctx.address().recipient());
            ctx.add_stream(reader);
            session
        });
    }

    fn on_data(&mut self, payload: Payload, ctx: &mut Context<Self>) {
        self.outbox.count_message_in();
        if self.meter.take(Instant::now()) != Toll::Pass {
            self.hub.metrics.limited(crate::metrics::Limited::Messages);
            let close = Close::new(3013, "too many requests");
            return self.outbox.close(close, Instant::now());
        }
        match &self.endpoint.settings.on_message {
            OnMessage::Ignore => {}
            OnMessage::Echo => self.outbox.reply(payload.opcode(), payload.as_bytes()),
            OnMessage::Reply(template) => {
                let reply = fill_message(template, payload.as_bytes());
                self.outbox.reply(payload.opcode(), &reply);
            }
            OnMessage::Relay { relay_self } => {
                let drafts = relay_drafts(
                    &self.hub,
                    &self.audience,
                    &payload,
                    (!relay_self).then(|| self.outbox.info().id),
                );
                self.relay(drafts, ctx);
            }
            OnMessage::Hook { on_failure } => {
                let on_failure = on_failure.clone();
                self.ask_backend(payload, on_failure, ctx);
            }
        }
    }

    /// Publishes; while that takes time, nothing more is read from this client.
    fn relay(&mut self, drafts: Vec<Draft>, ctx: &mut Context<Self>) {
        let mut publishing = Box::pin(publish_patiently(self.hub.clone(), drafts));
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

    fn relayed(&mut self, result: Result<(), Refused>) {
        if let Err(Refused::Busy) = result {
            self.outbox.close(Close::TRY_AGAIN, Instant::now());
        }
    }

    /// Takes a message to the backend, whose answer goes to its sender. Nothing is read meanwhile, and no life expected.
    fn ask_backend(
        &mut self,
        payload: Payload,
        on_failure: HookFailureAction,
        ctx: &mut Context<Self>,
    ) {
        self.outbox.set_busy(true);
        let (hub, caller) = (self.hub.clone(), self.caller.clone());
        let path = self.endpoint.path.clone();
        let asking = async move { hub.hooks.message(&caller, &path, payload).await };
        ctx.wait(asking.into_actor(self).map(move |answer, session, _| {
            session.outbox.set_busy(false);
            session.answered(answer, &on_failure);
        }));
    }

    fn answered(&mut self, answer: Answer<Vec<Payload>>, on_failure: &HookFailureAction) {
        match answer_messages(answer, on_failure) {
            Ok(messages) => {
                for message in messages {
                    self.outbox.reply(message.opcode(), message.as_bytes());
                }
            }
            Err(close) => self.outbox.close(close, Instant::now()),
        }
        self.membership.flush();
    }

    /// Brings what was missed, channel by channel, before anything live.
    fn resume(&mut self, ctx: &mut Context<Self>) {
        let resumes = std::mem::take(&mut self.resumes);
        if resumes.is_empty() {
            return;
        }
        let hub = self.hub.clone();
        let replaying = async move {
            let mut replays = Vec::new();
            for (channel, resume) in resumes {
                replays.push((channel.clone(), resume.replay(&hub, &channel).await));
            }
            replays
        };
        ctx.wait(replaying.into_actor(self).map(|replays, session, _| {
            for (channel, replay) in replays {
                let Ok(replay) = replay else {
                    session.outbox.close(Close::TRY_AGAIN, Instant::now());
                    return;
                };
                for item in &replay.items {
                    if session.envelope {
                        let text = super::resume::envelope(&channel, item, replay.top.epoch);
                        session.outbox.reply(Opcode::Text, &text);
                    } else {
                        let payload = &item.payload;
                        session.outbox.reply(payload.opcode(), payload.as_bytes());
                    }
                }
                if session.envelope {
                    let text = super::resume::told(&channel, &replay);
                    session.outbox.reply(Opcode::Text, &text);
                }
                session
                    .membership
                    .go_live(&channel, replay.top, !replay.items.is_empty());
            }
            session.membership.flush();
        }));
    }

    /// Leaves every table; later calls do nothing.
    fn leave(&mut self) {
        if self.membership.leave() {
            let ending = if std::thread::panicking() {
                Ending::ByServer(Close::INTERNAL)
            } else {
                self.outbox.ending().unwrap_or(Ending::Lost)
            };
            self.attendance.end(&ending);
            self.hub.server.do_send(Closed {
                session: self.outbox.info().id,
                ending,
            });
        }
    }

    fn renew_presence(&mut self, ctx: &mut Context<Self>) {
        if let Some(after) = self.attendance.renewal() {
            ctx.run_later(after, |session, ctx| {
                session.attendance.renew();
                session.renew_presence(ctx);
            });
        }
    }
}

/// A relayed message as it is published: to every channel of the sender's.
#[must_use]
pub fn relay_drafts(
    hub: &Hub,
    audience: &Arc<[ChannelName]>,
    payload: &Payload,
    exclude: Option<crate::id::SessionId>,
) -> Vec<Draft> {
    let group = (audience.len() > 1).then(|| audience.clone());
    let drafts = audience.iter().map(|channel| {
        let mut draft = hub.plain_draft(channel, payload.clone());
        draft.exclude = exclude.into_iter().collect();
        draft.group.clone_from(&group);
        draft
    });
    drafts.collect()
}

/// Publishes, asking again while there is no room, until patience ends.
///
/// # Errors
/// There was no room for the whole of it.
pub async fn publish_patiently(hub: Arc<Hub>, drafts: Vec<Draft>) -> Result<(), Refused> {
    let mut waited = Duration::ZERO;
    for draft in drafts {
        loop {
            match hub.publish(draft.clone()).await {
                Err(Refused::Busy) if waited < RELAY_PATIENCE => {
                    tokio::time::sleep(RELAY_RETRY).await;
                    waited += RELAY_RETRY;
                }
                result => {
                    result?;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// What the sender of a message gets for the backend's answer.
///
/// # Errors
/// The connection is to be closed.
pub fn answer_messages(
    answer: Answer<Vec<Payload>>,
    on_failure: &HookFailureAction,
) -> Result<Vec<Payload>, Close> {
    match (answer, on_failure) {
        (Ok(messages), _) => Ok(messages),
        (Err(HookFailure::Disconnect { code, reason }), _) => Err(Close::new(code, reason)),
        (Err(_), HookFailureAction::Reply(text)) => Ok(vec![Payload::Text(text.as_str().into())]),
        (Err(_), HookFailureAction::Close) => Err(Close::new(1011, "the backend failed")),
    }
}

/// Puts `message` in place of every `{message}`; bytes stay bytes, so binary messages survive.
#[must_use]
pub fn fill_message(template: &str, message: &[u8]) -> Vec<u8> {
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

    fn started(&mut self, ctx: &mut Self::Context) {
        self.resume(ctx);
        self.renew_presence(ctx);
        if let Some(at) = self.expire_at {
            let left = Duration::from_secs(seconds_until(at).into());
            ctx.run_later(left, |session, _| {
                let close = Close::new(3005, "token expired");
                session.outbox.close(close, Instant::now());
                session.membership.flush();
            });
        }
    }
}

impl Handler<Notice> for Session {
    type Result = ();

    fn handle(&mut self, notice: Notice, _: &mut Self::Context) {
        let now = Instant::now();
        match notice {
            Notice::Missed(_) => self.outbox.close(Close::INSUFFICIENT_STATE, now),
            Notice::Gone => self.outbox.end(Ending::Lost),
            Notice::Order(order) => match &*order {
                Order::Disconnect(close) => self.outbox.close(close.clone(), now),
                Order::Subscribe(subscription) => {
                    let channel: ChannelName = subscription.channel.as_str().into();
                    if self.membership.join(&channel) {
                        self.attendance
                            .enter(&channel, subscription.info.clone(), false, false);
                    }
                }
                Order::Unsubscribe { channel, .. } => {
                    if self.membership.unsubscribe(channel) {
                        self.attendance.leave(channel);
                    }
                }
                Order::Refresh { expired: true, .. } => {
                    self.outbox.close(Close::new(3005, "token expired"), now);
                }
                // Its timer is set; a raw client cannot be told of a new one.
                Order::Refresh { .. } => {}
            },
        }
        self.membership.flush();
    }
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
                self.outbox.answer_close(close_of(reason), Instant::now());
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

/// A client's Close; 1005 stands for one without a code (RFC 6455 §7.1.5).
#[must_use]
pub fn close_of(reason: Option<ws::CloseReason>) -> Close {
    reason.map_or(Close::new(1005, ""), |reason| {
        Close::new(reason.code.into(), reason.description.unwrap_or_default())
    })
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
