//! The keys of the server's API: whose a key is that someone brings, compared in constant time, and
//! how much each publishes.
//!
//! Made once a process, owned by the node. Bound: one token bucket a key. No key is ever logged,
//! but for the one that is made because none is set: nobody could know it otherwise.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use subtle::{Choice, ConstantTimeEq as _};
use uuid::Uuid;

use crate::{
    config, logger,
    node::{
        admin::{KeyDigest, digest_of},
        rate_limit::TokenBucket,
    },
};

/// Whose right someone brings to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiCaller {
    /// The key of this number.
    Key(usize),
    /// `admin.key`, or a token of a login.
    Admin,
}

/// The publications of one key.
struct Rate(Mutex<TokenBucket>);

impl Rate {
    fn new(publishes_per_second: u32, now: Instant) -> Self {
        let burst = publishes_per_second.saturating_mul(2);
        Self(Mutex::new(TokenBucket::new(
            publishes_per_second,
            burst,
            now,
        )))
    }

    fn take(&self, now: Instant) -> bool {
        // A bucket is whole after a panic too.
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(now)
    }
}

struct ApiKey {
    digest: KeyDigest,
    rate: Rate,
}

/// The keys of the API; one is made where the settings have none.
pub(in crate::node) struct ApiKeys {
    keys: Vec<ApiKey>,
    /// All administrators publish at the rate of one key.
    of_admin: Rate,
    /// They are the settings', not made here.
    configured: bool,
}

impl ApiKeys {
    /// The keys of the settings. Where there is none, one is made and logged, once.
    pub(in crate::node) fn new(settings: &config::Api) -> Self {
        let (rate, now) = (settings.publishes_per_second, Instant::now());
        let api_key = |key: &[u8]| ApiKey {
            digest: digest_of(key),
            rate: Rate::new(rate, now),
        };
        let set = settings.key.iter();
        let mut keys: Vec<ApiKey> = set.map(|key| api_key(key.expose().as_bytes())).collect();
        let configured = !keys.is_empty();
        if !configured {
            // 244 random bits.
            let made = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            keys.push(api_key(made.as_bytes()));
            if settings.enabled {
                // Whatever the filter of the log.
                logger::announce(format_args!(
                    "api key of this run: {made} (no api.key is set: only for requests from this machine)"
                ));
            }
        }
        Self {
            keys,
            of_admin: Rate::new(rate, now),
            configured,
        }
    }

    /// Whether the settings have any: the one that is made otherwise is for this machine alone.
    pub(in crate::node) fn is_configured(&self) -> bool {
        self.configured
    }

    /// Whose key it is, if it is one.
    pub(in crate::node) fn find(&self, key: &[u8]) -> Option<ApiCaller> {
        let given = digest_of(key);
        let mut found = None;
        // All of them, so that the time does not tell which.
        for (index, key) in self.keys.iter().enumerate() {
            let same: Choice = key.digest.ct_eq(&given);
            if bool::from(same) {
                found = Some(ApiCaller::Key(index));
            }
        }
        found
    }

    /// Takes one publication from a caller's rate; false if there is none left.
    pub(in crate::node) fn charge(&self, caller: ApiCaller, now: Instant) -> bool {
        match caller {
            ApiCaller::Key(index) => self.keys.get(index).is_some_and(|key| key.rate.take(now)),
            ApiCaller::Admin => self.of_admin.take(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Secret, Settings};

    fn keys(of: &[&str], rate: u32) -> ApiKeys {
        let mut settings = Settings::demonstration().api;
        settings.key = of.iter().map(|key| Secret::new(key)).collect();
        settings.publishes_per_second = rate;
        ApiKeys::new(&settings)
    }

    #[test]
    fn a_key_is_found_as_a_whole_and_no_other_is() {
        let two = keys(&["first", "second"], 0);
        for (key, found) in [
            ("first", Some(ApiCaller::Key(0))),
            ("second", Some(ApiCaller::Key(1))),
            ("", None),
            ("firs", None),
            ("firstfirst", None),
            ("First", None),
        ] {
            assert_eq!(two.find(key.as_bytes()), found, "{key:?}");
        }
        let made = keys(&[], 0);
        assert!(two.is_configured() && !made.is_configured());
        assert_eq!(made.find(b""), None, "one that nobody was told");
    }

    #[test]
    fn each_key_has_a_rate_of_its_own() {
        let (keys, now) = (keys(&["a", "b"], 1), Instant::now());
        let charge = |caller| keys.charge(caller, now);
        assert!(charge(ApiCaller::Key(0)) && charge(ApiCaller::Key(0)));
        assert!(!charge(ApiCaller::Key(0)), "twice the rate at once");
        assert!(charge(ApiCaller::Key(1)));
        assert!(charge(ApiCaller::Admin) && charge(ApiCaller::Admin));
        assert!(!charge(ApiCaller::Admin));
        assert!(keys.charge(ApiCaller::Admin, now + Duration::from_secs(1)));
    }
}
