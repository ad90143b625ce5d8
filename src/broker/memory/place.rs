//! The two steps of a publication that has a place in a stream, or a key: *place* and *commit*,
//! both under its channel's lock. Without a store one comes right after the other; with one it is
//! written between them ([`waiting`](super::waiting)).
//!
//! Placing gives an offset and takes room in the shards that listen; nobody is told of it yet.
//! Committing lets the item into the history, moves the top, remembers key and version, and sends
//! to the shards that listen then. A [`Placed`] that is dropped gives its room back, and its offset
//! is given to the next, since only committing moves the top.

use std::{sync::Arc, time::Instant};

use super::{
    now::Now,
    stream::{ChannelStream, HistoryEntry},
};
use crate::{
    broker::{
        BrokerError, HistoryOptions, PublishRequest, PublishResult, Version,
        fanout::{Reservations, SubscribedShards},
    },
    id::{Epoch, SessionId, StreamPosition},
    publication::{Content, Item, Publication, Target},
    registry::ChannelName,
    store,
};

/// A publication with its place. Its channel is known to whoever holds it, and what is delivered is
/// made of it when it is committed: many of them may wait to be written.
pub(super) struct Placed {
    item: Arc<Item>,
    exclude: Box<[SessionId]>,
    group: Option<Arc<[ChannelName]>>,
    accepted: Instant,
    /// Absent: it is not kept.
    kept: Option<Retention>,
    room: Reservations,
}

struct Retention {
    epoch: Epoch,
    history: HistoryOptions,
    version: Option<Box<Version>>,
    /// The item before it goes along.
    delta: bool,
    /// Plain clients are not told the place.
    hides_place: bool,
}

impl Retention {
    /// The place of what is kept.
    fn position(&self, item: &Item) -> StreamPosition {
        StreamPosition {
            offset: item.offset,
            epoch: self.epoch,
        }
    }
}

/// What a publication is committed with.
#[derive(Clone, Copy)]
pub(super) struct CommitContext<'a> {
    /// The shards that it goes to.
    pub(super) shards: &'a SubscribedShards<'a>,
    pub(super) now: Instant,
}

impl Placed {
    /// The first step. `top` is the channel's, with what waits before it, and is there if the
    /// publication is kept.
    pub(super) fn place(
        request: PublishRequest,
        top: Option<StreamPosition>,
        shards: &SubscribedShards<'_>,
        now: Instant,
    ) -> Result<Self, BrokerError> {
        let kept = request.history.zip(top);
        let offset = kept.map_or(0, |(_, top)| top.offset + 1);
        let mut item = Item::new(request.payload, offset);
        item.info = request.info;
        item.tags = request.tags;
        let room = shards.reserve(Publication::weight_with(&item))?;
        let (version, delta, hides_place) = (request.version, request.delta, request.hides_place);
        Ok(Self {
            item: Arc::new(item),
            exclude: request.exclude,
            group: request.group,
            accepted: now,
            kept: kept.map(|(history, top)| Retention {
                epoch: top.epoch,
                history,
                version,
                delta,
                hides_place,
            }),
            room,
        })
    }

    /// The second step, in its channel.
    pub(super) fn commit(
        self,
        channel: &ChannelName,
        stream: Option<&mut ChannelStream>,
        context: CommitContext<'_>,
    ) -> PublishResult {
        let CommitContext { shards, now } = context;
        let mut result = PublishResult::sent(shards.members());
        let (mut epoch, mut previous, mut hides_place) = (Epoch::NONE, None, false);
        if let Some((stream, kept)) = stream.zip(self.kept) {
            let position = kept.position(&self.item);
            result.position = Some(position);
            let until = now + kept.history.ttl;
            stream.keep(kept.history.ttl, until);
            stream.trim(now);
            hides_place = kept.hides_place;
            let before = stream.items.back().filter(|_| kept.delta);
            (epoch, previous) = (position.epoch, before.map(|entry| entry.item.clone()));
            let entry = HistoryEntry {
                until,
                item: self.item.clone(),
            };
            stream.push(entry, kept.history.size);
            stream.top = position.offset;
            stream.version = kept.version.or(stream.version.take());
        }
        let (item, accepted) = (self.item, self.accepted);
        let publication = || {
            let (target, content) = (Target::Channel(channel.clone()), Content::Item(item));
            let mut publication = Publication::accepted_at(target, content, accepted)
                .excluding(self.exclude, self.group)
                .in_stream(epoch, previous);
            if hides_place {
                publication.hide_place();
            }
            publication
        };
        shards.send(publication, self.room);
        result
    }
}

/// What a store is to keep of it.
impl Placed {
    /// Its place; absent: it is not kept.
    pub(super) fn position(&self) -> Option<StreamPosition> {
        let kept = self.kept.as_ref();
        kept.map(|kept| kept.position(&self.item))
    }

    /// The publisher's count.
    pub(super) fn version(&self) -> Option<&Version> {
        self.kept.as_ref()?.version.as_deref()
    }

    /// The record of it in a stream whose oldest item is `first`; absent: it is not kept.
    pub(super) fn record(
        &self,
        channel: &ChannelName,
        first: u64,
        now: Now,
        key: Option<store::KeyRecord>,
    ) -> Option<store::PublicationRecord> {
        let kept = self.kept.as_ref()?;
        let size = u64::try_from(kept.history.size).unwrap_or(u64::MAX);
        Some(store::PublicationRecord {
            channel: channel.clone(),
            epoch: kept.epoch,
            item: self.item.clone(),
            first: first.max((self.item.offset + 1).saturating_sub(size)),
            expires_ms: now.unix_after(kept.history.ttl),
            ttl: kept.history.ttl,
            version: kept.version.clone(),
            key: key.map(Box::new),
        })
    }
}

/// What is known of a publication before it is placed: that it, or something newer, was published
/// already.
pub(super) fn known(
    request: &PublishRequest,
    stream: Option<&ChannelStream>,
    by_key: Option<Option<StreamPosition>>,
) -> Option<PublishResult> {
    if let Some(position) = by_key {
        return Some(PublishResult::suppressed(position));
    }
    let top = stream?.is_not_newer(request.version.as_ref()?)?;
    Some(PublishResult::suppressed(Some(top)))
}
