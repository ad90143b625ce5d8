//! Delays that grow while a backend fails, with a random part so that many servers do not return
//! together.
//!
//! Pure but for the system's random numbers; used by the events' sender and by polls.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// `first * 2^failures`, at most `longest`, of which a random half is taken away.
#[must_use]
pub(crate) fn delay(first: Duration, longest: Duration, failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    let whole = first.saturating_mul(factor).min(longest);
    whole / 2 + (whole / 2).mul_f64(random())
}

/// Evenly between 0 and 1; one half if the system has no random numbers to give.
fn random() -> f64 {
    let mut bytes = [0x80, 0, 0, 0];
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_are_never_less_than_half() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        for (failures, whole) in [(0, 500), (1, 1000), (3, 4000), (6, 30_000), (200, 30_000)] {
            let whole = Duration::from_millis(whole);
            for _ in 0..50 {
                let delay = delay(first, longest, failures);
                assert!(
                    delay >= whole / 2 && delay <= whole,
                    "{failures}: {delay:?}"
                );
            }
        }
    }

    #[test]
    fn delays_differ() {
        let some = || delay(Duration::from_secs(8), Duration::from_secs(8), 0);
        let first = some();
        assert!((0..20).any(|_| some() != first));
    }
}
