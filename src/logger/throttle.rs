//! Holds back lines that a peer can cause as often as it likes, or that one fault repeats: of one
//! subject (what happened, and the address it came from) there is a line at most once a pause, and
//! the next one says how often it happened.
//!
//! Owned by the logger. Bounds: [`SUBJECTS_MAX`] subjects, beyond which what happens is only
//! counted, and a number of lines a second for all together (`log.refusals_per_second`). No count
//! is lost: the logger's thread tells by [`Throttle::sweep`] what nobody came to tell. Time is a
//! parameter.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Subjects that are remembered at a time.
const SUBJECTS_MAX: usize = 1024;
/// The second that lines are counted in.
const SECOND: Duration = Duration::from_secs(1);

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    /// What happened; also what a line says that only tells a number.
    pub(crate) what: &'static str,
    /// The particular kind, of a fixed list or of the settings.
    pub(crate) kind: &'static str,
    /// Who caused it; IPv6 is counted by /64.
    pub(crate) address: Option<IpAddr>,
}

/// The table.
pub(super) struct Throttle {
    lines_a_second: u32,
    subjects: HashMap<Subject, Entry>,
    second: Instant,
    /// Lines of this second.
    lines: u32,
    /// What happened beyond the table.
    beyond: u64,
}

struct Entry {
    /// When the next line may be.
    due: Instant,
    pause: Duration,
    /// How often it happened since the last line.
    kept_back: u64,
}

impl Throttle {
    pub(super) fn new(lines_a_second: u32, now: Instant) -> Self {
        Self {
            lines_a_second,
            subjects: HashMap::new(),
            second: now,
            lines: 0,
            beyond: 0,
        }
    }

    pub(super) fn set_lines_a_second(&mut self, lines_a_second: u32) {
        self.lines_a_second = lines_a_second;
    }

    /// It happened; the number of times since the last line, if a line is to be written now.
    pub(super) fn happened(
        &mut self,
        mut subject: Subject,
        pause: Duration,
        now: Instant,
    ) -> Option<u64> {
        subject.address = subject.address.map(counted_as);
        let is_full = self.subjects.len() >= SUBJECTS_MAX;
        if is_full && !self.subjects.contains_key(&subject) {
            self.beyond += 1;
            return None;
        }
        let has_room = self.has_room(now);
        let entry = self.subjects.entry(subject).or_insert(Entry {
            due: now,
            pause,
            kept_back: 0,
        });
        entry.kept_back += 1;
        if now < entry.due || !has_room {
            return None;
        }
        entry.due = now + pause;
        self.lines += 1;
        Some(std::mem::take(&mut entry.kept_back))
    }

    /// Tells what was kept back and is due, and forgets what has stopped. `None` is for what
    /// happened beyond the table.
    pub(super) fn sweep(&mut self, now: Instant, mut tell: impl FnMut(Option<Subject>, u64)) {
        if self.beyond > 0 && self.has_room(now) {
            self.lines += 1;
            tell(None, std::mem::take(&mut self.beyond));
        }
        let mut room = if self.has_room(now) {
            self.lines_a_second - self.lines
        } else {
            0
        };
        let before = room;
        self.subjects.retain(|subject, entry| {
            if now < entry.due {
                return true;
            }
            if entry.kept_back == 0 {
                return false;
            }
            if room > 0 {
                room -= 1;
                tell(Some(*subject), std::mem::take(&mut entry.kept_back));
                entry.due = now + entry.pause;
            }
            true
        });
        self.lines += before - room;
    }

    /// Whether one more line fits into this second.
    fn has_room(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second) >= SECOND {
            self.second = now;
            self.lines = 0;
        }
        self.lines < self.lines_a_second
    }
}

/// IPv6 by its /64, which is what one subscriber is given.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: &'static str, address: &str) -> Subject {
        Subject {
            what: "request refused",
            kind,
            address: Some(address.parse().expect("an address")),
        }
    }

    fn swept(throttle: &mut Throttle, now: Instant) -> Vec<(Option<Subject>, u64)> {
        let mut told = Vec::new();
        throttle.sweep(now, |subject, times| told.push((subject, times)));
        told
    }

    #[test]
    fn one_kind_of_one_address_is_told_once_a_second_with_its_number() {
        // One client pipelined 100,000 refused requests a second, each with a line of its own.
        // That was 131 MB of log in three seconds.
        let start = Instant::now();
        let mut throttle = Throttle::new(100, start);
        let (origin, same) = (
            subject("origin", "2001:db8::1"),
            subject("origin", "2001:db8::2"),
        );
        let mut told = Vec::new();
        for millis in 0..2500 {
            let now = start + Duration::from_millis(millis);
            // Addresses of one /64 are one peer.
            let from = if millis % 2 == 0 { origin } else { same };
            told.extend(throttle.happened(from, SECOND, now));
        }
        assert_eq!(told, [1, 1000, 1000]);
        let other = subject("key", "2001:db8::1");
        let elsewhere = subject("origin", "192.0.2.1");
        let now = start + Duration::from_millis(2500);
        assert_eq!(throttle.happened(other, SECOND, now), Some(1));
        assert_eq!(throttle.happened(elsewhere, SECOND, now), Some(1));
    }

    #[test]
    fn what_nobody_comes_to_tell_is_told_by_the_sweep_and_then_forgotten() {
        let start = Instant::now();
        let mut throttle = Throttle::new(100, start);
        let origin = subject("origin", "192.0.2.1");
        for _ in 0..5 {
            let _ = throttle.happened(origin, SECOND, start);
        }
        assert_eq!(swept(&mut throttle, start), []);
        let later = start + SECOND;
        assert_eq!(swept(&mut throttle, later), [(Some(origin), 4)]);
        assert_eq!(
            throttle.happened(origin, SECOND, later),
            None,
            "told just now"
        );
        assert_eq!(swept(&mut throttle, later + SECOND), [(Some(origin), 1)]);
        assert_eq!(swept(&mut throttle, later + 2 * SECOND), []);
        assert!(throttle.subjects.is_empty());
    }

    #[test]
    fn any_number_of_addresses_has_a_bounded_number_of_lines_and_no_count_is_lost() {
        // A line for each address is a flood too, if there are many addresses.
        // What is beyond the table and beyond the lines of a second is told as a number.
        let start = Instant::now();
        let mut throttle = Throttle::new(10, start);
        let (mut lines, mut told) = (0, 0);
        for number in 0..5000_u32 {
            let address = IpAddr::V4(number.into());
            let from = Subject {
                address: Some(address),
                ..subject("origin", "192.0.2.1")
            };
            if let Some(times) = throttle.happened(from, SECOND, start) {
                (lines, told) = (lines + 1, told + times);
            }
        }
        assert_eq!(lines, 10);
        assert_eq!(throttle.subjects.len(), SUBJECTS_MAX);
        for second in 1..200 {
            let of_second = swept(&mut throttle, start + second * SECOND);
            assert!(of_second.len() <= 10);
            told += of_second.iter().map(|(_, times)| times).sum::<u64>();
        }
        assert_eq!(told, 5000);
        assert!(throttle.subjects.is_empty());
    }
}
