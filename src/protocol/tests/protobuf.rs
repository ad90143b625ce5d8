//! Every reply and push in Protobuf, as bytes put together by hand from the table of field numbers.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    super::{Encoding, append_message, ping},
    PayloadRef, Pub, Push, Reply, ReplyError, connected, info, own_error, plain, subscribed,
};

const INFO: &[u8] = b"\x0a\x0242\x12\x02c1\x1a\x07{\"n\":1}";

/// `expected` is what follows the id.
#[track_caller]
fn replies(reply: &Reply<'_>, expected: &[u8]) {
    let found = super::reply(Encoding::Protobuf, reply);
    assert_eq!(found, [b"\x08\x07", expected].concat());
}

#[track_caller]
fn pushes(channel: &str, push: &Push<'_>, expected: &[u8]) {
    let unidirectional = super::push(Encoding::Protobuf, true, channel, push);
    assert_eq!(unidirectional, expected);
    let wrapped = super::push(Encoding::Protobuf, false, channel, push);
    assert!(expected.len() < 128);
    assert_eq!(
        wrapped,
        [b"\x22", [expected.len() as u8].as_slice(), expected].concat()
    );
}

#[test]
fn errors() {
    replies(
        &Reply::Error(&ReplyError::INTERNAL),
        b"\x12\x1b\x08\x64\x12\x15internal server error\x18\x01",
    );
    replies(
        &Reply::Error(&own_error()),
        b"\x12\x0b\x08\xe8\x07\x12\x06no \"x\"",
    );
}

#[test]
fn results() {
    replies(
        &Reply::Connect(connected()),
        b"\x2a\x22\x0a\x02c1\x12\x01v\x18\x01\x20\x3c\x2a\x02{}\x32\x05\x0a\x01s\x12\x00\x38\
          \x19\x40\x01\x4a\x01x\x52\x01y\x58\x05",
    );
    replies(
        &Reply::Subscribe(subscribed()),
        b"\x32\x21\x08\x01\x10\x3c\x18\x01\x32\x02ab\x3a\x06\x22\x011\x30\xac\x02\x40\x01\x48\
          \xac\x02\x50\x01\x5a\x02[]\x60\x01\x68\x01",
    );
    replies(&Reply::Unsubscribe, b"\x3a\x00");
    replies(&Reply::Publish, b"\x42\x00");
    replies(
        &Reply::PresenceStats {
            num_clients: 2,
            num_users: 1,
        },
        b"\x52\x04\x08\x02\x10\x01",
    );
    replies(
        &Reply::PresenceStats {
            num_clients: 0,
            num_users: 0,
        },
        b"\x52\x00",
    );
    replies(
        &Reply::Rpc {
            data: Bytes::from_static(b"\xff\x00"),
        },
        b"\x6a\x04\x0a\x02\xff\x00",
    );
    replies(
        &Reply::Refresh {
            client: "c".into(),
            version: "v".into(),
            expires: true,
            ttl: 9,
        },
        b"\x72\x0a\x0a\x01c\x12\x01v\x18\x01\x20\x09",
    );
    replies(
        &Reply::SubRefresh {
            expires: true,
            ttl: 9,
        },
        b"\x7a\x04\x08\x01\x10\x09",
    );
}

#[test]
fn who_is_there_and_what_was() {
    let present = [("c1".to_owned(), info())];
    let expected = [b"\x4a\x19\x0a\x17\x0a\x02c1\x12\x11", INFO].concat();
    replies(&Reply::Presence(&present), &expected);
    replies(
        &Reply::History {
            publications: vec![plain(PayloadRef::Text("x"))],
            epoch: "e",
            offset: u64::MAX,
        },
        b"\x5a\x13\x0a\x03\x22\x01x\x12\x01e\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    );
}

#[test]
fn a_publication_with_all_fields() {
    let tags = BTreeMap::from([("a".to_owned(), "1".to_owned())]).into();
    let info = info();
    let shown = Pub {
        data: PayloadRef::Stringed(b"{\"x\":1}"),
        offset: 3,
        info: Some(&info),
        tags: Some(&tags),
        delta: true,
        time: 5,
        channel: "a:b",
    };
    let expected = [
        b"\x12\x01c\x22\x2f\x22\x07{\"x\":1}\x2a\x11",
        INFO,
        b"\x30\x03\x3a\x06\x0a\x01a\x12\x011\x40\x01\x48\x05\x52\x03a:b",
    ];
    pushes("c", &Push::Pub(shown), &expected.concat());
}

#[test]
fn pushes_of_every_kind() {
    let info = info();
    pushes(
        "c",
        &Push::Join(&info),
        &[b"\x12\x01c\x2a\x13\x0a\x11", INFO].concat(),
    );
    pushes(
        "c",
        &Push::Leave(&info),
        &[b"\x12\x01c\x32\x13\x0a\x11", INFO].concat(),
    );
    pushes(
        "c",
        &Push::Unsubscribe {
            code: 2500,
            reason: "r",
        },
        b"\x12\x01c\x3a\x06\x10\xc4\x13\x1a\x01r",
    );
    pushes(
        "",
        &Push::Message {
            data: PayloadRef::Binary(b"x"),
        },
        b"\x42\x03\x0a\x01x",
    );
    pushes(
        "c",
        &Push::Subscribe {
            recoverable: true,
            epoch: "e",
            offset: 4,
            positioned: true,
            data: Bytes::from_static(b"1"),
        },
        b"\x12\x01c\x4a\x0c\x08\x01\x22\x01e\x28\x04\x30\x01\x3a\x011",
    );
    pushes(
        "",
        &Push::Connect(connected()),
        b"\x52\x22\x0a\x02c1\x12\x01v\x28\x01\x30\x3c\x1a\x02{}\x22\x05\x0a\x01s\x12\x00\x38\
          \x19\x40\x01\x4a\x01x\x52\x01y\x58\x05",
    );
    pushes(
        "",
        &Push::Disconnect {
            code: 3001,
            reason: "r",
        },
        b"\x5a\x06\x08\xb9\x17\x12\x01r",
    );
    pushes(
        "",
        &Push::Refresh {
            expires: true,
            ttl: 3,
        },
        b"\x62\x04\x08\x01\x10\x03",
    );
}

/// Lengths are put in after what they count; these need one, two and three bytes, at different
/// levels.
#[test]
fn lengths_of_every_width() {
    let varint = |value: usize| -> Vec<u8> {
        match value {
            0..0x80 => vec![value as u8],
            0x80..0x4000 => vec![value as u8 | 0x80, (value >> 7) as u8],
            _ => vec![
                value as u8 | 0x80,
                (value >> 7) as u8 | 0x80,
                (value >> 14) as u8,
            ],
        }
    };
    let around = |tag: u8, inner: Vec<u8>| [vec![tag], varint(inner.len()), inner].concat();
    for len in (120..132).chain(16_370..16_390) {
        let payload = vec![b'x'; len];
        let data = PayloadRef::Binary(&payload);
        let found = super::push(Encoding::Protobuf, false, "", &Push::Message { data });
        let expected = around(0x22, around(0x42, around(0x0a, payload.clone())));
        assert!(found == expected, "{len} bytes");

        let mut frame = Vec::new();
        append_message(Encoding::Protobuf, &payload, &mut frame);
        assert!(frame == [varint(len), payload.clone()].concat());
    }
}

#[test]
fn messages_of_a_frame_follow_their_lengths() {
    let mut frame = Vec::new();
    append_message(Encoding::Protobuf, ping(Encoding::Protobuf), &mut frame);
    append_message(Encoding::Protobuf, b"\x08\x07", &mut frame);
    assert_eq!(frame, b"\x00\x02\x08\x07");
}
