//! The hub: what sessions and routes share, and the rules that hold for everyone who publishes, subscribes or asks.
//!
//! Made once a process, owned by an `Arc`. It holds no session: who is connected stands with the shards and the `Server`
//! actor. Its own bounds: one entry a user with a session and a few thousand of users who only
//! send (`users`), one an emulated session (`emulation`).

pub mod auth;
pub mod emulation;
pub mod rate_limit;
pub mod recovery;

use std::sync::Arc;

use actix::Addr;

use self::{auth::Identity, emulation::EmulationRegistry, rate_limit::Users};
use crate::{
    broker::{Broker, BrokerError, BrokerFuture, HistoryOptions, PublishRequest, PublishResult},
    config::{Namespace, Settings, check_channel_name},
    hooks::{EventSink, HookClient},
    metrics::Metrics,
    protocol::ReplyError,
    publication::{Payload, Target},
    registry::ChannelName,
    server::Server,
    shard::{Selector, SendCommand, ServerCommand, Shards},
    token::Tokens,
};

/// What everyone shares.
pub struct Node {
    /// The settings, as they were read at the start.
    pub settings: Arc<Settings>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The shards.
    pub shards: Arc<Shards>,
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// The `Server` actor.
    pub server: Addr<Server>,
    /// Keys and what they revoked.
    pub tokens: Arc<Tokens>,
    /// The backend.
    pub hooks: Arc<HookClient>,
    /// What the backend is told of sessions and channels.
    pub events: Option<EventSink>,
    /// Sessions and rates of users.
    pub users: Arc<Users>,
    /// Sessions whose commands come by requests of their own.
    pub emulation: EmulationRegistry,
    /// Names this node to clients; random, so that it tells nothing.
    pub node_id: String,
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
    /// The rules of a channel.
    ///
    /// # Errors
    /// 107 for what is no name, 102 for an unknown namespace and for the server's own channels.
    pub fn rules(&self, channel: &str) -> Result<&Arc<Namespace>, ReplyError> {
        if channel.starts_with('$') {
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

    /// A message for a channel under its rules.
    #[must_use]
    pub fn publish_request(
        &self,
        channel: &ChannelName,
        rules: &Namespace,
        payload: Payload,
    ) -> PublishRequest {
        let mut draft = PublishRequest::new(Target::Channel(channel.clone()), payload);
        draft.history = history(rules);
        draft.delta = rules.delta;
        draft
    }

    /// The same for whoever has no rules to ask for: relays, pushes and polls of the settings. An unknown namespace keeps no
    /// history.
    #[must_use]
    pub fn unchecked_publish_request(
        &self,
        channel: &ChannelName,
        payload: Payload,
    ) -> PublishRequest {
        match self.settings.channels.rules(channel) {
            Some(rules) if !channel.starts_with('$') => {
                self.publish_request(channel, rules, payload)
            }
            _ => PublishRequest::new(Target::Channel(channel.clone()), payload),
        }
    }

    /// Publishes.
    pub fn publish(&self, draft: PublishRequest) -> BrokerFuture<PublishResult> {
        self.broker.publish(draft)
    }

    /// Gives an order to sessions; answers how many there were.
    pub async fn send_command(&self, selector: Selector, command: ServerCommand) -> usize {
        let command = Arc::new(command);
        // All hear it before any answers: who comes back at once, on another shard, is not told again.
        let shards = self.shards.all();
        let tells = shards.iter().map(|shard| {
            let send_command = SendCommand {
                selector: selector.clone(),
                command: command.clone(),
            };
            shard.addr().send(send_command)
        });
        let tells: Vec<_> = tells.collect();
        let mut told = 0;
        for send_command in tells {
            told += send_command.await.unwrap_or(0);
        }
        told
    }
}

/// What is kept of a channel under these rules.
#[must_use]
pub fn history(rules: &Namespace) -> Option<HistoryOptions> {
    (rules.history_size > 0).then_some(HistoryOptions {
        size: rules.history_size,
        ttl: rules.history_ttl,
    })
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
