//! Tests of the pure queue: bounds, policies, partial writes.

use std::sync::Arc;

use super::*;
use crate::codec::{self, Opcode};
use crate::publication::{Payload, Publication, Target, WireFormat};

fn config(policy: SlowPolicy, bytes_max: usize) -> OutboxConfig {
    OutboxConfig {
        bytes_max,
        frame_overhead: 0,
        policy,
        compression: Compression {
            min_bytes: 256,
            level: 3,
        },
    }
}

fn message(channel: &str, text: &str) -> SharedPublication {
    let target = Target::Channel(channel.into());
    Rc::new(Arc::new(Publication::message(
        target,
        Payload::Text(text.into()),
    )))
}

fn publication(channel: &str, text: &str) -> Rc<SharedFrame> {
    let compression = config(SlowPolicy::Disconnect, 0).compression;
    SharedFrame::one(message(channel, text), WireFormat::RAW, &compression)
}

/// How many were dropped; absent: there was no room.
fn dropped_by(pushed: &Pushed) -> Option<usize> {
    match pushed {
        Pushed::Queued { dropped } => Some(dropped.len()),
        Pushed::Overflow => None,
    }
}

/// Everything that waits, as text of the payloads (all frames here are shorter than 126 bytes).
fn waiting(outbox: &Outbox) -> Vec<String> {
    outbox
        .iter()
        .map(|frame| String::from_utf8_lossy(&frame.bytes()[2..]).into_owned())
        .collect()
}

#[test]
fn disconnect_refuses_what_is_over_the_bound_but_one_message_may_exceed_it_alone() {
    let config = config(SlowPolicy::Disconnect, 20);
    let mut outbox = Outbox::default();
    let long = "a message that is longer than the bound";
    assert_eq!(
        dropped_by(&outbox.push(publication("c", long), config.policy, &config)),
        Some(0)
    );
    assert_eq!(
        dropped_by(&outbox.push(publication("c", "x"), config.policy, &config)),
        None
    );
}

#[test]
fn drop_oldest_drops_publications_only_and_keeps_order() {
    let config = config(SlowPolicy::DropOldest, 30);
    let mut outbox = Outbox::default();
    outbox.push_own(Bytes::from_static(b"..reply"), FrameKind::Reply, &config);
    for (text, dropped) in [
        ("1111111", 0),
        ("2222222", 0),
        ("3333333", 1),
        ("4444444", 1),
    ] {
        let pushed = outbox.push(publication("c", text), config.policy, &config);
        assert_eq!(dropped_by(&pushed), Some(dropped));
    }
    assert_eq!(waiting(&outbox), ["reply", "3333333", "4444444"]);
    assert_eq!(outbox.bytes(), 7 + 9 + 9);
    assert_eq!(outbox.reply_cost(), 7);
}

#[test]
fn latest_keeps_the_newest_of_each_channel() {
    let config = config(SlowPolicy::Latest, 40);
    let mut outbox = Outbox::default();
    for (channel, text) in [
        ("a", "a1aaaa"),
        ("b", "b1bbbb"),
        ("a", "a2aaaa"),
        ("b", "b2bbbb"),
    ] {
        outbox.push(publication(channel, text), config.policy, &config);
    }
    assert_eq!(outbox.publications(), 4, "all fit as yet");
    let pushed = outbox.push(publication("a", "a3-aaaaaa"), config.policy, &config);
    assert_eq!(dropped_by(&pushed), Some(3));
    assert_eq!(waiting(&outbox), ["b2bbbb", "a3-aaaaaa"]);
}

#[test]
fn a_partly_written_publication_is_never_dropped() {
    for policy in [SlowPolicy::DropOldest, SlowPolicy::Latest] {
        let config = config(policy, 20);
        let mut outbox = Outbox::default();
        outbox.push(publication("c", "11111111"), config.policy, &config);
        outbox.advance(3, &config, |_, _| panic!("nothing has left"));
        outbox.push(publication("c", "22222222"), config.policy, &config);
        outbox.push(publication("c", "33333333"), config.policy, &config);
        assert_eq!(waiting(&outbox), ["11111111", "33333333"], "{policy:?}");
        assert_eq!(outbox.bytes(), 10 - 3 + 10);
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(outbox.slices(&mut slices), 2);
        assert_eq!(&slices[0][..], b"1111111");
    }
}

#[test]
fn discarding_leaves_only_what_is_partly_written() {
    let config = config(SlowPolicy::Disconnect, 1000);
    let mut outbox = Outbox::default();
    outbox.push_own(Bytes::from_static(b"..first"), FrameKind::Reply, &config);
    outbox.push(publication("c", "second"), config.policy, &config);
    outbox.advance(1, &config, |_, _| ());
    outbox.discard_unsent(&config);
    assert_eq!(waiting(&outbox), ["first"]);
    assert_eq!(outbox.bytes(), 6);
    outbox.advance(6, &config, |_, _| ());
    assert!(outbox.is_empty());
    assert_eq!((outbox.bytes(), outbox.reply_cost()), (0, 0));
    outbox.push(publication("c", "x"), config.policy, &config);
    outbox.discard_unsent(&config);
    assert!(outbox.is_empty());
}

#[test]
fn writes_of_any_size_hand_back_each_frame_once_and_in_order() {
    let config = config(SlowPolicy::Disconnect, usize::MAX);
    for step in 1..40 {
        let mut outbox = Outbox::default();
        let texts: Vec<String> = (0..20).map(|i| "x".repeat(i)).collect();
        let mut expected = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let publication = publication("c", text);
            expected.extend_from_slice(publication.bytes());
            if i % 3 == 0 {
                let bytes = publication.bytes().to_vec();
                outbox.push_own(bytes.into(), FrameKind::Reply, &config);
            } else {
                outbox.push(publication, config.policy, &config);
            }
        }
        let (mut wire, mut left) = (Vec::new(), 0);
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = outbox.slices(&mut slices);
            let ready: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            let n = step.min(ready.len());
            wire.extend_from_slice(&ready[..n]);
            outbox.advance(n, &config, |_, _| left += 1);
        }
        assert_eq!(wire, expected, "step {step}");
        assert_eq!(left, texts.len());
        assert_eq!((outbox.bytes(), outbox.reply_cost()), (0, 0));
    }
}

#[test]
fn small_frames_are_charged_for_what_they_keep() {
    let config = OutboxConfig {
        frame_overhead: FRAME_OVERHEAD,
        ..config(SlowPolicy::Disconnect, 10 * FRAME_OVERHEAD)
    };
    let mut outbox = Outbox::default();
    let mut pushed = 0;
    while dropped_by(&outbox.push(publication("c", "x"), config.policy, &config)).is_some() {
        pushed += 1;
        assert!(pushed < 20, "the bound counts bytes alone");
    }
    outbox.push_own(Bytes::from_static(b"..pong"), FrameKind::Pong, &config);
    assert_eq!(outbox.reply_cost(), 6 + FRAME_OVERHEAD);
    while !outbox.is_empty() {
        outbox.advance(1, &config, |_, _| ());
    }
    assert_eq!(
        (outbox.bytes(), outbox.cost(), outbox.reply_cost()),
        (0, 0, 0)
    );
}

#[test]
fn messages_that_wait_leave_in_one_frame_and_what_is_deflated_or_a_close_leaves_alone() {
    let config = OutboxConfig {
        frame_overhead: 100,
        ..config(SlowPolicy::Disconnect, 1 << 20)
    };
    let mut outbox = Outbox::default();
    outbox.push_own(
        codec::encode(Opcode::Text, b"{\"id\":1}"),
        FrameKind::Reply,
        &config,
    );
    outbox.push(publication("c", "{}"), config.policy, &config);
    let long = "x".repeat(70_000);
    outbox.push_own(
        codec::encode(Opcode::Text, b"{\"id\":2}"),
        FrameKind::Reply,
        &config,
    );
    outbox.push(publication("c", &long), config.policy, &config);
    outbox.push_own(codec::encode_close(1000, ""), FrameKind::Close, &config);
    let (cost, replies) = (outbox.cost(), outbox.reply_cost());
    let mut left = 0;
    outbox.join_front(b"\n", &config, |_| left += 1);
    assert_eq!(left, 3, "the fourth would be more than a batch holds");
    assert_eq!(waiting(&outbox)[0], "{\"id\":1}\n{}\n{\"id\":2}");
    assert_eq!(outbox.iter().count(), 3);
    assert!(outbox.cost() < cost, "three charges became one");
    assert_eq!(outbox.reply_cost(), replies, "charged until it has left");
    let before = outbox.bytes();
    outbox.join_front(b"\n", &config, |_| panic!("nothing is joined twice"));
    let mut slices = [IoSlice::new(&[]); 8];
    let filled = outbox.slices(&mut slices);
    let all: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
    assert_eq!(all, before);
    outbox.advance(all, &config, |_, _| {});
    assert_eq!(
        (outbox.bytes(), outbox.cost(), outbox.reply_cost()),
        (0, 0, 0)
    );
}

/// Publications of a channel that leave together, with texts of seven bytes.
fn batch(channel: &str, texts: &[&str]) -> Rc<SharedFrame> {
    let line: Vec<_> = texts
        .iter()
        .map(|text| (message(channel, text), crate::publication::Delta::Off))
        .collect();
    let compression = config(SlowPolicy::Disconnect, 0).compression;
    let mut frames = SharedFrame::join(&line, WireFormat::RAW, 1 << 20, &compression);
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

/// A batch must not be a way around the bound of what waits. It is charged for each of its messages
/// what a message is charged, and gives back as much when it leaves.
#[test]
fn a_batch_counts_by_its_messages() {
    let config = OutboxConfig {
        frame_overhead: 100,
        ..config(SlowPolicy::Disconnect, 700)
    };
    let mut outbox = Outbox::default();
    let three = batch("c", &["1111111", "2222222", "3333333"]);
    assert!(dropped_by(&outbox.push(three.clone(), config.policy, &config)).is_some());
    assert_eq!((outbox.len(), outbox.bytes(), outbox.cost()), (3, 27, 327));
    assert!(dropped_by(&outbox.push(three.clone(), config.policy, &config)).is_some());
    assert!(dropped_by(&outbox.push(three, config.policy, &config)).is_none());
    outbox.advance(5, &config, |_, _| panic!("nothing has left"));
    let mut left = Vec::new();
    outbox.advance(49, &config, |frame, _| {
        left.push(frame.publications().len())
    });
    assert_eq!(left, [3, 3]);
    assert_eq!((outbox.len(), outbox.bytes(), outbox.cost()), (0, 0, 0));
}

/// Half a batch would be a gap that nobody is told of. Slow policies drop a batch as a whole, name
/// each of its messages, and never touch one that is partly written.
#[test]
fn slow_policies_drop_whole_batches() {
    for (policy, dropped, stays) in [
        (SlowPolicy::DropOldest, 2, vec!["a", "a"]),
        (SlowPolicy::Latest, 5, vec!["a"]),
    ] {
        let config = config(policy, 80);
        let mut outbox = Outbox::default();
        let push = |outbox: &mut Outbox, batch| outbox.push(batch, policy, &config);
        push(&mut outbox, batch("a", &["1111111", "2222222"]));
        push(&mut outbox, batch("a", &["3333333", "4444444", "5555555"]));
        let pushed = push(
            &mut outbox,
            batch("a", &["6666666", "7777777", "8888888", "9999999"]),
        );
        assert_eq!(dropped_by(&pushed), Some(dropped), "{policy:?}");
        let channels: Vec<&str> = outbox
            .iter()
            .map(|frame| frame.publications()[0].channel())
            .collect();
        assert_eq!(channels, stays, "{policy:?}");
        let frames = outbox.iter().map(|frame| frame.bytes().len());
        assert_eq!(outbox.bytes(), frames.sum::<usize>());
    }
    let config = config(SlowPolicy::DropOldest, 40);
    let mut outbox = Outbox::default();
    outbox.push(batch("a", &["1111111", "2222222"]), config.policy, &config);
    outbox.advance(1, &config, |_, _| ());
    let more = batch("a", &["3333333", "4444444", "5555555"]);
    assert_eq!(
        dropped_by(&outbox.push(more, config.policy, &config)),
        Some(0)
    );
    assert_eq!(outbox.len(), 5);
}

/// Messages that wait for one client are joined when it is written to. What was joined for all
/// stays as it is, and what came before and behind it keeps its place.
#[test]
fn what_was_joined_for_all_is_not_joined_again() {
    let config = config(SlowPolicy::Disconnect, 1 << 20);
    let mut outbox = Outbox::default();
    for text in ["1", "2"] {
        outbox.push(publication("a", text), config.policy, &config);
    }
    outbox.push(batch("a", &["3", "4"]), config.policy, &config);
    outbox.push(publication("a", "5"), config.policy, &config);
    outbox.join_front(b"\n", &config, |_| ());
    assert_eq!(outbox.iter().count(), 3);
    assert_eq!(waiting(&outbox)[0], "1\n2");
    assert_eq!(waiting(&outbox)[2], "5");
}
