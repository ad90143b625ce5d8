//! What a start reads: after a kill, a crash of the machine, damage, or in a newer format.

use super::{
    harness::{FIRST, Harness, SECOND, life, options, start},
    machine::{Random, SimulatedMachine},
};
use crate::{
    config::SyncPolicy,
    state::{
        StateError,
        disk::Disk as _,
        options::LogOptions,
        segment::{FRAME_BYTES, HEADER_BYTES},
    },
};

// A kill loses nothing of what was handed to the system: without this a deploy that goes wrong
// empties every channel.
#[test]
fn what_was_written_is_read_again_in_its_order_after_a_kill() {
    let machine = SimulatedMachine::new();
    let harness = life(&machine, SyncPolicy::Never, 100);
    assert_eq!(harness.read, (0..100).collect::<Vec<_>>());
    assert!(!harness.report.may_have_lost);
    assert!(harness.report.newest_ms > 1_700_000_000_000);
}

// A life that was killed while it wrote leaves half a frame. Cutting it is right, and calling it a
// loss would give every stream a new epoch at each kill.
#[test]
fn half_a_frame_at_the_end_is_cut_without_a_loss() {
    let machine = SimulatedMachine::new();
    let mut harness = start(&machine, SECOND);
    for number in 0..3 {
        harness.append(number).expect("room");
        harness.turn();
    }
    let end = harness.writer.segments.bytes() as usize;
    drop(harness);
    machine.change(FIRST, |bytes| bytes[end - 5..].fill(0));
    let harness = start(&machine, SECOND);
    assert_eq!(harness.read, [0, 1]);
    assert!(!harness.report.may_have_lost);
    drop(harness);
    assert_eq!(start(&machine, SECOND).read, [0, 1]);
}

/// Changes a byte of the frame of a number.
fn damage(machine: &SimulatedMachine, name: &str, frame: usize) {
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
    let machine = SimulatedMachine::new();
    drop(life(&machine, SECOND, 100));
    damage(&machine, FIRST, 5);
    for _ in 0..2 {
        // Killed before anything was written anew: the next start says the same.
        let harness = start(&machine, SECOND);
        assert_eq!(harness.read.len(), 99);
        assert!(harness.report.may_have_lost);
        assert_eq!(harness.store.stats().damaged, 1);
    }
    let mut harness = start(&machine, SECOND);
    harness.turn();
    harness.sync();
    for _ in 0..20 {
        harness.turn();
    }
    drop(harness);
    let names = machine.list().expect("names");
    assert!(names.contains(&format!("{FIRST}.damaged")), "{names:?}");
    assert!(!names.contains(&FIRST.to_string()), "{names:?}");
    let harness = start(&machine, SECOND);
    assert_eq!(harness.read.len(), 99);
    assert!(!harness.report.may_have_lost);
}

// Told once is enough: a damaged file that still stands there, since its life was short, would be
// told at each start.
#[test]
fn damage_is_told_no_more_after_a_life_that_ended_by_itself_however_short() {
    let machine = SimulatedMachine::new();
    drop(life(&machine, SECOND, 100));
    damage(&machine, FIRST, 5);
    let harness = start(&machine, SECOND);
    assert!(harness.report.may_have_lost);
    harness.end_at_once();
    let names = machine.list().expect("names");
    assert!(names.contains(&format!("{FIRST}.damaged")), "{names:?}");
    let harness = start(&machine, SECOND);
    assert!(!harness.report.may_have_lost);
    assert_eq!(harness.read.len(), 99);
}

// A file that somebody removed from the middle leaves no byte that is wrong.
#[test]
fn a_segment_that_is_gone_is_told() {
    let machine = SimulatedMachine::new();
    drop(life(&machine, SECOND, 100));
    machine.remove("0000000002.log").expect("a file");
    assert!(start(&machine, SECOND).report.may_have_lost);
}

// The end of a segment that was sealed looks like a torn write, and is none: it was acknowledged.
#[test]
fn a_sealed_segment_that_lost_its_end_is_told() {
    let machine = SimulatedMachine::new();
    drop(life(&machine, SECOND, 100));
    machine.change(FIRST, |bytes| bytes.truncate(bytes.len() - 20));
    assert!(start(&machine, SECOND).report.may_have_lost);
}

#[test]
fn a_newer_format_is_refused_by_its_version() {
    let machine = SimulatedMachine::new();
    drop(life(&machine, SECOND, 1));
    machine.change(FIRST, |bytes| bytes[8] = 2);
    let error = Harness::start(&machine, options(SECOND))
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
    let machine = SimulatedMachine::new();
    let strict = LogOptions {
        is_strict: true,
        ..options(SyncPolicy::Always)
    };
    let mut harness = Harness::start(&machine, strict.clone()).expect("a start");
    for number in 0..3 {
        harness.append(number).expect("room");
        harness.turn();
    }
    drop(harness);
    damage(&machine, FIRST, 1);
    let started = Harness::start(&machine, strict);
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
        let machine = SimulatedMachine::new();
        let mut harness = start(&machine, sync);
        for number in 0..30 {
            harness.append(number).expect("room");
            harness.turn();
        }
        if is_tidy {
            harness.end();
        } else {
            drop(harness);
        }
        machine.crash(&mut Random(77));
        let harness = start(&machine, sync);
        assert_eq!(
            harness.report.may_have_lost, may_have_lost,
            "{sync:?} {is_tidy}"
        );
        assert!(
            may_have_lost || harness.read.len() >= 30,
            "{sync:?} {is_tidy}"
        );
    }
}
