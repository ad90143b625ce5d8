//! The records of the committed directory of version 1, one of each kind and with all its parts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    protocol::{ClientInfo, Tags},
    publication::{Item, Payload},
    store::{
        HashSecret, KeptItem, KeyRecord, PollRecord, PublicationRecord, PushRecord, Record,
        Revocation, RevocationSubject, StreamRecord,
    },
};

fn position(offset: u64) -> StreamPosition {
    StreamPosition {
        offset,
        epoch: Epoch::of_bits(0x1234_5678),
    }
}

fn item() -> Arc<Item> {
    let mut item = Item::new(Payload::Binary(vec![0, 1, 255].into()), 9);
    item.follows = 5;
    item.info = Some(Arc::new(ClientInfo {
        user: "你好".into(),
        client: "c".into(),
        conn_info: "{}".into(),
        chan_info: "".into(),
    }));
    let tags = BTreeMap::from([("a".to_string(), "b".to_string())]);
    item.tags = Some(Arc::new(Tags::from(tags)));
    Arc::new(item)
}

/// In the order in which they are read: revocations lie in files of their own.
pub(super) fn records() -> Vec<Record> {
    let (channel, epoch) = ("news".into(), Epoch::of_bits(0x1234_5678));
    let version = Some(Box::new(Version {
        number: 300,
        epoch: "v".into(),
    }));
    let key = KeyRecord {
        id: 1 << 100,
        owner: 7,
        expires_ms: 1_800_000_000_000,
        position: None,
    };
    let text = Arc::new(Item::new(Payload::Text("{\"a\":1}".into()), 1));
    let revocation = |subject, until| {
        Record::Revocation(Box::new(Revocation {
            subject,
            until,
            issued_before: 1_700_000_000,
        }))
    };
    vec![
        Record::Secret(HashSecret {
            epochs: 3,
            keys: 1 << 127,
        }),
        Record::Publication(PublicationRecord {
            channel,
            epoch,
            item: item(),
            first: 2,
            expires_ms: 1_900_000_000_000,
            ttl: Duration::from_millis(1500),
            version: version.clone(),
            key: Some(Box::new(KeyRecord {
                position: Some(position(9)),
                ..key
            })),
        }),
        Record::Stream(StreamRecord {
            channel: "news".into(),
            top: position(9),
            first: 1,
            ttl: Duration::from_secs(60),
            version,
        }),
        Record::Item(KeptItem {
            channel: "news".into(),
            epoch,
            item: text,
            expires_ms: 1_900_000_000_000,
        }),
        Record::Key(key),
        Record::Removed {
            channel: "news".into(),
            until: position(4),
        },
        Record::Ended {
            channel: "other".into(),
            epoch,
            count: None,
        },
        Record::EndedShares(vec![(0, 1), (65_535, 70_000)]),
        Record::Push(Box::new(PushRecord {
            entry: 5,
            seq: 900,
            last: Some((6, position(2))),
        })),
        Record::Poll(Box::new(PollRecord {
            entry: 7,
            etag: Some("\"x\"".into()),
            last: None,
        })),
        revocation(RevocationSubject::User("u".into()), Some(u64::MAX)),
        revocation(RevocationSubject::Token("t".into()), Some(1_900_000_000)),
        revocation(RevocationSubject::TokensOf("u".into()), None),
        revocation(
            RevocationSubject::SubscriptionsOf("u".into(), "news".into()),
            Some(1),
        ),
    ]
}
