//! What a hook says when it has no result, and how that is counted.

use std::borrow::Cow;

use super::stats::CallOutcome;
use crate::{http_client::HttpError, protocol::ReplyError};

/// The result of a hook.
pub(crate) type Answer<T> = Result<T, HookFailure>;

/// A call without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookFailure {
    /// `{"error":…}`: goes to the client as it is. Its code is never 0.
    Error(ReplyError),
    /// `{"disconnect":…}`: closes the client.
    Disconnect {
        /// 3000 to 4999.
        code: u16,
        /// At most 123 bytes, so that it fits into a Close frame.
        reason: String,
    },
    /// The backend did not answer as it should: the client gets error 100. The word is one of
    /// [`CallOutcome`]'s, or `not_configured`.
    Unavailable(&'static str),
}

impl HookFailure {
    pub(super) const NOT_CONFIGURED: Self = Self::Unavailable("not_configured");
    pub(super) const MALFORMED: Self = Self::Unavailable(CallOutcome::Malformed.word());
    pub(super) const TOO_LARGE: Self = Self::Unavailable(CallOutcome::TooLarge.word());

    /// How a call that failed so is counted.
    pub(super) fn outcome(&self) -> CallOutcome {
        match self {
            Self::Error(_) => CallOutcome::Error,
            Self::Disconnect { .. } => CallOutcome::Disconnect,
            Self::Unavailable(word) => {
                let named = CallOutcome::ALL
                    .iter()
                    .find(|outcome| outcome.word() == *word);
                named.copied().unwrap_or(CallOutcome::Broken)
            }
        }
    }
}

impl From<CallOutcome> for HookFailure {
    fn from(outcome: CallOutcome) -> Self {
        Self::Unavailable(outcome.word())
    }
}

/// A call without a result, with what the log says of it and the client is not told.
#[derive(Debug)]
pub(super) struct CallFault {
    pub(super) failure: HookFailure,
    /// The system's words, or what is wrong with the answer and where.
    pub(super) why: Cow<'static, str>,
}

impl CallFault {
    /// An answer that is not what the documentation asks for.
    pub(super) fn malformed(why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            failure: HookFailure::MALFORMED,
            why: why.into(),
        }
    }
}

impl From<HookFailure> for CallFault {
    fn from(failure: HookFailure) -> Self {
        let why = failure.outcome().word().into();
        Self { failure, why }
    }
}

impl From<HttpError> for CallFault {
    fn from(error: HttpError) -> Self {
        let why = error.to_string().into();
        Self {
            failure: HookFailure::from(error),
            why,
        }
    }
}

impl From<HttpError> for HookFailure {
    fn from(error: HttpError) -> Self {
        Self::from(match error {
            HttpError::Connect(_) => CallOutcome::Connect,
            HttpError::Broken(_) => CallOutcome::Broken,
            HttpError::TooLarge => CallOutcome::TooLarge,
            HttpError::Encoded(_) => CallOutcome::Malformed,
        })
    }
}
