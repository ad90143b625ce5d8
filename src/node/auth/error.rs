//! Why someone may not do what they want, and what that is in each of the forms in which a client
//! is told it: a close, the error of a reply, a status and a text of HTTP.

use std::{borrow::Cow, fmt};

use crate::{
    close::Close,
    connection::info::cut,
    hooks::{HookFailure, Unavailable},
    protocol::ReplyError,
    registry::ChannelName,
    token::TokenError,
};

/// Bytes of a Close's reason that tell of a channel.
const REASON_BYTES_MAX: usize = 120;

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
    /// The backend did not answer as it should.
    Unavailable(Unavailable),
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
            Self::Unavailable(why) => why.fmt(f),
            other => f.write_str(&other.text()),
        }
    }
}

impl AuthError {
    /// The user may not come in, whatever it brings.
    pub(crate) const BLOCKED: Self = Self::Disconnected(Close::BLOCKED);

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
            Self::Unavailable(why) => why.close(),
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
    pub(in crate::node) fn channel(error: ReplyError, channel: &str) -> Self {
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
            TokenError::Invalid(why) => Self::Invalid(why),
            TokenError::Revoked => Self::Invalid(error.to_string()),
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
            (
                AuthError::Unavailable(Unavailable::of_kind("busy")),
                3004,
                Ok(100),
                503,
            ),
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
}
