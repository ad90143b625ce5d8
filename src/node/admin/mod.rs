//! Administrators: who is one, by `admin.key` or by a token that a login with it gave.
//!
//! One for the node, where `admin.key` is set. Bounds: five wrong keys a minute of an address, and
//! the tables of [`failures`] and [`tokens`]. What a request or a client is told of a refusal is
//! its caller's to say.

mod digest;
mod failures;
mod tokens;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use self::{
    digest::is_key,
    failures::Failures,
    tokens::{AdminTokens, TokenBounds},
};
pub(crate) use self::{
    digest::{KeyDigest, digest_of},
    tokens::TokenTimes,
};
use super::Node;
use crate::{config, metrics::Limited};

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

/// A login.
#[derive(Debug)]
pub(crate) struct Login {
    /// The token.
    pub(crate) token: String,
    /// How long it counts.
    pub(crate) times: TokenTimes,
}

/// The administrators' key, tokens and failures.
pub(super) struct AdminAccess {
    key: KeyDigest,
    tokens: AdminTokens,
    failures: Failures,
}

impl AdminAccess {
    /// Absent where no key is set.
    pub(super) fn new(settings: &config::Admin) -> Option<Self> {
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

    fn check(
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

impl Node {
    /// Whether there are administrators.
    #[must_use]
    pub(crate) fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// Whether someone who brings this, from there, is an administrator. A wrong key is counted.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_admin(
        &self,
        given: Option<&[u8]>,
        from: Option<IpAddr>,
    ) -> Result<Credential, NotAdmin> {
        let admin = self.admin.as_ref().ok_or(NotAdmin::NoKey)?;
        let given = given.ok_or(NotAdmin::Missing)?;
        let checked = admin.check(given, from, Instant::now());
        checked.inspect_err(|error| {
            if matches!(error, NotAdmin::Limited(_)) {
                self.metrics.limited(Limited::AdminFailures);
            }
        })
    }

    /// A token for whoever has shown the key; absent where the system has no random bytes.
    pub(crate) fn login_admin(&self) -> Option<Login> {
        let issued = self.admin.as_ref()?.tokens.issue(Instant::now())?;
        for _ in 0..issued.ended {
            self.metrics.limited(Limited::AdminTokens);
        }
        Some(Login {
            token: issued.token,
            times: issued.times,
        })
    }

    /// Has a token count on; absent if it does not count.
    pub(crate) fn renew_admin(&self, token: &[u8]) -> Option<TokenTimes> {
        self.admin.as_ref()?.tokens.renew(token, Instant::now())
    }

    /// Ends a token; false if there was none.
    pub(crate) fn logout_admin(&self, token: &[u8]) -> bool {
        let admin = self.admin.as_ref();
        admin.is_some_and(|admin| admin.tokens.end(token))
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
