//! The node: what sessions and routes share, and the rules that hold for everyone who publishes, subscribes or asks.
//!
//! Made once a process, owned by an `Arc`. It holds no session: who is connected stands with the shards and the `Server`
//! actor. Its own bounds: one entry a user with a session and a few thousand of users who only send (`users`), one an
//! emulated session (`emulation`).

pub mod auth;
pub mod emulation;
pub(crate) mod phase;
pub mod rate_limit;
pub mod recovery;
mod sessions;

use std::sync::Arc;

use actix::Addr;

use self::{
    auth::Identity,
    emulation::EmulationRegistry,
    phase::{Phase, PhaseCell},
    rate_limit::Users,
};
use crate::{
    admission::Admission,
    broker::{
        Broker, BrokerError, BrokerFuture, Presence, PublishRequest, PublishResult, PublishResults,
        fanout::Fanout,
    },
    config::{Namespace, Settings, check_channel_name},
    hooks::{EventSink, HookClient},
    metrics::Metrics,
    protocol::ReplyError,
    publication::Payload,
    registry::{ChannelName, is_internal},
    server::{Server, SessionCounts},
    shard::Shards,
    token::Tokens,
};

/// What everyone shares.
pub struct Node {
    /// The settings, as they were read at the start.
    pub(crate) settings: Arc<Settings>,
    /// The limits on sessions.
    pub(crate) admission: Arc<Admission>,
    /// Counts of sessions.
    pub(crate) counts: Arc<SessionCounts>,
    /// Counts of everything else.
    pub(crate) metrics: Arc<Metrics>,
    /// The shards.
    pub(crate) shards: Arc<Shards>,
    /// The broker.
    pub(crate) broker: Arc<dyn Broker>,
    /// Who is in which channel.
    pub(crate) presence: Arc<dyn Presence>,
    /// Which shards of this node listen to which channel.
    pub(crate) fanout: Arc<Fanout>,
    /// The `Server` actor.
    pub(crate) server: Addr<Server>,
    /// Keys and what they revoked.
    pub(crate) tokens: Tokens,
    /// The backend.
    pub(crate) hooks: Arc<HookClient>,
    /// What the backend is told of sessions and channels.
    pub(crate) events: Option<EventSink>,
    /// Sessions and rates of users.
    pub(crate) users: Arc<Users>,
    /// Sessions whose commands come by requests of their own.
    pub(crate) emulation: EmulationRegistry,
    /// Names this node to clients; random, so that it tells nothing.
    pub(crate) node_id: String,
    phase: PhaseCell,
}

/// What a node is made of: everything that is started before it.
pub(crate) struct NodeParts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) counts: Arc<SessionCounts>,
    pub(crate) shards: Arc<Shards>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) server: Addr<Server>,
    pub(crate) tokens: Tokens,
    pub(crate) hooks: Arc<HookClient>,
    pub(crate) events: Option<EventSink>,
}

/// What someone wants to do in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get its publications.
    Subscribe,
    /// Publish.
    Publish,
    /// Read what was published.
    History,
    /// See who is there.
    Presence,
}

/// Whether they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// They may.
    Granted,
    /// The backend decides.
    AskHook,
    /// They may not.
    Denied,
}

impl Node {
    /// A running node that nobody is connected to.
    pub(crate) fn new(parts: NodeParts) -> Arc<Self> {
        let limits = &parts.settings.limits;
        Arc::new(Self {
            admission: Admission::new(limits.sessions, limits.sessions_per_address),
            users: Users::new(
                limits.sessions_per_user,
                limits.messages_per_second_per_user,
            ),
            emulation: EmulationRegistry::default(),
            node_id: uuid::Uuid::new_v4().to_string(),
            phase: PhaseCell::default(),
            settings: parts.settings,
            counts: parts.counts,
            metrics: parts.metrics,
            shards: parts.shards,
            broker: parts.broker,
            presence: parts.presence,
            fanout: parts.fanout,
            server: parts.server,
            tokens: parts.tokens,
            hooks: parts.hooks,
            events: parts.events,
        })
    }

    /// Where the node is between running and gone.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Goes on to a later phase.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.advance(phase);
    }

    /// Whether new sessions are refused, since the node goes away.
    pub(crate) fn refuses_sessions(&self) -> bool {
        self.phase() >= Phase::Closed
    }

    /// The rules of a channel.
    ///
    /// # Errors
    /// 107 for what is no name, 102 for an unknown namespace and for the server's own channels.
    pub fn rules(&self, channel: &str) -> Result<&Arc<Namespace>, ReplyError> {
        if is_internal(channel) {
            return Err(ReplyError::UNKNOWN_CHANNEL);
        }
        check_channel_name(channel).map_err(|_| ReplyError::BAD_REQUEST)?;
        self.settings
            .channels
            .rules(channel)
            .ok_or(ReplyError::UNKNOWN_CHANNEL)
    }

    /// Whether an identity may do something in a channel; `subscribed` says that it is in it.
    #[must_use]
    pub fn permission(
        &self,
        action: Action,
        channel: &str,
        rules: &Namespace,
        identity: &Identity,
        subscribed: bool,
    ) -> Permission {
        let (allow, hook) = match action {
            Action::Subscribe => (rules.allow_subscribe, &self.settings.hooks.subscribe),
            Action::Publish => (rules.allow_publish, &self.settings.hooks.publish),
            Action::History => (rules.allow_history, &None),
            Action::Presence => (rules.allow_presence, &None),
        };
        let named = users_of(channel)
            .map(|mut users| !identity.user.is_empty() && users.any(|user| user == identity.user));
        match named {
            Some(false) => return Permission::Denied,
            Some(true) if action == Action::Subscribe => return Permission::Granted,
            _ => {}
        }
        let granted = (allow.client && !identity.user.is_empty())
            || (allow.anonymous && identity.user.is_empty())
            || (allow.subscriber && subscribed && action != Action::Subscribe)
            || identity.allows(action, channel);
        if granted {
            Permission::Granted
        } else if allow.hook && hook.is_some() {
            Permission::AskHook
        } else {
            Permission::Denied
        }
    }

    /// Whether a user may publish in a channel that it is in, without the backend being asked.
    #[must_use]
    pub fn may_publish_as_subscriber(&self, user: &str, channel: &str) -> bool {
        let identity = Identity {
            user: user.to_string(),
            ..Identity::default()
        };
        self.rules(channel).is_ok_and(|rules| {
            self.permission(Action::Publish, channel, rules, &identity, true) == Permission::Granted
        })
    }

    /// A message for a channel under its rules.
    #[must_use]
    pub fn publish_request(
        &self,
        channel: &ChannelName,
        rules: &Namespace,
        payload: Payload,
    ) -> PublishRequest {
        PublishRequest::under(rules, channel.clone(), payload)
    }

    /// The same for whoever has no rules to ask for: relays, pushes and polls of the settings. An unknown namespace keeps no
    /// history.
    #[must_use]
    pub fn unchecked_publish_request(
        &self,
        channel: &ChannelName,
        payload: Payload,
    ) -> PublishRequest {
        PublishRequest::unchecked(&self.settings.channels, channel.clone(), payload)
    }

    /// Publishes. The publication has its place when this returns; the answer says which.
    pub fn publish(&self, request: PublishRequest) -> BrokerFuture<PublishResult> {
        self.broker.publish(request)
    }

    /// Publishes several, in their order, and answers for each.
    pub(crate) fn publish_all(
        &self,
        requests: Vec<PublishRequest>,
    ) -> impl Future<Output = PublishResults> + Send + 'static {
        let number = requests.len();
        let answers = self.broker.publish_all(requests);
        // What holds for all of them holds for each.
        async move {
            answers
                .await
                .unwrap_or_else(|error| vec![Err(error); number])
        }
    }
}

/// The users that a channel is for: what stands behind its `#`, by commas. Absent: anyone.
pub fn users_of(channel: &str) -> Option<impl Iterator<Item = &str>> {
    let (_, users) = channel.split_once('#')?;
    Some(users.split(','))
}

/// What a broker's failure is to a client: 100, temporary, with the reason, which says whether coming again may double a
/// publication.
impl From<BrokerError> for ReplyError {
    fn from(error: BrokerError) -> Self {
        Self {
            message: error.to_string().into(),
            ..Self::INTERNAL
        }
    }
}
