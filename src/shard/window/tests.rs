//! The lines as plain data: what waits, for how long, for whom, and what it costs meanwhile. Time
//! is a number.

use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::{
    publication::{Content, Item, Payload},
    shard::reservation::QueueCredit,
};

const WINDOW: Duration = Duration::from_millis(100);

struct Harness {
    windows: Windows,
    credit: Arc<QueueCredit>,
    start: Instant,
}

impl Harness {
    fn new(rules: Namespace) -> Self {
        let mut channels = Channels {
            default: Arc::new(rules),
            ..Channels::default()
        };
        let now = Arc::new(Namespace::default());
        channels.namespaces.insert("now".to_string(), now);
        Self {
            windows: Windows::new(Arc::new(channels)),
            credit: Arc::default(),
            start: Instant::now(),
        }
    }

    fn keeping(keep: Keep) -> Self {
        Self::new(Namespace { keep, ..rules() })
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn publish(&mut self, ms: u64, channel: &str, text: &str) -> Admitted {
        self.publish_with(ms, channel, text, None)
    }

    fn publish_with(&mut self, ms: u64, channel: &str, text: &str, tag: Option<&str>) -> Admitted {
        let mut item = Item::new(Payload::Text(text.to_string().into()), 0);
        item.tags = tag.map(|value| {
            let tags = BTreeMap::from([("city".to_string(), value.to_string())]);
            Arc::new(tags.into())
        });
        let content = Content::Item(Arc::new(item));
        let publication = Publication::new(Target::Channel(channel.into()), content);
        let bytes = publication.weight();
        self.credit.publications.fetch_add(1, Relaxed);
        self.credit.bytes.fetch_add(bytes, Relaxed);
        let room = Reservation {
            credit: self.credit.clone(),
            bytes,
            counts: true,
        };
        let now = self.at(ms);
        self.windows.admit(Arc::new(publication), room, now)
    }

    /// The texts of the lines that are due, by channel.
    fn due(&mut self, ms: u64) -> Vec<(String, Vec<String>)> {
        let now = self.at(ms);
        let lines = std::iter::from_fn(|| self.windows.next_due(now));
        lines
            .map(|line| (line.channel.to_string(), texts(&line.publications)))
            .collect()
    }

    fn queued(&self) -> (usize, usize) {
        let credit = &self.credit;
        (
            credit.publications.load(Relaxed),
            credit.bytes.load(Relaxed),
        )
    }
}

fn rules() -> Namespace {
    Namespace {
        window: WINDOW,
        ..Namespace::default()
    }
}

fn texts(publications: &[(u64, SharedPublication)]) -> Vec<String> {
    let texts = publications.iter().map(|(_, it)| {
        let item = it.item().expect("a message");
        String::from_utf8_lossy(item.payload.as_bytes()).into_owned()
    });
    texts.collect()
}

fn is_at_once(admitted: &Admitted) -> bool {
    matches!(admitted, Admitted::AtOnce(_))
}

/// Whoever publishes rarely must not be slowed, and nobody may wait longer than a window. The first
/// leaves at once, all that follow it leave together within a window, in order.
#[test]
fn the_first_after_a_quiet_time_leaves_at_once_and_the_rest_within_a_window() {
    let mut harness = Harness::new(rules());
    assert!(is_at_once(&harness.publish(0, "a", "1")));
    for (ms, text) in [(1, "2"), (2, "3"), (3, "4")] {
        assert!(!is_at_once(&harness.publish(ms, "a", text)));
    }
    assert!(harness.due(3).is_empty());
    let end = harness.windows.first_end().expect("a window");
    assert!(
        end > harness.at(49) && end <= harness.at(100),
        "shortened by up to half"
    );
    let all = ["2", "3", "4"].map(str::to_string).to_vec();
    assert_eq!(harness.due(100), [("a".to_string(), all)]);
}

/// A busy channel leaves once a window and no more often. The next window begins when the line has
/// left, and lasts in full.
#[test]
fn a_busy_channel_leaves_once_a_window() {
    let mut harness = Harness::new(rules());
    harness.publish(0, "a", "1");
    harness.publish(1, "a", "2");
    assert_eq!(harness.due(100).len(), 1);
    harness.publish(101, "a", "3");
    assert_eq!(harness.windows.first_end(), Some(harness.at(200)));
    assert!(harness.due(199).is_empty());
    assert_eq!(harness.due(200).len(), 1);
}

/// A channel that was quiet for a window must not wait for a timer that is late, nor be remembered
/// for ever. What comes then leaves at once, and what is quiet is forgotten.
#[test]
fn a_channel_is_quiet_when_nothing_has_left_for_a_window() {
    let mut harness = Harness::new(rules());
    harness.publish(0, "a", "1");
    // The shortened window is over, but not the time since something left.
    assert!(harness.due(99).is_empty());
    assert!(!is_at_once(&harness.publish(99, "a", "2")));
    assert_eq!(harness.due(199).len(), 1, "within a window");
    // The timer has not come.
    assert!(is_at_once(&harness.publish(299, "a", "3")));
    assert!(!is_at_once(&harness.publish(300, "a", "4")));
    assert_eq!(harness.due(399).len(), 1);
    assert!(harness.due(499).is_empty());
    assert!(harness.windows.is_empty());
    assert_eq!(harness.windows.first_end(), None);
}

/// Channels that begin at one instant, as after a start, would end at one instant for ever, and the
/// worker would have all its work at once. Their first windows are shortened each by its own share.
#[test]
fn the_windows_of_channels_do_not_all_end_together() {
    let mut harness = Harness::new(rules());
    for number in 0..64 {
        harness.publish(0, &format!("c{number}"), "1");
        harness.publish(1, &format!("c{number}"), "2");
    }
    let ends: BTreeSet<_> = harness.windows.ends.iter().map(|(end, _)| *end).collect();
    assert!(ends.len() > 16, "{}", ends.len());
    assert!(
        ends.iter()
            .all(|end| *end > harness.at(49) && *end <= harness.at(100))
    );
    assert_eq!(harness.due(100).len(), 64);
}

/// Where a channel's shortened first window brings nothing, its share of it stays: channels that
/// are told something together, and again before a window is over, would end together from then on.
#[test]
fn the_windows_of_channels_do_not_end_together_when_the_first_ones_bring_nothing() {
    let mut harness = Harness::new(rules());
    let all: Vec<_> = (0..64).map(|number| format!("c{number}")).collect();
    for ms in [0, 99] {
        assert!(harness.due(ms).is_empty());
        for channel in &all {
            harness.publish(ms, channel, "1");
        }
    }
    let ends: BTreeSet<_> = harness.windows.ends.iter().map(|(end, _)| *end).collect();
    assert!(ends.len() > 16, "{}", ends.len());
    let within_a_window = harness.at(99)..=harness.at(199);
    assert!(ends.iter().all(|end| within_a_window.contains(end)));
}

/// One frame must not grow to whatever a window brings. A line that has `window_bytes` leaves
/// early, and the next window begins with nothing in it.
#[test]
fn a_line_that_is_full_is_to_leave_early() {
    let mut harness = Harness::new(Namespace {
        window_bytes: 3 * (10 + "a".len() + MESSAGE_BYTES),
        ..rules()
    });
    let text = "0123456789";
    assert!(is_at_once(&harness.publish(0, "a", text)));
    for _ in 0..2 {
        let admitted = harness.publish(1, "a", text);
        assert!(matches!(admitted, Admitted::Waits { replaced: false }));
    }
    let Admitted::Full {
        channel,
        replaced: false,
    } = harness.publish(2, "a", text)
    else {
        panic!("it is full");
    };
    let now = harness.at(2);
    let line = harness.windows.leave(&channel, now).expect("a line");
    assert_eq!(line.publications.len(), 3);
    assert!(matches!(
        harness.publish(3, "a", text),
        Admitted::Waits { .. }
    ));
    assert_eq!(harness.windows.first_end(), Some(harness.at(102)));
}

/// A message of more than half of `window_bytes` left at once, and never gave way to a newer one.
/// It waits as any other, alone; with another the line is full.
#[test]
fn a_long_message_waits_and_gives_way_as_any_other() {
    let long = "x".repeat(rules().window_bytes - 1);
    let mut harness = Harness::keeping(Keep::Newest);
    harness.publish(0, "a", "1");
    for (ms, is_second) in [(1, false), (2, true), (3, true)] {
        let admitted = harness.publish(ms, "a", &long);
        assert!(matches!(admitted, Admitted::Waits { replaced } if replaced == is_second));
    }
    assert_eq!(harness.due(100).len(), 1);
    let mut harness = Harness::new(rules());
    harness.publish(0, "a", "1");
    assert!(matches!(
        harness.publish(1, "a", &long),
        Admitted::Waits { .. }
    ));
    assert!(matches!(
        harness.publish(2, "a", &long),
        Admitted::Full { .. }
    ));
}

/// What takes the place of an older one makes the line no longer, so that a long value and a short
/// one wait side by side however often they change.
#[test]
fn what_replaces_an_older_one_fills_no_line() {
    let mut harness = Harness::keeping(Keep::NewestBy("city".to_string()));
    let long = "x".repeat(rules().window_bytes - 1000);
    harness.publish(0, "a", "1");
    for _ in 0..3 {
        for (text, city) in [(&*long, "Paris"), ("1", "Oslo")] {
            let admitted = harness.publish_with(1, "a", text, Some(city));
            assert!(matches!(admitted, Admitted::Waits { .. }));
        }
    }
    assert_eq!(harness.due(100).len(), 1);
}

/// Where only the newest value counts, older ones are not worth their bytes. What gave way takes
/// nothing of the line and of the queue any more, and the newest always leaves.
#[test]
fn with_newest_the_last_of_what_waits_leaves_alone() {
    let mut harness = Harness::keeping(Keep::Newest);
    harness.publish(0, "a", "1");
    let replaced = |admitted| matches!(admitted, Admitted::Waits { replaced: true });
    assert!(!replaced(harness.publish(1, "a", "2")));
    let (_, one) = harness.queued();
    assert!(replaced(harness.publish(2, "a", "3")));
    assert!(replaced(harness.publish(3, "a", "4")));
    assert_eq!(harness.queued(), (0, one));
    assert_eq!(harness.windows.lines["a"].bytes, 2 + MESSAGE_BYTES);
    assert_eq!(harness.due(100), [("a".to_string(), vec!["4".to_string()])]);
    harness.publish(101, "a", "5");
    assert_eq!(
        harness.due(200).len(),
        1,
        "the next window knows nothing of it"
    );
}

/// A channel that carries many things has a newest of each. Of each value of the tag the newest
/// leaves, in the order of these, and what has no such tag is never replaced.
#[test]
fn with_newest_by_the_last_of_each_value_leaves() {
    let mut harness = Harness::keeping(Keep::NewestBy("city".to_string()));
    harness.publish(0, "a", "0");
    for (text, tag) in [
        ("1", Some("Paris")),
        ("2", Some("Oslo")),
        ("3", None),
        ("4", Some("Paris")),
        ("5", None),
        ("6", Some("Paris")),
    ] {
        harness.publish_with(1, "a", text, tag);
    }
    let left = ["2", "3", "5", "6"].map(str::to_string).to_vec();
    assert_eq!(harness.due(100), [("a".to_string(), left)]);
}

/// What waits was published before whoever enters now was there, and who leaves has been given it.
/// Neither may get it when the line leaves.
#[test]
fn who_enters_gets_what_comes_after_and_who_was_given_it_has_it_once() {
    let mut harness = Harness::new(rules());
    harness.publish(0, "a", "1");
    harness.windows.enter(1, "a");
    harness.publish(1, "a", "2");
    harness.windows.enter(2, "a");
    harness.publish(2, "a", "3");
    let (from, given) = harness.windows.take_for(3, "a").expect("it waits");
    assert_eq!(
        (from, texts(&given)),
        (0, vec!["2".to_string(), "3".to_string()])
    );
    let (from, _) = harness
        .windows
        .take_for(3, "a")
        .expect("it waits for others");
    assert_eq!(from, 2, "nothing twice");
    harness.publish(3, "a", "4");
    let now = harness.at(100);
    let line = harness.windows.next_due(now).expect("a line");
    let numbers: Vec<u64> = line
        .publications
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(
        line.from,
        HashMap::from([(2, 1), (3, 2)]),
        "1 came while nothing waited"
    );
}

/// Sessions come and go by the thousand, and channels with them. What a session left behind in a
/// line goes with it, and a channel without members keeps nothing, not even its room in the queue.
#[test]
fn who_has_left_and_channels_without_members_are_forgotten() {
    let mut harness = Harness::new(rules());
    harness.publish(0, "a", "1");
    harness.publish(1, "a", "2");
    harness.windows.enter(1, "a");
    harness.windows.left(1, &"a".into(), false);
    assert!(harness.windows.lines["a"].from.is_empty());
    assert!(harness.queued().1 > 0);
    harness.windows.left(2, &"a".into(), true);
    assert!(harness.windows.is_empty());
    assert_eq!(harness.windows.first_end(), None);
    assert_eq!(harness.queued(), (0, 0));
}

/// What waits must not be free of `limits.shard_queue_bytes`, nor block the inbox for those whose
/// publications would not wait. It keeps its bytes, and gives back its place among the
/// publications.
#[test]
fn what_waits_keeps_its_bytes_in_the_queue_until_it_leaves() {
    let mut harness = Harness::new(rules());
    drop(harness.publish(0, "a", "1"));
    assert_eq!(harness.queued(), (0, 0), "it did not wait");
    harness.publish(1, "a", "22");
    harness.publish(2, "a", "333");
    let (count, bytes) = harness.queued();
    assert!(count == 0 && bytes > 0);
    harness.due(100);
    assert_eq!(harness.queued(), (0, 0));
}

/// Messages for everyone, a user or a session belong to no channel, and most channels have no
/// window. Nothing of this ever waits or leaves an entry behind.
#[test]
fn what_has_no_channel_or_no_window_never_waits() {
    let mut harness = Harness::new(rules());
    for _ in 0..2 {
        assert!(is_at_once(&harness.publish(0, "now:a", "1")));
        assert!(is_at_once(&harness.publish(0, "unknown:a", "1")));
        assert!(is_at_once(&harness.publish(0, "$endpoint:/ws", "1")));
        let everyone = Publication::message(Target::Everyone, Payload::Text("1".into()));
        let room = Reservation {
            credit: harness.credit.clone(),
            bytes: 0,
            counts: false,
        };
        let now = harness.at(0);
        assert!(is_at_once(&harness.windows.admit(
            Arc::new(everyone),
            room,
            now
        )));
    }
    assert!(harness.windows.is_empty());
}

/// A drain sends before it closes. All that waits leaves, whatever its time.
#[test]
fn all_that_waits_can_be_had_before_its_time() {
    let mut harness = Harness::new(rules());
    for channel in ["a", "b", "c"] {
        harness.publish(0, channel, "1");
    }
    for channel in ["a", "c"] {
        harness.publish(1, channel, "2");
    }
    let now = harness.at(1);
    let waiting = harness.windows.waiting().into_iter();
    let lines = waiting.filter_map(|channel| harness.windows.leave(&channel, now));
    let mut channels: Vec<_> = lines.map(|line| line.channel.to_string()).collect();
    channels.sort();
    assert_eq!(channels, ["a", "c"]);
}
