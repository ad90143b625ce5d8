//! Does what control commands say, here and in the process before this one.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use super::{ControlCommand, NamedSelector};
use crate::{
    close::{Close, Unsubscribe},
    node::{Node, revoke::TokenInvalidation},
    shard::{self, ServerCommand},
    token::RevocationError,
};

impl Node {
    /// Gives a command to sessions, here and where this process has taken over.
    pub(crate) async fn command(&self, named: &NamedSelector, command: ServerCommand) {
        if let Some(command) = ControlCommand::of(named, &command) {
            self.forward(&command);
        }
        if let Some(selector) = named.resolve(&self.emulation) {
            self.send_command(selector, command).await;
        }
    }

    /// Has the process before this one do the same, while it is there.
    pub(in crate::node) fn forward(&self, command: &ControlCommand) {
        self.control.push(command);
    }

    /// Does what the process that has taken over says, in a line of its own. Whatever cannot be
    /// done as it was meant ends every session here: they come to that process, where it holds.
    pub(crate) async fn on_control_line(&self, line: &str) {
        let command = match ControlCommand::parse(line) {
            Ok(command) => command,
            Err(error) => {
                log::warn!(
                    "a command of the process that has taken over ends every session here: {error}"
                );
                ControlCommand::DisconnectAll
            }
        };
        match self.apply(command).await {
            // This process keeps nothing on disk any more; the other one does.
            Ok(()) | Err(RevocationError::NotKept) => {}
            Err(error) => {
                log::warn!(
                    "a command of the process that has taken over ends every session here: {error}"
                );
                self.disconnect_all();
            }
        }
    }

    async fn apply(&self, command: ControlCommand) -> Result<(), RevocationError> {
        match command {
            ControlCommand::Disconnect {
                named,
                code,
                reason,
            } => {
                let close = Close::new(code, reason);
                self.command(&named, ServerCommand::Disconnect(close)).await;
            }
            ControlCommand::Unsubscribe { named, channel } => {
                let (channel, why) = (channel.into(), Unsubscribe::SERVER);
                let command = ServerCommand::Unsubscribe { channel, why };
                self.command(&named, command).await;
            }
            ControlCommand::Refresh {
                named,
                expired,
                expire_at,
                info,
            } => {
                let command = ServerCommand::Refresh {
                    expired,
                    expire_at,
                    info: info.map(Into::into),
                };
                self.command(&named, command).await;
            }
            ControlCommand::BlockUser { user, until } => {
                return self.block_user(&user, until).await;
            }
            ControlCommand::UnblockUser { user } => return self.unblock_user(&user).await,
            ControlCommand::RevokeToken { id, until } => {
                return self.revoke_token(&id, until).await;
            }
            ControlCommand::InvalidateTokens {
                user,
                issued_before,
                channel,
                until,
            } => {
                let invalidation = TokenInvalidation {
                    user: &user,
                    issued_before: Some(issued_before),
                    channel: channel.map(Into::into),
                    until,
                };
                return self.invalidate_tokens(invalidation).await;
            }
            ControlCommand::DisconnectAll => self.disconnect_all(),
        }
        Ok(())
    }

    /// Ends every session, for each to come to the process that has taken over. Once: nobody comes
    /// to this one behind that.
    fn disconnect_all(&self) {
        self.forward(&ControlCommand::DisconnectAll);
        if !self.all_disconnected.swap(true, Relaxed) {
            self.shards.send_all(&shard::Drain {
                spread: Duration::ZERO,
                close: Close::RESTART,
            });
        }
    }
}
