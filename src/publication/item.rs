//! What was published and what history keeps: a payload with its place in the channel's stream, and
//! how it goes into JSON.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use base64::Engine as _;
use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    codec::Opcode,
    protocol::{self, ClientInfo, Encoding, Tags},
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
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The same without a copy.
    #[must_use]
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Text(text) => text.as_bytes().clone(),
            Self::Binary(bytes) => bytes.clone(),
        }
    }

    /// The opcode of the frame that carries it.
    #[must_use]
    pub(crate) fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    /// Text where the bytes are UTF-8, else binary: for publishers who do not say.
    #[must_use]
    pub(crate) fn guess(bytes: Bytes) -> Self {
        match ByteString::try_from(bytes.clone()) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Binary(bytes),
        }
    }
}

/// How a text goes into JSON. Says so only: a history keeps no second copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonView {
    /// It is JSON and goes in as it stands.
    AsIs,
    /// It is JSON with raw newlines between its tokens, and goes in without them: the protocol
    /// frames by newline.
    Lines,
    /// It is no JSON and becomes a JSON string.
    No,
}

/// What an allocator adds to a block: its header, or the way to the next size that it has.
const BLOCK_BYTES: usize = 16;
/// An item and its counts, and its payload's block with the head by which `Bytes` shares it.
const ITEM_BYTES: usize = size_of::<Item>() + 16 + BLOCK_BYTES + 24 + 2 * BLOCK_BYTES;
/// Who published: the struct, and the blocks of four texts of which two are shared.
const INFO_BYTES: usize = size_of::<ClientInfo>() + 16 + 2 * 24 + 7 * BLOCK_BYTES;
/// Labels: the struct and two blocks.
const TAGS_BYTES: usize = size_of::<Tags>() + 16 + 3 * BLOCK_BYTES;

/// What was published, with its place in the channel's stream. This is what history keeps.
#[derive(Debug)]
pub struct Item {
    /// The message.
    pub(crate) payload: Payload,
    /// Place in the stream, from 1; 0 where the channel keeps no history.
    pub(crate) offset: u64,
    /// The offset of the one before it in the stream, whether that is still kept or not; 0 for the
    /// first.
    pub(crate) follows: u64,
    /// Who published it, where that was a client.
    pub info: Option<Arc<ClientInfo>>,
    /// The publisher's own words beside the message.
    pub tags: Option<Arc<Tags>>,
    json: OnceLock<JsonView>,
}

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

    /// The same in a stream with other offsets between, as a far store's are.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn following(mut self, follows: u64) -> Self {
        self.follows = follows;
        self
    }

    /// Bytes that it holds, for bounds on what waits or is kept; with what belongs to it on the
    /// heap, and what the allocator adds to each block. `tests/charges.rs` holds it to what is
    /// really allocated.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let info = self.info.as_deref().map_or(0, |info| {
            let texts = info.user.len() + info.client.len();
            texts + info.conn_info.len() + info.chan_info.len() + INFO_BYTES
        });
        let tags = self.tags.as_deref();
        let tags = tags.map_or(0, |tags| tags.heap_bytes() + TAGS_BYTES);
        self.payload.as_bytes().len() + ITEM_BYTES + info + tags
    }

    /// The payload as the protocol takes it.
    #[must_use]
    pub(crate) fn as_json(&self) -> protocol::PayloadRef<'_> {
        let text = match &self.payload {
            Payload::Binary(bytes) => return protocol::PayloadRef::Binary(bytes),
            Payload::Text(text) => text,
        };
        let view = self
            .json
            .get_or_init(|| match protocol::clean_json(text.as_bytes()) {
                None => JsonView::No,
                Some(Cow::Borrowed(same)) if same.len() == text.len() => JsonView::AsIs,
                Some(_) => JsonView::Lines,
            });
        match view {
            JsonView::AsIs => protocol::PayloadRef::Json(text.as_bytes()),
            JsonView::Lines => protocol::PayloadRef::JsonLines(text.as_bytes()),
            JsonView::No => protocol::PayloadRef::Text(text),
        }
    }

    /// The bytes that deltas are made of: in Protobuf the payload, in JSON its text there, which is
    /// JSON whatever was published, since clients parse what they have put together.
    #[must_use]
    pub(crate) fn delta_bytes(&self, encoding: Encoding) -> Cow<'_, [u8]> {
        let as_string = |text: &str| {
            let mut json = Vec::with_capacity(text.len() + 2);
            json_string(text, &mut json);
            Cow::Owned(json)
        };
        match (encoding, self.as_json()) {
            (Encoding::Protobuf, _) => Cow::Borrowed(self.payload.as_bytes()),
            (_, json @ (protocol::PayloadRef::Json(_) | protocol::PayloadRef::JsonLines(_))) => {
                json.bytes()
            }
            (_, protocol::PayloadRef::Text(text)) => as_string(text),
            (_, protocol::PayloadRef::Binary(bytes) | protocol::PayloadRef::Stringed(bytes)) => {
                as_string(&base64::engine::general_purpose::STANDARD.encode(bytes))
            }
        }
    }

    /// The publication as clients of the Centrifuge protocol see it.
    #[must_use]
    pub(crate) fn as_pub(&self) -> protocol::Pub<'_> {
        protocol::Pub {
            data: self.as_json(),
            offset: self.offset,
            info: self.info.as_deref(),
            tags: self.tags.as_deref(),
            delta: false,
            time: 0,
            channel: "",
        }
    }
}

/// `"data":…`, or `"b64data":"…"` for bytes, as every plain form has it.
pub fn data_field(item: &Item, out: &mut Vec<u8>) {
    match (&item.payload, item.as_json()) {
        (Payload::Binary(bytes), _) => {
            out.extend_from_slice(b"\"b64data\":\"");
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        (_, json @ (protocol::PayloadRef::Json(_) | protocol::PayloadRef::JsonLines(_))) => {
            out.extend_from_slice(b"\"data\":");
            out.extend_from_slice(&json.bytes());
        }
        (Payload::Text(text), _) => {
            out.extend_from_slice(b"\"data\":");
            json_string(text, out);
        }
    }
}

/// A text as a JSON string.
pub fn json_string(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector does not fail, and a text is always a JSON string.
    let _ = serde_json::to_writer(out, text);
}
