//! The session behind a plain event stream or a waiting long poll: an actor that stands in the tables, reads what was missed, and
//! obeys. What it is sent is taken from its outbox by whoever holds the [`SessionHandle`]; when that is dropped, the client is gone and the
//! session ends at once. It reads nothing from its client and never writes.

use std::{rc::Rc, sync::Arc};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture,
};
use tokio::sync::oneshot;

pub mod body;
pub mod cursor;

use self::cursor::RecoveredChannel;
use super::{
    channel_request::ChannelRequest, connect_info::ConnectInfo, context::SessionContext,
    raw::endpoint::is_nowhere,
};
use crate::{
    broker::BrokerError,
    connection::{Connection, ConnectionProfile, Pings},
    heartbeat::Heartbeat,
    node::{Node, auth::Identity, rate_limit::UserPermit},
    publication::{Framing, PayloadFormat, WireFormat},
    registry::ChannelName,
    shard::{SessionMessage, Shard},
};

/// What the request of a plain session has settled.
pub struct StreamParams {
    /// What every session has.
    pub connect_info: ConnectInfo,
    /// Who it is.
    pub identity: Identity,
    /// Its place among its user's sessions.
    pub user: UserPermit,
    /// Its channels, with from where each goes on.
    pub channels: Vec<(ChannelName, ChannelRequest)>,
    /// Whether publications come in an envelope.
    pub envelope: bool,
    /// Whether comment lines keep the connection alive; a poll is too short for that.
    pub comments: bool,
}

/// What is read of all channels before they go live.
type RecoveredChannels = Result<Vec<RecoveredChannel>, BrokerError>;

/// The actor.
pub struct StreamSession {
    context: SessionContext,
    requests: Vec<(ChannelName, ChannelRequest)>,
    past: Option<oneshot::Sender<RecoveredChannels>>,
}

impl StreamSession {
    /// Begins a session on this thread, whose shard it joins.
    #[must_use]
    pub fn start(plain: StreamParams, shard: &Rc<Shard>, node: &Arc<Node>) -> SessionHandle {
        let config = shard.config();
        let info = plain.connect_info.info(shard.id().0);
        // Comment lines of clients that came together are spread over the interval.
        let phase = config
            .heartbeat
            .ping_interval
            .mul_f64(plain.connect_info.id.fraction());
        let profile = ConnectionProfile {
            form: WireFormat {
                body: if plain.envelope {
                    PayloadFormat::Envelope
                } else {
                    PayloadFormat::Raw
                },
                framing: Framing::Bare,
            },
            pings: if plain.comments {
                Pings::Comment
            } else {
                Pings::None
            },
        };
        if !plain.identity.user.is_empty() {
            let _ = info.user.set(plain.identity.user.as_str().into());
        }
        let heartbeat = Heartbeat::start(info.started, phase);
        let connection = Connection::for_body(info, config.clone(), profile, heartbeat);
        // A message that comes by several channels is sorted out where positions are kept, since each of them moves on.
        let (user, permit) = (Some(plain.user), plain.connect_info.permit);
        let mut context =
            SessionContext::begin(node, shard, connection.clone(), false, user, permit);
        context.identify(&plain.identity);
        let requests = context.enter(plain.channels);
        let (past, read) = oneshot::channel();
        let session = Self {
            context,
            requests,
            past: Some(past),
        };
        let address = Self::create(|ctx| {
            session
                .context
                .membership()
                .set_inbox(ctx.address().recipient());
            session
        });
        SessionHandle {
            connection,
            session: address.recipient(),
            past: Some(read),
        }
    }

    fn read_past(&mut self, ctx: &mut Context<Self>) {
        let (node, requests) = (
            self.context.node().clone(),
            std::mem::take(&mut self.requests),
        );
        let reading = async move { read_past(&node, &requests).await };
        ctx.spawn(reading.into_actor(self).map(|past, session, _| {
            for RecoveredChannel {
                channel, recovery, ..
            } in past.iter().flatten()
            {
                let primed = !recovery.items.is_empty();
                session
                    .context
                    .membership()
                    .go_live(channel, recovery.top, primed);
            }
            session.context.membership().flush();
            if let Some(asker) = session.past.take() {
                // Whoever is gone by now needs no answer.
                let _ = asker.send(past);
            }
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

/// Reads what was missed of each channel, held to the bound of all together.
///
/// # Errors
/// The broker's.
pub async fn read_past(
    node: &Node,
    requests: &[(ChannelName, ChannelRequest)],
) -> RecoveredChannels {
    let mut replays = Vec::with_capacity(requests.len());
    for (channel, resume) in requests {
        replays.push(RecoveredChannel {
            channel: channel.clone(),
            recovery: resume.recovery(node, channel).await?,
            unknown: resume.keep.is_none() && is_nowhere(&resume.since),
        });
    }
    cursor::keep_within(&mut replays, node.settings.limits.recovery_bytes());
    Ok(replays)
}

impl Actor for StreamSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.read_past(ctx);
        self.renew_presence(ctx);
        if let Some(left) = self.context.expiry() {
            ctx.run_later(left, |session, _| session.context.expire());
        }
    }
}

impl Handler<SessionMessage> for StreamSession {
    type Result = ();

    fn handle(&mut self, notice: SessionMessage, ctx: &mut Self::Context) {
        self.context.on_server_command(&notice);
        if matches!(notice, SessionMessage::Gone) {
            self.context.leave();
            ctx.stop();
        }
    }
}

/// The client's end of a session.
pub struct SessionHandle {
    connection: Rc<Connection>,
    session: Recipient<SessionMessage>,
    past: Option<oneshot::Receiver<RecoveredChannels>>,
}

impl SessionHandle {
    /// What the session is sent.
    #[must_use]
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// What was missed; to be asked for once, before anything is taken from the outbox.
    ///
    /// # Errors
    /// The broker could not say.
    pub async fn past(&mut self) -> RecoveredChannels {
        match self.past.take() {
            // The session ended first.
            Some(past) => past.await.unwrap_or(Err(BrokerError::Unavailable)),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.session.do_send(SessionMessage::Gone);
    }
}
