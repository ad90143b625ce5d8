//! Whose request it is: keys of the server's API, compared in constant time, and whether they are
//! needed.
//!
//! Made once a process, shared by all workers. Bound: one token bucket a key. No key is ever
//! logged, but for the one that is made because none is set: nobody could know it otherwise.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web,
};
use subtle::{Choice, ConstantTimeEq as _};
use uuid::Uuid;

use crate::{
    config::Settings,
    http::local::Machine,
    logger,
    node::{
        admin::{KeyDigest, NotAdmin, digest_of},
        rate_limit::TokenBucket,
    },
};

/// The publications of one key.
struct Rate(Mutex<TokenBucket>);

impl Rate {
    fn new(publishes_per_second: u32) -> Self {
        let burst = publishes_per_second.saturating_mul(2);
        let bucket = TokenBucket::new(publishes_per_second, burst, Instant::now());
        Self(Mutex::new(bucket))
    }

    fn take(&self) -> bool {
        // A bucket is whole after a panic too.
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now())
    }
}

struct Key {
    digest: KeyDigest,
    rate: Rate,
}

impl Key {
    fn new(key: &[u8], publishes_per_second: u32) -> Self {
        Self {
            digest: digest_of(key),
            rate: Rate::new(publishes_per_second),
        }
    }
}

/// The keys.
pub(crate) struct ApiKeys {
    keys: Vec<Key>,
    /// All administrators publish at the rate of one key.
    of_admin: Rate,
    /// They are the settings', not made here.
    configured: bool,
    machine: Machine,
}

/// Names whose right a request brought: a key of [`ApiKeys`], or the administrator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyId {
    /// The key of this number.
    Key(usize),
    /// `admin.key`, or a token of a login.
    Admin,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No key, or a wrong one.
    Key,
    /// No key is set, and the request is not certainly from this machine.
    NotLocal,
    /// It brought a right of the administrator's that does not count for now.
    Admin(NotAdmin),
}

impl ApiKeys {
    /// The keys of the settings. Where there is none, one is made and logged, once.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Self {
        let api = &settings.api;
        let rate = api.publishes_per_second;
        let mut keys: Vec<Key> = api
            .key
            .iter()
            .map(|key| Key::new(key.expose().as_bytes(), rate))
            .collect();
        let configured = !keys.is_empty();
        if !configured {
            // 244 random bits.
            let made = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            keys.push(Key::new(made.as_bytes(), rate));
            if api.enabled {
                // Whatever the filter of the log.
                logger::announce(format_args!(
                    "api key of this run: {made} (no api.key is set: only for requests from this machine)"
                ));
            }
        }
        Self {
            keys,
            of_admin: Rate::new(rate),
            configured,
            machine: Machine::here(),
        }
    }

    /// Lets a request to the API in.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, request: &HttpRequest) -> Result<KeyId, Denied> {
        if !self.configured && !self.machine.sent(request) {
            return Err(Denied::NotLocal);
        }
        let key = match given(request.headers()) {
            Some(key) => self.find_key(key),
            None => self.find_key(in_query(request).as_bytes()),
        };
        key.ok_or(Denied::Key)
    }

    /// Whether a request brings a key of the API, right or wrong.
    #[must_use]
    pub(crate) fn is_brought(request: &HttpRequest) -> bool {
        given(request.headers()).is_some() || !in_query(request).is_empty()
    }

    /// Lets a reader of numbers in: with a key that is set, or from this machine while none is.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit_reader(&self, request: &HttpRequest) -> Result<(), Denied> {
        if self.configured {
            self.find(request.headers()).map(|_| ()).ok_or(Denied::Key)
        } else if self.machine.sent(request) {
            Ok(())
        } else {
            Err(Denied::NotLocal)
        }
    }

    /// Takes one publication from a key's rate; false if there is none left.
    #[must_use]
    pub(crate) fn may_publish(&self, key: KeyId) -> bool {
        match key {
            KeyId::Key(index) => self.keys.get(index).is_some_and(|key| key.rate.take()),
            KeyId::Admin => self.of_admin.take(),
        }
    }

    fn find(&self, headers: &HeaderMap) -> Option<KeyId> {
        self.find_key(given(headers)?)
    }

    fn find_key(&self, key: &[u8]) -> Option<KeyId> {
        let given = digest_of(key);
        let mut found = None;
        // All of them, so that the time does not tell which.
        for (index, key) in self.keys.iter().enumerate() {
            let same: Choice = key.digest.ct_eq(&given);
            if bool::from(same) {
                found = Some(KeyId::Key(index));
            }
        }
        found
    }
}

/// `X-API-Key: <key>` or `Authorization: apikey <key>`.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes().trim_ascii());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"apikey ")
        .then(|| key.trim_ascii())
}

/// `?api_key=<key>`, as Centrifugo takes it from those who can set no header; empty if absent. It
/// stands in the logs of proxies.
fn in_query(request: &HttpRequest) -> String {
    let pairs: Result<web::Query<Vec<(String, String)>>, _> =
        web::Query::from_query(request.query_string());
    let mut pairs = pairs
        .map(web::Query::into_inner)
        .unwrap_or_default()
        .into_iter();
    let key = pairs.find(|(name, _)| name == "api_key");
    key.map(|(_, key)| key).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Secret;

    fn keys(of: &[&str], rate: u32) -> ApiKeys {
        let mut settings = Settings::demonstration();
        settings.api.key = of.iter().map(|key| Secret::new(key)).collect();
        settings.api.publishes_per_second = rate;
        ApiKeys::new(&settings)
    }

    fn request(peer: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::post().peer_addr(peer.parse().expect("an address"));
        for header in headers {
            request = request.append_header(*header);
        }
        request.to_http_request()
    }

    #[test]
    fn each_key_opens_in_either_header_and_nothing_else_does() {
        let keys = keys(&["first", "second"], 0);
        for (headers, key) in [
            ([("X-API-Key", "first")], Ok(KeyId::Key(0))),
            ([("X-API-Key", "second")], Ok(KeyId::Key(1))),
            ([("Authorization", "apikey second")], Ok(KeyId::Key(1))),
            ([("Authorization", "APIKEY  first")], Ok(KeyId::Key(0))),
            ([("Authorization", "Bearer first")], Err(Denied::Key)),
            ([("Authorization", "apikey")], Err(Denied::Key)),
            ([("X-API-Key", "")], Err(Denied::Key)),
            ([("X-API-Key", "firs")], Err(Denied::Key)),
            ([("X-API-Key", "firstfirst")], Err(Denied::Key)),
            ([("X-Other", "first")], Err(Denied::Key)),
        ] {
            // From anywhere, by any proxy.
            let request = request("192.0.2.1:99", &[headers[0], ("Via", "1.1 proxy")]);
            assert_eq!(keys.admit(&request), key, "{headers:?}");
        }
    }

    // Backends that were made for Centrifugo and bring their key in the URL got 401.
    #[test]
    fn a_key_may_stand_in_the_url_of_the_api_and_opens_nothing_else() {
        let keys = keys(&["first", "a&b"], 0);
        let of = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = TestRequest::post().uri(uri);
            for header in headers {
                request = request.append_header(*header);
            }
            request.to_http_request()
        };
        for (uri, key) in [
            ("/api/publish?api_key=first", Ok(KeyId::Key(0))),
            ("/api/publish?x=1&api_key=a%26b", Ok(KeyId::Key(1))),
            ("/api/publish?api_key=second", Err(Denied::Key)),
            ("/api/publish?api_key=", Err(Denied::Key)),
            ("/api/publish", Err(Denied::Key)),
        ] {
            assert_eq!(keys.admit(&of(uri, &[])), key, "{uri}");
        }
        let both = of("/api/publish?api_key=first", &[("X-API-Key", "wrong")]);
        assert_eq!(keys.admit(&both), Err(Denied::Key), "the header counts");
        let reader = of("/metrics?api_key=first", &[]);
        assert_eq!(keys.admit_reader(&reader), Err(Denied::Key));
    }

    #[test]
    fn without_a_key_only_this_machine_is_answered() {
        let keys = keys(&[], 0);
        for (peer, host, denied) in [
            ("127.0.0.1:1", "localhost", Denied::Key),
            ("127.0.0.1:1", "evil.example", Denied::NotLocal),
            ("192.0.2.1:1", "localhost", Denied::NotLocal),
        ] {
            let request = request(peer, &[("Host", host)]);
            assert_eq!(keys.admit(&request), Err(denied), "{peer} {host}");
            let reader = keys.admit_reader(&request);
            assert_eq!(reader.is_ok(), denied == Denied::Key, "{peer} {host}");
        }
    }

    #[test]
    fn a_key_that_is_set_is_asked_of_readers_too() {
        let keys = keys(&["k"], 0);
        assert_eq!(
            keys.admit_reader(&request("127.0.0.1:1", &[])),
            Err(Denied::Key)
        );
        assert_eq!(
            keys.admit_reader(&request("192.0.2.1:1", &[("X-API-Key", "k")])),
            Ok(())
        );
    }

    #[test]
    fn each_key_has_a_rate_of_its_own() {
        let keys = keys(&["a", "b"], 1);
        assert!(keys.may_publish(KeyId::Key(0)) && keys.may_publish(KeyId::Key(0)));
        assert!(!keys.may_publish(KeyId::Key(0)), "twice the rate at once");
        assert!(keys.may_publish(KeyId::Key(1)));
        assert!(keys.may_publish(KeyId::Admin) && keys.may_publish(KeyId::Admin));
        assert!(!keys.may_publish(KeyId::Admin));
    }
}
