//! What was written is read again, and any other bytes are refused.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use proptest::{collection::vec, option::of, prelude::*};

use super::*;
use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    protocol::{ClientInfo, Tags},
    publication::{Item, Payload},
    registry::ChannelName,
    store::{
        HashSecret, KeptItem, KeyRecord, PollRecord, PublicationRecord, PushRecord, Revocation,
        RevocationSubject, StreamRecord,
    },
};

fn channel() -> impl Strategy<Value = ChannelName> {
    prop_oneof!["[a-z:#é你]{1,20}", Just("news".to_string())].prop_map(|name| name.as_str().into())
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![Just(Epoch::NONE), any::<u64>().prop_map(Epoch::of_bits)]
}

fn position() -> impl Strategy<Value = StreamPosition> {
    (any::<u64>(), epoch()).prop_map(|(offset, epoch)| StreamPosition { offset, epoch })
}

fn version() -> impl Strategy<Value = Option<Box<Version>>> {
    let version = (any::<u64>(), ".{0,9}");
    of(version.prop_map(|(number, epoch)| Box::new(Version { number, epoch })))
}

fn key() -> impl Strategy<Value = KeyRecord> {
    let key = (any::<u128>(), any::<u64>(), any::<u64>(), of(position()));
    key.prop_map(|(id, owner, expires_ms, position)| KeyRecord {
        id,
        owner,
        expires_ms,
        position,
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn info() -> impl Strategy<Value = ClientInfo> {
    let info = (".{0,9}", ".{0,9}", bytes(), bytes());
    info.prop_map(|(user, client, conn_info, chan_info)| ClientInfo {
        user,
        client,
        conn_info,
        chan_info,
    })
}

fn tags() -> impl Strategy<Value = Tags> {
    let tags = vec((".{0,5}", ".{0,5}"), 0..4);
    tags.prop_map(|tags| Tags::from(tags.into_iter().collect::<BTreeMap<String, String>>()))
}

fn item() -> impl Strategy<Value = Arc<Item>> {
    let text = ".{0,40}".prop_map(|text: String| Payload::Text(text.into()));
    let payload = prop_oneof![text, bytes().prop_map(Payload::Binary)];
    let item = (
        payload,
        any::<u64>(),
        of(any::<u64>()),
        of(info()),
        of(tags()),
    );
    item.prop_map(|(payload, offset, follows, info, tags)| {
        let mut item = Item::new(payload, offset);
        item.follows = follows.unwrap_or(item.follows);
        item.info = info.map(Arc::new);
        item.tags = tags.map(Arc::new);
        Arc::new(item)
    })
}

fn subject() -> impl Strategy<Value = RevocationSubject> {
    (0..4, ".{0,9}", ".{0,9}").prop_map(|(kind, name, channel)| match kind {
        0 => RevocationSubject::User(name),
        1 => RevocationSubject::Token(name),
        2 => RevocationSubject::TokensOf(name),
        _ => RevocationSubject::SubscriptionsOf(name, channel),
    })
}

fn publication() -> impl Strategy<Value = Record> {
    let times = (any::<u64>(), any::<u64>(), any::<u64>());
    let key = of(key().prop_map(Box::new));
    let parts = (channel(), epoch(), item(), times, version(), key);
    parts.prop_map(
        |(channel, epoch, item, (first, expires_ms, ttl), version, key)| {
            Record::Publication(PublicationRecord {
                channel,
                epoch,
                item,
                first,
                expires_ms,
                ttl: Duration::from_millis(ttl),
                version,
                key,
            })
        },
    )
}

fn stream() -> impl Strategy<Value = Record> {
    let parts = (channel(), position(), any::<u64>(), any::<u64>(), version());
    parts.prop_map(|(channel, top, first, ttl, version)| {
        let ttl = Duration::from_millis(ttl);
        Record::Stream(StreamRecord {
            channel,
            top,
            first,
            ttl,
            version,
        })
    })
}

fn kept() -> impl Strategy<Value = Record> {
    let parts = (channel(), epoch(), item(), any::<u64>());
    parts.prop_map(|(channel, epoch, item, expires_ms)| {
        Record::Item(KeptItem {
            channel,
            epoch,
            item,
            expires_ms,
        })
    })
}

fn revocation() -> impl Strategy<Value = Record> {
    let parts = (subject(), of(any::<u64>()), any::<u64>());
    parts.prop_map(|(subject, until, issued_before)| {
        Record::Revocation(Box::new(Revocation {
            subject,
            until,
            issued_before,
        }))
    })
}

fn last() -> impl Strategy<Value = Option<(u128, StreamPosition)>> {
    of((any::<u128>(), position()))
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let secret = (any::<u128>(), any::<u128>());
    let push = (any::<u128>(), any::<u64>(), last());
    let poll = (any::<u128>(), of(".{0,9}"), last());
    prop_oneof![
        secret.prop_map(|(epochs, keys)| Record::Secret(HashSecret { epochs, keys })),
        publication(),
        stream(),
        kept(),
        key().prop_map(Record::Key),
        (channel(), position()).prop_map(|(channel, until)| Record::Removed { channel, until }),
        (channel(), epoch(), of(any::<u32>())).prop_map(|(channel, epoch, count)| Record::Ended {
            channel,
            epoch,
            count
        }),
        vec((any::<u32>(), any::<u32>()), 0..9).prop_map(Record::EndedShares),
        revocation(),
        push.prop_map(|(entry, seq, last)| Record::Push(Box::new(PushRecord { entry, seq, last }))),
        poll.prop_map(|(entry, etag, last)| Record::Poll(Box::new(PollRecord {
            entry,
            etag,
            last
        }))),
    ]
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    put_record(&mut out, record);
    out
}

proptest! {
    // A record that comes back as another one gives a client the wrong message, or a revoked token
    // its right back. So each is compared with all of its parts.
    #[test]
    fn what_is_written_is_read_again(records in vec(record(), 1..9)) {
        let mut decoder = RecordDecoder::default();
        for record in records {
            let Ok(LogEntry::Record(read)) = decoder.decode(&encoded(&record)) else {
                panic!("{record:?} is not read");
            };
            prop_assert_eq!(format!("{read:?}"), format!("{record:?}"));
        }
    }

    // A part of a record, or one with something behind it, must not be taken for a whole one.
    #[test]
    fn no_part_of_a_record_is_a_record(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&record);
        let part = &bytes[..cut.index(bytes.len())];
        prop_assert!(RecordDecoder::default().decode(part).is_err());
        let more = [&bytes[..], &[0]].concat();
        prop_assert!(RecordDecoder::default().decode(&more).is_err());
    }

    // The checksum keeps most of it away, but nothing that lies in a file may end the process.
    #[test]
    fn any_bytes_are_read_or_refused(kind in 0u8..30, bytes in vec(any::<u8>(), 0..60)) {
        let _ = RecordDecoder::default().decode(&[&[kind], &bytes[..]].concat());
        let _ = RecordDecoder::default().decode(&bytes);
    }
}

#[test]
fn marks_are_read_again() {
    let begin = SegmentBegin {
        boot: 7,
        life: 1,
        now_ms: 1_700_000_000_000,
        previous: u64::MAX,
        is_always: true,
        has_lost: false,
    };
    let other = SegmentBegin {
        is_always: false,
        has_lost: true,
        ..begin
    };
    for mark in [
        Mark::Begin(begin),
        Mark::Begin(other),
        Mark::End(9),
        Mark::Whole,
        Mark::Time(8),
    ] {
        let mut out = Vec::new();
        put_mark(&mut out, &mark);
        let read = RecordDecoder::default().decode(&out);
        assert!(
            matches!(read, Ok(LogEntry::Mark(read)) if read == mark),
            "{mark:?}"
        );
    }
}

// What a build wrote is read by those after it: these bytes are in files.
#[test]
fn the_end_of_a_stream_with_its_count_has_these_bytes() {
    let record = Record::Ended {
        channel: "ab".into(),
        epoch: Epoch::from_number(5),
        count: Some(300),
    };
    assert_eq!(encoded(&record), [27, 2, b'a', b'b', 5, 0xac, 2]);
}

// A whole snapshot names each channel once an item; a copy of the name for each would be most of
// what is kept.
#[test]
fn records_of_one_channel_share_its_name() {
    let item = |name: &str| Record::Ended {
        channel: name.into(),
        epoch: Epoch::of_bits(1),
        count: None,
    };
    let mut decoder = RecordDecoder::default();
    let mut names = ["a", "a", "b", "a"].map(|name| match decoder.decode(&encoded(&item(name))) {
        Ok(LogEntry::Record(Record::Ended { channel, .. })) => channel,
        other => panic!("{other:?}"),
    });
    assert!(Arc::ptr_eq(&names[0], &names[1]));
    names.sort();
    assert_eq!(names.map(|name| name.to_string()), ["a", "a", "a", "b"]);
}
