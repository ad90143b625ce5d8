//! What a subscription does with what comes: merged, in order, once, or broken.

use std::{rc::Rc, sync::Arc};

use super::*;
use crate::{
    id::Epoch,
    publication::{Item, Payload, Target},
};

const BYTES: usize = 1 << 20;

fn publication(offset: u64, epoch: Epoch) -> SharedPublication {
    let item = Arc::new(Item::new(Payload::Text("x".into()), offset));
    let target = Target::Channel("c".into());
    let publication = Publication::new(target, Content::Item(item)).in_stream(epoch, None);
    Rc::new(Arc::new(publication))
}

fn positioned() -> Subscriber {
    Subscriber::held(
        ID,
        SubscribeOptions {
            positioned: true,
            ..SubscribeOptions::default()
        },
    )
}

const ID: SubscriptionId = SubscriptionId(1);
const DELIVER: Verdict = Verdict::Deliver(Delta::Off);

#[test]
fn what_came_during_recovery_is_merged_by_offset() {
    let epoch = Epoch::random();
    let mut subscriber = positioned();
    for offset in 3..=6 {
        assert_eq!(
            subscriber.take(&publication(offset, epoch), false, BYTES),
            Verdict::Skip
        );
    }
    let waiting = subscriber.go_live(StreamPosition { offset: 4, epoch }, true);
    let verdicts: Vec<_> = waiting
        .iter()
        .map(|p| subscriber.take(p, false, BYTES))
        .collect();
    assert_eq!(verdicts, [Verdict::Skip, Verdict::Skip, DELIVER, DELIVER]);
    assert_eq!(
        subscriber.take(&publication(7, epoch), false, BYTES),
        DELIVER
    );
}

#[test]
fn a_gap_or_another_stream_breaks_it_once() {
    let epoch = Epoch::random();
    for wrong in [publication(3, epoch), publication(2, Epoch::NONE)] {
        let mut subscriber = positioned();
        subscriber.go_live(StreamPosition { offset: 1, epoch }, false);
        assert_eq!(subscriber.take(&wrong, false, BYTES), Verdict::Missed);
        assert_eq!(
            subscriber.take(&publication(2, epoch), false, BYTES),
            Verdict::Skip
        );
    }
}

#[test]
fn who_is_left_out_of_a_publication_has_no_gap_after_it() {
    let epoch = Epoch::random();
    let mut subscriber = positioned();
    subscriber.go_live(StreamPosition { offset: 0, epoch }, false);
    assert_eq!(
        subscriber.take(&publication(1, epoch), true, BYTES),
        Verdict::Skip
    );
    assert_eq!(
        subscriber.take(&publication(2, epoch), false, BYTES),
        DELIVER
    );
}

#[test]
fn a_patch_is_only_for_those_who_have_what_it_patches() {
    let epoch = Epoch::random();
    let mut subscriber = Subscriber::held(
        ID,
        SubscribeOptions {
            positioned: true,
            delta: true,
            ..SubscribeOptions::default()
        },
    );
    subscriber.go_live(StreamPosition { offset: 0, epoch }, false);
    let mut next = |offset, excluded| subscriber.take(&publication(offset, epoch), excluded, BYTES);
    assert_eq!(next(1, false), Verdict::Deliver(Delta::Full));
    assert_eq!(next(2, false), Verdict::Deliver(Delta::Patch));
    assert_eq!(next(3, true), Verdict::Skip);
    assert_eq!(next(4, false), Verdict::Deliver(Delta::Full));
    // Without a place in the stream.
    assert_eq!(next(0, false), Verdict::Deliver(Delta::Full));
    assert_eq!(next(5, false), Verdict::Deliver(Delta::Full));
    assert_eq!(next(6, false), Verdict::Deliver(Delta::Patch));
}

#[test]
fn what_was_dropped_for_a_slow_client_breaks_only_those_who_count() {
    let mut positioned = positioned();
    positioned.go_live(
        StreamPosition {
            offset: 0,
            epoch: Epoch::random(),
        },
        false,
    );
    assert_eq!(positioned.lose(), Verdict::Missed);
    assert_eq!(positioned.lose(), Verdict::Skip);
    let mut other = Subscriber::held(ID, SubscribeOptions::default());
    other.go_live(
        StreamPosition {
            offset: 0,
            epoch: Epoch::NONE,
        },
        false,
    );
    assert_eq!(other.lose(), Verdict::Skip);
    assert_eq!(
        other.take(&publication(9, Epoch::random()), false, BYTES),
        DELIVER
    );
}

#[test]
fn what_is_held_back_is_bounded_in_bytes_but_for_a_single_one() {
    let epoch = Epoch::random();
    let bytes = publication(1, epoch).weight();
    let mut subscriber = positioned();
    for offset in 1..=3 {
        let verdict = subscriber.take(&publication(offset, epoch), false, 3 * bytes);
        assert_eq!(verdict, Verdict::Skip);
    }
    let verdict = subscriber.take(&publication(4, epoch), false, 3 * bytes);
    assert_eq!(verdict, Verdict::Missed);
    assert!(
        subscriber
            .go_live(StreamPosition { offset: 0, epoch }, false)
            .is_empty()
    );
    let mut small = positioned();
    assert_eq!(small.take(&publication(1, epoch), false, 1), Verdict::Skip);
    assert_eq!(
        small.take(&publication(2, epoch), false, 1),
        Verdict::Missed
    );
}

/// As a broker has it whose offsets are those of many channels together.
fn following(follows: u64, offset: u64, epoch: Epoch, lineage: u64) -> SharedPublication {
    let item = Item::new(Payload::Text("x".into()), offset).following(follows);
    let target = Target::Channel("c".into());
    let publication = Publication::new(target, Content::Item(Arc::new(item)));
    Rc::new(Arc::new(
        publication
            .in_stream(epoch, None)
            .of_lineage(Lineage(lineage)),
    ))
}

#[test]
fn what_follows_what_was_had_is_next_whatever_its_offset() {
    let epoch = Epoch::random();
    let mut subscriber = positioned();
    subscriber.go_live(StreamPosition { offset: 10, epoch }, false);
    let mut take = |follows, offset| {
        let publication = following(follows, offset, epoch, 0);
        subscriber.take(&publication, false, BYTES)
    };
    assert_eq!(take(10, 17), DELIVER);
    assert_eq!(take(10, 17), Verdict::Skip, "twice");
    assert_eq!(take(17, 40), DELIVER);
    assert_eq!(take(41, 42), Verdict::Missed, "41 never came");
}

#[test]
fn an_offset_that_is_given_anew_is_no_duplicate() {
    let epoch = Epoch::random();
    let mut subscriber = positioned();
    subscriber.go_live(StreamPosition { offset: 0, epoch }, false);
    for offset in 1..=3 {
        let publication = following(offset - 1, offset, epoch, 7);
        assert_eq!(subscriber.take(&publication, false, BYTES), DELIVER);
    }
    let again = following(2, 3, epoch, 7);
    assert_eq!(subscriber.take(&again, false, BYTES), Verdict::Skip);
    let anew = following(1, 2, epoch, 8);
    assert_eq!(subscriber.take(&anew, false, BYTES), Verdict::Missed);
}
