//! Why a token does not count, and which setting for tokens is wrong.
//!
//! Texts are for the log; no token, key or claimed value ever stands in them.

/// Why a token does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It counted until its end.
    #[error("the token is expired")]
    Expired,
    /// It counts from a moment that is still to come: a clock differs, or it was made for later.
    #[error("the token does not count yet (claim nbf)")]
    NotYet,
    /// A time of it is too large for seconds, most often in milliseconds; its maker is told which.
    #[error("the claim {0} is beyond the year 9999 in seconds (milliseconds?)")]
    NotSeconds(String),
    /// It is wrong; the text says why, for the log.
    #[error("the token is invalid: {0}")]
    Invalid(String),
    /// It was taken back.
    #[error("the token is revoked")]
    Revoked,
    /// All tokens of its age were taken back: a new one helps.
    #[error("the token is older than its user's tokens may be")]
    Invalidated,
    /// Its user is blocked.
    #[error("the user is blocked")]
    Blocked,
}

/// Which setting is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct TokenSetupError {
    /// The setting, such as `token.public_keys 2`.
    pub(crate) setting: String,
    /// What is wrong with it.
    pub(crate) why: String,
}
