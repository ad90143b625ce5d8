//! What went wrong last with something that goes on: pushes, polls, hooks, and when. The reason is
//! cut to a bound.

use std::time::SystemTime;

/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 300;

/// What went wrong last, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastError {
    /// When it went wrong, by the system's clock.
    pub(crate) at: SystemTime,
    /// What, in a sentence or in the words of the system.
    pub(crate) reason: Box<str>,
}

impl LastError {
    /// It went wrong now.
    #[must_use]
    pub(crate) fn now(reason: &str) -> Self {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        Self {
            at: SystemTime::now(),
            reason: reason[..end].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = "弹".repeat(200);
        let reason = LastError::now(&long).reason;
        assert_eq!(&*reason, "弹".repeat(100));
    }
}
