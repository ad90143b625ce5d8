//! Why a broker did not do what it was asked.

use crate::close::Close;

/// What went wrong, and whether asking again can do harm. All of them pass: who comes again may be
/// lucky.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// A queue on the way has no room (`limits.shard_queue`, `limits.shard_queue_bytes`). Nothing
    /// was done.
    #[error("a shard has no room for another publication, try again")]
    Busy,
    /// The broker cannot be reached, or a reader's answer did not come in time. Nothing was
    /// published.
    #[error("the broker does not answer, nothing was done, try again")]
    Unavailable,
    /// The request went out and no answer came: it may have been published, or will be yet.
    #[error(
        "the broker did not answer in time: it may have been published; try again only with an \
         idempotency key"
    )]
    Doubtful,
    /// The state on disk takes nothing at the moment (`[state]`). Nothing was done.
    #[error("what is kept cannot be written to disk at the moment, nothing was done, try again")]
    NotKept,
    /// There is no room for another idempotency key (`limits.idempotency_bytes`). Nothing was done.
    #[error("there is no room for another idempotency key, nothing was done, try again later")]
    KeysFull,
    /// The same for a client, whose own keys or those of all clients have reached their share.
    #[error("too many idempotency keys, nothing was done, try again later")]
    TooManyKeys,
}

impl BrokerError {
    /// How a connection is closed that cannot be told otherwise (1013).
    #[must_use]
    pub(crate) fn close(self) -> Close {
        match self {
            Self::Busy => Close::TRY_AGAIN,
            _ => Close::TRY_AGAIN.with_reason(self.to_string()),
        }
    }

    /// Whether the same request can go out again without the danger of being published twice.
    #[must_use]
    pub(crate) fn is_harmless(self) -> bool {
        self != Self::Doubtful
    }
}
