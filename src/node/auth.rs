//! Who a session is: what a token, the backend or nobody said of it, and how a plain request says it.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_http::header::HeaderMap;
use bytes::Bytes;

use super::{Action, Node};
use crate::{
    close::Close,
    hooks::{HookContext, HookFailure},
    shard::{Overrides, ServerSubscription},
    token::{self, TokenError},
};

/// Who a session is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The user; empty is anonymous.
    pub user: String,
    /// Public information, as JSON; empty for none.
    pub info: Bytes,
    /// The backend's own notes on the session.
    pub meta: Bytes,
    /// When it ends unless it is renewed, in Unix seconds.
    pub expire_at: Option<u64>,
    /// Whether a token said so, so that a token can renew it.
    pub by_token: bool,
    /// When that token was made, in Unix seconds.
    pub issued_at: Option<u64>,
    /// Channels that it is subscribed to from the start.
    pub subscriptions: Vec<ServerSubscription>,
    /// What the backend gives the client with its welcome.
    pub data: Bytes,
}

impl Identity {
    /// Whether the identity itself brings a permission: whoever was put into a channel by a token or the backend may be there.
    #[must_use]
    pub fn allows(&self, action: Action, channel: &str) -> bool {
        action == Action::Subscribe && self.subscriptions.iter().any(|sub| sub.channel == channel)
    }
}

/// Why a session cannot be.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthError {
    /// The token is one, but too old: a new one helps (error 109, close 3005).
    Expired,
    /// The token is none that counts (3500); the reason is for the log.
    Invalid(String),
    /// There is no token, and anonymous sessions are not taken.
    Missing,
    /// The backend refuses with words of its own.
    Refused {
        /// Its code.
        code: u32,
        /// Its message.
        message: String,
        /// Whether trying again may help.
        temporary: bool,
    },
    /// The backend ends the connection.
    Disconnected(Close),
    /// The backend did not answer.
    Unavailable(&'static str),
}

impl AuthError {
    /// The user may not come in, whatever it brings.
    pub const BLOCKED: Self = Self::Disconnected(Close::BLOCKED);

    /// How a plain connection is closed for it.
    #[must_use]
    pub fn close(&self) -> Close {
        match self {
            Self::Expired => Close::TOKEN_EXPIRED,
            Self::Invalid(_) => Close::INVALID_TOKEN,
            Self::Missing => Close::TOKEN_NEEDED,
            Self::Refused {
                message, temporary, ..
            } => {
                let close = if *temporary {
                    Close::SERVER_ERROR
                } else {
                    Close::PERMISSION_DENIED
                };
                close.with_reason(message.clone())
            }
            Self::Disconnected(close) => close.clone(),
            Self::Unavailable(_) => Close::BACKEND_UNAVAILABLE,
        }
    }

    /// The same as the status of an HTTP answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Expired | Self::Invalid(_) | Self::Missing => 401,
            Self::Refused {
                temporary: false, ..
            }
            | Self::Disconnected(_) => 403,
            Self::Refused { .. } | Self::Unavailable(_) => 503,
        }
    }
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired | TokenError::Invalidated => Self::Expired,
            TokenError::Blocked => Self::BLOCKED,
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<HookFailure> for AuthError {
    fn from(failure: HookFailure) -> Self {
        match failure {
            HookFailure::Error(refusal) => Self::Refused {
                code: refusal.code,
                message: refusal.message,
                temporary: refusal.temporary,
            },
            HookFailure::Disconnect { code, reason } => {
                Self::Disconnected(Close::new(code, reason))
            }
            HookFailure::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// Seconds since 1970.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| passed.as_secs())
}

/// Seconds that are left until then; 0 if it is past.
#[must_use]
pub fn seconds_until(at: u64) -> u32 {
    u32::try_from(at.saturating_sub(unix_now())).unwrap_or(u32::MAX)
}

impl From<token::Overrides> for Overrides {
    fn from(from: token::Overrides) -> Self {
        Self {
            presence: from.presence,
            join_leave: from.join_leave,
            force_recovery: from.force_recovery,
            force_positioning: from.force_positioning,
            force_push_join_leave: from.force_push_join_leave,
        }
    }
}

impl From<crate::hooks::Overrides> for Overrides {
    fn from(from: crate::hooks::Overrides) -> Self {
        Self {
            presence: from.presence,
            join_leave: from.join_leave,
            force_recovery: from.force_recovery,
            force_positioning: from.force_positioning,
            force_push_join_leave: from.force_push_join_leave,
        }
    }
}

/// Channels that come by name alone, beside those that come with particulars.
fn add_channels(subscriptions: &mut Vec<ServerSubscription>, channels: Vec<String>) {
    for channel in channels {
        if subscriptions.iter().all(|sub| sub.channel != channel) {
            subscriptions.push(ServerSubscription {
                channel,
                ..ServerSubscription::default()
            });
        }
    }
}

/// What the backend is asked about at a connect.
pub struct ConnectHookRequest<'a> {
    /// The client's own data.
    pub data: Bytes,
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Channels it asks for.
    pub channels: &'a [String],
}

impl Node {
    /// Who the bearer of a token is.
    ///
    /// # Errors
    /// [`AuthError::Expired`] and [`AuthError::Invalid`].
    pub async fn authenticate_token(&self, token: &str) -> Result<Identity, AuthError> {
        let claims = self.tokens.connection(token, SystemTime::now()).await?;
        let mut subscriptions: Vec<ServerSubscription> = claims
            .subs
            .into_iter()
            .map(|(channel, options)| ServerSubscription {
                channel,
                info: options.info,
                data: options.data,
                overrides: options.overrides.into(),
                ..ServerSubscription::default()
            })
            .collect();
        add_channels(&mut subscriptions, claims.channels);
        Ok(Identity {
            user: claims.user,
            info: claims.info,
            meta: claims.meta,
            expire_at: claims.expire_at,
            by_token: true,
            issued_at: claims.issued_at,
            subscriptions,
            data: Bytes::new(),
        })
    }

    /// Who the backend says a client is.
    ///
    /// # Errors
    /// What the backend answered instead, or that it did not.
    pub async fn authenticate_hook(
        &self,
        hook_context: &HookContext,
        connect_request: ConnectHookRequest<'_>,
    ) -> Result<Identity, AuthError> {
        let answer = self
            .hooks
            .connect(
                hook_context,
                connect_request.data,
                connect_request.name,
                connect_request.version,
                connect_request.channels,
            )
            .await?;
        if self.tokens.revocations().is_blocked(&answer.user) {
            return Err(AuthError::BLOCKED);
        }
        let mut subscriptions: Vec<ServerSubscription> = answer
            .subs
            .into_iter()
            .map(|(channel, sub)| ServerSubscription {
                channel,
                info: sub.info,
                data: sub.data,
                expire_at: sub.expire_at,
                overrides: sub.overrides.into(),
                ..ServerSubscription::default()
            })
            .collect();
        add_channels(&mut subscriptions, answer.channels);
        Ok(Identity {
            user: answer.user,
            info: answer.info,
            meta: answer.meta,
            expire_at: answer.expire_at,
            by_token: false,
            issued_at: None,
            subscriptions,
            data: answer.data,
        })
    }

    /// Who makes a plain request: by its token, else by the backend where that is asked, else nobody in particular.
    ///
    /// # Errors
    /// Why it is nobody who may come in.
    pub async fn identify(
        &self,
        token: Option<&str>,
        hook_context: Option<&HookContext>,
        channels: &[String],
    ) -> Result<Identity, AuthError> {
        if let Some(token) = token.filter(|_| self.tokens.is_configured()) {
            return self.authenticate_token(token).await;
        }
        if let Some(hook_context) = hook_context {
            let connect_request = ConnectHookRequest {
                data: Bytes::new(),
                name: "",
                version: "",
                channels,
            };
            return self.authenticate_hook(hook_context, connect_request).await;
        }
        if self.settings.client.anonymous {
            Ok(Identity::default())
        } else {
            Err(AuthError::Missing)
        }
    }

    /// The headers of a request that the backend is shown.
    #[must_use]
    pub fn passed_headers(&self, headers: &HeaderMap) -> Arc<Vec<(String, String)>> {
        let passed = headers
            .iter()
            .filter(|(name, _)| self.hooks.passes(name.as_str()));
        Arc::new(
            passed
                .filter_map(|(name, value)| {
                    Some((name.as_str().to_string(), value.to_str().ok()?.to_string()))
                })
                .collect(),
        )
    }
}
