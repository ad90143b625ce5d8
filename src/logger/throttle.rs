//! Holds back lines that a peer can cause as often as it likes, or that one fault repeats: of one
//! subject (what happened, the particulars that tell it from others, and the address it came from)
//! there is a line at most once a pause, and the next one says how often it happened.
//!
//! Owned by the logger. Bounds: [`SUBJECTS_MAX`] subjects of at most a few hundred bytes, beyond
//! which what happens is only counted; [`PARTICULARS_MAX`] of one kind and address, beyond which
//! they are told together, so that nobody who varies what it sends takes the table from others; and
//! a number of lines a second for all together (`log.refusals_per_second`). No count is lost: the
//! logger's thread tells by [`Throttle::sweep`] what nobody came to tell. Time is a parameter.

use std::{
    collections::HashMap,
    fmt::Display,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use log::Level;

use super::{
    escape::Cut,
    line::{self, Address},
};

/// Subjects that are remembered at a time.
const SUBJECTS_MAX: usize = 1024;
/// Subjects of one kind and address among them that are told apart.
const PARTICULARS_MAX: usize = 32;
/// Bytes of each particular.
const PARTICULAR_BYTES_MAX: usize = 300;
/// The second that lines are counted in.
const SECOND: Duration = Duration::from_secs(1);

/// What a line is about, and what one says that only tells a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    kind: ThrottleKind,
    level: Level,
    /// The module that logs it, so that a filter means all lines of it.
    target: &'static str,
    /// What tells it from others of its kind, by the names of a line's values.
    particulars: Vec<(&'static str, String)>,
}

/// What happened, and who caused it, where that is known; IPv6 is counted by /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ThrottleKind {
    what: &'static str,
    address: Option<Address>,
}

impl Subject {
    /// Something that nobody's address stands beside. `target` is the module that logs it.
    pub(crate) fn new(level: Level, target: &'static str, what: &'static str) -> Self {
        Self {
            kind: ThrottleKind {
                what,
                address: None,
            },
            level,
            target,
            particulars: Vec::new(),
        }
    }

    /// The same, caused by a peer.
    pub(crate) fn from(mut self, address: Address) -> Self {
        self.kind.address = Some(Address(address.0.map(counted_as)));
        self
    }

    /// The same, told from others by a value; what is long is cut.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let value = Cut(value, PARTICULAR_BYTES_MAX).to_string();
        self.particulars.push((name, value));
        self
    }

    /// Writes the line that it happened again, so many times.
    pub(super) fn tell_again(&self, times: u64) {
        let mut values: Vec<(&str, log::kv::Value<'_>)> = Vec::new();
        let address = self.kind.address.map(|address| address.to_string());
        values.extend(address.as_deref().map(|text| ("address", text.into())));
        let particulars = self.particulars.iter();
        values.extend(particulars.map(|(name, value)| (*name, value.as_str().into())));
        values.push(("times", times.into()));
        let what = self.kind.what;
        line::write(
            self.level,
            self.target,
            format_args!("{what} again"),
            &values,
        );
    }

    /// All of its kind that are not told apart.
    fn without_particulars(&self) -> Self {
        Self {
            particulars: Vec::new(),
            ..self.clone()
        }
    }
}

/// The subjects that were told of late, with what is held back of each; see the module for its
/// bounds.
pub(super) struct Throttle {
    lines_a_second: u32,
    subjects: HashMap<Subject, Throttled>,
    /// How many subjects of each kind are in the table.
    kinds: HashMap<ThrottleKind, usize>,
    second: Instant,
    /// Lines of this second.
    lines: u32,
    /// What happened beyond the table.
    beyond: u64,
}

struct Throttled {
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
            kinds: HashMap::new(),
            second: now,
            lines: 0,
            beyond: 0,
        }
    }

    pub(super) fn set_lines_a_second(&mut self, lines_a_second: u32) {
        self.lines_a_second = lines_a_second;
    }

    /// It happened so many times; the number of times since the last line, if a line is to be
    /// written now.
    pub(super) fn happened(
        &mut self,
        subject: Subject,
        times: u64,
        pause: Duration,
        now: Instant,
    ) -> Option<u64> {
        let subject = self.told_apart(subject);
        let is_known = self.subjects.contains_key(&subject);
        if !is_known && self.subjects.len() >= SUBJECTS_MAX {
            self.beyond += times;
            return None;
        }
        if !is_known {
            *self.kinds.entry(subject.kind).or_default() += 1;
        }
        let has_room = self.has_room(now);
        let entry = self.subjects.entry(subject).or_insert(Throttled {
            due: now,
            pause,
            kept_back: 0,
        });
        entry.kept_back += times;
        if now < entry.due || !has_room {
            return None;
        }
        entry.due = now + pause;
        self.lines += 1;
        Some(std::mem::take(&mut entry.kept_back))
    }

    /// The subject itself, or all of its kind where there are too many of them.
    fn told_apart(&self, subject: Subject) -> Subject {
        let of_kind = self.kinds.get(&subject.kind).copied().unwrap_or_default();
        if of_kind < PARTICULARS_MAX || self.subjects.contains_key(&subject) {
            subject
        } else {
            subject.without_particulars()
        }
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
        let kinds = &mut self.kinds;
        self.subjects.retain(|subject, entry| {
            if now < entry.due {
                return true;
            }
            if entry.kept_back == 0 {
                forget(kinds, subject.kind);
                return false;
            }
            if room > 0 {
                room -= 1;
                tell(Some(subject.clone()), std::mem::take(&mut entry.kept_back));
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

/// Counts one subject of a kind less.
fn forget(kinds: &mut HashMap<ThrottleKind, usize>, kind: ThrottleKind) {
    if let Some(count) = kinds.get_mut(&kind) {
        *count -= 1;
        if *count == 0 {
            kinds.remove(&kind);
        }
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

    fn subject(reason: &str, address: &str) -> Subject {
        let address = Address(Some(address.parse().expect("an address")));
        Subject::new(Level::Info, "test", "request refused")
            .from(address)
            .with("reason", reason)
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
            let from = if millis % 2 == 0 { &origin } else { &same };
            told.extend(throttle.happened(from.clone(), 1, SECOND, now));
        }
        assert_eq!(told, [1, 1000, 1000]);
        let other = subject("key", "2001:db8::1");
        let elsewhere = subject("origin", "192.0.2.1");
        let now = start + Duration::from_millis(2500);
        assert_eq!(throttle.happened(other, 1, SECOND, now), Some(1));
        assert_eq!(throttle.happened(elsewhere, 1, SECOND, now), Some(1));
    }

    #[test]
    fn what_nobody_comes_to_tell_is_told_by_the_sweep_and_then_forgotten() {
        let start = Instant::now();
        let mut throttle = Throttle::new(100, start);
        let origin = subject("origin", "192.0.2.1");
        for _ in 0..5 {
            let _ = throttle.happened(origin.clone(), 1, SECOND, start);
        }
        assert_eq!(swept(&mut throttle, start), []);
        let later = start + SECOND;
        assert_eq!(swept(&mut throttle, later), [(Some(origin.clone()), 4)]);
        assert_eq!(
            throttle.happened(origin.clone(), 1, SECOND, later),
            None,
            "told just now"
        );
        assert_eq!(swept(&mut throttle, later + SECOND), [(Some(origin), 1)]);
        assert_eq!(swept(&mut throttle, later + 2 * SECOND), []);
        assert!(throttle.subjects.is_empty() && throttle.kinds.is_empty());
    }

    #[test]
    fn another_reason_is_another_line_and_who_varies_what_it_sends_takes_nothing_from_others() {
        // Lines of one kind were held back whatever they said: a backend that was down and then
        // answered 403 was only told to be down. Told apart without a bound, they would be a flood.
        let start = Instant::now();
        let mut throttle = Throttle::new(1_000_000, start);
        let mut tell = |subject| throttle.happened(subject, 1, SECOND, start);
        let hook =
            |reason: &str| Subject::new(Level::Warn, "test", "hook failed").with("reason", reason);
        assert_eq!(tell(hook("Connection refused")), Some(1));
        assert_eq!(tell(hook("answered 403")), Some(1));
        assert_eq!(tell(hook("answered 403")), None);
        let varied = |number: u32| subject(&number.to_string(), "192.0.2.1");
        let told = (0..1000).filter(|number| tell(varied(*number)).is_some());
        assert_eq!(told.count(), PARTICULARS_MAX + 1);
        assert_eq!(tell(subject("origin", "192.0.2.2")), Some(1));
        assert_eq!(throttle.subjects.len(), 2 + PARTICULARS_MAX + 1 + 1);
        let told = swept(&mut throttle, start + SECOND);
        assert!(
            told.contains(&(Some(varied(0).without_particulars()), 967)),
            "{told:?}"
        );
        assert_eq!(told.len(), 2, "{told:?}");
    }

    #[test]
    fn any_number_of_addresses_has_a_bounded_number_of_lines_and_no_count_is_lost() {
        // A line for each address is a flood too, if there are many addresses.
        // What is beyond the table and beyond the lines of a second is told as a number.
        let start = Instant::now();
        let mut throttle = Throttle::new(10, start);
        let (mut lines, mut told) = (0, 0);
        for number in 0..5000_u32 {
            let address = Address(Some(IpAddr::V4(number.into())));
            let from = subject("origin", "192.0.2.1").from(address);
            if let Some(times) = throttle.happened(from, 1, SECOND, start) {
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
        assert!(throttle.subjects.is_empty() && throttle.kinds.is_empty());
    }
}
