//! What is taken back before its time, by the server's API: users, tokens, and all tokens of a
//! user. The lists stand with the tokens ([`crate::token`]), which bound them; what has begun with
//! what is taken back ends here.

use super::{Node, control::ControlCommand};
use crate::{
    close::{Close, Unsubscribe},
    registry::ChannelName,
    shard::{Selector, ServerCommand},
    token::RevocationError,
    unix_time::unix_now,
};

/// Which tokens of a user count no more.
pub(crate) struct TokenInvalidation<'a> {
    /// The user.
    pub(crate) user: &'a str,
    /// Those issued before, in Unix seconds; absent: before now.
    pub(crate) issued_before: Option<u64>,
    /// Only tokens of this channel; absent: all.
    pub(crate) channel: Option<ChannelName>,
    /// Until when this holds, in Unix seconds; absent: without end.
    pub(crate) until: Option<u64>,
}

fn sessions_of(user: &str) -> Selector {
    Selector {
        user: Some(user.into()),
        ..Selector::default()
    }
}

impl Node {
    /// Lets no session of a user in until then (Unix seconds; absent: without end), and ends those
    /// that are there (3503).
    ///
    /// # Errors
    /// [`RevocationError`]: its name is none, there is no room, or the disk does not take it.
    pub(crate) async fn block_user(
        &self,
        user: &str,
        until: Option<u64>,
    ) -> Result<(), RevocationError> {
        let receipt = self.tokens.revocations().block_user(user, until)?;
        self.forward(&ControlCommand::BlockUser {
            user: user.to_string(),
            until,
        });
        let command = ServerCommand::Disconnect(Close::FORCE_DISCONNECT);
        self.send_command(sessions_of(user), command).await;
        receipt.kept().await
    }

    /// Ends a block.
    ///
    /// # Errors
    /// [`RevocationError`]: its name is none, or the disk does not take it.
    pub(crate) async fn unblock_user(&self, user: &str) -> Result<(), RevocationError> {
        let receipt = self.tokens.revocations().unblock_user(user)?;
        self.forward(&ControlCommand::UnblockUser {
            user: user.to_string(),
        });
        receipt.kept().await
    }

    /// The token of this id opens nothing any more, until then. Sessions that it has opened already
    /// go on.
    ///
    /// # Errors
    /// [`RevocationError`]: its name is none, there is no room, or the disk does not take it.
    pub(crate) async fn revoke_token(
        &self,
        id: &str,
        until: Option<u64>,
    ) -> Result<(), RevocationError> {
        let receipt = self.tokens.revocations().revoke_token(id, until)?;
        self.forward(&ControlCommand::RevokeToken {
            id: id.to_string(),
            until,
        });
        receipt.kept().await
    }

    /// Tokens of a user count no more. Its sessions end (3005), or, for one channel, leave it
    /// (2501), and come back with newer tokens.
    ///
    /// # Errors
    /// [`RevocationError`]: its name is none, there is no room, or the disk does not take it.
    pub(crate) async fn invalidate_tokens(
        &self,
        invalidation: TokenInvalidation<'_>,
    ) -> Result<(), RevocationError> {
        let TokenInvalidation {
            user,
            issued_before,
            channel,
            until,
        } = invalidation;
        let name = channel.as_deref().map(ToString::to_string);
        let issued_before = issued_before.unwrap_or_else(unix_now);
        let revocations = self.tokens.revocations();
        let receipt =
            revocations.invalidate_user_tokens(user, issued_before, name.clone(), until)?;
        self.forward(&ControlCommand::InvalidateTokens {
            user: user.to_string(),
            issued_before,
            channel: name,
            until,
        });
        let command = match channel {
            None => ServerCommand::Disconnect(Close::EXPIRED),
            Some(channel) => ServerCommand::Unsubscribe {
                channel,
                why: Unsubscribe::TOKEN_EXPIRED,
            },
        };
        self.send_command(sessions_of(user), command).await;
        receipt.kept().await
    }
}
