//! Records and marks as bytes.

use std::time::Duration;

use super::{
    BEGIN, BINARY, END, ENDED, ENDED_AT, ENDED_SHARES, FOLLOWS, INFO, ITEM, KEY, Mark, POLL,
    PUBLICATION, PUSH, REMOVED, REVOCATION, SECRET, STREAM, TAGS, TIME, WHOLE,
};
use crate::{
    broker::Version,
    id::{Epoch, StreamPosition},
    publication::{Item, Payload},
    state::wire::{put_bytes, put_u64, put_u128},
    store::{KeyRecord, PublicationRecord, Record, Revocation, RevocationSubject},
};

/// Writes a mark.
pub(crate) fn put_mark(out: &mut Vec<u8>, mark: &Mark) {
    match mark {
        Mark::Begin(begin) => {
            out.push(BEGIN);
            put_u128(out, begin.boot);
            for number in [begin.life, begin.now_ms, begin.previous] {
                put_u64(out, number);
            }
            out.push(u8::from(begin.is_always) | u8::from(begin.has_lost) << 1);
        }
        Mark::End(now_ms) => put_kind_and(out, END, *now_ms),
        Mark::Whole => out.push(WHOLE),
        Mark::Time(now_ms) => put_kind_and(out, TIME, *now_ms),
    }
}

fn put_kind_and(out: &mut Vec<u8>, kind: u8, number: u64) {
    out.push(kind);
    put_u64(out, number);
}

/// Writes a record.
pub(crate) fn put_record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Secret(secret) => {
            out.push(SECRET);
            put_u128(out, secret.epochs);
            put_u128(out, secret.keys);
        }
        Record::Publication(one) => put_publication(out, one),
        Record::Stream(one) => {
            out.push(STREAM);
            put_bytes(out, one.channel.as_bytes());
            put_position(out, one.top);
            put_u64(out, one.first);
            put_u64(out, millis(one.ttl));
            put_option(out, one.version.as_deref(), put_version);
        }
        Record::Item(one) => {
            out.push(ITEM);
            put_bytes(out, one.channel.as_bytes());
            put_u64(out, one.epoch.to_number());
            put_u64(out, one.expires_ms);
            put_item(out, &one.item);
        }
        Record::Key(key) => {
            out.push(KEY);
            put_key(out, key);
        }
        Record::Removed { channel, until } => {
            out.push(REMOVED);
            put_bytes(out, channel.as_bytes());
            put_position(out, *until);
        }
        Record::Ended {
            channel,
            epoch,
            count,
        } => put_ended(out, channel, *epoch, *count),
        Record::EndedShares(shares) => put_ended_shares(out, shares),
        Record::Revocation(one) => put_revocation(out, one),
        Record::Push(one) => {
            out.push(PUSH);
            put_u128(out, one.entry);
            put_u64(out, one.seq);
            put_option(out, one.last.as_ref(), put_last);
        }
        Record::Poll(one) => {
            out.push(POLL);
            put_u128(out, one.entry);
            put_option(out, one.etag.as_deref(), |out, etag| {
                put_bytes(out, etag.as_bytes());
            });
            put_option(out, one.last.as_ref(), put_last);
        }
    }
}

fn put_ended(out: &mut Vec<u8>, channel: &str, epoch: Epoch, count: Option<u32>) {
    out.push(if count.is_some() { ENDED_AT } else { ENDED });
    put_bytes(out, channel.as_bytes());
    put_u64(out, epoch.to_number());
    if let Some(count) = count {
        put_u64(out, u64::from(count));
    }
}

fn put_ended_shares(out: &mut Vec<u8>, shares: &[(u32, u32)]) {
    put_kind_and(out, ENDED_SHARES, shares.len() as u64);
    for (share, count) in shares {
        put_u64(out, u64::from(*share));
        put_u64(out, u64::from(*count));
    }
}

fn put_publication(out: &mut Vec<u8>, one: &PublicationRecord) {
    out.push(PUBLICATION);
    put_bytes(out, one.channel.as_bytes());
    put_u64(out, one.epoch.to_number());
    put_u64(out, one.first);
    put_u64(out, one.expires_ms);
    put_u64(out, millis(one.ttl));
    put_option(out, one.version.as_deref(), put_version);
    put_option(out, one.key.as_deref(), put_key);
    put_item(out, &one.item);
}

fn put_revocation(out: &mut Vec<u8>, one: &Revocation) {
    out.push(REVOCATION);
    let (subject, name, channel) = match &one.subject {
        RevocationSubject::User(name) => (0, name, None),
        RevocationSubject::Token(name) => (1, name, None),
        RevocationSubject::TokensOf(name) => (2, name, None),
        RevocationSubject::SubscriptionsOf(name, channel) => (3, name, Some(channel)),
    };
    out.push(subject);
    put_bytes(out, name.as_bytes());
    if let Some(channel) = channel {
        put_bytes(out, channel.as_bytes());
    }
    put_option(out, one.until.as_ref(), |out, until| put_u64(out, *until));
    put_u64(out, one.issued_before);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn put_option<T: ?Sized>(out: &mut Vec<u8>, one: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(one.is_some()));
    if let Some(one) = one {
        put(out, one);
    }
}

fn put_position(out: &mut Vec<u8>, position: StreamPosition) {
    put_u64(out, position.offset);
    put_u64(out, position.epoch.to_number());
}

fn put_last(out: &mut Vec<u8>, (hash, position): &(u128, StreamPosition)) {
    put_u128(out, *hash);
    put_position(out, *position);
}

fn put_version(out: &mut Vec<u8>, version: &Version) {
    put_u64(out, version.number);
    put_bytes(out, version.epoch.as_bytes());
}

fn put_key(out: &mut Vec<u8>, key: &KeyRecord) {
    put_u128(out, key.id);
    put_u64(out, key.owner);
    put_u64(out, key.expires_ms);
    put_option(out, key.position.as_ref(), |out, position| {
        put_position(out, *position);
    });
}

fn put_item(out: &mut Vec<u8>, item: &Item) {
    let follows = item.follows != item.offset.saturating_sub(1);
    let flag = |is, flag| if is { flag } else { 0 };
    out.push(
        flag(matches!(item.payload, Payload::Binary(_)), BINARY)
            | flag(follows, FOLLOWS)
            | flag(item.info.is_some(), INFO)
            | flag(item.tags.is_some(), TAGS),
    );
    put_u64(out, item.offset);
    if follows {
        put_u64(out, item.follows);
    }
    if let Some(info) = &item.info {
        for part in [info.user.as_bytes(), info.client.as_bytes()] {
            put_bytes(out, part);
        }
        for part in [&info.conn_info, &info.chan_info] {
            put_bytes(out, part);
        }
    }
    if let Some(tags) = &item.tags {
        put_u64(out, tags.iter().count() as u64);
        for (name, value) in tags.iter() {
            put_bytes(out, name.as_bytes());
            put_bytes(out, value.as_bytes());
        }
    }
    put_bytes(out, item.payload.as_bytes());
}
