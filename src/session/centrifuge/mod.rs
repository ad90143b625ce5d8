//! The Centrifuge protocol, over any transport: WebSocket, streamed HTTP answers with `/emulation`,
//! and one way.
//!
//! It answers a client's commands in order, except those that wait for the backend or the broker:
//! they are answered when they can be, at most `limits.commands_pending` at a time; beyond that
//! nothing more is read. What a client sends wrong gets the code that the protocol names and harms
//! no other session.

mod client_session;
mod commands;
mod connect;
mod dispatch;
mod frames;
mod params;
mod refresh;
mod replies;
mod server_commands;
mod sub_refresh;
mod subscribe;
mod subscription;
mod subscriptions;
mod transport;
mod welcome;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use actix::{ActorContext, AsyncContext, Recipient, SpawnHandle};
use tokio::sync::OwnedSemaphorePermit;

use self::subscriptions::Subscriptions;
pub(crate) use self::{params::CentrifugeParams, transport::ClientTransport};
use super::{ConnectedUser, Protocol, Session, SessionContext, TaskContext};
use crate::{
    close::{Close, Ending},
    hooks::PassedHeaders,
    node::{auth::Identity, emulation::EmulationGuard, rate_limit::RateLimiter},
    protocol::{Command, CommandDecoder, Encoding},
    publication::Payload,
    registry::ChannelName,
    shard::{CommandFrame, ServerCommand, SessionMessage},
};

/// The protocol of one client.
pub(crate) struct Centrifuge {
    transport: ClientTransport,
    /// Headers of its requests that the backend is shown.
    headers: PassedHeaders,
    phase: ClientPhase,
    /// The timer of the wait for its connect.
    patience: SpawnHandle,
    /// Frames whose commands are not all done, in order: of a socket at most one, since nothing is
    /// read meanwhile; of a streamed session as many as the emulation registry lets wait.
    work: VecDeque<UnfinishedFrame>,
    /// The next frame's commands stand in an address.
    from_address: bool,
    /// Under this name commands come by requests of their own.
    emulation: Option<Box<EmulationGuard>>,
}

/// What is left of a frame.
struct UnfinishedFrame {
    commands: CommandDecoder,
    /// Its place among those that wait.
    _room: Option<OwnedSemaphorePermit>,
}

/// Where a client is between its first command and its work.
enum ClientPhase {
    /// Nothing came yet.
    New {
        /// A token that came with the request.
        token: Option<String>,
    },
    /// It is being found out who it is.
    Authenticating {
        /// What waits for the welcome.
        backlog: Box<Backlog>,
    },
    /// It is known who it is, and what it has from the start is read; it is told next.
    Welcoming {
        /// Who it is.
        client: Box<KnownClient>,
        /// What waits for the welcome.
        backlog: Box<Backlog>,
    },
    /// Its connect was answered with an error: the next command ends it.
    Refused,
    /// It may do what it may.
    Connected(Box<KnownClient>),
}

/// What waits until a client is told that it is connected.
#[derive(Default)]
struct Backlog {
    /// Commands behind the connect; at most `limits.commands_pending`.
    commands: VecDeque<Command>,
    /// What the server wants of the session meanwhile, in order; at most `limits.subscriptions`.
    server_commands: Vec<ServerCommand>,
}

/// A client that is known.
struct KnownClient {
    user: ConnectedUser,
    identity: Identity,
    /// When it was in the tables as its user's.
    identified: Instant,
    subscriptions: Subscriptions,
    /// Tells subscriptions of one channel apart that came one after the other.
    generation: u64,
    rate_limiter: RateLimiter,
    /// The timer of the subscription that ends first.
    subscriptions_timer: Option<SpawnHandle>,
}

impl Protocol for Centrifuge {
    type Params = CentrifugeParams;

    fn is_plain(_: &CentrifugeParams) -> bool {
        false
    }

    fn encoding(params: &CentrifugeParams) -> Option<Encoding> {
        Some(params.transport.encoding)
    }

    fn begin(
        context: SessionContext,
        params: CentrifugeParams,
        ctx: &mut TaskContext<Session<Self>>,
    ) -> Session<Self> {
        // By this name the API finds sessions that only listen, too.
        let is_named = params.commands.is_some() || params.transport.unidirectional;
        let emulation = is_named.then(|| {
            let inbox: Recipient<SessionMessage> = ctx.address().recipient();
            let id = context.connection.info().id;
            Box::new(context.node.emulation.enter(id, inbox))
        });
        let patience = context.node.settings.client.connect_timeout;
        let patience = ctx.run_later(patience, Session::<Self>::end_if_not_connected);
        let protocol = Self {
            transport: params.transport,
            headers: params.headers,
            phase: ClientPhase::New {
                token: params.token,
            },
            patience,
            work: VecDeque::new(),
            from_address: params.from_address,
            emulation,
        };
        if let Some(commands) = params.commands {
            ctx.notify(SessionMessage::Frame(commands.into()));
        }
        let mut session = Session { context, protocol };
        match params.connect {
            None => {}
            Some(Ok(request)) => session.connect_at_once(*request, ctx),
            Some(Err(malformed)) => session.context.close(Close::BAD_REQUEST.because(malformed)),
        }
        session
    }

    fn user(&mut self) -> Option<&mut ConnectedUser> {
        self.phase.client_mut().map(|client| &mut client.user)
    }

    fn pending_max(session: &Session<Self>) -> usize {
        match session.protocol.phase {
            ClientPhase::Connected(_) => {
                session.context.node.settings.limits.commands_pending.max(1)
            }
            // Nothing else of this client matters until it is known who it is.
            _ => 1,
        }
    }

    fn on_message(
        session: &mut Session<Self>,
        message: Payload,
        ctx: &mut TaskContext<Session<Self>>,
    ) {
        // The encoding was agreed with the handshake; some clients send JSON in binary frames.
        session.on_commands(message.bytes().into(), ctx);
    }

    fn on_frame(
        session: &mut Session<Self>,
        frame: CommandFrame,
        ctx: &mut TaskContext<Session<Self>>,
    ) {
        if std::mem::take(&mut session.protocol.from_address) && session.acts(&frame.commands) {
            let why = "by GET, cf_connect does no more than connect and subscribe; send the rest to /emulation";
            return session.context.close(Close::BAD_REQUEST.because(why));
        }
        session.on_commands(frame, ctx);
        session.end_if_unread();
    }

    fn on_turn(session: &mut Session<Self>, ctx: &mut TaskContext<Session<Self>>) {
        session.run_work(ctx);
        session.end_if_unread();
    }

    fn on_command(
        session: &mut Session<Self>,
        command: &ServerCommand,
        ctx: &mut TaskContext<Session<Self>>,
    ) {
        session.on_server_command(command, ctx);
    }

    fn is_older(session: &Session<Self>, than: Instant) -> bool {
        let client = session.protocol.phase.client();
        client.is_some_and(|client| client.identified < than)
    }

    fn on_live(session: &mut Session<Self>, ctx: &mut TaskContext<Session<Self>>) {
        session.on_welcomed(ctx);
    }

    fn on_missed(session: &mut Session<Self>, channel: &ChannelName) {
        if let Some(mut session) = session.client_session() {
            session.on_missed(channel);
        }
    }

    fn leave(session: &mut Session<Self>, ending: &Ending) {
        session.protocol.emulation = None;
        session.protocol.work.clear();
        if let Some(client) = session.protocol.phase.client_mut() {
            client.subscriptions.clear();
            client.rate_limiter.set_user(None);
            client.user.leave(&session.context, ending);
        }
    }
}

impl ClientPhase {
    /// The client, once it is known who it is.
    fn client_mut(&mut self) -> Option<&mut KnownClient> {
        match self {
            Self::Connected(client) | Self::Welcoming { client, .. } => Some(client),
            Self::New { .. } | Self::Authenticating { .. } | Self::Refused => None,
        }
    }

    fn client(&self) -> Option<&KnownClient> {
        match self {
            Self::Connected(client) | Self::Welcoming { client, .. } => Some(client),
            Self::New { .. } | Self::Authenticating { .. } | Self::Refused => None,
        }
    }
}

impl Session<Centrifuge> {
    /// `client.connect_timeout` is over.
    fn end_if_not_connected(&mut self, ctx: &mut TaskContext<Self>) {
        if matches!(
            self.protocol.phase,
            ClientPhase::New { .. } | ClientPhase::Refused
        ) {
            self.context.close(Close::STALE);
            self.context.membership.flush();
            self.stop_if_streamed(ctx);
        }
    }

    /// A streamed session ends with its body; when that never began to be asked for, by this.
    fn stop_if_streamed(&mut self, ctx: &mut TaskContext<Self>) {
        if self.context.connection.info().transport.is_streamed() {
            ctx.run_later(UNCLAIMED_BODY, |session, ctx| {
                session.leave();
                ctx.stop();
            });
        }
    }
}

/// How long a streamed session that has ended waits for its body to be taken.
const UNCLAIMED_BODY: Duration = Duration::from_secs(5);
