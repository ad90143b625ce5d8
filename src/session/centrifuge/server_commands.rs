//! What others tell a session: that a publication was missed, that its connection is gone, and the orders of the server's API.

use actix::{ActorContext, Context, Handler};

use super::{ClientSession, Stage};
use crate::{
    close::{Close, Ending, Unsubscribe},
    protocol::Push,
    registry::ChannelName,
    shard::{ServerCommand, SessionMessage},
};

impl ClientSession {
    fn missed(&mut self, channel: &ChannelName) {
        let Some(known) = self.subscriptions.get(channel) else {
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

    fn on_server_command(&mut self, command: &ServerCommand, ctx: &mut Context<Self>) {
        match command {
            ServerCommand::Disconnect(close) => self.end(close.clone()),
            _ if self.stage != Stage::Connected || self.connection.ending().is_some() => {}
            ServerCommand::Subscribe(subscription) => self.subscribe_by_order(subscription, ctx),
            ServerCommand::Unsubscribe { channel, why } => {
                if self.subscriptions.contains_key(channel) {
                    self.drop_subscription(channel);
                    self.push_unsubscribe(channel, *why);
                }
            }
            ServerCommand::Refresh { expired: true, .. } => self.expire(),
            ServerCommand::Refresh {
                expire_at, info, ..
            } => {
                self.identity.expire_at = *expire_at;
                if let Some(info) = info {
                    self.presence.set_conn_info(info.clone());
                }
                self.told_refresh();
                self.watch_expiry(ctx);
            }
        }
    }
}

impl Handler<SessionMessage> for ClientSession {
    type Result = ();

    fn handle(&mut self, notice: SessionMessage, ctx: &mut Self::Context) {
        match notice {
            SessionMessage::Missed(channel) => self.missed(&channel),
            SessionMessage::ServerCommand(command) => self.on_server_command(&command, ctx),
            SessionMessage::Gone => {
                self.connection.end(Ending::Lost);
                self.leave();
                ctx.stop();
            }
        }
        self.membership.flush();
    }
}
