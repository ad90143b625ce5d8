//! Who someone is: what a token, the backend or nobody says of a client, in this order, for every
//! kind of client.
//!
//! [`Identity`] is made here only, and [`AuthError`] knows what a refusal is in each of the forms
//! that a client can be told it. Bound: `limits.subscriptions` channels an identity, counted before
//! anything is made of them. What was taken back while someone was being asked about is looked at
//! again by [`Node::check_revoked`], which whoever begins a session calls.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use actix_http::header::HeaderMap;
use bytes::Bytes;

use super::{Node, rate_limit::UserPermit};
use crate::{
    close::Close,
    connection::info::cut,
    hooks::{ConnectAnswer, ConnectHookRequest, HookContext, HookFailure},
    metrics::Limited,
    protocol::ReplyError,
    registry::ChannelName,
    subscription::ServerSubscription,
    token::TokenError,
};

/// Bytes of a Close's reason that tell of a channel.
const REASON_BYTES_MAX: usize = 120;

/// Who a session is.
#[derive(Clone, Debug)]
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
    /// That token's own id.
    pub token_id: Option<Box<str>>,
    /// Channels that it is subscribed to from the start, each once.
    pub subscriptions: Vec<ServerSubscription>,
    /// What the backend gives the client with its welcome.
    pub data: Bytes,
}

impl Identity {
    /// Nobody in particular, who brings nothing.
    #[must_use]
    pub(crate) fn anonymous() -> Self {
        Self {
            user: String::new(),
            info: Bytes::new(),
            meta: Bytes::new(),
            expire_at: None,
            by_token: false,
            issued_at: None,
            token_id: None,
            subscriptions: Vec::new(),
            data: Bytes::new(),
        }
    }

    /// Whether it has no user.
    #[must_use]
    pub(crate) fn is_anonymous(&self) -> bool {
        self.user.is_empty()
    }

    /// Whether a token or the backend put it into a channel.
    pub(super) fn is_given(&self, channel: &str) -> bool {
        self.subscriptions.iter().any(|sub| sub.channel == channel)
    }

    /// A hook's context with on whose behalf the backend is asked.
    #[must_use]
    pub(crate) fn named_in(&self, hook_context: HookContext) -> HookContext {
        hook_context.of_user(&self.user, &self.meta)
    }
}

/// Why someone may not do what they want.
#[derive(Clone, Debug, PartialEq)]
pub enum AuthError {
    /// The token is one, but too old: a new one helps.
    Expired,
    /// The token is none that counts; the reason is for the log.
    Invalid(String),
    /// There is no token, and anonymous sessions are not taken.
    Missing,
    /// The rules of a channel do not let the client, or there is no such channel.
    Channel {
        /// Which of both.
        error: ReplyError,
        /// The channel.
        channel: ChannelName,
    },
    /// The backend refuses with words of its own, or the broker had no answer.
    Refused(ReplyError),
    /// The connection ends, as the backend or a block of the user says.
    Disconnected(Close),
    /// The backend did not answer.
    Unavailable(&'static str),
    /// More channels than `limits.subscriptions`.
    TooManyChannels,
    /// More sessions of the user than `limits.sessions_per_user`.
    TooManySessions,
}

/// As the log says it, with what the client is not told.
impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid token: {why}"),
            Self::Unavailable(why) => write!(f, "the backend does not answer: {why}"),
            other => f.write_str(&other.text()),
        }
    }
}

impl AuthError {
    /// The user may not come in, whatever it brings.
    pub const BLOCKED: Self = Self::Disconnected(Close::BLOCKED);

    /// How a connection is closed that has no replies: a plain one, or one way.
    #[must_use]
    pub(crate) fn close(&self) -> Close {
        match self {
            Self::Expired => Close::TOKEN_EXPIRED,
            Self::Invalid(_) => Close::INVALID_TOKEN,
            Self::Missing => Close::TOKEN_NEEDED,
            Self::Channel { error, .. } if is_no_name(error) => {
                Close::BAD_REQUEST.with_reason(error.message.clone())
            }
            Self::Channel { .. } => {
                let reason = cut(&self.text(), REASON_BYTES_MAX).to_string();
                Close::PERMISSION_DENIED.with_reason(reason)
            }
            Self::Refused(error) if error.temporary => {
                Close::SERVER_ERROR.with_reason(error.message.clone())
            }
            Self::Refused(error) => Close::PERMISSION_DENIED.with_reason(error.message.clone()),
            Self::Disconnected(close) => close.clone(),
            Self::Unavailable(_) => Close::BACKEND_UNAVAILABLE,
            Self::TooManyChannels => Close::CHANNEL_LIMIT.because("too many subscriptions"),
            Self::TooManySessions => {
                Close::CONNECTION_LIMIT.because("too many sessions of this user")
            }
        }
    }

    /// The error of the reply to a command of the client protocol.
    ///
    /// # Errors
    /// The close, where the protocol has no error for it.
    pub(crate) fn reply_error(&self) -> Result<ReplyError, Close> {
        match self {
            Self::Expired => Ok(ReplyError::TOKEN_EXPIRED),
            Self::Channel { error, .. } | Self::Refused(error) => Ok(error.clone()),
            Self::Unavailable(_) => Ok(ReplyError::INTERNAL),
            Self::Missing => Err(Close::BAD_REQUEST.because("a token is needed, none came")),
            Self::Invalid(_)
            | Self::Disconnected(_)
            | Self::TooManyChannels
            | Self::TooManySessions => Err(self.close()),
        }
    }

    /// The status of an HTTP answer.
    #[must_use]
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Expired | Self::Invalid(_) | Self::Missing => 401,
            Self::Channel { error, .. } if error.code == ReplyError::UNKNOWN_CHANNEL.code => 404,
            Self::Channel { error, .. } if is_no_name(error) => 400,
            Self::Channel { .. } => 403,
            Self::Refused(error) if error.temporary => 503,
            Self::Refused(_) => 403,
            Self::Disconnected(close) => status_of(close),
            Self::Unavailable(_) => 503,
            Self::TooManyChannels => 400,
            Self::TooManySessions => 429,
        }
    }

    /// The text of an HTTP answer.
    #[must_use]
    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Channel { error, .. } if is_no_name(error) => error.message.clone(),
            Self::Channel { error, channel } => format!("{}: {channel}", error.message).into(),
            Self::TooManyChannels => "too many channels (limits.subscriptions)".into(),
            Self::TooManySessions => "too many sessions of this user".into(),
            other => other.close().reason,
        }
    }

    /// Its kind, as the log tells refusals apart.
    #[must_use]
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            Self::Invalid(_) => "token_invalid",
            Self::Missing => "token_missing",
            Self::Channel { .. } => "channel",
            Self::Refused(_) => "refused",
            Self::Disconnected(_) => "disconnected",
            Self::Unavailable(_) => "unavailable",
            Self::TooManyChannels => "too_many_channels",
            Self::TooManySessions => "too_many_sessions",
        }
    }

    /// Whether the log has more to say of it than the client is told.
    #[must_use]
    pub(crate) fn has_detail(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Unavailable(_))
    }

    /// Whether the same question may be answered otherwise in a moment: the backend was away.
    #[must_use]
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The close, where the connection is to end and not only what was asked for.
    #[must_use]
    pub(crate) fn disconnect(&self) -> Option<Close> {
        match self {
            Self::Disconnected(close) => Some(close.clone()),
            _ => None,
        }
    }

    /// A channel that is not to be had.
    pub(super) fn channel(error: ReplyError, channel: &str) -> Self {
        Self::Channel {
            error,
            channel: channel.into(),
        }
    }
}

/// Whether a channel is refused since it cannot be called so; the error says why, without the name.
fn is_no_name(error: &ReplyError) -> bool {
    error.code == ReplyError::BAD_REQUEST.code
}

/// The status in place of a close: codes that tell a client to stay away tell it so over HTTP too.
pub(crate) fn status_of(close: &Close) -> u16 {
    let is = |named: &Close| close.code == named.code;
    if is(&Close::EXPIRED) || is(&Close::INVALID_TOKEN) {
        401
    } else if is(&Close::TOO_MANY_REQUESTS) || is(&Close::CONNECTION_LIMIT) {
        429
    } else if is(&Close::CHANNEL_LIMIT) {
        400
    } else if close.may_reconnect() {
        503
    } else {
        403
    }
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        match error {
            // One that does not count yet is too new rather than too old: as with the others, the
            // client asks for another, and a small difference of clocks heals.
            TokenError::Expired | TokenError::NotYet | TokenError::Invalidated => Self::Expired,
            TokenError::Blocked => Self::BLOCKED,
            // A fault of who made it, which says nothing of keys: told, not only logged.
            why @ TokenError::NotSeconds(_) => {
                Self::Disconnected(Close::INVALID_TOKEN.because(why))
            }
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl From<HookFailure> for AuthError {
    fn from(failure: HookFailure) -> Self {
        match failure {
            HookFailure::Error(error) => Self::Refused(error),
            HookFailure::Disconnect { code, reason } => {
                Self::Disconnected(Close::new(code, reason))
            }
            HookFailure::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Node {
    /// Who a client is: by its token, else by the backend where that is to be asked, else nobody in
    /// particular.
    ///
    /// # Errors
    /// Why it is nobody who may come in.
    pub(crate) async fn authenticate(
        &self,
        token: Option<&str>,
        hook: Option<ConnectHookRequest<'_>>,
    ) -> Result<Identity, AuthError> {
        if let Some(token) = token.filter(|_| self.tokens.is_configured()) {
            return self.authenticate_token(token).await;
        }
        if let Some(hook) = hook {
            return self.ask_connect_hook(hook).await;
        }
        if self.settings.client.anonymous {
            Ok(Identity::anonymous())
        } else {
            Err(AuthError::Missing)
        }
    }

    /// Who the bearer of a new token is, who must be the user it was before.
    ///
    /// # Errors
    /// The token does not count, or is another user's.
    pub(crate) async fn authenticate_refresh(
        &self,
        user: &str,
        token: &str,
    ) -> Result<Identity, AuthError> {
        let identity = self.authenticate_token(token).await?;
        if identity.user == user {
            Ok(identity)
        } else {
            let close = Close::INVALID_TOKEN.because("another user's");
            Err(AuthError::Disconnected(close))
        }
    }

    /// Whether there is anything to verify a token with.
    #[must_use]
    pub(crate) fn takes_tokens(&self) -> bool {
        self.tokens.is_configured()
    }

    async fn authenticate_token(&self, token: &str) -> Result<Identity, AuthError> {
        let claims = self.tokens.connection(token, SystemTime::now()).await;
        let claims = claims.inspect_err(log_not_yet)?;
        let names = claims.subs.iter().map(|sub| &sub.channel);
        self.check_channels(names.chain(&claims.channels))?;
        Ok(Identity {
            user: claims.user,
            info: claims.info,
            meta: claims.meta,
            expire_at: claims.expire_at,
            by_token: true,
            issued_at: claims.issued_at,
            token_id: claims.id.map(String::into_boxed_str),
            subscriptions: subscriptions(claims.subs, claims.channels),
            data: Bytes::new(),
        })
    }

    async fn ask_connect_hook(
        &self,
        request: ConnectHookRequest<'_>,
    ) -> Result<Identity, AuthError> {
        let answer = self.hooks.connect(request).await?;
        let names = answer.subs.iter().map(|sub| &sub.channel);
        self.check_channels(names.chain(&answer.channels))?;
        let identity = by_hook(answer);
        self.check_revoked(&identity)?;
        Ok(identity)
    }

    /// Counts the channels of a token or an answer before anything is made of them.
    fn check_channels<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<(), AuthError> {
        let mut distinct = HashSet::new();
        for name in names {
            distinct.insert(name.as_str());
            if distinct.len() > self.settings.limits.subscriptions {
                return Err(self.too_many_channels());
            }
        }
        Ok(())
    }

    pub(super) fn too_many_channels(&self) -> AuthError {
        self.metrics.limited(Limited::Subscriptions);
        AuthError::TooManyChannels
    }

    /// Whether what says who someone is was taken back: the user is blocked, or the token revoked
    /// or invalidated. To be asked again when a session has entered the tables: from there on
    /// commands reach it, and what was commanded while it was found out who it is has not.
    ///
    /// # Errors
    /// What the session ends with.
    pub(crate) fn check_revoked(&self, identity: &Identity) -> Result<(), AuthError> {
        let revocations = self.tokens.revocations();
        if identity.by_token {
            let id = identity.token_id.as_deref();
            Ok(revocations.check_connection(&identity.user, id, identity.issued_at)?)
        } else if revocations.is_blocked(&identity.user) {
            Err(AuthError::BLOCKED)
        } else {
            Ok(())
        }
    }

    /// Takes a place among a user's sessions (`limits.sessions_per_user`); what is refused is
    /// counted.
    ///
    /// # Errors
    /// [`AuthError::TooManySessions`].
    pub(crate) fn admit_user(&self, user: &str) -> Result<UserPermit, AuthError> {
        self.users.enter(user, Instant::now()).ok_or_else(|| {
            self.metrics.limited(Limited::SessionsPerUser);
            AuthError::TooManySessions
        })
    }

    /// Takes a message that came without a session from its sender's rate; what is refused is
    /// counted.
    #[must_use]
    pub(crate) fn charge_sender(&self, user: &str, address: Option<IpAddr>) -> bool {
        let now = Instant::now();
        let (passes, limit) = if user.is_empty() {
            let passes = self.senders.charge_address(address, now);
            (passes, Limited::MessagesPerAddress)
        } else if self.settings.limits.messages_per_second_per_user > 0 {
            (self.users.charge(user, now), Limited::Messages)
        } else {
            (self.senders.charge_user(user, now), Limited::Messages)
        };
        if !passes {
            self.metrics.limited(limit);
        }
        passes
    }

    /// The headers of a request that the backend is shown.
    #[must_use]
    pub(crate) fn passed_headers(&self, headers: &HeaderMap) -> Arc<Vec<(String, String)>> {
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

/// Clients are told the same of an expired token; whose clocks differ finds the cause here.
pub(super) fn log_not_yet(error: &TokenError) {
    if *error == TokenError::NotYet {
        log::info!("{error}: token.leeway allows for clocks that differ");
    }
}

/// Who the backend says a client is.
fn by_hook(answer: ConnectAnswer) -> Identity {
    Identity {
        user: answer.user,
        info: answer.info,
        meta: answer.meta,
        expire_at: answer.expire_at,
        by_token: false,
        issued_at: None,
        token_id: None,
        subscriptions: subscriptions(answer.subs, answer.channels),
        data: answer.data,
    }
}

/// Subscriptions with options, then those that come by channel alone, each channel once.
fn subscriptions(
    mut subscriptions: Vec<ServerSubscription>,
    names: Vec<String>,
) -> Vec<ServerSubscription> {
    subscriptions.extend(names.into_iter().map(ServerSubscription::to));
    let mut known = HashSet::new();
    subscriptions.retain(|sub| known.insert(sub.channel.clone()));
    subscriptions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel_name::ChannelNameError;

    #[test]
    fn a_refusal_says_the_same_in_every_form() {
        let refused = |temporary| {
            AuthError::Refused(ReplyError {
                code: 4242,
                message: "not you".into(),
                temporary,
            })
        };
        let channel = |error| AuthError::channel(error, "c");
        for (error, close, reply, status) in [
            (AuthError::Expired, 3005, Ok(109), 401),
            (AuthError::Invalid("x".into()), 3500, Err(3500), 401),
            (AuthError::Missing, 3500, Err(3501), 401),
            (channel(ReplyError::PERMISSION_DENIED), 3507, Ok(103), 403),
            (channel(ReplyError::UNKNOWN_CHANNEL), 3507, Ok(102), 404),
            (channel(ChannelNameError::Empty.into()), 3501, Ok(107), 400),
            (refused(false), 3507, Ok(4242), 403),
            (refused(true), 3004, Ok(4242), 503),
            (AuthError::BLOCKED, 3503, Err(3503), 403),
            (AuthError::Unavailable("busy"), 3004, Ok(100), 503),
            (AuthError::TooManyChannels, 3505, Err(3505), 400),
            (AuthError::TooManySessions, 3504, Err(3504), 429),
        ] {
            assert_eq!(error.close().code, close, "{error:?}");
            let told = error.reply_error();
            let told = told.map(|reply| reply.code).map_err(|close| close.code);
            assert_eq!((told, error.status()), (reply, status), "{error:?}");
            assert!(error.close().reason.len() <= 123 && !error.text().is_empty());
        }
    }

    #[test]
    fn a_close_over_http_says_whether_to_come_back() {
        let of = |code| status_of(&Close::new(code, ""));
        for (code, status) in [
            (1012, 503),
            (3004, 503),
            (3005, 401),
            (3013, 429),
            (3500, 401),
            (3503, 403),
            (3504, 429),
            (3505, 400),
            (4000, 503),
            (4500, 403),
        ] {
            assert_eq!(of(code), status, "{code}");
        }
    }

    #[test]
    fn channels_with_options_come_before_names_and_each_comes_once() {
        let with = |channel: &str| ServerSubscription {
            channel: channel.to_string(),
            info: Bytes::from_static(b"1"),
            ..ServerSubscription::default()
        };
        let made = subscriptions(
            vec![with("a"), with("b")],
            ["b", "c", "c"].map(String::from).to_vec(),
        );
        let names: Vec<_> = made
            .iter()
            .map(|sub| (sub.channel.as_str(), sub.info.len()))
            .collect();
        assert_eq!(names, [("a", 1), ("b", 1), ("c", 0)]);
    }
}
