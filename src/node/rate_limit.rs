//! How much a session or a user may send: token buckets (one token a message, refilled by the second), and how many sessions a
//! user may have. Pure but for the lock around the users; `now` is a parameter. Bound: one entry a user with a session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket of `burst` that gets `rate` a second; a rate of 0 never runs out.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            rate: rate.into(),
            burst: burst.max(1).into(),
            tokens: burst.max(1).into(),
            filled: now,
        }
    }

    /// Takes one token; false if there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.rate == 0.0 {
            return true;
        }
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Whether nothing of what it allows is used.
    fn is_full(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens + passed * self.rate >= self.burst
    }
}

/// A session's own rate, and what it has earned by going on beyond it.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    bucket: TokenBucket,
    refused: u32,
    user: Option<UserPermit>,
}

/// Refusals in a row after which a session that goes on is closed.
const REFUSALS_MAX: u32 = 50;

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// It passes.
    Pass,
    /// It does not (error 111).
    Refuse,
    /// The session does not stop (3013).
    End,
}

impl RateLimiter {
    /// A session's meter.
    #[must_use]
    pub fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            bucket: TokenBucket::new(rate, burst, now),
            refused: 0,
            user: None,
        }
    }

    /// From now on the session counts for its user too.
    pub fn set_user(&mut self, permit: Option<UserPermit>) {
        self.user = permit;
    }

    /// A message came.
    pub fn take(&mut self, now: Instant) -> RateDecision {
        let passes = self.bucket.take(now) && self.user.as_ref().is_none_or(|user| user.take(now));
        if passes {
            self.refused = 0;
            return RateDecision::Pass;
        }
        self.refused += 1;
        if self.refused > REFUSALS_MAX {
            RateDecision::End
        } else {
            RateDecision::Refuse
        }
    }
}

/// Users that are remembered before those without a session are looked through.
const SENDERS_MAX: usize = 4096;

struct User {
    sessions: usize,
    bucket: TokenBucket,
}

/// All users with a session.
pub struct Users {
    sessions_max: usize,
    rate: u32,
    users: Mutex<HashMap<Arc<str>, User>>,
}

impl Users {
    /// Nobody yet. 0 is no limit, for both.
    #[must_use]
    pub fn new(sessions_max: usize, rate: u32) -> Arc<Self> {
        Arc::new(Self {
            sessions_max,
            rate,
            users: Mutex::default(),
        })
    }

    /// A session of a user begins; `None` if there are too many already. Nobody in particular is not counted.
    pub fn enter(self: &Arc<Self>, user: &str, now: Instant) -> Option<UserPermit> {
        let mut users = self.lock();
        let user: Arc<str> = user.into();
        let entry = users.entry(user.clone()).or_insert_with(|| User {
            sessions: 0,
            bucket: TokenBucket::new(self.rate, self.rate.saturating_mul(2), now),
        });
        if self.sessions_max > 0 && entry.sessions >= self.sessions_max && !user.is_empty() {
            return None;
        }
        entry.sessions += 1;
        Some(UserPermit(Arc::new(Place {
            users: self.clone(),
            user,
        })))
    }

    /// A message of a user that came without a session. Of users without one, as many are remembered as
    /// [`SENDERS_MAX`] says: beyond that, those who have not sent for long enough to have a full bucket are forgotten.
    pub fn charge(&self, user: &str, now: Instant) -> RateDecision {
        if self.rate == 0 || user.is_empty() {
            return RateDecision::Pass;
        }
        let mut users = self.lock();
        if users.len() >= SENDERS_MAX && !users.contains_key(user) {
            users.retain(|_, user| user.sessions > 0 || !user.bucket.is_full(now));
        }
        let entry = users.entry(user.into()).or_insert_with(|| User {
            sessions: 0,
            bucket: TokenBucket::new(self.rate, self.rate.saturating_mul(2), now),
        });
        if entry.bucket.take(now) {
            RateDecision::Pass
        } else {
            RateDecision::Refuse
        }
    }

    /// Different users with a session, those without a name left out.
    #[must_use]
    pub fn count(&self) -> usize {
        let users = self.lock();
        let with_session = users
            .iter()
            .filter(|(name, user)| user.sessions > 0 && !name.is_empty());
        with_session.count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, User>> {
        // Single steps on the map, which is whole after a panic too.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Place {
    users: Arc<Users>,
    user: Arc<str>,
}

/// One session's place among its user's; given back when the last copy is dropped.
#[derive(Clone)]
pub struct UserPermit(Arc<Place>);

impl std::fmt::Debug for UserPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserPermit")
    }
}

impl UserPermit {
    fn take(&self, now: Instant) -> bool {
        let place = &self.0;
        if place.users.rate == 0 || place.user.is_empty() {
            return true;
        }
        let mut users = place.users.lock();
        users
            .get_mut(&place.user)
            .is_none_or(|user| user.bucket.take(now))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut users = self.users.lock();
        if let Some(user) = users.get_mut(&self.user) {
            user.sessions -= 1;
            if user.sessions == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_pass_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10, 5, start);
        assert_eq!((0..20).filter(|_| bucket.take(start)).count(), 5);
        let later = start + Duration::from_secs(1);
        assert_eq!(
            (0..20).filter(|_| bucket.take(later)).count(),
            5,
            "the burst is the most it holds"
        );
        let mut endless = TokenBucket::new(0, 0, start);
        assert!((0..1_000).all(|_| endless.take(start)));
    }

    #[test]
    fn who_goes_on_beyond_the_rate_is_ended_and_who_stops_is_forgiven() {
        let start = Instant::now();
        let mut rate_limiter = RateLimiter::new(1, 1, start);
        assert_eq!(rate_limiter.take(start), RateDecision::Pass);
        let tolls: Vec<RateDecision> = (0..=REFUSALS_MAX)
            .map(|_| rate_limiter.take(start))
            .collect();
        assert!(
            tolls[..REFUSALS_MAX as usize]
                .iter()
                .all(|toll| *toll == RateDecision::Refuse)
        );
        assert_eq!(tolls[REFUSALS_MAX as usize], RateDecision::End);
        assert_eq!(
            rate_limiter.take(start + Duration::from_secs(2)),
            RateDecision::Pass
        );
        assert_eq!(
            rate_limiter.take(start + Duration::from_secs(2)),
            RateDecision::Refuse
        );
    }

    #[test]
    fn who_sends_without_a_session_has_the_same_rate_and_is_forgotten_when_that_changes_nothing() {
        let now = Instant::now();
        let users = Users::new(0, 1);
        assert_eq!(
            [(); 3].map(|()| users.charge("42", now)),
            [RateDecision::Pass, RateDecision::Pass, RateDecision::Refuse]
        );
        assert_eq!(users.count(), 0, "no session");
        let later = now + Duration::from_secs(5);
        for number in 0..2 * SENDERS_MAX {
            users.charge(
                &format!("u{number}"),
                later + Duration::from_secs(number as u64),
            );
        }
        assert!(users.lock().len() <= SENDERS_MAX);
        assert!((0..5).all(|_| users.charge("", now) == RateDecision::Pass));
    }

    #[test]
    fn a_user_has_so_many_sessions_and_one_rate_for_all_of_them() {
        let now = Instant::now();
        let users = Users::new(2, 1);
        let first = users.enter("42", now).expect("room");
        let second = users.enter("42", now).expect("room");
        assert!(users.enter("42", now).is_none());
        assert!(users.enter("43", now).is_some());
        assert!(
            first.take(now) && second.take(now),
            "twice the rate at once"
        );
        assert!(!first.take(now));
        drop(first);
        assert!(users.enter("42", now).is_some());
        drop(second);
        assert_eq!(users.count(), 0);
        assert!((0..5).all(|_| users.enter("", now).is_some_and(|permit| permit.take(now))));
    }
}
