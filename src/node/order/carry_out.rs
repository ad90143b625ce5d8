//! Does what orders say, here and in the process before this one.

use std::time::Duration;

use super::{Order, Whom};
use crate::{
    close::{Close, Unsubscribe},
    node::{Node, revoke::Invalidation},
    shard::{self, ServerCommand},
    token::RevocationError,
};

impl Node {
    /// Gives a command to sessions, here and where this process has taken over.
    pub(crate) async fn command(&self, whom: &Whom, command: ServerCommand) {
        if let Some(order) = Order::of(whom, &command) {
            self.pass_on(&order);
        }
        if let Some(selector) = whom.selector(&self.emulation) {
            self.send_command(selector, command).await;
        }
    }

    /// Has the process before this one do the same, while it is there.
    pub(in crate::node) fn pass_on(&self, order: &Order) {
        self.orders.push(order);
    }

    /// Does what the process that has taken over says, in a line of its own. Whatever cannot be done
    /// as it was meant ends every session here: they come to that process, where it holds.
    pub(crate) async fn obey(&self, line: &str) {
        let order = match Order::parse(line) {
            Ok(order) => order,
            Err(error) => {
                log::warn!(
                    "an order of the process that has taken over ends every session here: {error}"
                );
                Order::DisconnectAll
            }
        };
        match self.carry_out(order).await {
            // This process keeps nothing on disk any more; the other one does.
            Ok(()) | Err(RevocationError::NotKept) => {}
            Err(error) => {
                log::warn!(
                    "an order of the process that has taken over ends every session here: {error}"
                );
                self.disconnect_all();
            }
        }
    }

    async fn carry_out(&self, order: Order) -> Result<(), RevocationError> {
        match order {
            Order::Disconnect { whom, code, reason } => {
                let close = Close::new(code, reason);
                self.command(&whom, ServerCommand::Disconnect(close)).await;
            }
            Order::Unsubscribe { whom, channel } => {
                let (channel, why) = (channel.into(), Unsubscribe::SERVER);
                let command = ServerCommand::Unsubscribe { channel, why };
                self.command(&whom, command).await;
            }
            Order::Refresh {
                whom,
                expired,
                expire_at,
                info,
            } => {
                let command = ServerCommand::Refresh {
                    expired,
                    expire_at,
                    info: info.map(Into::into),
                };
                self.command(&whom, command).await;
            }
            Order::BlockUser { user, until } => return self.block_user(&user, until).await,
            Order::UnblockUser { user } => return self.unblock_user(&user).await,
            Order::RevokeToken { id, until } => return self.revoke_token(&id, until).await,
            Order::InvalidateTokens {
                user,
                issued_before,
                channel,
                until,
            } => {
                let invalidation = Invalidation {
                    user: &user,
                    issued_before: Some(issued_before),
                    channel: channel.map(Into::into),
                    until,
                };
                return self.invalidate_tokens(invalidation).await;
            }
            Order::DisconnectAll => self.disconnect_all(),
        }
        Ok(())
    }

    /// Ends every session, for each to come to the process that has taken over.
    fn disconnect_all(&self) {
        self.pass_on(&Order::DisconnectAll);
        self.shards.send_all(&shard::Drain {
            spread: Duration::ZERO,
            close: Close::RESTART,
        });
    }
}
