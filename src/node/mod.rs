//! The node: what sessions and routes share, and the rules that hold for everyone who publishes,
//! subscribes or asks.
//!
//! Made once a process, owned by an `Arc`. It holds no session: who is connected stands with the
//! shards and the `Server` actor. Its own bounds: one entry a user with a session and a few
//! thousand of users and addresses who only send (`users`, `senders`), one an emulated session
//! (`emulation`).

pub(crate) mod access;
pub(crate) mod admin;
pub mod auth;
pub(crate) mod authorize;
mod broker;
pub(crate) mod control;
pub mod emulation;
pub(crate) mod gate;
pub(crate) mod phase;
pub mod rate_limit;
pub mod recovery;
pub(crate) mod revoke;
pub(crate) mod search;
mod senders;
mod sessions;
mod stats;

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use actix::Addr;
use tokio::sync::Notify;

use self::{
    admin::AdminAccess,
    auth::ApiKeys,
    control::queue::ControlQueue,
    emulation::EmulationRegistry,
    gate::{Gate, GateBounds},
    phase::{Phase, PhaseCell},
    rate_limit::Users,
    senders::Senders,
};
use crate::{
    admission::Admission,
    broker::{Broker, BrokerError, Presence, PublishRequest, fanout::Fanout},
    config::{Namespace, Settings},
    hooks::{EventSink, HookClient},
    metrics::Metrics,
    protocol::ReplyError,
    publication::Payload,
    registry::ChannelName,
    server::{Server, entries::Entries, reports::SessionReports},
    shard::Shards,
    state::StateDir,
    token::Tokens,
};

/// What everyone shares.
pub(crate) struct Node {
    /// The settings, as they were read at the start.
    pub(crate) settings: Arc<Settings>,
    /// The limits on sessions.
    pub(crate) admission: Arc<Admission>,
    /// What the `Server` actor is told of sessions.
    pub(crate) reports: Arc<SessionReports>,
    /// Counts of everything else.
    pub(crate) metrics: Arc<Metrics>,
    /// One for each worker, with the sessions of its thread.
    pub(crate) shards: Arc<Shards>,
    /// Publishes and keeps history, within `limits.broker_timeout`.
    pub(crate) broker: Arc<dyn Broker>,
    /// Who is in which channel.
    pub(crate) presence: Arc<dyn Presence>,
    /// Which shards of this node listen to which channel.
    pub(crate) fanout: Arc<Fanout>,
    /// Knows who is connected, and runs the interval pushes.
    pub(crate) server: Addr<Server>,
    /// What is kept on disk, once that is read; never, if nothing is.
    pub(crate) state: OnceLock<Arc<StateDir>>,
    /// Holds those who need it until then.
    pub(crate) gate: Gate,
    /// How far pushes and polls are.
    pub(crate) entries: Arc<Entries>,
    /// Keys and what they revoked.
    tokens: Tokens,
    /// Who administers it; absent where nobody does.
    admin: Option<AdminAccess>,
    /// Who may call its API.
    api_keys: ApiKeys,
    /// Asks the backend (`hooks.*`).
    pub(crate) hooks: Arc<HookClient>,
    /// What the backend is told of sessions and channels.
    pub(crate) events: Option<EventSink>,
    /// Sessions and rates of users.
    users: Arc<Users>,
    /// Rates of those who send without a session.
    senders: Senders,
    /// Sessions whose commands come by requests of their own.
    pub(crate) emulation: EmulationRegistry,
    /// Names this life of the process to clients and the backend; random, so that it tells nothing.
    pub(crate) node_id: String,
    /// What the process before this one is told, while it still has sessions.
    pub(crate) control: ControlQueue,
    /// The process that has taken over has had every session here end.
    all_disconnected: AtomicBool,
    phase: PhaseCell,
    /// An administrator wants it to go away.
    drain: Notify,
}

/// What a node is made of: everything that is started before it.
pub(crate) struct NodeParts {
    pub(crate) node_id: String,
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) reports: Arc<SessionReports>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) server: Addr<Server>,
    pub(crate) tokens: Tokens,
    pub(crate) hooks: Arc<HookClient>,
    pub(crate) events: Option<EventSink>,
    pub(crate) entries: Arc<Entries>,
}

impl Node {
    /// A node that nobody is connected to, and whose gate is shut.
    pub(crate) fn new(parts: NodeParts) -> Arc<Self> {
        let limits = &parts.settings.limits;
        let gate_bounds = GateBounds::new(&parts.settings);
        Arc::new(Self {
            admission: Admission::new(limits.sessions, limits.sessions_per_address),
            users: Users::new(
                limits.sessions_per_user,
                limits.messages_per_second_per_user,
            ),
            senders: Senders::new(&parts.settings),
            emulation: EmulationRegistry::new(limits.frames_pending),
            admin: AdminAccess::new(&parts.settings.admin),
            api_keys: ApiKeys::new(&parts.settings.api),
            node_id: parts.node_id,
            control: ControlQueue::default(),
            all_disconnected: AtomicBool::default(),
            phase: PhaseCell::default(),
            drain: Notify::new(),
            settings: parts.settings,
            reports: parts.reports,
            metrics: parts.metrics,
            shards: parts.shards,
            broker: parts.broker,
            presence: parts.presence,
            fanout: parts.fanout,
            server: parts.server,
            tokens: parts.tokens,
            hooks: parts.hooks,
            events: parts.events,
            entries: parts.entries,
            state: OnceLock::new(),
            gate: Gate::new(gate_bounds),
        })
    }

    /// Different users with a session.
    pub(crate) fn users(&self) -> usize {
        self.users.count()
    }

    /// Where the node is between running and gone.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Goes on to a later phase.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.advance(phase);
    }

    /// Has the node go away, as on SIGTERM. Asked again, nothing more happens.
    pub(crate) fn ask_drain(&self) {
        self.drain.notify_one();
    }

    /// Waits until somebody wants that. For the one who does it.
    pub(crate) async fn drain_asked(&self) {
        self.drain.notified().await;
    }

    /// Threads of the server that have given no sign of life for `limits.thread_timeout`.
    pub(crate) fn stuck_threads(&self, now: Instant) -> Vec<String> {
        let limit = self.settings.limits.thread_timeout;
        self.metrics.liveness.stuck(limit, now)
    }

    /// It has its state, if anything is kept: whoever waits for it passes.
    pub(crate) fn have_state(&self, state: Option<Arc<StateDir>>) {
        if let Some(state) = state {
            // A second one would come from nobody.
            let _ = self.state.set(state);
        }
        self.gate.open();
    }

    /// Whether new sessions are refused, since the node goes away. Where another process serves,
    /// who comes here all the same is sent there by the end of a session: clients come back from
    /// that, and some never from a refusal.
    pub(crate) fn refuses_sessions(&self) -> bool {
        self.phase() == Phase::Closed
    }

    /// Whether another process has what this one knows, and goes on from there.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.phase() == Phase::HandedOver
    }

    /// A message for a channel under its rules.
    #[must_use]
    pub(crate) fn publish_request(
        &self,
        channel: &ChannelName,
        rules: &Namespace,
        payload: Payload,
    ) -> PublishRequest {
        PublishRequest::under(rules, channel.clone(), payload)
    }

    /// The same for whoever has no rules to ask for: relays, pushes and polls of the settings. An
    /// unknown namespace keeps no history.
    #[must_use]
    pub(crate) fn unchecked_publish_request(
        &self,
        channel: &ChannelName,
        payload: Payload,
    ) -> PublishRequest {
        PublishRequest::unchecked(&self.settings.channels, channel.clone(), payload)
    }
}

/// What a broker's failure is to a client: 100, or 111 where the client has had its share; both
/// temporary, with the reason, which says whether coming again may double a publication.
impl From<BrokerError> for ReplyError {
    fn from(error: BrokerError) -> Self {
        let kind = match error {
            BrokerError::TooManyKeys => Self::TOO_MANY_REQUESTS,
            _ => Self::INTERNAL,
        };
        Self {
            message: error.to_string().into(),
            ..kind
        }
    }
}

#[cfg(test)]
mod tests;
