//! What the server wants of a session, and what its client is told of it.

use super::{Centrifuge, Phase};
use crate::{
    close::{Close, Unsubscribe},
    protocol::Push,
    registry::ChannelName,
    session::{Session, TaskContext, expiry::Refreshed},
    shard::ServerCommand,
};

impl Session<Centrifuge> {
    pub(super) fn on_missed(&mut self, channel: &ChannelName) {
        let client = self.protocol.client();
        let Some(known) = client.and_then(|client| client.subscriptions.get(channel)) else {
            return;
        };
        if known.server_side {
            return self.end(Close::INSUFFICIENT_STATE);
        }
        self.drop_subscription(channel);
        self.push_unsubscribe(channel, Unsubscribe::INSUFFICIENT_STATE);
    }

    /// Tells the client that a subscription has ended.
    pub(super) fn push_unsubscribe(&self, channel: &str, why: Unsubscribe) {
        let Unsubscribe { code, reason } = why;
        self.push(channel, &Push::Unsubscribe { code, reason });
    }

    pub(super) fn on_server_command(
        &mut self,
        command: &ServerCommand,
        ctx: &mut TaskContext<Self>,
    ) {
        let waiting_max = self.context.node.settings.limits.subscriptions;
        match &mut self.protocol.phase {
            Phase::Connected(_) => {}
            // The client is told first that it is connected, then what has changed since.
            Phase::Authenticating { backlog } | Phase::Welcoming { backlog, .. } => {
                if backlog.server_commands.len() < waiting_max {
                    backlog.server_commands.push(command.clone());
                } else {
                    let id = self.context.connection.info().id;
                    log::warn!(id:%; "too many commands of the server before it is connected");
                }
                return;
            }
            Phase::New { .. } | Phase::Refused => return,
        }
        match command {
            ServerCommand::Subscribe(subscription) => self.subscribe_by_server(subscription, ctx),
            ServerCommand::Unsubscribe { channel, why } => {
                if self.drop_subscription(channel) {
                    self.push_unsubscribe(channel, *why);
                }
            }
            ServerCommand::Refresh {
                expire_at, info, ..
            } => self.refresh_identity(Refreshed::by_server(*expire_at, info.as_ref()), ctx),
            // The session has done it before its protocol was asked.
            ServerCommand::Disconnect(_) | ServerCommand::DisconnectOlder { .. } => {}
        }
    }
}
