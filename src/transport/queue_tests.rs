//! Tests of the pure queue: bounds, policies, partial writes.

use super::*;
use crate::codec::{self, Opcode};
use crate::publication::{Payload, Target};

fn bounds(policy: SlowPolicy, bytes_max: usize) -> Bounds {
    Bounds {
        bytes_max,
        frame_overhead: 0,
        policy,
        compression: Compression {
            min_bytes: 256,
            level: 3,
        },
    }
}

fn publication(channel: &str, text: &str) -> SharedPublication {
    let target = Target::Channel(channel.into());
    Rc::new(Arc::new(Publication::message(
        target,
        Payload::Text(text.into()),
    )))
}

/// How many were dropped; absent: there was no room.
fn dropped_by(pushed: &Pushed) -> Option<usize> {
    match pushed {
        Pushed::Queued { dropped } => Some(dropped.len()),
        Pushed::Overflow => None,
    }
}

/// Everything that waits, as text of the payloads (all frames here are shorter than 126 bytes).
fn waiting(queue: &Queue) -> Vec<String> {
    let compression = bounds(SlowPolicy::Disconnect, 0).compression;
    queue
        .iter()
        .map(|frame| String::from_utf8_lossy(&frame.bytes(&compression)[2..]).into_owned())
        .collect()
}

#[test]
fn disconnect_refuses_what_is_over_the_bound_but_one_message_may_exceed_it_alone() {
    let bounds = bounds(SlowPolicy::Disconnect, 20);
    let mut queue = Queue::default();
    let long = "a message that is longer than the bound";
    assert_eq!(
        dropped_by(&queue.push(publication("c", long), Form::RAW, bounds.policy, &bounds)),
        Some(0)
    );
    assert_eq!(
        dropped_by(&queue.push(publication("c", "x"), Form::RAW, bounds.policy, &bounds)),
        None
    );
}

#[test]
fn drop_oldest_drops_publications_only_and_keeps_order() {
    let bounds = bounds(SlowPolicy::DropOldest, 30);
    let mut queue = Queue::default();
    queue.push_own(Bytes::from_static(b"..reply"), Kind::Reply, &bounds);
    for (text, dropped) in [
        ("1111111", 0),
        ("2222222", 0),
        ("3333333", 1),
        ("4444444", 1),
    ] {
        let pushed = queue.push(publication("c", text), Form::RAW, bounds.policy, &bounds);
        assert_eq!(dropped_by(&pushed), Some(dropped));
    }
    assert_eq!(waiting(&queue), ["reply", "3333333", "4444444"]);
    assert_eq!(queue.bytes(), 7 + 9 + 9);
    assert_eq!(queue.reply_cost(), 7);
}

#[test]
fn latest_keeps_the_newest_of_each_channel() {
    let bounds = bounds(SlowPolicy::Latest, 40);
    let mut queue = Queue::default();
    for (channel, text) in [
        ("a", "a1aaaa"),
        ("b", "b1bbbb"),
        ("a", "a2aaaa"),
        ("b", "b2bbbb"),
    ] {
        queue.push(
            publication(channel, text),
            Form::RAW,
            bounds.policy,
            &bounds,
        );
    }
    assert_eq!(queue.publications(), 4, "all fit as yet");
    let pushed = queue.push(
        publication("a", "a3-aaaaaa"),
        Form::RAW,
        bounds.policy,
        &bounds,
    );
    assert_eq!(dropped_by(&pushed), Some(3));
    assert_eq!(waiting(&queue), ["b2bbbb", "a3-aaaaaa"]);
}

#[test]
fn a_partly_written_publication_is_never_dropped() {
    for policy in [SlowPolicy::DropOldest, SlowPolicy::Latest] {
        let bounds = bounds(policy, 20);
        let mut queue = Queue::default();
        queue.push(
            publication("c", "11111111"),
            Form::RAW,
            bounds.policy,
            &bounds,
        );
        queue.advance(3, &bounds, |_, _| panic!("nothing has left"));
        queue.push(
            publication("c", "22222222"),
            Form::RAW,
            bounds.policy,
            &bounds,
        );
        queue.push(
            publication("c", "33333333"),
            Form::RAW,
            bounds.policy,
            &bounds,
        );
        assert_eq!(waiting(&queue), ["11111111", "33333333"], "{policy:?}");
        assert_eq!(queue.bytes(), 10 - 3 + 10);
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(queue.slices(&mut slices, &bounds), 2);
        assert_eq!(&slices[0][..], b"1111111");
    }
}

#[test]
fn discarding_leaves_only_what_is_partly_written() {
    let bounds = bounds(SlowPolicy::Disconnect, 1000);
    let mut queue = Queue::default();
    queue.push_own(Bytes::from_static(b"..first"), Kind::Reply, &bounds);
    queue.push(
        publication("c", "second"),
        Form::RAW,
        bounds.policy,
        &bounds,
    );
    queue.advance(1, &bounds, |_, _| ());
    queue.discard_unsent(&bounds);
    assert_eq!(waiting(&queue), ["first"]);
    assert_eq!(queue.bytes(), 6);
    queue.advance(6, &bounds, |_, _| ());
    assert!(queue.is_empty());
    assert_eq!((queue.bytes(), queue.reply_cost()), (0, 0));
    queue.push(publication("c", "x"), Form::RAW, bounds.policy, &bounds);
    queue.discard_unsent(&bounds);
    assert!(queue.is_empty());
}

#[test]
fn writes_of_any_size_hand_back_each_frame_once_and_in_order() {
    let bounds = bounds(SlowPolicy::Disconnect, usize::MAX);
    for step in 1..40 {
        let mut queue = Queue::default();
        let texts: Vec<String> = (0..20).map(|i| "x".repeat(i)).collect();
        let mut expected = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let publication = publication("c", text);
            expected.extend_from_slice(publication.frame(Form::RAW, &bounds.compression));
            if i % 3 == 0 {
                let bytes = publication.frame(Form::RAW, &bounds.compression).to_vec();
                queue.push_own(bytes.into(), Kind::Reply, &bounds);
            } else {
                queue.push(publication, Form::RAW, bounds.policy, &bounds);
            }
        }
        let (mut wire, mut left) = (Vec::new(), 0);
        while !queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = queue.slices(&mut slices, &bounds);
            let ready: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            let n = step.min(ready.len());
            wire.extend_from_slice(&ready[..n]);
            queue.advance(n, &bounds, |_, _| left += 1);
        }
        assert_eq!(wire, expected, "step {step}");
        assert_eq!(left, texts.len());
        assert_eq!((queue.bytes(), queue.reply_cost()), (0, 0));
    }
}

#[test]
fn small_frames_are_charged_for_what_they_keep() {
    let bounds = Bounds {
        frame_overhead: FRAME_OVERHEAD,
        ..bounds(SlowPolicy::Disconnect, 10 * FRAME_OVERHEAD)
    };
    let mut queue = Queue::default();
    let mut pushed = 0;
    while dropped_by(&queue.push(publication("c", "x"), Form::RAW, bounds.policy, &bounds))
        .is_some()
    {
        pushed += 1;
        assert!(pushed < 20, "the bound counts bytes alone");
    }
    queue.push_own(Bytes::from_static(b"..pong"), Kind::Pong, &bounds);
    assert_eq!(queue.reply_cost(), 6 + FRAME_OVERHEAD);
    while !queue.is_empty() {
        queue.advance(1, &bounds, |_, _| ());
    }
    assert_eq!((queue.bytes(), queue.cost(), queue.reply_cost()), (0, 0, 0));
}

#[test]
fn messages_that_wait_leave_in_one_frame_and_what_is_deflated_or_a_close_leaves_alone() {
    let bounds = Bounds {
        frame_overhead: 100,
        ..bounds(SlowPolicy::Disconnect, 1 << 20)
    };
    let mut queue = Queue::default();
    queue.push_own(
        codec::encode(Opcode::Text, b"{\"id\":1}"),
        Kind::Reply,
        &bounds,
    );
    queue.push(publication("c", "{}"), Form::RAW, bounds.policy, &bounds);
    let long = "x".repeat(70_000);
    queue.push_own(
        codec::encode(Opcode::Text, b"{\"id\":2}"),
        Kind::Reply,
        &bounds,
    );
    queue.push(publication("c", &long), Form::RAW, bounds.policy, &bounds);
    queue.push_own(codec::encode_close(1000, ""), Kind::Close, &bounds);
    let (cost, replies) = (queue.cost(), queue.reply_cost());
    let mut left = 0;
    queue.join_front(b"\n", &bounds, |_| left += 1);
    assert_eq!(left, 3, "the fourth would be more than a batch holds");
    assert_eq!(waiting(&queue)[0], "{\"id\":1}\n{}\n{\"id\":2}");
    assert_eq!(queue.iter().count(), 3);
    assert!(queue.cost() < cost, "three charges became one");
    assert_eq!(queue.reply_cost(), replies, "charged until it has left");
    let before = queue.bytes();
    queue.join_front(b"\n", &bounds, |_| panic!("nothing is joined twice"));
    let mut slices = [IoSlice::new(&[]); 8];
    let filled = queue.slices(&mut slices, &bounds);
    let all: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
    assert_eq!(all, before);
    queue.advance(all, &bounds, |_, _| {});
    assert_eq!((queue.bytes(), queue.cost(), queue.reply_cost()), (0, 0, 0));
}
