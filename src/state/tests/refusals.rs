//! What is told where a record cannot be written: a disk that is full or refuses, a queue that is
//! full, files at their bound.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    harness::{FIRST, Harness, SECOND, options, record, start},
    machine::{Faults, SimulatedMachine},
};
use crate::{
    id::{Epoch, StreamPosition},
    state::{disk::Disk as _, options::LogOptions},
    store::{Record, Store as _, StoreError, Written},
};

// Whoever waits behind a failed write holds a place that builds on it. One that came in before all
// of them were told would be written with a gap before it.
#[test]
fn a_failed_write_refuses_all_that_waits_in_order_while_nothing_is_let_in() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    harness.append(1).expect("room");
    harness.turn();
    machine.set_faults(Faults {
        writes: true,
        ..Faults::default()
    });
    for number in 2..6 {
        harness.append(number).expect("room");
    }
    let (store, seen) = (Arc::new(harness.store), Arc::new(Mutex::new(Vec::new())));
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
    harness.now += Duration::from_secs(1);
    harness.writer.turn(harness.now, Duration::ZERO);
    assert_eq!(*harness.owner.order.lock().unwrap(), [1, 2, 3, 4, 5]);
    let refused = Err(StoreError::NotWritten);
    assert_eq!(*seen.lock().unwrap(), [(refused, refused); 2]);
    assert!(!store.is_writable());
    machine.set_faults(Faults::default());
    harness.now += Duration::from_secs(2);
    harness.writer.turn(harness.now, Duration::ZERO);
    assert!(store.is_writable(), "by itself");
    assert_eq!(store.stats().failed_writes, 1);
    drop(store);
    assert_eq!(start(&machine, SECOND).read, [1]);
}

// On a full disk only making room helps. If that needed room too, an operator could not get out.
#[test]
fn on_a_full_disk_what_makes_room_is_still_written() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    machine.set_faults(Faults {
        is_full: true,
        ..Faults::default()
    });
    let mut number = 0;
    while harness.store.is_writable() {
        harness.append(number).expect("room");
        harness.turn();
        number += 1;
    }
    assert_eq!(harness.append(number), Err(StoreError::NotWritten));
    // What was set aside is free now, and a little fits.
    machine.set_faults(Faults::default());
    harness.now += Duration::from_secs(2);
    machine.set_room(300);
    harness.writer.turn(harness.now, Duration::ZERO);
    assert!(!harness.store.is_writable());
    let until = StreamPosition {
        offset: 1,
        epoch: Epoch::of_bits(1),
    };
    let removed = Record::Removed {
        channel: "a".into(),
        until,
    };
    harness
        .append_record(number, removed)
        .expect("what makes room is taken");
    assert_eq!(harness.append(number + 1), Err(StoreError::NotWritten));
    harness.writer.turn(harness.now, Duration::ZERO);
    assert_eq!(harness.told(number), Some(Ok(())));
    machine.set_room(usize::MAX);
    harness.turn();
    assert!(harness.store.is_writable());
}

// After a failed sync the system says that the next one worked, and has forgotten the pages. All
// that was in that file is written anew from memory, or a crash would lose it in silence.
#[test]
fn after_a_failed_sync_everything_is_written_anew() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    for number in 0..10 {
        harness.append(number).expect("room");
    }
    harness.turn();
    machine.set_faults(Faults {
        syncs: true,
        ..Faults::default()
    });
    assert!(!harness.writer.syncer.sync());
    machine.set_faults(Faults::default());
    assert!(harness.store.is_writable());
    for _ in 0..3 {
        harness.sync();
    }
    assert!(!machine.list().expect("names").contains(&FIRST.to_string()));
    assert_eq!(harness.store.stats().snapshots, 1);
    drop(harness);
    assert_eq!(start(&machine, SECOND).read, (0..10).collect::<Vec<_>>());
}

/// A disk that was full, and full again when room was wanted, and whose sync failed behind that.
fn full_then_unsynced(machine: &Arc<SimulatedMachine>) -> Harness {
    let mut harness = start(machine, SECOND);
    let full = Faults {
        is_full: true,
        ..Faults::default()
    };
    machine.set_faults(full);
    let mut number = 0;
    while harness.store.is_writable() {
        harness.append(number).expect("room");
        harness.turn();
        number += 1;
    }
    machine.set_faults(Faults::default());
    machine.set_room(300);
    harness.turn();
    machine.set_room(usize::MAX);
    for _ in 0..3 {
        harness.now += Duration::from_secs(1);
        harness.writer.turn(harness.now, Duration::ZERO);
    }
    assert!(harness.store.is_writable());
    harness.append(number).expect("room");
    harness.writer.turn(harness.now, Duration::ZERO);
    machine.set_faults(Faults {
        syncs: true,
        ..Faults::default()
    });
    assert!(!harness.writer.syncer.sync());
    harness.writer.turn(harness.now, Duration::ZERO);
    assert!(!harness.store.stats().is_whole);
    machine.set_faults(Faults::default());
    harness
}

// What was put off since the disk was full was put off for what its syncs had lost too: for ten
// seconds any restart cost every stream its epoch.
#[test]
fn what_a_failed_sync_may_have_lost_is_written_anew_at_once_however_sick_the_disk_was_before() {
    let machine = SimulatedMachine::new();
    let mut harness = full_then_unsynced(&machine);
    for _ in 0..3 {
        harness.now += Duration::from_secs(1);
        harness.writer.turn(harness.now, Duration::ZERO);
        harness.writer.syncer.sync();
    }
    assert!(harness.store.stats().is_whole);
    drop(harness);
    assert!(!start(&machine, SECOND).report.may_have_lost);
}

// Whoever deploys right after the disk was sick loses nothing: all of it is in memory still. There
// is not even a file to write to then.
#[test]
fn a_life_that_ends_by_itself_writes_first_what_the_files_may_have_lost() {
    let machine = SimulatedMachine::new();
    let harness = full_then_unsynced(&machine);
    let kept = harness.owner.kept();
    harness.end_at_once();
    let next = start(&machine, SECOND);
    assert!(!next.report.may_have_lost);
    assert_eq!(next.read, kept);
}

// A disk that cannot be synced takes no mark for certain that something may be lost. What the
// system has of it is enough as long as the machine runs: whoever is killed meanwhile must not be
// believed.
#[test]
fn a_kill_while_the_disk_cannot_be_synced_is_told_at_the_next_start() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    harness.append(1).expect("room");
    harness.turn();
    machine.set_faults(Faults {
        syncs: true,
        ..Faults::default()
    });
    assert!(!harness.writer.syncer.sync());
    for _ in 0..3 {
        harness.turn();
    }
    drop(harness);
    machine.set_faults(Faults::default());
    let harness = start(&machine, SECOND);
    assert!(harness.report.may_have_lost);
    assert_eq!(harness.read, [1]);
    // Told once: this life writes all of it anew.
    harness.end_at_once();
    assert!(!start(&machine, SECOND).report.may_have_lost);
}

// The same where a full disk refused it: it counts in memory, and nobody will write it later.
#[test]
fn what_its_owner_holds_and_the_disk_refused_is_written_before_the_end() {
    let machine = SimulatedMachine::new();
    let holding = LogOptions {
        holds_refused: true,
        ..options(SECOND)
    };
    let mut harness = Harness::start(&machine, holding.clone()).expect("a start");
    machine.set_faults(Faults {
        writes: true,
        ..Faults::default()
    });
    harness.append(7).expect("room");
    harness.turn();
    assert_eq!(harness.told(7), Some(Err(StoreError::NotWritten)));
    // As a table of revocations does.
    harness.owner.told.lock().unwrap().insert(7, Some(Ok(())));
    machine.set_faults(Faults::default());
    harness.end_at_once();
    let read = Harness::start(&machine, holding).expect("a start").read;
    assert_eq!(read, [7]);
}

// A revocation that found the queue full counts in memory, and was written only when everything was
// written anew for another reason: until then a restart made a stolen token good again.
#[test]
fn what_the_queue_refused_and_its_owner_holds_is_written_at_once() {
    for holds_refused in [true, false] {
        let machine = SimulatedMachine::new();
        let small = LogOptions {
            queue: 2,
            holds_refused,
            ..options(SECOND)
        };
        let mut harness = Harness::start(&machine, small.clone()).expect("a start");
        for number in 0..2 {
            harness.append(number).expect("room");
        }
        assert_eq!(harness.append(2), Err(StoreError::Full));
        // As a table of revocations does.
        harness.owner.told.lock().unwrap().insert(2, Some(Ok(())));
        harness.turn();
        drop(harness);
        let read = Harness::start(&machine, small).expect("a start").read;
        assert_eq!(read.contains(&2), holds_refused, "{read:?}");
        assert!(read.contains(&0) && read.contains(&1), "{read:?}");
    }
}

#[test]
fn the_queue_has_its_bounds() {
    let machine = SimulatedMachine::new();
    let small = LogOptions {
        queue: 3,
        ..options(SECOND)
    };
    let mut harness = Harness::start(&machine, small).expect("a start");
    for number in 0..3 {
        harness.append(number).expect("room");
    }
    assert_eq!(harness.append(3), Err(StoreError::Full));
    assert_eq!(harness.store.stats().queue, 3);
    harness.turn();
    harness.append(4).expect("room again");
    let weight = record(0).weight();
    let small = LogOptions {
        queue_bytes: 2 * weight,
        ..options(SECOND)
    };
    let harness = Harness::start(&SimulatedMachine::new(), small).expect("a start");
    harness.append(0).expect("room");
    harness.append(1).expect("room");
    assert_eq!(harness.append(2), Err(StoreError::Full));
}

// At `state.bytes` something must give. What is refused then can be had again; a full disk cannot.
#[test]
fn at_the_bound_of_the_files_records_are_refused_until_less_is_kept() {
    let machine = SimulatedMachine::new();
    let small = LogOptions {
        bytes_max: 12_000,
        ..options(SECOND)
    };
    let mut harness = Harness::start(&machine, small).expect("a start");
    let mut number = 0;
    while harness.store.is_writable() {
        harness.append(number).expect("room");
        harness.turn();
        number += 1;
        assert!(number < 1000);
    }
    assert_eq!(harness.append(number), Err(StoreError::Full));
    assert!(harness.writer.segments.bytes() < 12_000);
    harness.owner.told.lock().unwrap().clear();
    for _ in 0..10 {
        harness.sync();
    }
    assert!(harness.store.is_writable());
}
