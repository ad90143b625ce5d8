//! The cache of public keys that are fetched from a URL (RFC 7517).
//!
//! Owned by [`super::Tokens`], shared by all workers. Bounds: [`KEYS_MAX`] keys, one fetch at a
//! time and one each [`RETRY`] at most, whatever tokens name; [`KIDLESS_MAX`] keys tried for a
//! token without a key id. A fetch runs as a task of its own, so that a client that goes away takes
//! nobody's keys along. A failing endpoint never unseats keys that are known; a document that is
//! fetched replaces them all, so that a key taken out of it is gone.
//!
//! The clock is the caller's. It must not hold its lock across an await.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{runtime::Handle, sync::watch};

use super::{jwks_source::JwksSource, key::VerificationKey};

/// Keys that are kept; further ones are left out.
pub(super) const KEYS_MAX: usize = 64;

/// Shortest time from one fetch to the next.
pub(super) const RETRY: Duration = Duration::from_secs(10);

/// Age at which keys are fetched anew in the background, while the old ones still count.
pub(super) const REFRESH: Duration = Duration::from_secs(10 * 60);

/// Age from which a fetch is awaited first, so that a key withdrawn during a quiet night does not
/// count once more.
pub(super) const STALE: Duration = Duration::from_secs(60 * 60);

/// Keys tried for a token that names none; each costs a verification.
const KIDLESS_MAX: usize = 8;

/// A key and its id.
type KnownKey = (Option<String>, VerificationKey);

/// The cache; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Jwks {
    source: JwksSource,
    state: Arc<Mutex<Cache>>,
}

#[derive(Debug, Default)]
struct Cache {
    /// The keys and when they were fetched.
    keys: Option<(Arc<Vec<KnownKey>>, SystemTime)>,
    /// When the last fetch began.
    tried_at: Option<SystemTime>,
    /// The fetch under way; its sender goes when it ends.
    running: Option<watch::Receiver<()>>,
    /// Why the last fetch failed.
    fault: Option<String>,
}

impl Jwks {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        Ok(Self {
            source: JwksSource::new(url)?,
            state: Arc::default(),
        })
    }

    /// The keys that may verify a token with this algorithm and key id; fetched first where that is
    /// due.
    ///
    /// # Errors
    /// The JWKS could not be fetched or has no such key, as a text for the log.
    pub(super) async fn keys(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: SystemTime,
    ) -> Result<Vec<VerificationKey>, String> {
        let age = self.age(now);
        let mut found = self.known(id, algorithm);
        let must_wait = found.is_empty() || age.is_none_or(|age| age >= STALE);
        if must_wait || age.is_some_and(|age| age >= REFRESH) {
            let fetch = self.start(now);
            if must_wait && let Some(mut fetch) = fetch {
                // Nothing is ever sent; it ends when the task does, however it ends.
                let _ = fetch.changed().await;
                found = self.known(id, algorithm);
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let state = self.lock();
        Err(match (&state.keys, &state.fault) {
            (None, Some(fault)) => format!("the JWKS could not be fetched: {fault}"),
            (None, None) => "the JWKS has not been fetched yet".to_string(),
            (Some(_), Some(fault)) => {
                format!("the JWKS has no key for it, and could not be fetched anew: {fault}")
            }
            (Some(_), None) => "the JWKS has no key for it".to_string(),
        })
    }

    /// How old the keys are; `None` where there are none, or the clock was set back.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        let fetched_at = self.lock().keys.as_ref()?.1;
        now.duration_since(fetched_at).ok()
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<VerificationKey> {
        let Some((keys, _)) = self.lock().keys.clone() else {
            return Vec::new();
        };
        keys.iter()
            .filter(|(key_id, key)| {
                (id.is_none() || key_id.as_deref() == id) && key.accepts(algorithm)
            })
            .take(KIDLESS_MAX)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Joins the fetch under way, or begins one; `None` where it is too early for one.
    fn start(&self, now: SystemTime) -> Option<watch::Receiver<()>> {
        let mut state = self.lock();
        if let Some(running) = &state.running {
            return Some(running.clone());
        }
        let is_early = state
            .tried_at
            .and_then(|tried_at| now.duration_since(tried_at).ok())
            .is_some_and(|since| since < RETRY);
        let runtime = Handle::try_current().ok()?;
        if is_early {
            return None;
        }
        let (sender, receiver) = watch::channel(());
        state.tried_at = Some(now);
        state.running = Some(receiver.clone());
        let fetch = Fetch {
            jwks: self.clone(),
            _running: sender,
        };
        runtime.spawn(fetch.run(now));
        Some(receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // Nothing that runs under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch under way; whatever ends it, the next one may begin.
struct Fetch {
    jwks: Jwks,
    _running: watch::Sender<()>,
}

impl Fetch {
    async fn run(self, now: SystemTime) {
        let outcome = self.jwks.source.fetch().await;
        let outcome = outcome.and_then(|document| read(&document));
        let mut state = self.jwks.lock();
        match outcome {
            Ok(keys) => {
                log::debug!("token.jwks_url: {} keys", keys.len());
                state.keys = Some((Arc::new(keys), now));
                state.fault = None;
            }
            Err(fault) => {
                log::warn!("token.jwks_url: {fault}");
                state.fault = Some(fault);
            }
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.jwks.lock().running = None;
    }
}

/// Reads a document; keys of other kinds and faulty ones are left out, since issuers publish more
/// than signing keys.
fn read(document: &[u8]) -> Result<Vec<KnownKey>, String> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    let document: Document<'_> = serde_json::from_slice(document)
        .map_err(|_| "its answer is no JWKS document, {\"keys\": […]}".to_string())?;
    let mut keys = Vec::new();
    for raw in document.keys {
        match VerificationKey::from_jwk(raw.get()) {
            Ok(_) if keys.len() == KEYS_MAX => {
                log::warn!("token.jwks_url: only the first {KEYS_MAX} keys are taken");
                break;
            }
            Ok(entry) => keys.push(entry),
            Err(why) => log::debug!("token.jwks_url: a key is left out: {why}"),
        }
    }
    Ok(keys)
}
