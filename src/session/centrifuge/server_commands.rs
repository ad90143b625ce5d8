//! What the server wants of a session, and what its client is told of it.

use actix::Context;

use super::{Centrifuge, Phase};
use crate::{
    close::{Close, Unsubscribe},
    protocol::Push,
    registry::ChannelName,
    session::Session,
    shard::ServerCommand,
    subscription::ServerSubscription,
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

    pub(super) fn on_server_command(&mut self, command: &ServerCommand, ctx: &mut Context<Self>) {
        if self.protocol.client().is_none() {
            return;
        }
        match command {
            ServerCommand::Subscribe(subscription) => self.on_given(subscription, ctx),
            ServerCommand::Unsubscribe { channel, why } => {
                let is_connected = self.protocol.is_connected();
                // Before the welcome the client knows of no subscription that could end.
                if self.drop_subscription(channel) && is_connected {
                    self.push_unsubscribe(channel, *why);
                }
            }
            ServerCommand::Refresh {
                expire_at, info, ..
            } => {
                if let Some(client) = self.protocol.client_mut() {
                    client.user.expire_at = *expire_at;
                    if let Some(info) = info {
                        client.user.set_conn_info(&self.context, info.clone());
                    }
                }
                self.push_refresh();
                self.watch_expiry(ctx);
            }
            // The session has done it before its protocol was asked.
            ServerCommand::Disconnect(_) => {}
        }
    }

    fn on_given(&mut self, subscription: &ServerSubscription, ctx: &mut Context<Self>) {
        let given_max = self.context.node.settings.limits.subscriptions;
        match &mut self.protocol.phase {
            Phase::Welcoming { given, .. } => {
                if given.len() < given_max {
                    given.push(subscription.clone());
                }
            }
            _ => self.subscribe_by_server(subscription, ctx),
        }
    }
}
