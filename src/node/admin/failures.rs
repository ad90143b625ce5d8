//! How often an address may bring a wrong key: so often a minute, and while it has, the right one
//! does not count either, so that nobody can guess on. Pure but for the lock; `now` is a parameter.
//! Bound: [`ADDRESSES_MAX`] addresses; at it the one goes whose last failure is the oldest.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::admission::counted_as;

/// Failures of one address within [`WINDOW`].
const FAILURES_MAX: usize = 5;
/// How long a failure counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses whose failures are remembered at a time.
const ADDRESSES_MAX: usize = 4096;

/// Failures that count, oldest first: at most [`FAILURES_MAX`].
type Recent = VecDeque<Instant>;

/// The failures of all addresses, IPv6 by its /64. Whoever has no address, on a unix socket without
/// a proxy, counts as one.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<Option<IpAddr>, Recent>>);

impl Failures {
    /// Has `is_right` look at a key, unless the address may not try; a wrong one is noted.
    ///
    /// # Errors
    /// After how long it may try again.
    pub(super) fn try_key(
        &self,
        from: Option<IpAddr>,
        now: Instant,
        is_right: impl FnOnce() -> bool,
    ) -> Result<bool, Duration> {
        let from = from.map(counted_as);
        // Nothing that is done under the lock panics half way.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recent) = table.get_mut(&from) {
            forget(recent, now);
            if recent.len() >= FAILURES_MAX
                && let Some(&first) = recent.front()
            {
                return Err((first + WINDOW).saturating_duration_since(now));
            }
        }
        if is_right() {
            return Ok(true);
        }
        if !table.contains_key(&from) && table.len() >= ADDRESSES_MAX {
            make_room(&mut table, now);
        }
        table.entry(from).or_default().push_back(now);
        Ok(false)
    }
}

/// Takes out what counts no more.
fn forget(recent: &mut Recent, now: Instant) {
    let counts = |failure: &Instant| now.saturating_duration_since(*failure) < WINDOW;
    while recent.front().is_some_and(|failure| !counts(failure)) {
        recent.pop_front();
    }
}

/// Takes out all that count no more, and if none does, the one that counts least long.
fn make_room(table: &mut HashMap<Option<IpAddr>, Recent>, now: Instant) {
    table.retain(|_, recent| {
        forget(recent, now);
        !recent.is_empty()
    });
    if table.len() < ADDRESSES_MAX {
        return;
    }
    let oldest = table
        .iter()
        .min_by_key(|(_, recent)| recent.back().copied());
    if let Some(oldest) = oldest.map(|(from, _)| *from) {
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    fn fail(failures: &Failures, from: &str, now: Instant) -> Result<bool, Duration> {
        failures.try_key(ip(from), now, || false)
    }

    // Whoever may go on trying while it is told no guesses until it is right. The right key must
    // not count either, or the answer tells which guess it was.
    #[test]
    fn after_five_failures_the_right_key_is_refused_too_until_the_first_is_a_minute_old() {
        let (failures, start) = (Failures::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        for secs in 0..5 {
            assert_eq!(fail(&failures, "10.0.0.1", at(secs)), Ok(false));
        }
        let right = |from, now| failures.try_key(ip(from), now, || true);
        assert_eq!(right("10.0.0.1", at(5)), Err(Duration::from_secs(55)));
        assert_eq!(right("10.0.0.2", at(5)), Ok(true), "another address");
        assert_eq!(
            right("::ffff:10.0.0.1", at(5)),
            Err(Duration::from_secs(55))
        );
        assert_eq!(right("10.0.0.1", at(59)), Err(Duration::from_secs(1)));
        assert_eq!(right("10.0.0.1", at(60)), Ok(true));
        // One of the five is a minute old, so one more may fail.
        assert_eq!(fail(&failures, "10.0.0.1", at(60)), Ok(false));
        assert_eq!(right("10.0.0.1", at(60)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_right_is_no_failure_and_a_refused_try_makes_it_last_no_longer() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(failures.try_key(None, now, || true), Ok(true));
        }
        for _ in 0..5 {
            assert_eq!(failures.try_key(None, now, || false), Ok(false));
        }
        for _ in 0..100 {
            assert!(failures.try_key(None, now, || false).is_err());
        }
        assert_eq!(failures.try_key(None, now + WINDOW, || true), Ok(true));
    }

    #[test]
    fn an_ipv6_address_counts_by_its_64_bits() {
        let (failures, now) = (Failures::default(), Instant::now());
        for last in 1..=5 {
            assert_eq!(
                fail(&failures, &format!("2001:db8::{last}"), now),
                Ok(false)
            );
        }
        assert!(fail(&failures, "2001:db8::ffff", now).is_err());
        assert_eq!(fail(&failures, "2001:db8:0:1::1", now), Ok(false));
    }

    // A table that grows with each address that fails is memory for whoever has many addresses.
    #[test]
    fn the_table_is_bounded_and_the_oldest_failure_goes_first() {
        let (failures, start) = (Failures::default(), Instant::now());
        for n in 0..ADDRESSES_MAX as u64 + 10 {
            let from = IpAddr::from((0x0a00_0000 + n as u32).to_be_bytes());
            let now = start + Duration::from_millis(n);
            assert_eq!(failures.try_key(Some(from), now, || false), Ok(false));
        }
        let table = failures.0.lock().expect("no panic");
        assert_eq!(table.len(), ADDRESSES_MAX);
        assert!(!table.contains_key(&ip("10.0.0.9")) && table.contains_key(&ip("10.0.0.10")));
        drop(table);
        let later = start + WINDOW * 2;
        assert_eq!(fail(&failures, "192.0.2.1", later), Ok(false));
        let left = failures.0.lock().expect("no panic").len();
        assert_eq!(
            left, 1,
            "what counts no more goes with the first that needs room"
        );
    }
}
