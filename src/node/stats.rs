//! Who may listen to the node's own numbers, on [`STATS_CHANNEL`]: whoever brings a token of an
//! administrator, and only with it. The same token lets such a client in where clients need one.

use std::{sync::Arc, time::Duration};

use super::{
    Node,
    auth::{AuthError, Identity},
    authorize::Grant,
};
use crate::{
    close::Unsubscribe,
    config::Namespace,
    protocol::ReplyError,
    registry::ChannelName,
    server::stats::STATS_CHANNEL,
    shard::{Selector, ServerCommand},
    unix_time::unix_now_ms,
};

/// How long before its end a client renews what it was granted by a token.
const RENEWED_BEFORE: u64 = 25;

/// When a client is to renew what a token granted it.
struct Renewal {
    /// From when on, in Unix seconds.
    expire_at: u64,
    /// How long after that it ends, in seconds: never before its token, and less than a second
    /// after it.
    grace: u64,
}

impl Renewal {
    /// Of what ends after so long.
    fn of(left: Duration) -> Self {
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let end = unix_now_ms().saturating_add(left_ms).div_ceil(1000);
        let grace = RENEWED_BEFORE.min(left.as_secs() / 2);
        Self {
            expire_at: end.saturating_sub(grace),
            grace,
        }
    }
}

impl Node {
    /// The rules of a channel that a client of the protocol names.
    ///
    /// # Errors
    /// As [`rules`](Self::rules).
    pub(crate) fn rules_for_client(&self, channel: &str) -> Result<Arc<Namespace>, ReplyError> {
        if self.is_stats(channel) {
            // Nothing is kept, and nobody may do anything but listen.
            return Ok(Arc::default());
        }
        self.rules(channel).cloned()
    }

    /// Whether it is the channel of the node's own numbers, and there is one.
    pub(crate) fn is_stats(&self, channel: &str) -> bool {
        channel == STATS_CHANNEL && self.has_admin()
    }

    /// What a token of an administrator grants on [`STATS_CHANNEL`].
    ///
    /// # Errors
    /// It does not count: 103.
    pub(super) fn authorize_stats(&self, token: &str) -> Result<Grant, AuthError> {
        let Some(times) = self.token_times(token.as_bytes()) else {
            let error = ReplyError {
                message: "permission denied (needs a token of /admin/login)".into(),
                ..ReplyError::PERMISSION_DENIED
            };
            return Err(AuthError::channel(error, STATS_CHANNEL));
        };
        let renewal = Renewal::of(times.expires_in);
        Ok(Grant {
            expire_at: Some(renewal.expire_at),
            by_token: true,
            grace: renewal.grace,
            ..Grant::default()
        })
    }

    /// Who a client of the protocol is that brings a token of an administrator: nobody in
    /// particular, for as long as the token counts. Absent where it is no such token.
    pub(crate) fn authenticate_admin(&self, token: &str) -> Option<Result<Identity, AuthError>> {
        if !self.takes_admin_token(token) {
            return None;
        }
        let Some(times) = self.token_times(token.as_bytes()) else {
            return Some(Err(AuthError::Expired));
        };
        Some(Ok(Identity {
            expire_at: Some(Renewal::of(times.expires_in).expire_at),
            by_token: true,
            ..Identity::anonymous()
        }))
    }

    /// Whether a token has the form of an administrator's, and there are administrators.
    pub(super) fn takes_admin_token(&self, token: &str) -> bool {
        self.has_admin() && super::admin::is_token(token.as_bytes())
    }

    /// A token was ended: those who listen subscribe again, each with one that counts.
    pub(crate) async fn end_stats(&self) {
        let channel: ChannelName = STATS_CHANNEL.into();
        for session in self.members(&channel).await {
            let selector = Selector {
                client: Some(session),
                ..Selector::default()
            };
            let command = ServerCommand::Unsubscribe {
                channel: channel.clone(),
                why: Unsubscribe::TOKEN_EXPIRED,
            };
            self.send_command(selector, command).await;
        }
    }
}
