//! The session behind a plain event stream or a waiting long poll: an actor that stands in the tables, reads what was missed, and
//! obeys. What it is sent is taken from its outbox by whoever holds the [`Attached`]; when that is dropped, the client is gone and the
//! session ends at once. It reads nothing from its client and never writes.

use std::{rc::Rc, sync::Arc};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture,
};
use tokio::sync::oneshot;

use super::{
    endpoint::is_nowhere, feed::Replayed, opening::Opening, resume::Resume, standing::Standing,
};
use crate::{
    broker::Refused,
    connection::{Connection, ConnectionProfile, Pings},
    heartbeat::Heartbeat,
    hub::{Hub, identity::Identity, meter::UserPermit},
    publication::{Body, Form, Framing},
    registry::ChannelName,
    shard::{Notice, Shard},
};

/// What the request of a plain session has settled.
pub struct PlainOpening {
    /// What every session has.
    pub opening: Opening,
    /// Who it is.
    pub identity: Identity,
    /// Its place among its user's sessions.
    pub user: UserPermit,
    /// Its channels, with from where each goes on.
    pub channels: Vec<(ChannelName, Resume)>,
    /// Whether publications come in an envelope.
    pub envelope: bool,
    /// Whether comment lines keep the connection alive; a poll is too short for that.
    pub comments: bool,
}

/// What is read of all channels before they go live.
type Past = Result<Vec<Replayed>, Refused>;

/// The actor.
pub struct PlainSession {
    standing: Standing,
    resumes: Vec<(ChannelName, Resume)>,
    past: Option<oneshot::Sender<Past>>,
}

impl PlainSession {
    /// Begins a session on this thread, whose shard it joins.
    #[must_use]
    pub fn start(plain: PlainOpening, shard: &Rc<Shard>, hub: &Arc<Hub>) -> Attached {
        let config = shard.config();
        let info = plain.opening.info(shard.id().0);
        // Comment lines of clients that came together are spread over the interval.
        let phase = config
            .heartbeat
            .ping_interval
            .mul_f64(plain.opening.id.fraction());
        let profile = ConnectionProfile {
            form: Form {
                body: if plain.envelope {
                    Body::Envelope
                } else {
                    Body::Raw
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
        let (user, permit) = (Some(plain.user), plain.opening.permit);
        let mut standing = Standing::begin(hub, shard, connection.clone(), false, user, permit);
        standing.identify(&plain.identity);
        let resumes = standing.enter(plain.channels);
        let (past, read) = oneshot::channel();
        let session = Self {
            standing,
            resumes,
            past: Some(past),
        };
        let address = Self::create(|ctx| {
            session
                .standing
                .membership()
                .set_inbox(ctx.address().recipient());
            session
        });
        Attached {
            connection,
            session: address.recipient(),
            past: Some(read),
        }
    }

    fn read_past(&mut self, ctx: &mut Context<Self>) {
        let (hub, resumes) = (
            self.standing.hub().clone(),
            std::mem::take(&mut self.resumes),
        );
        let reading = async move { read_past(&hub, &resumes).await };
        ctx.spawn(reading.into_actor(self).map(|past, session, _| {
            for Replayed {
                channel, replay, ..
            } in past.iter().flatten()
            {
                let primed = !replay.items.is_empty();
                session
                    .standing
                    .membership()
                    .go_live(channel, replay.top, primed);
            }
            session.standing.membership().flush();
            if let Some(asker) = session.past.take() {
                // Whoever is gone by now needs no answer.
                let _ = asker.send(past);
            }
        }));
    }

    fn renew_presence(&mut self, ctx: &mut Context<Self>) {
        if let Some(after) = self.standing.renewal() {
            ctx.run_later(after, |session, ctx| {
                session.standing.renew();
                session.renew_presence(ctx);
            });
        }
    }
}

/// Reads what was missed of each channel, held to the bound of all together.
///
/// # Errors
/// The broker's.
pub async fn read_past(hub: &Hub, resumes: &[(ChannelName, Resume)]) -> Past {
    let mut replays = Vec::with_capacity(resumes.len());
    for (channel, resume) in resumes {
        replays.push(Replayed {
            channel: channel.clone(),
            replay: resume.replay(hub, channel).await?,
            unknown: resume.keep.is_none() && is_nowhere(&resume.since),
        });
    }
    super::feed::keep_within(&mut replays, hub.settings.limits.recovery_bytes());
    Ok(replays)
}

impl Actor for PlainSession {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.read_past(ctx);
        self.renew_presence(ctx);
        if let Some(left) = self.standing.expiry() {
            ctx.run_later(left, |session, _| session.standing.expire());
        }
    }
}

impl Handler<Notice> for PlainSession {
    type Result = ();

    fn handle(&mut self, notice: Notice, ctx: &mut Self::Context) {
        self.standing.obey(&notice);
        if matches!(notice, Notice::Gone) {
            self.standing.leave();
            ctx.stop();
        }
    }
}

/// The client's end of a session.
pub struct Attached {
    connection: Rc<Connection>,
    session: Recipient<Notice>,
    past: Option<oneshot::Receiver<Past>>,
}

impl Attached {
    /// What the session is sent.
    #[must_use]
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// What was missed; to be asked for once, before anything is taken from the outbox.
    ///
    /// # Errors
    /// The broker could not say.
    pub async fn past(&mut self) -> Past {
        match self.past.take() {
            // The session ended first.
            Some(past) => past.await.unwrap_or(Err(Refused::Busy)),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.session.do_send(Notice::Gone);
    }
}
