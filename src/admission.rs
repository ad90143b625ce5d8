//! Who may still come in: the limits on sessions of this node and on sessions of one address.
//!
//! A [`Permit`] is taken at the handshake and given back when the connection's socket is gone,
//! however that comes about. Addresses are only counted where that limit is set; IPv6 is counted by
//! /64, since that is what one subscriber is given.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Why a session may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitReached {
    /// `limits.sessions` is reached.
    #[error("the server is full")]
    Full,
    /// `limits.sessions_per_address` is reached.
    #[error("too many connections from this address")]
    Address,
}

/// The limits and what they count.
#[derive(Debug)]
pub(crate) struct Admission {
    sessions_max: usize,
    /// 0: addresses are not counted.
    per_address_max: usize,
    sessions: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    /// Nobody is in yet.
    #[must_use]
    pub(crate) fn new(sessions_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            sessions_max,
            per_address_max,
            sessions: AtomicUsize::new(0),
            addresses: Mutex::default(),
        })
    }

    /// Whether the next session would be refused.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.sessions.load(Relaxed) >= self.sessions_max
    }

    /// Permits given out.
    #[must_use]
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Relaxed)
    }

    /// Lets a session in, or says why not.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, LimitReached> {
        let address = address.filter(|_| self.per_address_max > 0).map(counted_as);
        if let Some(address) = address {
            let mut addresses = self.lock();
            let count = addresses.entry(address).or_default();
            if *count >= self.per_address_max {
                return Err(LimitReached::Address);
            }
            *count += 1;
        }
        // From here on dropping the permit gives back both counts.
        let permit = Permit {
            admission: self.clone(),
            address: address.map(Box::new),
        };
        if self.sessions.fetch_add(1, Relaxed) >= self.sessions_max {
            return Err(LimitReached::Full);
        }
        Ok(permit)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Single steps on the map, which is whole after a panic too.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// IPv6 by its /64.
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

/// One session's place under the limits.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    /// As it is counted, where addresses are.
    address: Option<Box<IpAddr>>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.sessions.fetch_sub(1, Relaxed);
        if let Some(address) = self.address.as_deref() {
            let mut addresses = self.admission.lock();
            if let Some(count) = addresses.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_limit_holds_and_a_place_comes_back() {
        let admission = Admission::new(2, 0);
        let first = admission.admit(None).expect("room");
        let _second = admission.admit(None).expect("room");
        assert!(admission.is_full());
        assert_eq!(admission.admit(None).unwrap_err(), LimitReached::Full);
        assert_eq!(admission.sessions(), 2, "a refusal takes no place");
        drop(first);
        assert!(admission.admit(None).is_ok());
    }

    #[test]
    fn addresses_are_counted_v6_by_its_64_bits() {
        let admission = Admission::new(100, 1);
        let first = admission.admit(ip("2001:db8::1")).expect("room");
        let refused = admission.admit(ip("2001:db8::2")).unwrap_err();
        assert_eq!(refused, LimitReached::Address);
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_ok());
        let _v4 = admission.admit(ip("10.0.0.1")).expect("room");
        assert!(admission.admit(ip("::ffff:10.0.0.1")).is_err());
        drop(first);
        assert!(admission.admit(ip("2001:db8::2")).is_ok());
        assert_eq!(admission.lock().len(), 1, "only 10.0.0.1 is in");
    }

    #[test]
    fn a_full_server_takes_no_place_of_the_address() {
        let admission = Admission::new(1, 5);
        let _first = admission.admit(ip("10.0.0.1")).expect("room");
        assert_eq!(
            admission.admit(ip("10.0.0.2")).unwrap_err(),
            LimitReached::Full
        );
        assert_eq!(admission.lock().len(), 1);
    }
}
