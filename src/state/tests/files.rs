//! Single stories of the files: damage, torn writes, a disk that is full or refuses, growth.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    machine::{Faults, Machine, Random},
    stage::{Stage, options, record},
};
use crate::{
    config::SyncPolicy,
    id::{Epoch, StreamPosition},
    state::{
        StateError,
        disk::Disk as _,
        options::LogOptions,
        segment::{FRAME_BYTES, HEADER_BYTES},
    },
    store::{Record, Source, Store as _, StoreError, Written},
};

const SECOND: SyncPolicy = SyncPolicy::Every(Duration::from_secs(1));
const FIRST: &str = "0000000001.log";

/// A life that ends before its files are made small, with so many numbers.
fn life(machine: &Arc<Machine>, sync: SyncPolicy, numbers: u64) -> Stage {
    let mut stage = Stage::start(
        machine,
        LogOptions {
            margin_bytes: 1 << 20,
            ..options(sync)
        },
    );
    let stage = stage.as_mut().expect("a start");
    for number in 0..numbers {
        stage.append(number).expect("room");
        stage.turn();
    }
    let Ok(stage) = Stage::start(machine, options(sync)) else {
        panic!("a start")
    };
    stage
}

fn start(machine: &Arc<Machine>, sync: SyncPolicy) -> Stage {
    Stage::start(machine, options(sync)).expect("a start")
}

// A kill loses nothing of what was handed to the system: without this a deploy that goes wrong
// empties every channel.
#[test]
fn what_was_written_is_read_again_in_its_order_after_a_kill() {
    let machine = Machine::new();
    let stage = life(&machine, SyncPolicy::Never, 100);
    assert_eq!(stage.read, (0..100).collect::<Vec<_>>());
    assert!(!stage.report.may_have_lost);
    assert!(stage.report.newest_ms > 1_700_000_000_000);
}

// A life that was killed while it wrote leaves half a frame. Cutting it is right, and calling it a
// loss would give every stream a new epoch at each kill.
#[test]
fn half_a_frame_at_the_end_is_cut_without_a_loss() {
    let machine = Machine::new();
    let mut stage = start(&machine, SECOND);
    for number in 0..3 {
        stage.append(number).expect("room");
        stage.turn();
    }
    let end = stage.writer.segments.bytes() as usize;
    drop(stage);
    machine.change(FIRST, |bytes| bytes[end - 5..].fill(0));
    let stage = start(&machine, SECOND);
    assert_eq!(stage.read, [0, 1]);
    assert!(!stage.report.may_have_lost);
    drop(stage);
    assert_eq!(start(&machine, SECOND).read, [0, 1]);
}

/// Changes a byte of the frame of a number.
fn damage(machine: &Machine, name: &str, frame: usize) {
    machine.change(name, |bytes| {
        let length = |at: usize| bytes[at + 4] as usize + FRAME_BYTES;
        let at = (0..frame).fold(HEADER_BYTES, |at, _| at + length(at));
        bytes[at + FRAME_BYTES + 1] ^= 1;
    });
}

// A byte that turned on the disk is a loss that nobody acknowledged: clients must be told that
// their place counts no more, or they go on behind a gap that they do not see.
#[test]
fn damage_before_the_end_is_told_kept_apart_and_told_until_all_is_written_anew() {
    let machine = Machine::new();
    drop(life(&machine, SECOND, 100));
    damage(&machine, FIRST, 5);
    for _ in 0..2 {
        // Killed before anything was written anew: the next start says the same.
        let stage = start(&machine, SECOND);
        assert_eq!(stage.read.len(), 99);
        assert!(stage.report.may_have_lost);
        assert_eq!(stage.store.stats().damaged, 1);
    }
    let mut stage = start(&machine, SECOND);
    stage.turn();
    stage.sync();
    for _ in 0..20 {
        stage.turn();
    }
    drop(stage);
    let names = machine.list().expect("names");
    assert!(names.contains(&format!("{FIRST}.damaged")), "{names:?}");
    assert!(!names.contains(&FIRST.to_string()), "{names:?}");
    let stage = start(&machine, SECOND);
    assert_eq!(stage.read.len(), 99);
    assert!(!stage.report.may_have_lost);
}

// A file that somebody removed from the middle leaves no byte that is wrong.
#[test]
fn a_segment_that_is_gone_is_told() {
    let machine = Machine::new();
    drop(life(&machine, SECOND, 100));
    machine.remove("0000000002.log").expect("a file");
    assert!(start(&machine, SECOND).report.may_have_lost);
}

// The end of a segment that was sealed looks like a torn write, and is none: it was acknowledged.
#[test]
fn a_sealed_segment_that_lost_its_end_is_told() {
    let machine = Machine::new();
    drop(life(&machine, SECOND, 100));
    machine.change(FIRST, |bytes| bytes.truncate(bytes.len() - 20));
    assert!(start(&machine, SECOND).report.may_have_lost);
}

#[test]
fn a_newer_format_is_refused_by_its_version() {
    let machine = Machine::new();
    drop(life(&machine, SECOND, 1));
    machine.change(FIRST, |bytes| bytes[8] = 2);
    let error = Stage::start(&machine, options(SECOND))
        .err()
        .map(|error| error.to_string());
    let error = error.expect("an error");
    assert!(
        error.contains(FIRST) && error.contains("version 2"),
        "{error}"
    );
}

// A revocation that cannot be read makes a stolen token good again, without a word.
#[test]
fn a_strict_log_does_not_start_where_it_is_damaged() {
    let machine = Machine::new();
    let strict = LogOptions {
        is_strict: true,
        ..options(SyncPolicy::Always)
    };
    let mut stage = Stage::start(&machine, strict.clone()).expect("a start");
    for number in 0..3 {
        stage.append(number).expect("room");
        stage.turn();
    }
    drop(stage);
    damage(&machine, FIRST, 1);
    let started = Stage::start(&machine, strict);
    assert!(matches!(started.err(), Some(StateError::Damaged(name)) if name == FIRST));
}

// The machine goes down with what it had not written. Only the files of a life that synced each
// write, or that ended by itself, can promise that nothing is missing.
#[test]
fn only_always_and_a_tidy_end_outlive_the_machine_without_a_word() {
    for (sync, is_tidy, may_have_lost) in [
        (SECOND, false, true),
        (SyncPolicy::Never, false, true),
        (SyncPolicy::Always, false, false),
        (SECOND, true, false),
        (SyncPolicy::Never, true, false),
    ] {
        let machine = Machine::new();
        let mut stage = start(&machine, sync);
        for number in 0..30 {
            stage.append(number).expect("room");
            stage.turn();
        }
        if is_tidy {
            stage.end();
        } else {
            drop(stage);
        }
        machine.crash(&mut Random(77));
        let stage = start(&machine, sync);
        assert_eq!(
            stage.report.may_have_lost, may_have_lost,
            "{sync:?} {is_tidy}"
        );
        assert!(
            may_have_lost || stage.read.len() >= 30,
            "{sync:?} {is_tidy}"
        );
    }
}

// Whoever waits behind a failed write holds a place that builds on it. One that came in before all
// of them were told would be written with a gap before it.
#[test]
fn a_failed_write_refuses_all_that_waits_in_order_while_nothing_is_let_in() {
    let machine = Machine::new();
    let mut stage = start(&machine, SECOND);
    stage.append(1).expect("room");
    stage.turn();
    machine.set_faults(Faults {
        writes: true,
        ..Faults::default()
    });
    for number in 2..6 {
        stage.append(number).expect("room");
    }
    let (store, seen) = (Arc::new(stage.store), Arc::new(Mutex::new(Vec::new())));
    for _ in 0..2 {
        let (inner, seen) = (store.clone(), seen.clone());
        let written = move |result| {
            let again = inner.append(record(99), Written::call(|_| {}));
            seen.lock().unwrap().push((result, again));
        };
        store
            .append(record(98), Written::call(written))
            .expect("room");
    }
    stage.now += Duration::from_secs(1);
    stage.writer.turn(stage.now, Duration::ZERO);
    assert_eq!(*stage.owner.order.lock().unwrap(), [1, 2, 3, 4, 5]);
    let refused = Err(StoreError::NotWritten);
    assert_eq!(*seen.lock().unwrap(), [(refused, refused); 2]);
    assert!(!store.is_writable());
    machine.set_faults(Faults::default());
    stage.now += Duration::from_secs(2);
    stage.writer.turn(stage.now, Duration::ZERO);
    assert!(store.is_writable(), "by itself");
    assert_eq!(store.stats().failed_writes, 1);
    drop(store);
    assert_eq!(start(&machine, SECOND).read, [1]);
}

// On a full disk only making room helps. If that needed room too, an operator could not get out.
#[test]
fn on_a_full_disk_what_makes_room_is_still_written() {
    let machine = Machine::new();
    let mut stage = start(&machine, SECOND);
    machine.set_faults(Faults {
        is_full: true,
        ..Faults::default()
    });
    let mut number = 0;
    while stage.store.is_writable() {
        stage.append(number).expect("room");
        stage.turn();
        number += 1;
    }
    assert_eq!(stage.append(number), Err(StoreError::NotWritten));
    // What was set aside is free now, and a little fits.
    machine.set_faults(Faults::default());
    stage.now += Duration::from_secs(2);
    machine.set_room(300);
    stage.writer.turn(stage.now, Duration::ZERO);
    assert!(!stage.store.is_writable());
    let until = StreamPosition {
        offset: 1,
        epoch: Epoch::of_bits(1),
    };
    let removed = Record::Removed {
        channel: "a".into(),
        until,
    };
    stage
        .append_record(number, removed)
        .expect("what makes room is taken");
    assert_eq!(stage.append(number + 1), Err(StoreError::NotWritten));
    stage.writer.turn(stage.now, Duration::ZERO);
    assert_eq!(stage.told(number), Some(Ok(())));
    machine.set_room(usize::MAX);
    stage.turn();
    assert!(stage.store.is_writable());
}

// After a failed sync the system says that the next one worked, and has forgotten the pages. All
// that was in that file is written anew from memory, or a crash would lose it in silence.
#[test]
fn after_a_failed_sync_everything_is_written_anew() {
    let machine = Machine::new();
    let mut stage = start(&machine, SECOND);
    for number in 0..10 {
        stage.append(number).expect("room");
    }
    stage.turn();
    machine.set_faults(Faults {
        syncs: true,
        ..Faults::default()
    });
    assert!(!stage.writer.syncer.sync());
    machine.set_faults(Faults::default());
    assert!(stage.store.is_writable());
    for _ in 0..3 {
        stage.sync();
    }
    assert!(!machine.list().expect("names").contains(&FIRST.to_string()));
    assert_eq!(stage.store.stats().snapshots, 1);
    drop(stage);
    assert_eq!(start(&machine, SECOND).read, (0..10).collect::<Vec<_>>());
}

// The files hold what is kept and not what ever was; else a small history fills the disk in a week.
#[test]
fn the_files_stay_small_however_much_is_written() {
    let machine = Machine::new();
    let mut stage = start(&machine, SECOND);
    let mut largest = 0;
    for number in 0..5000 {
        stage.append(number).expect("room");
        if number >= 50 {
            // It is evicted: nobody keeps it any more.
            stage.owner.told.lock().unwrap().remove(&(number - 50));
        }
        stage.turn();
        stage.sync();
        largest = largest.max(stage.writer.segments.bytes());
    }
    // 50 records of about 40 bytes, and 3,000 bytes before they are written anew.
    assert!(largest < 10_000, "{largest}");
    assert!(stage.store.stats().snapshots > 20);
    drop(stage);
    let read = start(&machine, SECOND).read;
    assert!((4950..5000).all(|number| read.contains(&number)));
}

/// The same numbers, however often they are asked for, and what is charged for them.
struct Charged(u64, usize);

impl Source for Charged {
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
        let source: Arc<dyn Source> = Arc::new(Charged(20, charged));
        let mut stage = start(&Machine::new(), SECOND);
        stage.writer.sources = vec![Arc::downgrade(&source)];
        let mut largest = 0;
        for number in 0..2000 {
            stage.append(number).expect("room");
            stage.writer.turn(stage.now, Duration::ZERO);
            stage.writer.syncer.sync();
            largest = largest.max(stage.writer.segments.bytes());
        }
        let margin = stage.writer.segments.options.margin_bytes;
        // And what each segment begins with.
        let most = charged as u64 * 5 / 2 + margin + 1000;
        assert!(largest < most, "{largest} of {most}");
        stage.store.stats().snapshots
    };
    let (large, small) = (snapshots(1000), snapshots(4000));
    assert!(small * 3 < large * 2, "{small} and {large}");
    let all = snapshots(1 << 20);
    assert!(all * 4 > large, "a start reads all: {all} and {large}");
}

// What expires is written nowhere. Without a look now and then a night without a publication would
// leave on the disk what was promised to be gone.
#[test]
fn what_expired_leaves_the_files_although_nothing_is_written() {
    let machine = Machine::new();
    let mut stage = start(&machine, SECOND);
    for number in 0..200 {
        stage.append(number).expect("room");
        stage.turn();
        stage.sync();
    }
    let before = stage.writer.segments.bytes();
    assert!(before > 3000, "{before}");
    stage.owner.told.lock().unwrap().clear();
    stage.now += Duration::from_secs(60 * 60);
    for _ in 0..10 {
        stage.sync();
    }
    let after = stage.writer.segments.bytes();
    assert!(after < 500, "{after}");
}

/// Gives all of it in one group, and appends while it is asked.
struct Whole(Arc<Mutex<Option<Hook>>>);

type Hook = Box<dyn Fn() + Send>;

impl Source for Whole {
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
    let machine = Machine::new();
    let large = LogOptions {
        segment_bytes: 1 << 16,
        ..options(SECOND)
    };
    let stage = Stage::start(&machine, large.clone()).expect("a start");
    let store = Arc::new(stage.store);
    let (inner, hook) = (store.clone(), Arc::new(Mutex::new(None)));
    let next = Mutex::new(500_000);
    let append = move || {
        let mut next = next.lock().unwrap();
        *next += 1;
        inner
            .append(record(*next), Written::call(|_| {}))
            .expect("room");
    };
    *hook.lock().unwrap() = Some(Box::new(append) as Hook);
    let source: Arc<dyn Source> = Arc::new(Whole(hook.clone()));
    let mut writer = stage.writer;
    writer.sources = vec![Arc::downgrade(&source)];
    writer.is_wanted = true;
    writer.turn(stage.now, Duration::ZERO);
    drop(hook.lock().unwrap().take());
    drop(writer);
    let read = Stage::start(&machine, large).expect("a start").read;
    let place = |number: u64| read.iter().position(|one| *one == number).expect("written");
    for first in [0, 100_000] {
        assert_eq!(place(first + 19_999) - place(first), 19_999);
    }
    assert!(
        place(500_001) < place(100_000),
        "between the groups there is room"
    );
}

// A revocation that found the queue full counts in memory, and was written only when everything was
// written anew for another reason: until then a restart made a stolen token good again.
#[test]
fn what_the_queue_refused_and_its_owner_holds_is_written_at_once() {
    for holds_refused in [true, false] {
        let machine = Machine::new();
        let small = LogOptions {
            queue: 2,
            holds_refused,
            ..options(SECOND)
        };
        let mut stage = Stage::start(&machine, small.clone()).expect("a start");
        for number in 0..2 {
            stage.append(number).expect("room");
        }
        assert_eq!(stage.append(2), Err(StoreError::Full));
        // As a table of revocations does.
        stage.owner.told.lock().unwrap().insert(2, Some(Ok(())));
        stage.turn();
        drop(stage);
        let read = Stage::start(&machine, small).expect("a start").read;
        assert_eq!(read.contains(&2), holds_refused, "{read:?}");
        assert!(read.contains(&0) && read.contains(&1), "{read:?}");
    }
}

#[test]
fn the_queue_has_its_bounds() {
    let machine = Machine::new();
    let small = LogOptions {
        queue: 3,
        ..options(SECOND)
    };
    let mut stage = Stage::start(&machine, small).expect("a start");
    for number in 0..3 {
        stage.append(number).expect("room");
    }
    assert_eq!(stage.append(3), Err(StoreError::Full));
    assert_eq!(stage.store.stats().queue, 3);
    stage.turn();
    stage.append(4).expect("room again");
    let weight = record(0).weight();
    let small = LogOptions {
        queue_bytes: 2 * weight,
        ..options(SECOND)
    };
    let stage = Stage::start(&Machine::new(), small).expect("a start");
    stage.append(0).expect("room");
    stage.append(1).expect("room");
    assert_eq!(stage.append(2), Err(StoreError::Full));
}

// At `state.bytes` something must give. What is refused then can be had again; a full disk cannot.
#[test]
fn at_the_bound_of_the_files_records_are_refused_until_less_is_kept() {
    let machine = Machine::new();
    let small = LogOptions {
        bytes_max: 12_000,
        ..options(SECOND)
    };
    let mut stage = Stage::start(&machine, small).expect("a start");
    let mut number = 0;
    while stage.store.is_writable() {
        stage.append(number).expect("room");
        stage.turn();
        number += 1;
        assert!(number < 1000);
    }
    assert_eq!(stage.append(number), Err(StoreError::Full));
    assert!(stage.writer.segments.bytes() < 12_000);
    stage.owner.told.lock().unwrap().clear();
    for _ in 0..10 {
        stage.sync();
    }
    assert!(stage.store.is_writable());
}
