//! Why a user was not blocked, or a token not taken back.

use super::bounds::NAME_BYTES_MAX;

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// [`BYTES_MAX`](super::bounds::BYTES_MAX) is reached.
    #[error("no room for more blocked users and revoked tokens")]
    Full,
    /// The name is empty: anonymous clients cannot be blocked one by one.
    #[error("a user or token id is needed")]
    Empty,
    /// [`NAME_BYTES_MAX`] is exceeded.
    #[error("a user, token id or channel has at most {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// It counts, but the disk did not take it: a restart forgets it, unless the disk can be
    /// written to before.
    #[error(
        "it counts now, but cannot be written to disk: a restart forgets it, unless that works again before; try \
         again"
    )]
    NotKept,
}
