//! The rates of those who send by requests of their own, without a session that has one: a user by
//! its name, whoever has none by its address. Bound: the few thousand buckets that are not full
//! yet, of each kind ([`Users`]).

use std::{net::IpAddr, sync::Arc, time::Instant};

use super::rate_limit::Users;
use crate::{admission::counted_as, config::Settings};

/// The buckets of senders without a session.
pub(super) struct Senders {
    /// Of users, as far as they have no rate of their own for all their sessions: such a sender
    /// counts as one session.
    users: Arc<Users>,
    /// Of addresses, by their text.
    addresses: Arc<Users>,
}

impl Senders {
    /// Nobody has sent yet. An address may as much as a user, where it has no rate of its own, and
    /// a user as much as a session.
    pub(super) fn new(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let first = |rates: &[u32]| rates.iter().copied().find(|rate| *rate > 0).unwrap_or(0);
        let (session, user) = (
            limits.messages_per_second,
            limits.messages_per_second_per_user,
        );
        let address = first(&[limits.messages_per_second_per_address, user, session]);
        Self {
            users: Users::new(0, session),
            addresses: Users::new(0, address),
        }
    }

    /// A message of a user that came without a session; false if its rate has none left.
    pub(super) fn charge_user(&self, user: &str, now: Instant) -> bool {
        self.users.charge(user, now)
    }

    /// The same of whoever has no user.
    pub(super) fn charge_address(&self, address: Option<IpAddr>, now: Instant) -> bool {
        // Who has no address, on a unix socket, is this machine.
        let name = address.map_or("-".to_string(), |address| counted_as(address).to_string());
        self.addresses.charge(&name, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(senders: &Senders, address: &str, now: Instant) -> usize {
        let address = address.parse().ok();
        (0..100)
            .filter(|_| senders.charge_address(address, now))
            .count()
    }

    /// A message of nobody that came by `/send` was under no rate at all: 3,000 a second passed
    /// where sessions and users were allowed five.
    #[test]
    fn who_has_no_user_sends_at_the_rate_of_its_address() {
        let mut settings = Settings::demonstration();
        let now = Instant::now();
        assert_eq!(passed(&Senders::new(&settings), "10.0.0.1", now), 100);
        for (session, user, address, burst) in
            [(5, 0, 0, 10), (5, 3, 0, 6), (5, 3, 2, 4), (0, 0, 2, 4)]
        {
            settings.limits.messages_per_second = session;
            settings.limits.messages_per_second_per_user = user;
            settings.limits.messages_per_second_per_address = address;
            let senders = Senders::new(&settings);
            assert_eq!(passed(&senders, "2001:db8::1", now), burst);
            assert_eq!(passed(&senders, "2001:db8::2", now), 0, "the same /64");
            assert_eq!(passed(&senders, "10.0.0.1", now), burst, "another");
            let later = now + std::time::Duration::from_secs(1);
            assert_eq!(passed(&senders, "10.0.0.1", later), burst / 2);
        }
    }
}
