//! The forms that a publication takes on the wire, and the list of those that were made.
//!
//! A [`WireFormat`] is what the message looks like ([`PayloadFormat`]) and what carries it ([`Framing`]). The list grows by one entry a form
//! that some session uses, of which there are few; entries are never changed, so receivers borrow from it without a lock.

use std::{cell::RefCell, sync::OnceLock};

use base64::Engine as _;
use bytes::Bytes;

use super::{Content, Payload, Publication, Target};
use crate::{
    codec::{self, Opcode, deflate::Deflater},
    fossil,
    protocol::{self, Encoding, Push},
};

/// What a message looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFormat {
    /// The payload as it was published.
    Raw,
    /// `{"channel","offset","since","data"}` (or `b64data`), for plain clients that resume.
    Envelope,
    /// A push of the Centrifuge protocol.
    Client {
        /// JSON or Protobuf.
        encoding: Encoding,
        /// Without the `push` wrapper, as the one-way transports have it.
        bare: bool,
        /// As a subscription with deltas sees it.
        delta: Delta,
    },
}

/// How a subscription takes the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// It has no deltas.
    Off,
    /// It has, and this one is whole.
    Full,
    /// It has, and knows the publication before this one.
    Patch,
}

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A WebSocket frame; deflated with a window of this many bits (9–15; RFC 7692 §7.1.2), 0 is never.
    WebSocket {
        /// The agreed window.
        window_bits: u8,
    },
    /// A line of a streamed HTTP answer: JSON behind which a newline stands, or Protobuf behind its length.
    Line,
    /// An event of `text/event-stream`: one `data:` field (HTML, server-sent events).
    Event,
    /// None: whoever takes it from the outbox frames it.
    Bare,
}

/// The form in which a session takes publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFormat {
    /// What it looks like.
    pub body: PayloadFormat,
    /// What carries it.
    pub framing: Framing,
}

impl WireFormat {
    /// One WebSocket frame with the payload as it was published.
    pub const RAW: Self = Self::raw(0);

    /// The same, deflated with this window.
    #[must_use]
    pub const fn raw(window_bits: u8) -> Self {
        Self {
            body: PayloadFormat::Raw,
            framing: Framing::WebSocket { window_bits },
        }
    }

    /// The same form for a subscription with deltas, or without.
    #[must_use]
    pub fn with_delta(self, delta: Delta) -> Self {
        match self.body {
            PayloadFormat::Client { encoding, bare, .. } => Self {
                body: PayloadFormat::Client {
                    encoding,
                    bare,
                    delta,
                },
                ..self
            },
            _ => self,
        }
    }
}

/// How publications are compressed; from the settings `deflate.*`.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    /// Messages shorter than this many bytes go out plain.
    pub min_bytes: usize,
    /// 1 (fast) – 9 (small).
    pub level: u32,
}

thread_local! {
    // A compressor holds about 256 KiB a window size that is in use; one set a worker thread is the bound.
    static DEFLATERS: RefCell<Option<(u32, Deflater)>> = const { RefCell::new(None) };
}

/// Deflates with this thread's compressor; `None` if that does not make the payload smaller.
fn deflate(payload: &[u8], window_bits: u8, level: u32) -> Option<Vec<u8>> {
    DEFLATERS.with_borrow_mut(|slot| {
        let (_, deflater) = match slot {
            Some(slot) if slot.0 == level => slot,
            _ => slot.insert((level, Deflater::new(level))),
        };
        let deflated = deflater.compress(payload, window_bits);
        (deflated.len() < payload.len()).then_some(deflated)
    })
}

/// An encoding that was made.
#[derive(Debug)]
pub(super) struct Encoded {
    wire_format: WireFormat,
    bytes: Bytes,
    next: OnceLock<Box<Encoded>>,
}

/// The encodings of one publication, a list that only grows.
#[derive(Debug, Default)]
pub(super) struct Encodings {
    first: OnceLock<Encoded>,
}

impl Encodings {
    /// The frame in a form, made by the first who asks. Two threads that ask at once for the first time may both encode; one
    /// result stays.
    pub(super) fn get(
        &self,
        publication: &Publication,
        wire_format: WireFormat,
        compression: &Compression,
    ) -> &[u8] {
        let mut entry = self
            .first
            .get_or_init(|| publication.encode(wire_format, compression));
        while entry.wire_format != wire_format {
            entry = entry
                .next
                .get_or_init(|| Box::new(publication.encode(wire_format, compression)));
        }
        &entry.bytes
    }
}

pub(super) fn encode(
    publication: &Publication,
    wire_format: WireFormat,
    compression: &Compression,
) -> Encoded {
    let bytes = match (wire_format.body, &publication.content) {
        (PayloadFormat::Raw, Content::Item(item)) => {
            let payload = &item.payload;
            frame_message(
                wire_format.framing,
                payload.opcode(),
                payload.as_bytes(),
                compression,
            )
        }
        (body, _) => {
            let (opcode, message) = encode_body(publication, body);
            frame_message(wire_format.framing, opcode, &message, compression)
        }
    };
    Encoded {
        wire_format,
        bytes,
        next: OnceLock::new(),
    }
}

/// Puts a message into what carries it. A message of the Protobuf form comes with its length before it.
#[must_use]
pub fn frame_message(
    framing: Framing,
    opcode: Opcode,
    message: &[u8],
    compression: &Compression,
) -> Bytes {
    match framing {
        Framing::WebSocket { window_bits } => {
            if window_bits >= 9
                && message.len() >= compression.min_bytes
                && let Some(deflated) = deflate(message, window_bits, compression.level)
            {
                return codec::encode_compressed(opcode, &deflated);
            }
            codec::encode(opcode, message)
        }
        Framing::Line if opcode == Opcode::Text => [message, b"\n"].concat().into(),
        Framing::Line | Framing::Bare => Bytes::copy_from_slice(message),
        Framing::Event => event(message).into(),
    }
}

/// The fields of an event: one `data:` a line, since a newline would end the field.
fn event(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len() + 8);
    let mut rest = message;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        text.extend_from_slice(b"data: ");
        text.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
        text.push(b'\n');
        let Some(end) = end else { break };
        let skip = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + skip..];
    }
    text.push(b'\n');
    text
}

fn encode_body(publication: &Publication, body: PayloadFormat) -> (Opcode, Vec<u8>) {
    let mut out = Vec::new();
    match (body, &publication.content) {
        (PayloadFormat::Envelope, Content::Item(_)) => {
            envelope(publication, &mut out);
            (Opcode::Text, out)
        }
        // Plain clients are not told who comes and goes; the shard does not offer it to them.
        (PayloadFormat::Raw | PayloadFormat::Envelope, _) => (Opcode::Text, out),
        (
            PayloadFormat::Client {
                encoding,
                bare,
                delta,
            },
            _,
        ) => {
            client(publication, encoding, bare, delta, &mut out);
            match encoding {
                Encoding::Json => (Opcode::Text, out),
                Encoding::Protobuf => {
                    let mut delimited = Vec::with_capacity(out.len() + 3);
                    protocol::append_message(encoding, &out, &mut delimited);
                    (Opcode::Binary, delimited)
                }
            }
        }
    }
}

fn client(
    publication: &Publication,
    encoding: Encoding,
    bare: bool,
    delta: Delta,
    out: &mut Vec<u8>,
) {
    let channel = publication.channel();
    let mut push = |push: &Push<'_>| protocol::encode_push(encoding, bare, channel, push, out);
    let item = match &publication.content {
        Content::Join(info) => return push(&Push::Join(info)),
        Content::Leave(info) => return push(&Push::Leave(info)),
        Content::Item(item) => item,
    };
    if !matches!(publication.target, Target::Channel(_)) {
        return push(&Push::Message {
            data: item.as_json(),
        });
    }
    let mut shown = item.as_pub();
    match (delta, &publication.previous) {
        (Delta::Off, _) => push(&Push::Pub(shown)),
        (delta, previous) => {
            let whole = item.delta_bytes(encoding);
            let patch = previous
                .as_ref()
                .filter(|_| delta == Delta::Patch && whole.len() <= PATCHED_BYTES_MAX)
                .map(|previous| fossil::create(&previous.delta_bytes(encoding), &whole))
                .filter(|patch| patch.len() < whole.len());
            shown.delta = patch.is_some();
            shown.data = protocol::PayloadRef::Stringed(patch.as_deref().unwrap_or(&whole));
            push(&Push::Pub(shown));
        }
    }
}

/// Payloads beyond this go out whole: making a patch takes time that all receivers of the shard wait for.
const PATCHED_BYTES_MAX: usize = 1 << 20;

fn envelope(publication: &Publication, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"channel\":");
    json_string(publication.channel(), out);
    if publication.offset() > 0 {
        let (offset, epoch) = (publication.offset(), publication.epoch);
        out.extend_from_slice(
            format!(",\"offset\":{offset},\"since\":\"{offset}@{epoch}\"").as_bytes(),
        );
    }
    if let Some(item) = publication.item() {
        out.push(b',');
        data_field(item, out);
    }
    out.push(b'}');
}

/// `"data":…`, or `"b64data":"…"` for bytes, as every plain form has it.
pub fn data_field(item: &super::Item, out: &mut Vec<u8>) {
    match (&item.payload, item.as_json()) {
        (Payload::Binary(bytes), _) => {
            out.extend_from_slice(b"\"b64data\":\"");
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        (_, protocol::PayloadRef::Json(json)) => {
            out.extend_from_slice(b"\"data\":");
            out.extend_from_slice(json);
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
