//! How much a session or a user may send: token buckets (one token a message, refilled by the
//! second), and how many sessions a user may have. Pure but for the lock around the users; `now` is
//! a parameter. Bound: one entry a user with a session, and [`IDLE_MAX`] users whose last session
//! is gone, or who have none, and whose bucket is not full yet.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    rate: u32,
    burst: u32,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket of `burst` that gets `rate` a second; a rate of 0 never runs out.
    #[must_use]
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            rate,
            burst: burst.max(1),
            tokens: burst.max(1).into(),
            filled: now,
        }
    }

    /// Takes one token; false if there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.rate == 0 {
            return true;
        }
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * f64::from(self.rate)).min(self.burst.into());
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// When it is full again if nothing more is taken: from then on it is as a new one.
    fn full_at(&self) -> Instant {
        if self.rate == 0 {
            return self.filled;
        }
        self.filled
            + Duration::from_secs_f64((f64::from(self.burst) - self.tokens) / f64::from(self.rate))
    }
}

/// A session's own rate, and what it has earned by going on beyond it.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter {
    bucket: TokenBucket,
    refused: u32,
    user: Option<UserPermit>,
}

/// Refusals in a row after which a session that goes on is closed.
const REFUSALS_MAX: u32 = 50;

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateDecision {
    /// It passes.
    Pass,
    /// It does not (error 111).
    Refuse,
    /// The session does not stop (3013).
    End,
}

impl RateLimiter {
    /// A session's limiter, with a full bucket.
    #[must_use]
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            bucket: TokenBucket::new(rate, burst, now),
            refused: 0,
            user: None,
        }
    }

    /// From now on the session counts for its user too.
    pub(crate) fn set_user(&mut self, permit: Option<UserPermit>) {
        self.user = permit;
    }

    /// A message came.
    pub(crate) fn take(&mut self, now: Instant) -> RateDecision {
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

/// Users without a session whose buckets are remembered at a time. Beyond it the one goes that is
/// full first, which loses it the least.
const IDLE_MAX: usize = 4096;

struct User {
    sessions: usize,
    bucket: TokenBucket,
}

/// All users that are remembered: those with a session, and those whose bucket is not full yet.
#[derive(Default)]
struct UserTable {
    users: HashMap<Arc<str>, User>,
    /// Those without a session, by when their buckets are full: from then on remembering them
    /// changes nothing.
    idle: BTreeSet<(Instant, Arc<str>)>,
}

impl UserTable {
    /// Forgets users without a session whose bucket is full, and those beyond [`IDLE_MAX`].
    fn forget(&mut self, now: Instant) {
        while let Some((full, _)) = self.idle.first() {
            if *full > now && self.idle.len() <= IDLE_MAX {
                return;
            }
            if let Some((_, user)) = self.idle.pop_first() {
                self.users.remove(&user);
            }
        }
    }

    /// The user, new or known, for a change of its sessions or its bucket; [`settle`](Self::settle)
    /// belongs behind it.
    fn user(&mut self, name: &Arc<str>, rate: u32, now: Instant) -> &mut User {
        self.forget(now);
        if let Some(user) = self.users.get(name) {
            self.idle.remove(&(user.bucket.full_at(), name.clone()));
        }
        self.users.entry(name.clone()).or_insert_with(|| User {
            sessions: 0,
            bucket: TokenBucket::new(rate, rate.saturating_mul(2), now),
        })
    }

    /// Notes a user that has no session among those to be forgotten.
    fn settle(&mut self, name: &Arc<str>) {
        let Some(user) = self.users.get(name).filter(|user| user.sessions == 0) else {
            return;
        };
        if user.bucket.tokens >= user.bucket.burst.into() || name.is_empty() {
            self.users.remove(name);
        } else {
            self.idle.insert((user.bucket.full_at(), name.clone()));
        }
    }
}

/// How many sessions the users have, and their rates.
pub(crate) struct Users {
    sessions_max: usize,
    rate: u32,
    table: Mutex<UserTable>,
}

impl Users {
    /// Nobody yet. 0 is no limit, for both.
    #[must_use]
    pub(crate) fn new(sessions_max: usize, rate: u32) -> Arc<Self> {
        Arc::new(Self {
            sessions_max,
            rate,
            table: Mutex::default(),
        })
    }

    /// A session of a user begins; `None` if there are too many already. Nobody in particular is
    /// not counted; a session of nobody has the rate of a user by itself.
    pub(crate) fn enter(self: &Arc<Self>, user: &str, now: Instant) -> Option<UserPermit> {
        let mut table = self.lock();
        // All sessions of a user share its name.
        let known = table.users.get_key_value(user);
        let name = known.map_or_else(|| user.into(), |(name, _)| name.clone());
        let user = table.user(&name, self.rate, now);
        let is_full = self.sessions_max > 0 && user.sessions >= self.sessions_max;
        if is_full && !name.is_empty() {
            table.settle(&name);
            return None;
        }
        if name.is_empty() && self.rate == 0 {
            table.settle(&name);
            return Some(UserPermit(None));
        }
        user.sessions += 1;
        let is_nobody = name.is_empty() && self.rate > 0;
        let own = is_nobody.then(|| {
            let bucket = TokenBucket::new(self.rate, self.rate.saturating_mul(2), now);
            Box::new(Mutex::new(bucket))
        });
        Some(UserPermit(Some(Arc::new(Counted {
            users: self.clone(),
            name,
            own,
        }))))
    }

    /// A message of a user that came without a session; false if its rate has none left.
    pub(crate) fn charge(&self, user: &str, now: Instant) -> bool {
        if self.rate == 0 || user.is_empty() {
            return true;
        }
        let name: Arc<str> = user.into();
        let mut table = self.lock();
        let passes = table.user(&name, self.rate, now).bucket.take(now);
        table.settle(&name);
        passes
    }

    /// Different users with a session, those without a name left out.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        let table = self.lock();
        let with_session = table
            .users
            .iter()
            .filter(|(name, user)| user.sessions > 0 && !name.is_empty());
        with_session.count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, UserTable> {
        // No step on the table panics half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One session as it is counted for its user; given back by drop.
struct Counted {
    users: Arc<Users>,
    name: Arc<str>,
    /// Of a session of nobody, who shares with no other session.
    own: Option<Box<Mutex<TokenBucket>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut table = self.users.lock();
        if let Some(user) = table.users.get_mut(&self.name) {
            user.sessions -= 1;
        }
        table.settle(&self.name);
    }
}

/// One session's place among its user's; given back when the last copy is dropped. A session of
/// nobody has none where users have no rate.
#[derive(Clone)]
pub(crate) struct UserPermit(Option<Arc<Counted>>);

impl std::fmt::Debug for UserPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserPermit")
    }
}

impl UserPermit {
    fn take(&self, now: Instant) -> bool {
        let Some(Counted { users, name, own }) = self.0.as_deref() else {
            return true;
        };
        if let Some(bucket) = own {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            return bucket.take(now);
        }
        if users.rate == 0 || name.is_empty() {
            return true;
        }
        let mut table = users.lock();
        let user = table.users.get_mut(name);
        user.is_none_or(|user| user.bucket.take(now))
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
        let decisions: Vec<RateDecision> = (0..=REFUSALS_MAX)
            .map(|_| rate_limiter.take(start))
            .collect();
        assert!(
            decisions[..REFUSALS_MAX as usize]
                .iter()
                .all(|decision| *decision == RateDecision::Refuse)
        );
        assert_eq!(decisions[REFUSALS_MAX as usize], RateDecision::End);
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
            [true, true, false]
        );
        assert_eq!(users.count(), 0, "no session");
        for number in 0..2 * IDLE_MAX {
            users.charge(&format!("u{number}"), now);
        }
        let table = users.lock();
        assert!(table.users.len() <= IDLE_MAX + 1 && table.users.len() == table.idle.len());
        drop(table);
        users.charge("43", now + Duration::from_secs(5));
        assert_eq!(users.lock().users.len(), 1, "all others are full again");
        assert!((0..5).all(|_| users.charge("", now)));
    }

    // A user's bucket went with its last session, so that who connected again had a new burst each
    // time: 620 messages passed where 30 were allowed.
    #[test]
    fn a_users_bucket_outlives_its_last_session_until_it_is_full() {
        let start = Instant::now();
        let users = Users::new(0, 1);
        let mut passed = 0;
        for _ in 0..10 {
            let permit = users.enter("42", start).expect("room");
            passed += (0..5).filter(|_| permit.take(start)).count();
        }
        assert_eq!(passed, 2, "the burst, once");
        assert!(!users.charge("42", start), "by a request of its own too");
        let later = start + Duration::from_secs(1);
        let permit = users.enter("42", later).expect("room");
        assert_eq!((0..5).filter(|_| permit.take(later)).count(), 1);
        drop(permit);
        assert!(users.enter("43", start + Duration::from_secs(60)).is_some());
        assert!(
            users.lock().users.is_empty(),
            "nobody is remembered for nothing"
        );
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
        let nobody = users.enter("", now).expect("never too many");
        let another = users.enter("", now).expect("never too many");
        assert_eq!((0..5).filter(|_| nobody.take(now)).count(), 2, "by itself");
        assert_eq!((0..5).filter(|_| another.take(now)).count(), 2, "as this");
    }
}
