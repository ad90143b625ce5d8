//! What the server wants of a session, and what its client is told of it.

use super::{
    Centrifuge, ClientPhase,
    client_session::{ClientSession, Task},
    replies::TellsClient,
};
use crate::{
    close::{Close, Unsubscribe},
    protocol::Push,
    registry::ChannelName,
    session::{Session, expiry::Refreshed},
    shard::ServerCommand,
};

impl ClientSession<'_> {
    pub(super) fn on_missed(&mut self, channel: &ChannelName) {
        let Some(known) = self.client.subscriptions.get(channel) else {
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
}

impl Session<Centrifuge> {
    pub(super) fn on_server_command(&mut self, command: &ServerCommand, ctx: &mut Task) {
        let waiting_max = self.context.node.settings.limits.subscriptions;
        match &mut self.protocol.phase {
            ClientPhase::Connected(_) => {}
            // The client is told first that it is connected, then what has changed since.
            ClientPhase::Authenticating { backlog } | ClientPhase::Welcoming { backlog, .. } => {
                if backlog.server_commands.len() < waiting_max {
                    backlog.server_commands.push(command.clone());
                } else {
                    let id = self.context.connection.info().id;
                    log::warn!(id:%; "too many commands of the server before it is connected");
                }
                return;
            }
            ClientPhase::New { .. } | ClientPhase::Refused => return,
        }
        if let ServerCommand::Refresh {
            expire_at, info, ..
        } = command
        {
            let refreshed = Refreshed::by_server(*expire_at, info.as_ref());
            self.refresh_identity(refreshed, ctx);
        } else if let Some(mut session) = self.client_session() {
            session.on_server_command(command, ctx);
        }
    }
}

impl ClientSession<'_> {
    fn on_server_command(&mut self, command: &ServerCommand, ctx: &mut Task) {
        match command {
            ServerCommand::Subscribe(subscription) => self.subscribe_by_server(subscription, ctx),
            ServerCommand::Unsubscribe { channel, why } => {
                if self.drop_subscription(channel) {
                    self.push_unsubscribe(channel, *why);
                }
            }
            // The session has done it before its protocol, or its client, was asked.
            ServerCommand::Refresh { .. }
            | ServerCommand::Disconnect(_)
            | ServerCommand::DisconnectOlder { .. } => {}
        }
    }
}
