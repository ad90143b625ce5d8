//! What a hook says when it has no result, and how that is counted.

use std::{borrow::Cow, fmt};

use super::stats::CallOutcome;
use crate::{close::Close, http_client::HttpError, protocol::ReplyError};

/// The result of a hook.
pub(crate) type HookResult<T> = Result<T, HookFailure>;

/// A call without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookFailure {
    /// `{"error":…}`: goes to the client as it is. Its code is never 0.
    Error(ReplyError),
    /// `{"disconnect":…}`: closes the client.
    Disconnect {
        /// 3000 to 4999.
        code: u16,
        /// At most 123 bytes, so that it fits into a Close frame.
        reason: String,
    },
    /// The backend did not answer as it should: the client gets error 100.
    Unavailable(Unavailable),
}

/// A call without a usable answer. Two are the same if they are of one kind.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// Its kind: one of [`CallOutcome`]'s words, or `not_configured`.
    kind: &'static str,
    /// What the log says of it and the client is not told: the system's words, or what is wrong
    /// with the answer and where.
    why: Cow<'static, str>,
}

impl Unavailable {
    pub(crate) const fn of_kind(kind: &'static str) -> Self {
        Self {
            kind,
            why: Cow::Borrowed(kind),
        }
    }

    /// What a client is told: whether there was an answer, and none of what it says.
    #[must_use]
    pub(crate) fn close(&self) -> Close {
        match self.kind {
            "status" => {
                Close::BACKEND_UNAVAILABLE.with_reason("the backend answered with an error")
            }
            "malformed" | "too_large" => {
                Close::BACKEND_UNAVAILABLE.with_reason("the backend's answer cannot be used")
            }
            _ => Close::BACKEND_UNAVAILABLE,
        }
    }
}

impl PartialEq for Unavailable {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Unavailable {}

/// As the log says it.
impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            "status" => write!(f, "the backend {}", self.why),
            "not_configured" => f.write_str("the hook is not set"),
            "busy" => write!(f, "the backend was not asked: {}", self.why),
            _ => write!(f, "{}: {}", self.close().reason, self.why),
        }
    }
}

impl HookFailure {
    pub(super) const NOT_CONFIGURED: Self =
        Self::Unavailable(Unavailable::of_kind("not_configured"));
    pub(super) const MALFORMED: Self =
        Self::Unavailable(Unavailable::of_kind(CallOutcome::Malformed.word()));
    pub(super) const TOO_LARGE: Self =
        Self::Unavailable(Unavailable::of_kind(CallOutcome::TooLarge.word()));

    /// How a call that failed so is counted.
    pub(super) fn outcome(&self) -> CallOutcome {
        match self {
            Self::Error(_) => CallOutcome::Error,
            Self::Disconnect { .. } => CallOutcome::Disconnect,
            Self::Unavailable(unavailable) => {
                let named = CallOutcome::ALL
                    .iter()
                    .find(|outcome| outcome.word() == unavailable.kind);
                named.copied().unwrap_or(CallOutcome::Broken)
            }
        }
    }
}

impl From<CallOutcome> for HookFailure {
    fn from(outcome: CallOutcome) -> Self {
        Self::Unavailable(Unavailable::of_kind(outcome.word()))
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

impl From<CallFault> for HookFailure {
    fn from(fault: CallFault) -> Self {
        match fault.failure {
            Self::Unavailable(Unavailable { kind, .. }) => Self::Unavailable(Unavailable {
                kind,
                why: fault.why,
            }),
            told => told,
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
