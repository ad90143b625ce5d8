//! How the files are made small: by a snapshot of what is kept, when they have grown or time has
//! passed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    harness::{Harness, Owner, SECOND, options, record, start},
    machine::SimulatedMachine,
};
use crate::{
    state::options::LogOptions,
    store::{Record, SnapshotSource, Store as _, Written},
};

// The files hold what is kept and not what ever was; else a small history fills the disk in a week.
#[test]
fn the_files_stay_small_however_much_is_written() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    let mut largest = 0;
    for number in 0..5000 {
        harness.append(number).expect("room");
        if number >= 50 {
            // It is evicted: nobody keeps it any more.
            harness.owner.told.lock().unwrap().remove(&(number - 50));
        }
        harness.turn();
        harness.sync();
        largest = largest.max(harness.writer.segments.bytes());
    }
    // 50 records of about 40 bytes, and 3,000 bytes before they are written anew.
    assert!(largest < 10_000, "{largest}");
    assert!(harness.store.stats().snapshots > 20);
    drop(harness);
    let read = start(&machine, SECOND).read;
    assert!((4950..5000).all(|number| read.contains(&number)));
}

/// The same numbers, however often they are asked for, and what is charged for them.
struct Charged(u64, usize);

impl SnapshotSource for Charged {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        Box::new((0..self.0).map(|number| vec![record(number)]))
    }

    fn charged_bytes(&self) -> usize {
        self.1
    }
}

// The bound of the files goes by what memory is charged, which of small messages is several times
// what they take there. All of it was written anew twice as often as that bound asks for.
#[test]
fn small_messages_are_written_anew_as_seldom_as_the_bound_of_the_files_lets_them() {
    let snapshots = |charged: usize| {
        let source: Arc<dyn SnapshotSource> = Arc::new(Charged(20, charged));
        let mut harness = start(&SimulatedMachine::new(), SECOND);
        harness.writer.sources = vec![Arc::downgrade(&source)];
        let mut largest = 0;
        for number in 0..2000 {
            harness.append(number).expect("room");
            harness.writer.turn(harness.now, Duration::ZERO);
            harness.writer.syncer.sync();
            largest = largest.max(harness.writer.segments.bytes());
        }
        let margin = harness.writer.segments.options.margin_bytes;
        // And what each segment begins with.
        let most = charged as u64 * 5 / 2 + margin + 1000;
        assert!(largest < most, "{largest} of {most}");
        harness.store.stats().snapshots
    };
    let (large, small) = (snapshots(1000), snapshots(4000));
    assert!(small * 3 < large * 2, "{small} and {large}");
    let all = snapshots(1 << 20);
    assert!(all * 4 > large, "a start reads all: {all} and {large}");
}

/// Charged for each record, which takes a little less in the files.
const RECORD_CHARGE: usize = 45;

/// An owner that throws out its smallest numbers where that is asked for.
struct Evicting(Arc<Owner>);

impl SnapshotSource for Evicting {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        self.0.snapshot()
    }

    fn charged_bytes(&self) -> usize {
        self.0.kept().len() * RECORD_CHARGE
    }

    fn evict(&self, bytes: usize) -> Option<usize> {
        let kept = self.0.kept();
        let out = &kept[..kept.len().min(bytes.div_ceil(RECORD_CHARGE))];
        let mut told = self.0.told.lock().unwrap();
        told.retain(|number, _| !out.contains(number));
        (!out.is_empty()).then_some(out.len() * RECORD_CHARGE)
    }
}

/// A log of 12,000 bytes whose owner can throw out what it has, beside so many records that nobody
/// can.
fn small_with(others: u64) -> (Harness, Arc<dyn SnapshotSource>, Arc<dyn SnapshotSource>) {
    let small = LogOptions {
        bytes_max: 12_000,
        ..options(SECOND)
    };
    let mut harness = Harness::start(&SimulatedMachine::new(), small).expect("a start");
    let others: Arc<dyn SnapshotSource> = Arc::new(Charged(others, 0));
    let evicting: Arc<dyn SnapshotSource> = Arc::new(Evicting(harness.owner.clone()));
    harness.writer.sources = vec![Arc::downgrade(&others), Arc::downgrade(&evicting)];
    (harness, evicting, others)
}

// Keys and positions take room in the files too, beside a history within its own bound: once they
// left too little of it, publications were refused until some expired.
#[test]
fn where_all_that_is_kept_does_not_fit_what_expires_first_is_thrown_out() {
    let (mut harness, evicting, _others) = small_with(90);
    let (mut fewest, mut refused) = (usize::MAX, 0);
    for number in 0..2000 {
        refused += usize::from(harness.append(number).is_err());
        let kept = harness.owner.kept().len();
        fewest = fewest.min(if number < 500 { usize::MAX } else { kept });
        // Its own bound. With that many it never fits.
        if kept >= 150 {
            evicting.evict(RECORD_CHARGE);
        }
        harness.turn();
        harness.sync();
        // What was replaced goes a segment a turn.
        for _ in 0..20 {
            harness.writer.turn(harness.now, Duration::ZERO);
        }
        // It is there twice while it is written anew.
        let bytes = harness.writer.segments.bytes() as usize;
        let most = 12_000 + (90 + 150) * RECORD_CHARGE;
        assert!(bytes < most, "{number}: {bytes} of {most}");
    }
    assert!((1..60).contains(&fewest), "{fewest}");
    assert!(refused < 100, "{refused}");
    assert!(harness.store.stats().snapshots < 100);
    let kept = harness.owner.kept();
    assert!(kept.is_sorted() && *kept.last().expect("some") > 1990);
}

// Where keys alone take all the room, no history makes any: it stays, and nobody writes all of it
// anew again and again.
#[test]
fn what_would_make_no_room_is_not_thrown_out_and_nothing_is_written_for_it() {
    let (mut harness, _evicting, _others) = small_with(200);
    for number in 0..20 {
        harness.append(number).expect("room");
        harness.turn();
    }
    harness.writer.is_wanted = true;
    for _ in 0..100 {
        harness.now += Duration::from_millis(100);
        harness.writer.turn(harness.now, Duration::ZERO);
        harness.writer.syncer.sync();
    }
    assert_eq!(harness.owner.kept().len(), 20);
    let snapshots = harness.store.stats().snapshots;
    assert!((1..5).contains(&snapshots), "{snapshots}");
}

// What expires is written nowhere. Without a look now and then a night without a publication would
// leave on the disk what was promised to be gone.
#[test]
fn what_expired_leaves_the_files_although_nothing_is_written() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    for number in 0..200 {
        harness.append(number).expect("room");
        harness.turn();
        harness.sync();
    }
    let before = harness.writer.segments.bytes();
    assert!(before > 3000, "{before}");
    harness.owner.told.lock().unwrap().clear();
    harness.now += Duration::from_secs(60 * 60);
    for _ in 0..10 {
        harness.sync();
    }
    let after = harness.writer.segments.bytes();
    assert!(after < 500, "{after}");
}

/// Gives all of it in one group, and appends while it is asked.
struct Whole(Arc<Mutex<Option<OnWhole>>>);

type OnWhole = Box<dyn Fn() + Send>;

impl SnapshotSource for Whole {
    fn snapshot(&self) -> Box<dyn Iterator<Item = Vec<Record>> + Send + '_> {
        let group = |first: u64| (first..first + 20_000).map(record).collect();
        Box::new([0, 100_000].into_iter().map(move |first| {
            if let Some(append) = &*self.0.lock().unwrap() {
                append();
            }
            group(first)
        }))
    }
}

// An item of a snapshot that is written behind the removal of its channel would bring it back.
#[test]
fn nothing_is_written_between_the_records_of_a_group() {
    let machine = SimulatedMachine::new();
    let large = LogOptions {
        segment_bytes: 1 << 16,
        ..options(SECOND)
    };
    let harness = Harness::start(&machine, large.clone()).expect("a start");
    let store = Arc::new(harness.store);
    let (inner, hook) = (store.clone(), Arc::new(Mutex::new(None)));
    let next = Mutex::new(500_000);
    let append = move || {
        let mut next = next.lock().unwrap();
        *next += 1;
        inner
            .append(record(*next), Written::call(|_| {}))
            .expect("room");
    };
    *hook.lock().unwrap() = Some(Box::new(append) as OnWhole);
    let source: Arc<dyn SnapshotSource> = Arc::new(Whole(hook.clone()));
    let mut writer = harness.writer;
    writer.sources = vec![Arc::downgrade(&source)];
    writer.is_wanted = true;
    writer.turn(harness.now, Duration::ZERO);
    drop(hook.lock().unwrap().take());
    drop(writer);
    let read = Harness::start(&machine, large).expect("a start").read;
    let place = |number: u64| read.iter().position(|one| *one == number).expect("written");
    for first in [0, 100_000] {
        assert_eq!(place(first + 19_999) - place(first), 19_999);
    }
    assert!(
        place(500_001) < place(100_000),
        "between the groups there is room"
    );
}
