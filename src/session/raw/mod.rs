//! Raw endpoints: text and bytes as they are, no protocol above WebSocket.
//!
//! While the backend or the broker is asked, nothing more is read from the client, which keeps its
//! messages in order and lets nobody else wait. Bound beside the session's: one entry a channel
//! that the client may speak in.

pub(crate) mod endpoint;
pub(crate) mod message;

use std::{sync::Arc, time::Instant};

use self::{
    endpoint::Endpoint,
    message::{
        MessageOutcome, MessageSender, answer_messages, audience_of, no_audience, publish_patiently,
    },
};
use super::{
    ConnectedUser, Protocol, Session, SessionContext, TaskContext,
    channel_request::{ChannelRequest, envelope, told},
    plain::{PlainProtocol, PlainUser},
    subscribe::RecoveredSubscription,
};
use crate::{
    broker::{BrokerError, PublishRequest},
    close::Close,
    codec::Opcode,
    config::{HookFailureAction, OnMessage, Settings},
    hooks::{HookContext, HookResult, UserContext},
    metrics::Limited,
    node::{
        auth::Identity,
        rate_limit::{RateDecision, RateLimiter},
        recovery::Recovery,
    },
    publication::{Payload, PayloadFormat},
    registry::ChannelName,
    shard::ServerCommand,
};

/// What the request of a raw session has settled.
pub(crate) struct RawParams {
    /// The endpoint that the client came to.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Who it is, or how the session ends before it has begun: a page cannot see the status of a
    /// refused handshake.
    pub(crate) identity: Result<Identity, Close>,
    /// The session as the backend is told it.
    pub(crate) hook_context: HookContext,
    /// Channels that it asked for or was given, with from where each goes on.
    pub(crate) channels: Vec<ChannelRequest>,
    /// Whether publications come in an envelope.
    pub(crate) envelope: bool,
}

/// The protocol of a raw session.
pub(crate) struct Raw {
    endpoint: Arc<Endpoint>,
    /// Absent where the session was refused: it only waits for the answer to its Close.
    client: Option<RawClient>,
}

/// A raw client that may be here.
struct RawClient {
    plain: PlainUser,
    /// To whom its messages are relayed: empty where it may speak to nobody. Follows its
    /// membership.
    audience: Arc<[ChannelName]>,
    /// On whose behalf the backend is asked, where the endpoint asks it.
    user_context: Option<Box<UserContext>>,
    /// Absent until its first message.
    rate_limiter: Option<Box<RateLimiter>>,
}

impl Protocol for Raw {
    type Params = RawParams;

    fn is_plain(params: &RawParams) -> bool {
        !params.envelope
    }

    fn begin(
        context: SessionContext,
        params: RawParams,
        ctx: &mut TaskContext<Session<Self>>,
    ) -> Session<Self> {
        let protocol = Self {
            endpoint: params.endpoint,
            client: None,
        };
        let mut session = Session { context, protocol };
        let admitted = params.identity.and_then(|identity| {
            let user = ConnectedUser::admit(&session.context, &identity)?;
            Ok((identity, user))
        });
        match admitted {
            Ok((identity, user)) => {
                let mut client = RawClient::new(user);
                client.audience = audience_of(&session.protocol.endpoint, &params.channels);
                let asks = matches!(
                    session.protocol.endpoint.settings.on_message,
                    OnMessage::Hook { .. }
                );
                client.user_context =
                    asks.then(|| Box::new(UserContext::of(&identity, params.hook_context)));
                session.protocol.client = Some(client);
                session.enter(&params.channels, ctx);
            }
            Err(close) => session.context.close(close),
        }
        session
    }

    fn user(&mut self) -> Option<&mut ConnectedUser> {
        self.plain_user().map(|plain| &mut plain.user)
    }

    fn pending_max(_: &Session<Self>) -> usize {
        1
    }

    fn on_message(
        session: &mut Session<Self>,
        message: Payload,
        ctx: &mut TaskContext<Session<Self>>,
    ) {
        session.on_message(message, ctx);
    }

    fn on_command(
        session: &mut Session<Self>,
        command: &ServerCommand,
        ctx: &mut TaskContext<Session<Self>>,
    ) {
        session.on_plain_command(command, ctx);
    }

    fn on_missed(session: &mut Session<Self>, _: &ChannelName) {
        session.context.close(Close::INSUFFICIENT_STATE);
    }
}

impl PlainProtocol for Raw {
    fn plain_user(&mut self) -> Option<&mut PlainUser> {
        self.client.as_mut().map(|client| &mut client.plain)
    }

    fn on_entered(session: &mut Session<Self>, channel: &ChannelName) {
        let context = &session.context;
        if let Some(client) = &mut session.protocol.client
            && !client.audience.contains(channel)
            && let user = client.plain.user.principal(context)
            && context.node.may_publish_as_subscriber(user, channel)
        {
            let audience = client.audience.iter().chain([channel]);
            client.audience = audience.cloned().collect();
        }
    }

    fn on_brought(session: &mut Session<Self>, channel: &ChannelName, recovery: &Recovery) {
        if session.has_envelope() {
            let connection = &session.context.connection;
            connection.reply(Opcode::Text, &told(channel, recovery));
        }
    }

    fn on_left(session: &mut Session<Self>, channel: &ChannelName) {
        if let Some(client) = &mut session.protocol.client
            && client.audience.contains(channel)
        {
            let audience = client.audience.iter().filter(|name| *name != channel);
            client.audience = audience.cloned().collect();
        }
    }
}

impl RawClient {
    fn new(user: ConnectedUser) -> Self {
        Self {
            plain: PlainUser::new(user),
            audience: Arc::default(),
            user_context: None,
            rate_limiter: None,
        }
    }

    /// Whether the rates of the session and of its user let a message pass.
    fn takes_message(&mut self, settings: &Settings) -> bool {
        let limits = &settings.limits;
        let (now, permit) = (Instant::now(), &self.plain.user.permit);
        let rate_limiter = self.rate_limiter.get_or_insert_with(|| {
            let (rate, burst) = (limits.messages_per_second, limits.messages_burst());
            let mut rate_limiter = RateLimiter::new(rate, burst, now);
            rate_limiter.set_user(Some(permit.clone()));
            Box::new(rate_limiter)
        });
        rate_limiter.take(now) == RateDecision::Pass
    }
}

impl Session<Raw> {
    /// Greets the client and puts it into its channels.
    fn enter(&mut self, channels: &[ChannelRequest], ctx: &mut TaskContext<Self>) {
        if let Some(greeting) = &self.protocol.endpoint.settings.greeting {
            self.context
                .connection
                .reply(Opcode::Text, greeting.as_bytes());
        }
        let to_recover = self.enter_plain(channels);
        if let Some(group) = self.protocol.endpoint.group() {
            self.context.membership.join(group);
        }
        self.watch_expiry(ctx);
        if !to_recover.is_empty() {
            self.subscribe(to_recover, ctx, |session, recovered, _| {
                session.tell(recovered)
            });
        }
    }

    /// Whether publications come in an envelope.
    fn has_envelope(&self) -> bool {
        self.context.connection.profile().form.body == PayloadFormat::Envelope
    }

    /// Brings what was missed, channel by channel, before anything live.
    fn tell(&self, recovered: Result<&[RecoveredSubscription], BrokerError>) -> bool {
        let recovered = match recovered {
            Ok(recovered) => recovered,
            Err(error) => {
                self.context.close(error.close());
                return false;
            }
        };
        let connection = &self.context.connection;
        let has_envelope = self.has_envelope();
        for RecoveredSubscription {
            subscription,
            recovery,
            ..
        } in recovered
        {
            let channel = &subscription.channel;
            for item in &recovery.items {
                if has_envelope {
                    connection.reply(Opcode::Text, &envelope(channel, item, recovery.top.epoch));
                } else {
                    connection.reply(item.payload.opcode(), item.payload.as_bytes());
                }
            }
            if has_envelope {
                connection.reply(Opcode::Text, &told(channel, recovery));
            }
        }
        true
    }

    fn on_message(&mut self, message: Payload, ctx: &mut TaskContext<Self>) {
        let connection = &self.context.connection;
        connection.count_message_in();
        self.context.turn.spend_command();
        let Some(client) = &mut self.protocol.client else {
            return;
        };
        if !client.takes_message(&self.context.node.settings) {
            self.context.node.metrics.limited(Limited::Messages);
            return self.context.close(Close::TOO_MANY_REQUESTS);
        }
        let (node, endpoint) = (&self.context.node, &self.protocol.endpoint);
        let sender = MessageSender {
            audience: &client.audience,
            session: Some(connection.info().id),
        };
        match endpoint.on_message(node, sender, message) {
            MessageOutcome::Ignored => {}
            MessageOutcome::Reply(reply) => connection.reply(reply.opcode(), reply.as_bytes()),
            MessageOutcome::NoAudience => {
                let channel = self.context.membership.first_channel();
                let error = no_audience(node, channel.as_ref());
                self.context.close(error.close());
            }
            MessageOutcome::Relay(requests) => {
                client.plain.user.announce(&self.context);
                let more = requests.len().saturating_sub(1);
                self.context.turn.spend_commands(more);
                self.relay(requests, ctx);
            }
            MessageOutcome::AskBackend(message, on_failure) => {
                let on_failure = on_failure.clone();
                self.ask_backend(message, on_failure, ctx);
            }
        }
    }

    fn relay(&mut self, requests: Vec<PublishRequest>, ctx: &mut TaskContext<Self>) {
        let publishing = publish_patiently(self.context.node.clone(), requests);
        self.later(ctx, publishing, |session, result, _| {
            if let Err(error) = result {
                session.context.close(error.close());
            }
        });
    }

    /// Takes a message to the backend, whose answer goes to its sender.
    fn ask_backend(
        &mut self,
        message: Payload,
        on_failure: HookFailureAction,
        ctx: &mut TaskContext<Self>,
    ) {
        let client = self.protocol.client.as_ref();
        let Some(user_context) = client.and_then(|client| client.user_context.clone()) else {
            return;
        };
        let node = self.context.node.clone();
        let path = self.protocol.endpoint.path.clone();
        let asking = async move { node.hooks.message(&user_context, &path, message).await };
        self.later(ctx, asking, move |session, answer, _| {
            session.on_hook_answer(answer, &on_failure);
        });
    }

    fn on_hook_answer(&self, answer: HookResult<Vec<Payload>>, on_failure: &HookFailureAction) {
        match answer_messages(answer, on_failure) {
            Ok(messages) => {
                for message in messages {
                    let connection = &self.context.connection;
                    connection.reply(message.opcode(), message.as_bytes());
                }
            }
            Err(close) => self.context.close(close),
        }
    }
}

#[cfg(test)]
mod tests;
