//! One message on its way to many: immutable, encoded at most once for each form it takes on the wire.
//!
//! An [`Item`] is what was published and what history keeps; a [`Publication`] is an item on its way, with its target
//! and its encodings, owned by an `Arc` that all shards share. Encodings are made on first use by whichever shard
//! needs them first and are handed to every receiver. That is why compression keeps no context between messages, and
//! why history keeps items: a kept item holds no encodings.

mod wire_format;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use base64::Engine as _;
use bytes::Bytes;
use bytestring::ByteString;

pub use self::wire_format::{
    Compression, Delta, Framing, PayloadFormat, WireFormat, data_field, frame_message, json_string,
};
use self::wire_format::{Encoded, Encodings};
use crate::{
    codec::Opcode,
    id::{Epoch, SessionId},
    protocol::{self, ClientInfo, Encoding},
    registry::ChannelName,
};

/// What a message is made of: WebSocket keeps text and binary apart (RFC 6455 §5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8 text.
    Text(ByteString),
    /// Any bytes.
    Binary(Bytes),
}

impl Payload {
    /// The payload's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The same without a copy.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Text(text) => text.as_bytes().clone(),
            Self::Binary(bytes) => bytes.clone(),
        }
    }

    /// The opcode of the frame that carries it.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    /// Text where the bytes are UTF-8, else binary: for publishers who do not say.
    #[must_use]
    pub fn guess(bytes: Bytes) -> Self {
        match ByteString::try_from(bytes.clone()) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Binary(bytes),
        }
    }
}

/// How a text goes into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
enum JsonView {
    /// It is JSON and goes in as it stands.
    AsIs,
    /// It is JSON with raw newlines between its tokens, here without them: the protocol frames by newline.
    Cleaned(Box<[u8]>),
    /// It is no JSON and becomes a JSON string.
    No,
}

/// What was published, with its place in the channel's stream. This is what history keeps.
#[derive(Debug)]
pub struct Item {
    /// The message.
    pub payload: Payload,
    /// Place in the stream, from 1; 0 where the channel keeps no history.
    pub offset: u64,
    /// The offset of the one before it in the stream, whether that is still kept or not; 0 for the first.
    pub follows: u64,
    /// Who published it, where that was a client.
    pub info: Option<Arc<ClientInfo>>,
    /// The publisher's own words beside the message.
    pub tags: Option<Arc<BTreeMap<String, String>>>,
    json: OnceLock<JsonView>,
}

static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl Item {
    /// An item at a place, in a stream whose offsets grow by one.
    #[must_use]
    pub fn new(payload: Payload, offset: u64) -> Self {
        Self {
            payload,
            offset,
            follows: offset.saturating_sub(1),
            info: None,
            tags: None,
            json: OnceLock::new(),
        }
    }

    /// The same in a stream with other offsets between.
    #[must_use]
    pub fn following(mut self, follows: u64) -> Self {
        self.follows = follows;
        self
    }

    /// Bytes that it holds, for bounds on what waits or is kept; with what belongs to it on the heap.
    #[must_use]
    pub fn weight(&self) -> usize {
        let info = self.info.as_deref().map_or(0, |info| {
            info.user.len() + info.client.len() + info.conn_info.len() + info.chan_info.len() + 96
        });
        let tags = self.tags.iter().flat_map(|tags| tags.iter());
        self.payload.as_bytes().len()
            + std::mem::size_of::<Self>()
            + info
            + tags
                .map(|(key, value)| key.len() + value.len() + 96)
                .sum::<usize>()
    }

    /// The payload as the protocol takes it.
    #[must_use]
    pub fn as_json(&self) -> protocol::PayloadRef<'_> {
        let text = match &self.payload {
            Payload::Binary(bytes) => return protocol::PayloadRef::Binary(bytes),
            Payload::Text(text) => text,
        };
        let view = self
            .json
            .get_or_init(|| match protocol::clean_json(text.as_bytes()) {
                None => JsonView::No,
                Some(Cow::Borrowed(same)) if same.len() == text.len() => JsonView::AsIs,
                Some(clean) => JsonView::Cleaned(clean.into_owned().into()),
            });
        match view {
            JsonView::AsIs => protocol::PayloadRef::Json(text.as_bytes()),
            JsonView::Cleaned(clean) => protocol::PayloadRef::Json(clean),
            JsonView::No => protocol::PayloadRef::Text(text),
        }
    }

    /// The bytes that deltas are made of: in Protobuf the payload, in JSON its text there, which is JSON whatever was published,
    /// since clients parse what they have put together.
    #[must_use]
    pub fn delta_bytes(&self, encoding: Encoding) -> Cow<'_, [u8]> {
        let as_string = |text: &str| {
            let mut json = Vec::with_capacity(text.len() + 2);
            json_string(text, &mut json);
            Cow::Owned(json)
        };
        match (encoding, self.as_json()) {
            (Encoding::Protobuf, _) => Cow::Borrowed(self.payload.as_bytes()),
            (_, protocol::PayloadRef::Json(json)) => Cow::Borrowed(json),
            (_, protocol::PayloadRef::Text(text)) => as_string(text),
            (_, protocol::PayloadRef::Binary(bytes) | protocol::PayloadRef::Stringed(bytes)) => {
                as_string(&base64::engine::general_purpose::STANDARD.encode(bytes))
            }
        }
    }

    /// The publication as clients of the Centrifuge protocol see it.
    #[must_use]
    pub fn as_pub(&self) -> protocol::Pub<'_> {
        protocol::Pub {
            data: self.as_json(),
            offset: self.offset,
            info: self.info.as_deref(),
            tags: self.tags.as_deref().unwrap_or(&NO_TAGS),
            delta: false,
            time: 0,
            channel: "",
        }
    }
}

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

/// Names the life of the store that gave a publication its offset, where a store can lose what it acknowledged and go on from
/// before it: the same offset of another lineage is another publication. Zero where that cannot happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage(pub u64);

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
    /// All channels of a message that was relayed into several, one publication each: a plain client that is in more than one
    /// of them takes it from the first only.
    group: Option<Arc<[ChannelName]>>,
    accepted: Instant,
    encodings: Encodings,
}

impl Publication {
    /// A publication that is accepted now.
    #[must_use]
    pub fn new(target: Target, content: Content) -> Self {
        Self {
            target,
            content,
            epoch: Epoch::NONE,
            lineage: Lineage::default(),
            previous: None,
            exclude: Box::default(),
            group: None,
            accepted: Instant::now(),
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

    /// Says which life of its store gave it its offset.
    #[must_use]
    pub fn of_lineage(mut self, lineage: Lineage) -> Self {
        self.lineage = lineage;
        self
    }

    /// Leaves sessions out.
    #[must_use]
    pub fn excluding(
        mut self,
        exclude: Box<[SessionId]>,
        group: Option<Arc<[ChannelName]>>,
    ) -> Self {
        self.exclude = exclude;
        self.group = group;
        self
    }

    /// Who receives it.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What it carries.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The message, where it is one.
    #[must_use]
    pub fn item(&self) -> Option<&Arc<Item>> {
        match &self.content {
            Content::Item(item) => Some(item),
            Content::Join(_) | Content::Leave(_) => None,
        }
    }

    /// Place in the stream; 0 without one.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.item().map_or(0, |item| item.offset)
    }

    /// The stream.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The life of the store that gave it its offset.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// The channel, where it has one.
    #[must_use]
    pub fn channel(&self) -> &str {
        match &self.target {
            Target::Channel(name) => name,
            _ => "",
        }
    }

    /// Whether a session is left out: its sender, where senders do not hear themselves.
    #[must_use]
    pub fn excludes(&self, session: SessionId) -> bool {
        self.exclude.contains(&session)
    }

    /// The channels of the message that this publication is one share of.
    #[must_use]
    pub fn group(&self) -> Option<&[ChannelName]> {
        self.group.as_deref()
    }

    /// When it was accepted; delivery delay counts from here.
    #[must_use]
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Bytes that it holds while it waits, for the bound of a shard's queue.
    #[must_use]
    pub fn weight(&self) -> usize {
        let content = match &self.content {
            Content::Item(item) => item.weight(),
            Content::Join(_) | Content::Leave(_) => 256,
        };
        content + std::mem::size_of::<Self>()
    }

    /// Whether a newer publication of `other`'s channel makes this one stale (`slow.policy = "latest"`).
    #[must_use]
    pub fn same_stream(&self, other: &Self) -> bool {
        self.target == other.target && self.item().is_some() && other.item().is_some()
    }

    /// The complete frame in the given form; encoded by the first call.
    pub fn frame(&self, wire_format: WireFormat, compression: &Compression) -> &[u8] {
        self.encodings.get(self, wire_format, compression)
    }

    fn encode(&self, wire_format: WireFormat, compression: &Compression) -> Encoded {
        wire_format::encode(self, wire_format, compression)
    }
}

#[cfg(test)]
mod tests;
