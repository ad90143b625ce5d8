//! The administrators' key, their tokens and the failures of those who guess, as one value. Bounds:
//! those of [`failures`](super::failures) and [`tokens`](super::tokens).

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{
    digest::{KeyDigest, digest_of, is_key},
    failures::Failures,
    tokens::{AdminTokens, TokenBounds},
};
use crate::config;

/// What an administrator brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// The key of the settings.
    Key,
    /// A token of a login.
    Token,
}

/// Why someone is no administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAdmin {
    /// There are none.
    #[error("not served while no admin.key is set")]
    NoKey,
    /// It brought nothing.
    #[error("needs the header Authorization: Bearer <admin.key>, or a token of /admin/login")]
    Missing,
    /// It brought a wrong key.
    #[error("the key is wrong: Authorization: Bearer <admin.key> is expected")]
    Wrong,
    /// It brought a token that does not count, or no longer.
    #[error("the token is over: log in again")]
    Over,
    /// Its address has brought too many wrong keys.
    #[error("too many wrong keys from this address; come again in {} s", seconds(*.0))]
    Limited(Duration),
}

/// Whole seconds, so that whoever waits them does not come too early.
#[must_use]
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The administrators' key, tokens and failures.
pub(in crate::node) struct AdminAccess {
    key: KeyDigest,
    pub(super) tokens: AdminTokens,
    failures: Failures,
}

impl AdminAccess {
    /// Absent where no key is set.
    pub(in crate::node) fn new(settings: &config::Admin) -> Option<Self> {
        let key = settings.key.as_ref()?;
        Some(Self {
            key: digest_of(key.expose().as_bytes()),
            tokens: AdminTokens::new(TokenBounds {
                ttl: settings.token_ttl,
                lifetime: settings.token_lifetime,
                tokens_max: settings.tokens,
            }),
            failures: Failures::default(),
        })
    }

    pub(super) fn check(
        &self,
        given: &[u8],
        from: Option<IpAddr>,
        now: Instant,
    ) -> Result<Credential, NotAdmin> {
        if AdminTokens::is_one(given) {
            let times = self.tokens.times(given, now);
            return times.map(|_| Credential::Token).ok_or(NotAdmin::Over);
        }
        let is_right = || is_key(given, &self.key);
        match self.failures.try_key(from, now, is_right) {
            Ok(true) => Ok(Credential::Key),
            Ok(false) => Err(NotAdmin::Wrong),
            Err(again_in) => Err(NotAdmin::Limited(again_in)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn access() -> AdminAccess {
        let settings = config::Admin {
            key: Some(Secret::new("s3cret")),
            ..config::Admin::default()
        };
        AdminAccess::new(&settings).expect("a key is set")
    }

    // A page that asks on with a token that is over must not lock its administrator out, and a
    // live one must not be locked out by whoever else guesses behind the same address.
    #[test]
    fn tokens_are_no_guesses_of_the_key_and_go_on_while_keys_are_refused() {
        let (access, now) = (access(), Instant::now());
        let token = access.tokens.issue(now).expect("random bytes").token;
        let check = |given: &str| access.check(given.as_bytes(), None, now);
        for _ in 0..100 {
            assert_eq!(check("fanfare_admin_x"), Err(NotAdmin::Over));
        }
        assert_eq!(check("s3cret"), Ok(Credential::Key));
        for _ in 0..5 {
            assert_eq!(check("guess"), Err(NotAdmin::Wrong));
        }
        let limited = Err(NotAdmin::Limited(Duration::from_secs(60)));
        assert_eq!((check("guess"), check("s3cret")), (limited, limited));
        assert_eq!(check(&token), Ok(Credential::Token));
        assert!(access.tokens.end(token.as_bytes()));
        assert_eq!(check(&token), Err(NotAdmin::Over));
    }

    #[test]
    fn nobody_is_told_to_come_again_too_early() {
        for (millis, secs) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(seconds(Duration::from_millis(millis)), secs);
        }
    }
}
