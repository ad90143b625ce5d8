//! The two steps of a publication that has a place in a stream, or a key: *place* and *commit*, both
//! under its channel's lock. Without a store one comes right after the other; with one it is
//! written between them ([`waiting`](super::waiting)).
//!
//! Placing gives an offset and takes room in the shards that listen; nobody is told of it yet.
//! Committing lets the item into the history, moves the top, remembers key and version, and sends
//! to the shards that listen then. A [`Placed`] that is dropped gives its room back, and its offset
//! is given to the next, since only committing moves the top.

use std::{sync::Arc, time::Instant};

use super::{
    now::Now,
    stream::{HistoryEntry, Stream},
};
use crate::{
    broker::{
        BrokerError, HistoryOptions, PublishRequest, PublishResult, Version,
        fanout::{Listening, Room},
    },
    id::StreamPosition,
    publication::{Content, Item, Publication, Target},
    store::{self, Record},
};

/// A publication with its place.
pub(super) struct Placed {
    publication: Publication,
    /// Absent: it is not kept.
    kept: Option<Kept>,
    room: Room,
}

struct Kept {
    item: Arc<Item>,
    position: StreamPosition,
    history: HistoryOptions,
    version: Option<Box<Version>>,
    /// The item before it goes along.
    delta: bool,
}

impl Placed {
    /// The first step. `top` is the channel's, with what waits before it, and is there if the
    /// publication is kept.
    pub(super) fn place(
        request: PublishRequest,
        top: Option<StreamPosition>,
        listening: &Listening<'_>,
    ) -> Result<Self, BrokerError> {
        let kept = request.history.and(top);
        let position = kept.map(|top| StreamPosition {
            offset: top.offset + 1,
            epoch: top.epoch,
        });
        let mut item = Item::new(request.payload, position.map_or(0, |place| place.offset));
        item.info = request.info;
        item.tags = request.tags;
        let item = Arc::new(item);
        let kept = position
            .zip(request.history)
            .map(|(position, history)| Kept {
                item: item.clone(),
                position,
                history,
                version: request.version,
                delta: request.delta,
            });
        let publication = Publication::new(request.target, Content::Item(item))
            .excluding(request.exclude, request.group);
        let room = listening.reserve(publication.weight())?;
        Ok(Self {
            publication,
            kept,
            room,
        })
    }

    /// The second step.
    pub(super) fn commit(
        self,
        stream: Option<&mut Stream>,
        listening: &Listening<'_>,
        now: Instant,
    ) -> PublishResult {
        let mut result = PublishResult::sent(listening.members());
        let mut publication = self.publication;
        if let Some((stream, kept)) = stream.zip(self.kept) {
            let until = now + kept.history.ttl;
            result.position = Some(kept.position);
            stream.keep(kept.history.ttl, until);
            stream.trim(now);
            let previous = stream.items.back().filter(|_| kept.delta);
            let previous = previous.map(|entry| entry.item.clone());
            publication = publication.in_stream(kept.position.epoch, previous);
            let entry = HistoryEntry {
                until,
                item: kept.item,
            };
            stream.push(entry, kept.history.size);
            stream.top = kept.position.offset;
            stream.version = kept.version.or(stream.version.take());
        }
        listening.send(publication, self.room);
        result
    }
}

/// What a store is to keep of it.
impl Placed {
    /// Its place; absent: it is not kept.
    pub(super) fn position(&self) -> Option<StreamPosition> {
        self.kept.as_ref().map(|kept| kept.position)
    }

    /// The publisher's count.
    pub(super) fn version(&self) -> Option<&Version> {
        self.kept.as_ref()?.version.as_deref()
    }

    /// The record of it in a stream whose oldest item is `first`; absent: it is not kept.
    pub(super) fn record(&self, first: u64, now: Now, key: Option<store::Key>) -> Option<Record> {
        let kept = self.kept.as_ref()?;
        let Target::Channel(channel) = self.publication.target() else {
            return None;
        };
        let size = u64::try_from(kept.history.size).unwrap_or(u64::MAX);
        let publication = store::Publication {
            channel: channel.clone(),
            epoch: kept.position.epoch,
            item: kept.item.clone(),
            first: first.max((kept.position.offset + 1).saturating_sub(size)),
            expires_ms: now.unix_after(kept.history.ttl),
            ttl: kept.history.ttl,
            version: kept.version.clone(),
            key,
        };
        Some(Record::Publication(Box::new(publication)))
    }
}

/// What is known of a publication before it is placed: that it, or something newer, was published
/// already.
pub(super) fn known(
    request: &PublishRequest,
    stream: Option<&Stream>,
    by_key: Option<Option<StreamPosition>>,
) -> Option<PublishResult> {
    if let Some(position) = by_key {
        return Some(PublishResult::suppressed(position));
    }
    let top = stream?.is_not_newer(request.version.as_ref()?)?;
    Some(PublishResult::suppressed(Some(top)))
}
