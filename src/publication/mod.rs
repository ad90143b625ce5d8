//! One message on its way to many: immutable, encoded at most once for each form it takes on the
//! wire.
//!
//! An [`Item`] is what was published and what history keeps; a [`Publication`] is an item on its
//! way, with its target and its encodings, owned by an `Arc` that all shards share. Encodings are
//! made on first use by whichever shard needs them first and are handed to every receiver. That is
//! why compression keeps no context between messages, and why history keeps items: a kept item
//! holds no encodings.

mod encode;
mod encodings;
mod item;
mod wire_format;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use self::encodings::Encodings;
pub use self::{
    item::{Item, Payload, data_field, json_string},
    wire_format::{Compression, Delta, Framing, PayloadFormat, WireFormat, frame_message},
};
use crate::{
    id::{Epoch, SessionId, StreamPosition},
    protocol::ClientInfo,
    registry::ChannelName,
};

/// Who is to receive a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every session of this node.
    Everyone,
    /// The members of a channel.
    Channel(ChannelName),
    /// Every session of a user, without a channel.
    User(Arc<str>),
    /// One session, without a channel.
    Session(SessionId),
}

/// What is on its way.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message.
    Item(Arc<Item>),
    /// Someone joined the channel.
    Join(Arc<ClientInfo>),
    /// Someone left the channel.
    Leave(Arc<ClientInfo>),
}

/// Names the life of the store that gave a publication its offset, where a store can lose what it
/// acknowledged and go on from before it: the same offset of another lineage is another
/// publication. Zero where that cannot happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lineage(pub u64);

/// A message that was accepted for delivery.
#[derive(Debug)]
pub struct Publication {
    target: Target,
    content: Content,
    /// Names the stream that the item's offset counts in.
    epoch: Epoch,
    lineage: Lineage,
    /// The item before this one, where the channel compresses by delta.
    previous: Option<Arc<Item>>,
    exclude: Box<[SessionId]>,
    /// All channels of a message that was relayed into several, one publication each: a plain
    /// client that is in more than one of them takes it from the first only.
    group: Option<Arc<[ChannelName]>>,
    /// Plain clients are not told its place, since nobody can go on from it.
    hides_place: bool,
    accepted: Instant,
    encodings: Encodings,
}

impl Publication {
    /// A publication that is accepted now.
    #[must_use]
    pub fn new(target: Target, content: Content) -> Self {
        Self::accepted_at(target, content, Instant::now())
    }

    /// A publication that was accepted then.
    #[must_use]
    pub(crate) fn accepted_at(target: Target, content: Content, accepted: Instant) -> Self {
        Self {
            target,
            content,
            epoch: Epoch::NONE,
            lineage: Lineage::default(),
            previous: None,
            exclude: Box::default(),
            group: None,
            hides_place: false,
            accepted,
            encodings: Encodings::default(),
        }
    }

    /// A message without a place in a stream.
    #[must_use]
    pub fn message(target: Target, payload: Payload) -> Self {
        Self::new(target, Content::Item(Arc::new(Item::new(payload, 0))))
    }

    /// Gives it its place: the stream, and what came before where deltas are made.
    #[must_use]
    pub fn in_stream(mut self, epoch: Epoch, previous: Option<Arc<Item>>) -> Self {
        self.epoch = epoch;
        self.previous = previous;
        self
    }

    /// Says which life of its store gave it its offset; a store that is always the same need not.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn of_lineage(mut self, lineage: Lineage) -> Self {
        self.lineage = lineage;
        self
    }

    /// Leaves sessions out.
    #[must_use]
    pub(crate) fn excluding(
        mut self,
        exclude: Box<[SessionId]>,
        group: Option<Arc<[ChannelName]>>,
    ) -> Self {
        self.exclude = exclude;
        self.group = group;
        self
    }

    /// Plain clients are not told its place.
    pub(crate) fn hide_place(&mut self) {
        self.hides_place = true;
    }

    /// Its place as plain clients are told it; that of no stream where they are not.
    #[must_use]
    pub(crate) fn position(&self) -> StreamPosition {
        match self.hides_place {
            true => StreamPosition {
                offset: 0,
                epoch: Epoch::NONE,
            },
            false => StreamPosition {
                offset: self.offset(),
                epoch: self.epoch,
            },
        }
    }

    /// Bytes of its message.
    #[must_use]
    pub(crate) fn message_bytes(&self) -> usize {
        match &self.content {
            Content::Item(item) => item.payload.as_bytes().len(),
            Content::Join(info) | Content::Leave(info) => {
                info.user.len() + info.conn_info.len() + info.chan_info.len()
            }
        }
    }

    /// Who receives it.
    #[must_use]
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// What it carries.
    #[must_use]
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// The message, where it is one.
    #[must_use]
    pub(crate) fn item(&self) -> Option<&Arc<Item>> {
        match &self.content {
            Content::Item(item) => Some(item),
            Content::Join(_) | Content::Leave(_) => None,
        }
    }

    /// Place in the stream; 0 without one.
    #[must_use]
    pub(crate) fn offset(&self) -> u64 {
        self.item().map_or(0, |item| item.offset)
    }

    /// The epoch of its stream.
    #[must_use]
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The life of the store that gave it its offset.
    #[must_use]
    pub(crate) fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// The channel, where it has one.
    #[must_use]
    pub(crate) fn channel(&self) -> &str {
        match &self.target {
            Target::Channel(name) => name,
            _ => "",
        }
    }

    /// Whether a session is left out: its sender, where senders do not hear themselves.
    #[must_use]
    pub(crate) fn excludes(&self, session: SessionId) -> bool {
        self.exclude.contains(&session)
    }

    /// Whether nobody is left out of it.
    #[must_use]
    pub(crate) fn is_for_all(&self) -> bool {
        self.exclude.is_empty() && self.group.is_none()
    }

    /// The channels of the message that this publication is one share of.
    #[must_use]
    pub(crate) fn group(&self) -> Option<&[ChannelName]> {
        self.group.as_deref()
    }

    /// When it was accepted; delivery delay counts from here.
    #[must_use]
    pub(crate) fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Bytes that it holds while it waits, for the bound of a shard's queue.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        match &self.content {
            Content::Item(item) => Self::weight_with(item),
            Content::Join(_) | Content::Leave(_) => 256 + size_of::<Self>(),
        }
    }

    /// The same of one that is to carry this message.
    #[must_use]
    pub(crate) fn weight_with(item: &Item) -> usize {
        item.weight() + size_of::<Self>()
    }

    /// Whether a newer publication of `other`'s channel makes this one stale (`slow.policy =
    /// "latest"`).
    #[must_use]
    pub(crate) fn same_stream(&self, other: &Self) -> bool {
        self.target == other.target && self.item().is_some() && other.item().is_some()
    }

    /// The complete frame in the given form; encoded by the first call.
    pub fn frame(&self, wire_format: WireFormat, compression: &Compression) -> &Bytes {
        self.encodings
            .get(wire_format, || self.encode(wire_format, compression))
    }
}

#[cfg(test)]
mod tests;
