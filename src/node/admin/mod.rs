//! Administrators: who is one, by `admin.key` or by a token that a login with it gave.
//!
//! One for the node, where `admin.key` is set. Bounds: five wrong keys a minute of an address, and
//! the tables of [`failures`] and [`tokens`]. What a request or a client is told of a refusal is
//! its caller's to say.

mod access;
mod digest;
mod failures;
mod tokens;

use std::{net::IpAddr, time::Instant};

use self::tokens::AdminTokens;
pub(in crate::node) use self::{
    access::AdminAccess,
    digest::{KeyDigest, digest_of},
};
pub(crate) use self::{
    access::{Credential, NotAdmin, seconds},
    tokens::TokenTimes,
};
use super::Node;
use crate::metrics::Limited;

/// A login that was let in.
#[derive(Debug)]
pub(crate) struct Login {
    /// The token that it gives, in clear this once.
    pub(crate) token: String,
    /// How long it counts.
    pub(crate) times: TokenTimes,
}

/// Whether a text has the form of a token.
#[must_use]
pub(super) fn is_token(given: &[u8]) -> bool {
    AdminTokens::is_one(given)
}

impl Node {
    /// How long a token still counts; absent if it does not.
    pub(super) fn token_times(&self, token: &[u8]) -> Option<TokenTimes> {
        self.admin.as_ref()?.tokens.times(token, Instant::now())
    }

    /// Whether there are administrators.
    #[must_use]
    pub(crate) fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// Whether someone who brings this, from there, is an administrator. A wrong key is counted.
    ///
    /// # Errors
    /// [`NotAdmin`]: there are no administrators, nothing was brought, it is wrong or over, or too
    /// many were wrong from there.
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
    pub(crate) async fn login_admin(&self) -> Option<Login> {
        let issued = self.admin.as_ref()?.tokens.issue(Instant::now())?;
        for _ in 0..issued.ended {
            self.metrics.limited(Limited::AdminTokens);
        }
        if issued.ended > 0 {
            self.end_stats().await;
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

    /// Ends a token, and what was granted by it; false if there was none.
    pub(crate) async fn logout_admin(&self, token: &[u8]) -> bool {
        let admin = self.admin.as_ref();
        let ended = admin.is_some_and(|admin| admin.tokens.end(token));
        if ended {
            self.end_stats().await;
        }
        ended
    }
}
