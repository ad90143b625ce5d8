//! The forms that a message takes on the wire: what it looks like ([`PayloadFormat`]) and what
//! carries it ([`Framing`]).

use std::cell::RefCell;

use bytes::Bytes;

use crate::{
    codec::{self, Opcode, deflate::Deflater},
    protocol::Encoding,
};

/// What a message looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        unidirectional: bool,
        /// As a subscription with deltas sees it.
        delta: Delta,
    },
}

/// How a subscription takes the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delta {
    /// It has no deltas.
    Off,
    /// It has, and this one is whole.
    Full,
    /// It has, and knows the publication before this one.
    Patch,
}

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// A WebSocket frame; deflated with a window of this many bits (9–15; RFC 7692 §7.1.2), 0 is
    /// never.
    WebSocket {
        /// The agreed window.
        window_bits: u8,
    },
    /// A line of a streamed HTTP answer: JSON behind which a newline stands, or Protobuf behind its
    /// length.
    Line,
    /// An event of `text/event-stream`: one `data:` field (HTML, server-sent events).
    Event,
    /// None: whoever takes it from the outbox frames it.
    None,
}

/// The form in which a session takes publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

    /// The message alone, without what carries it.
    #[must_use]
    pub(crate) fn unframed(self) -> Self {
        Self {
            framing: Framing::None,
            ..self
        }
    }

    /// The same form for a subscription with deltas, or without.
    #[must_use]
    pub(crate) fn with_delta(self, delta: Delta) -> Self {
        match self.body {
            PayloadFormat::Client {
                encoding,
                unidirectional,
                ..
            } => Self {
                body: PayloadFormat::Client {
                    encoding,
                    unidirectional,
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
    // A compressor holds about 256 KiB a window size that is in use; one set a worker thread is the
    // bound.
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

/// Puts a message into what carries it. A message of the Protobuf form comes with its length before
/// it.
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
        Framing::Line | Framing::None => Bytes::copy_from_slice(message),
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
