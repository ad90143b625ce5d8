//! Records and marks out of bytes: any bytes, so nothing here panics, or takes more than is there.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;

use super::{
    BEGIN, BINARY, END, ENDED, ENDED_AT, ENDED_SHARES, FOLLOWS, INFO, ITEM, KEY, LogEntry, Mark,
    POLL, PUBLICATION, PUSH, REMOVED, REVOCATION, SECRET, STREAM, SegmentBegin, TAGS, TIME, WHOLE,
};
use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    protocol::{ClientInfo, Tags},
    publication::{Item, Payload},
    registry::ChannelName,
    state::wire::{MalformedRecord, RecordInput},
    store::{
        HashSecret, KeptItem, KeyRecord, PollRecord, PublicationRecord, PushRecord, Record,
        Revocation, RevocationSubject, StreamRecord,
    },
};

/// Reads bodies; the channel of one is often that of the one before, and shared with it.
#[derive(Debug, Default)]
pub(crate) struct RecordDecoder {
    channel: Option<ChannelName>,
}

impl RecordDecoder {
    /// Reads a body.
    ///
    /// # Errors
    /// The bytes are no entry of this version of the format.
    pub(crate) fn decode(&mut self, body: &[u8]) -> Result<LogEntry, MalformedRecord> {
        let mut input = RecordInput(body);
        let kind = input.u8()?;
        let entry = if kind < SECRET {
            LogEntry::Mark(mark(kind, &mut input)?)
        } else {
            LogEntry::Record(self.record(kind, &mut input)?)
        };
        input.end()?;
        Ok(entry)
    }

    fn record(&mut self, kind: u8, input: &mut RecordInput<'_>) -> Result<Record, MalformedRecord> {
        Ok(match kind {
            SECRET => Record::Secret(HashSecret {
                epochs: input.u128()?,
                keys: input.u128()?,
            }),
            PUBLICATION => Record::Publication(PublicationRecord {
                channel: self.channel(input)?,
                epoch: epoch(input)?,
                first: input.u64()?,
                expires_ms: input.u64()?,
                ttl: Duration::from_millis(input.u64()?),
                version: option(input, version)?,
                key: option(input, |input| key(input).map(Box::new))?,
                item: Arc::new(item(input)?),
            }),
            STREAM => Record::Stream(StreamRecord {
                channel: self.channel(input)?,
                top: position(input)?,
                first: input.u64()?,
                ttl: Duration::from_millis(input.u64()?),
                version: option(input, version)?,
            }),
            ITEM => Record::Item(KeptItem {
                channel: self.channel(input)?,
                epoch: epoch(input)?,
                expires_ms: input.u64()?,
                item: Arc::new(item(input)?),
            }),
            KEY => Record::Key(key(input)?),
            REMOVED => Record::Removed {
                channel: self.channel(input)?,
                until: position(input)?,
            },
            ENDED => Record::Ended {
                channel: self.channel(input)?,
                epoch: epoch(input)?,
                count: None,
            },
            ENDED_AT => Record::Ended {
                channel: self.channel(input)?,
                epoch: epoch(input)?,
                count: Some(input.u32()?),
            },
            ENDED_SHARES => Record::EndedShares(ended_shares(input)?),
            REVOCATION => Record::Revocation(Box::new(revocation(input)?)),
            PUSH => Record::Push(Box::new(PushRecord {
                entry: input.u128()?,
                seq: input.u64()?,
                last: option(input, last)?,
            })),
            POLL => Record::Poll(Box::new(PollRecord {
                entry: input.u128()?,
                etag: option(input, |input| Ok(input.text()?.to_string()))?,
                last: option(input, last)?,
            })),
            _ => return Err(MalformedRecord),
        })
    }

    fn channel(&mut self, input: &mut RecordInput<'_>) -> Result<ChannelName, MalformedRecord> {
        let name = input.text()?;
        match &self.channel {
            Some(channel) if **channel == *name => Ok(channel.clone()),
            _ => Ok(self.channel.insert(name.into()).clone()),
        }
    }
}

fn mark(kind: u8, input: &mut RecordInput<'_>) -> Result<Mark, MalformedRecord> {
    Ok(match kind {
        BEGIN => {
            let (boot, life, now_ms) = (input.u128()?, input.u64()?, input.u64()?);
            let (previous, flags) = (input.u64()?, input.u8()?);
            if flags > 3 {
                return Err(MalformedRecord);
            }
            Mark::Begin(SegmentBegin {
                boot,
                life,
                now_ms,
                previous,
                is_always: flags & 1 != 0,
                has_lost: flags & 2 != 0,
            })
        }
        END => Mark::End(input.u64()?),
        WHOLE => Mark::Whole,
        TIME => Mark::Time(input.u64()?),
        _ => return Err(MalformedRecord),
    })
}

fn option<T>(
    input: &mut RecordInput<'_>,
    read: impl FnOnce(&mut RecordInput<'_>) -> Result<T, MalformedRecord>,
) -> Result<Option<T>, MalformedRecord> {
    match input.u8()? {
        0 => Ok(None),
        1 => read(input).map(Some),
        _ => Err(MalformedRecord),
    }
}

fn epoch(input: &mut RecordInput<'_>) -> Result<Epoch, MalformedRecord> {
    input.u64().map(Epoch::from_number)
}

fn position(input: &mut RecordInput<'_>) -> Result<StreamPosition, MalformedRecord> {
    Ok(StreamPosition {
        offset: input.u64()?,
        epoch: epoch(input)?,
    })
}

fn last(input: &mut RecordInput<'_>) -> Result<(u128, StreamPosition), MalformedRecord> {
    Ok((input.u128()?, position(input)?))
}

fn version(input: &mut RecordInput<'_>) -> Result<Box<Version>, MalformedRecord> {
    Ok(Box::new(Version {
        number: input.u64()?,
        epoch: input.text()?.to_string(),
    }))
}

fn key(input: &mut RecordInput<'_>) -> Result<KeyRecord, MalformedRecord> {
    Ok(KeyRecord {
        id: input.u128()?,
        owner: input.u64()?,
        expires_ms: input.u64()?,
        position: option(input, position)?,
    })
}

fn ended_shares(input: &mut RecordInput<'_>) -> Result<Vec<(u32, u32)>, MalformedRecord> {
    let count = input.u64()?;
    let shares = (0..count).map(|_| Ok((input.u32()?, input.u32()?)));
    shares.collect()
}

fn revocation(input: &mut RecordInput<'_>) -> Result<Revocation, MalformedRecord> {
    let subject = input.u8()?;
    let name = input.text()?.to_string();
    let subject = match subject {
        0 => RevocationSubject::User(name),
        1 => RevocationSubject::Token(name),
        2 => RevocationSubject::TokensOf(name),
        3 => RevocationSubject::SubscriptionsOf(name, input.text()?.to_string()),
        _ => return Err(MalformedRecord),
    };
    Ok(Revocation {
        subject,
        until: option(input, |input| input.u64())?,
        issued_before: input.u64()?,
    })
}

fn item(input: &mut RecordInput<'_>) -> Result<Item, MalformedRecord> {
    let flags = input.u8()?;
    if flags > BINARY | FOLLOWS | INFO | TAGS {
        return Err(MalformedRecord);
    }
    let has = |flag| flags & flag != 0;
    let offset = input.u64()?;
    let follows = if has(FOLLOWS) {
        Some(input.u64()?)
    } else {
        None
    };
    let info = if has(INFO) { Some(info(input)?) } else { None };
    let tags = if has(TAGS) { Some(tags(input)?) } else { None };
    // A copy of its own: what is read is a whole segment, which must not be held for one item.
    let payload = Bytes::copy_from_slice(input.bytes()?);
    let payload = if has(BINARY) {
        Payload::Binary(payload)
    } else {
        Payload::Text(ByteString::try_from(payload).map_err(|_| MalformedRecord)?)
    };
    let mut item = Item::new(payload, offset);
    item.follows = follows.unwrap_or(item.follows);
    item.info = info.map(Arc::new);
    item.tags = tags.map(Arc::new);
    Ok(item)
}

fn info(input: &mut RecordInput<'_>) -> Result<ClientInfo, MalformedRecord> {
    Ok(ClientInfo {
        user: input.text()?.to_string(),
        client: input.text()?.to_string(),
        conn_info: Bytes::copy_from_slice(input.bytes()?),
        chan_info: Bytes::copy_from_slice(input.bytes()?),
    })
}

fn tags(input: &mut RecordInput<'_>) -> Result<Tags, MalformedRecord> {
    let count = input.u64()?;
    let pairs = (0..count).map(|_| Ok((input.text()?.to_string(), input.text()?.to_string())));
    Ok(pairs.collect::<Result<BTreeMap<_, _>, _>>()?.into())
}
