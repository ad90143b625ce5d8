//! The two steps of a publication that has a place in a stream, or a key: *place* and *commit*.
//! Both under its channel's lock, and here one right after the other; a store that is written
//! between them needs no other order of things.
//!
//! Placing gives an offset and takes room in the shards that listen; nobody is told of it yet.
//! Committing lets the item into the history, moves the top, remembers key and version, and sends
//! to the shards that listen then. A [`Placed`] that is dropped gives its room back, and its offset
//! is given to the next, since only committing moves the top.

use std::{sync::Arc, time::Instant};

use super::stream::{HistoryEntry, Stream};
use crate::{
    broker::{
        BrokerError, HistoryOptions, PublishRequest, PublishResult, Version,
        fanout::{Listening, Room},
    },
    id::StreamPosition,
    publication::{Content, Item, Publication},
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
    /// The first step. `stream` is the channel's, which is there if the publication is kept.
    pub(super) fn place(
        request: PublishRequest,
        stream: Option<&Stream>,
        listening: &Listening<'_>,
    ) -> Result<Self, BrokerError> {
        let kept = request.history.zip(stream);
        let position = kept.map(|(_, stream)| StreamPosition {
            offset: stream.top + 1,
            epoch: stream.epoch,
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
