//! Tokens of administrators: what a login gives, so that a page need not hold the key. 256 random
//! bits, of which only the hash is kept. Pure but for the lock; `now` is a parameter. Bound:
//! `admin.tokens`; at it a new one ends the one that would be over first. They live in memory, so
//! they end with the process, and with it whenever the key changes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::digest::{KeyDigest, digest_of};
use crate::config::ADMIN_TOKEN_PREFIX;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// How long tokens live, and how many there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBounds {
    /// `admin.token_ttl`: unless renewed.
    pub(super) ttl: Duration,
    /// `admin.token_lifetime`: however often renewed.
    pub(super) lifetime: Duration,
    /// `admin.tokens`.
    pub(super) tokens_max: usize,
}

/// How long a token still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenTimes {
    /// Unless it is renewed.
    pub(crate) expires_in: Duration,
    /// However often it is renewed.
    pub(crate) ends_in: Duration,
}

/// A new token.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) times: TokenTimes,
    /// Others that were ended for it.
    pub(super) ended: usize,
}

#[derive(Clone, Copy, Debug)]
struct TokenLife {
    over_at: Instant,
    ends_at: Instant,
}

impl TokenLife {
    /// Begins, or goes on, at `now`; a lifetime beyond what a clock can hold ends with its `ttl`.
    fn renewed(ends_at: Instant, ttl: Duration, now: Instant) -> Self {
        let over_at = now.checked_add(ttl).map_or(ends_at, |at| at.min(ends_at));
        Self { over_at, ends_at }
    }

    fn times(&self, now: Instant) -> Option<TokenTimes> {
        let expires_in = self.over_at.saturating_duration_since(now);
        (!expires_in.is_zero()).then(|| TokenTimes {
            expires_in,
            ends_in: self.ends_at.saturating_duration_since(now),
        })
    }
}

/// The tokens that count.
pub(super) struct AdminTokens {
    bounds: TokenBounds,
    tokens: Mutex<HashMap<KeyDigest, TokenLife>>,
}

impl AdminTokens {
    /// With no token given out yet.
    pub(super) fn new(bounds: TokenBounds) -> Self {
        Self {
            bounds,
            tokens: Mutex::default(),
        }
    }

    /// Whether a text has the form of a token. It is then never compared with a key, and no guess
    /// of one: nobody guesses 256 bits.
    pub(super) fn is_one(given: &[u8]) -> bool {
        given.starts_with(ADMIN_TOKEN_PREFIX.as_bytes())
    }

    /// A new token; absent where the system has no random bytes.
    pub(super) fn issue(&self, now: Instant) -> Option<Issued> {
        let mut bytes = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let token = format!("{ADMIN_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let TokenBounds {
            ttl,
            lifetime,
            tokens_max,
        } = self.bounds;
        let ends_at = now.checked_add(lifetime).unwrap_or(now + ttl);
        let life = TokenLife::renewed(ends_at, ttl, now);
        let mut tokens = self.lock();
        tokens.retain(|_, life| life.times(now).is_some());
        let mut ended = 0;
        while tokens.len() >= tokens_max.max(1) {
            let first = tokens.iter().min_by_key(|(_, life)| life.over_at);
            let Some(first) = first.map(|(hash, _)| *hash) else {
                break;
            };
            tokens.remove(&first);
            ended += 1;
        }
        tokens.insert(digest_of(token.as_bytes()), life);
        Some(Issued {
            token,
            times: life.times(now)?,
            ended,
        })
    }

    /// How long a token still counts; absent if it does not.
    pub(super) fn times(&self, token: &[u8], now: Instant) -> Option<TokenTimes> {
        self.lock().get(&digest_of(token))?.times(now)
    }

    /// Has a token count as long as a new one would, within its lifetime; absent if it does not
    /// count.
    pub(super) fn renew(&self, token: &[u8], now: Instant) -> Option<TokenTimes> {
        let mut tokens = self.lock();
        let life = tokens.get_mut(&digest_of(token))?;
        life.times(now)?;
        *life = TokenLife::renewed(life.ends_at, self.bounds.ttl, now);
        life.times(now)
    }

    /// Ends a token; false if there was none.
    pub(super) fn end(&self, token: &[u8]) -> bool {
        self.lock().remove(&digest_of(token)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<KeyDigest, TokenLife>> {
        // Single steps on the map, which is whole after a panic too.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(900);
    const LIFETIME: Duration = Duration::from_secs(12 * 3600);

    fn tokens(tokens_max: usize) -> AdminTokens {
        AdminTokens::new(TokenBounds {
            ttl: TTL,
            lifetime: LIFETIME,
            tokens_max,
        })
    }

    fn issue(tokens: &AdminTokens, now: Instant) -> String {
        tokens.issue(now).expect("random bytes").token
    }

    // A token that outlives its page opens the node to whoever finds it. It is over when nobody
    // renews it, and at the latest after its lifetime.
    #[test]
    fn a_token_is_over_without_renewal_and_after_its_lifetime_whatever_is_done() {
        let (tokens, start) = (tokens(2), Instant::now());
        let token = issue(&tokens, start);
        let at = |secs| start + Duration::from_secs(secs);
        let counts = |now| tokens.times(token.as_bytes(), now).is_some();
        assert!(counts(at(899)) && !counts(at(900)));
        assert_eq!(tokens.renew(token.as_bytes(), at(900)), None, "too late");
        let token = issue(&tokens, start);
        let mut now = start;
        for _ in 0..47 {
            now += TTL - Duration::from_secs(1);
            let times = tokens.renew(token.as_bytes(), now).expect("it counts");
            assert_eq!(times.expires_in, TTL.min(times.ends_in));
        }
        let last = tokens.renew(token.as_bytes(), now).expect("it counts");
        assert_eq!(last.ends_in, start + LIFETIME - now);
        assert_eq!(tokens.renew(token.as_bytes(), start + LIFETIME), None);
    }

    #[test]
    fn a_token_that_was_ended_is_none() {
        let (tokens, now) = (tokens(2), Instant::now());
        let (kept, ended) = (issue(&tokens, now), issue(&tokens, now));
        assert!(tokens.end(ended.as_bytes()) && !tokens.end(ended.as_bytes()));
        assert_eq!(tokens.times(ended.as_bytes(), now), None);
        assert!(tokens.times(kept.as_bytes(), now).is_some());
        let other = format!("{kept}x");
        assert_eq!(tokens.times(other.as_bytes(), now), None);
    }

    #[test]
    fn one_too_many_ends_the_one_that_would_be_over_first() {
        let (tokens, start) = (tokens(2), Instant::now());
        let (first, second) = (issue(&tokens, start), issue(&tokens, start + TTL / 3));
        let now = start + TTL / 2;
        assert!(tokens.renew(first.as_bytes(), now).is_some());
        let third = tokens.issue(now).expect("random bytes");
        assert_eq!(third.ended, 1);
        let counts = |token: &str| tokens.times(token.as_bytes(), now).is_some();
        assert!(counts(&first) && !counts(&second) && counts(&third.token));
        let much_later = now + LIFETIME;
        assert_eq!(tokens.issue(much_later).expect("random bytes").ended, 0);
        assert_eq!(tokens.lock().len(), 1, "those that are over take no room");
    }

    #[test]
    fn tokens_are_256_random_bits_and_only_their_hash_is_kept() {
        let (tokens, now) = (tokens(100), Instant::now());
        let made: Vec<String> = (0..50).map(|_| issue(&tokens, now)).collect();
        let different: std::collections::HashSet<&String> = made.iter().collect();
        assert_eq!(different.len(), 50);
        for token in &made {
            assert!(AdminTokens::is_one(token.as_bytes()));
            let bits = token.strip_prefix(ADMIN_TOKEN_PREFIX).expect("the prefix");
            let bytes = URL_SAFE_NO_PAD.decode(bits).expect("base64url");
            assert_eq!(bytes.len(), TOKEN_BYTES);
            assert!(!tokens.lock().keys().any(|hash| hash[..] == bytes[..]));
        }
    }
}
