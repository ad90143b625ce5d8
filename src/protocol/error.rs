//! What goes wrong in the protocol: a frame that cannot be read, and the errors that a reply
//! carries.
//!
//! The codes are the reference's (0–399 are reserved; an application's own are 400–1999). The texts
//! below are fixed; whoever refuses may put the cause behind them, and what is quoted of a peer's
//! there is escaped and bounded by the bound of a channel's name.

use std::borrow::Cow;

use crate::channel_name::ChannelNameError;

/// Why a frame cannot be read. It ends the connection with 3501; the text is short enough for a
/// Close reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

impl Malformed {
    pub(super) const AMBIGUOUS: Self = Self("more than one method in a command");
}

/// An error as a reply carries it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ReplyError {
    /// What the SDK decides by.
    pub(crate) code: u32,
    /// What a person reads.
    pub(crate) message: Cow<'static, str>,
    /// The SDK tries again after a while.
    pub(crate) temporary: bool,
}

impl ReplyError {
    /// The server failed, or has no room now. Temporary.
    pub(crate) const INTERNAL: Self = Self::fixed(100, "internal server error").passing();
    /// Who asks is not known.
    pub(crate) const UNAUTHORIZED: Self = Self::fixed(101, "unauthorized");
    /// No such namespace.
    pub(crate) const UNKNOWN_CHANNEL: Self = Self::fixed(102, "unknown channel");
    /// Who asks is known, and may not.
    pub(crate) const PERMISSION_DENIED: Self = Self::fixed(103, "permission denied");
    /// No such method.
    pub(crate) const METHOD_NOT_FOUND: Self = Self::fixed(104, "method not found");
    /// The session has that channel.
    pub(crate) const ALREADY_SUBSCRIBED: Self = Self::fixed(105, "already subscribed");
    /// More than a setting allows.
    pub(crate) const LIMIT_EXCEEDED: Self = Self::fixed(106, "limit exceeded");
    /// A field's value makes no sense here.
    pub(crate) const BAD_REQUEST: Self = Self::fixed(107, "bad request");
    /// The feature is off for this channel, or nobody handles it.
    pub(crate) const NOT_AVAILABLE: Self = Self::fixed(108, "not available");
    /// The SDK gets a new token and tries again.
    pub(crate) const TOKEN_EXPIRED: Self = Self::fixed(109, "token expired");
    /// Over a rate. Temporary.
    pub(crate) const TOO_MANY_REQUESTS: Self = Self::fixed(111, "too many requests").passing();
    /// The history no longer reaches back to the given position.
    pub(crate) const UNRECOVERABLE_POSITION: Self = Self::fixed(112, "unrecoverable position");

    const fn fixed(code: u32, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            temporary: false,
        }
    }

    const fn passing(mut self) -> Self {
        self.temporary = true;
        self
    }
}

impl From<ChannelNameError> for ReplyError {
    fn from(error: ChannelNameError) -> Self {
        Self {
            message: format!("{}: {error}", Self::BAD_REQUEST.message).into(),
            ..Self::BAD_REQUEST
        }
    }
}
