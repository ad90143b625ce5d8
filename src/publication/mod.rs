//! One message on its way to many: immutable, encoded at most once for each form it takes on the wire.
//!
//! Owned by an `Arc` that all shards share; its encodings are made on first use by whichever shard needs them
//! first and are handed to every receiver. That is why compression keeps no context between messages.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{
    codec::{self, Opcode, deflate::Deflater},
    id::SessionId,
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

    /// The opcode of the frame that carries it.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }
}

/// Who is to receive a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every session of this node.
    Everyone,
    /// The members of these channels; who is in several receives it once. Never empty.
    Channels(Vec<ChannelName>),
}

/// The form in which a session takes publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One WebSocket frame with the payload as it was published.
    Raw,
    /// The same, deflated with a window of this many bits (9–15; RFC 7692 §7.1.2).
    RawDeflated(u8),
}

/// How publications are compressed; from the settings `deflate.*`.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    /// Messages shorter than this many bytes go out plain.
    pub min_bytes: usize,
    /// 1 (fast) – 9 (small).
    pub level: u32,
}

type Deflated = [OnceLock<Option<Bytes>>; 7];

/// A message that was accepted for delivery.
#[derive(Debug)]
pub struct Publication {
    target: Target,
    payload: Payload,
    exclude: Option<SessionId>,
    accepted: Instant,
    plain: OnceLock<Bytes>,
    deflated: OnceLock<Box<Deflated>>,
}

thread_local! {
    // A compressor holds about 256 KiB a window size that is in use; one set a worker thread is the bound.
    static DEFLATERS: RefCell<Option<(u32, Deflater)>> = const { RefCell::new(None) };
}

/// Deflates with this thread's compressor; `None` if that does not make the payload smaller.
pub(crate) fn deflate(payload: &[u8], window_bits: u8, level: u32) -> Option<Vec<u8>> {
    DEFLATERS.with_borrow_mut(|slot| {
        let (_, deflater) = match slot {
            Some(slot) if slot.0 == level => slot,
            _ => slot.insert((level, Deflater::new(level))),
        };
        let deflated = deflater.compress(payload, window_bits);
        (deflated.len() < payload.len()).then_some(deflated)
    })
}

impl Publication {
    /// A publication that is accepted now.
    #[must_use]
    pub fn new(target: Target, payload: Payload, exclude: Option<SessionId>) -> Arc<Self> {
        Arc::new(Self {
            target,
            payload,
            exclude,
            accepted: Instant::now(),
            plain: OnceLock::new(),
            deflated: OnceLock::new(),
        })
    }

    /// Who receives it.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What was published.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The session that does not receive it: its sender, where senders do not hear themselves.
    #[must_use]
    pub fn exclude(&self) -> Option<SessionId> {
        self.exclude
    }

    /// When it was accepted; delivery delay counts from here.
    #[must_use]
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Bytes that it holds while it waits, for the bound of a shard's queue.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.payload.as_bytes().len() + std::mem::size_of::<Self>()
    }

    /// Whether a newer publication of `other`'s channel makes this one stale (`slow.policy = "latest"`).
    #[must_use]
    pub fn same_stream(&self, other: &Self) -> bool {
        self.target == other.target
    }

    /// The complete frame in the given form; encoded by the first call.
    pub fn frame(&self, form: Form, compression: &Compression) -> &[u8] {
        if let Form::RawDeflated(bits @ 9..=15) = form
            && self.payload.as_bytes().len() >= compression.min_bytes
        {
            let all = self
                .deflated
                .get_or_init(|| Box::new(std::array::from_fn(|_| OnceLock::new())));
            let frame = all[usize::from(bits - 9)].get_or_init(|| {
                deflate(self.payload.as_bytes(), bits, compression.level)
                    .map(|deflated| codec::encode_compressed(self.payload.opcode(), &deflated))
            });
            if let Some(frame) = frame {
                return frame;
            }
        }
        self.plain
            .get_or_init(|| codec::encode(self.payload.opcode(), self.payload.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPRESSION: Compression = Compression {
        min_bytes: 256,
        level: 3,
    };

    fn text(text: String) -> Arc<Publication> {
        Publication::new(Target::Everyone, Payload::Text(text.into()), None)
    }

    #[test]
    fn each_form_is_encoded_once() {
        let publication = text("fanfare ".repeat(100));
        for form in [Form::Raw, Form::RawDeflated(9), Form::RawDeflated(15)] {
            let first = publication.frame(form, &COMPRESSION).as_ptr();
            assert_eq!(first, publication.frame(form, &COMPRESSION).as_ptr());
        }
        assert_ne!(
            publication.frame(Form::Raw, &COMPRESSION),
            publication.frame(Form::RawDeflated(15), &COMPRESSION)
        );
    }

    #[test]
    fn what_is_short_or_does_not_shrink_goes_out_plain() {
        let short = text("x".repeat(255));
        assert_eq!(
            short.frame(Form::RawDeflated(15), &COMPRESSION).as_ptr(),
            short.frame(Form::Raw, &COMPRESSION).as_ptr()
        );
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let noise: Vec<u8> = (0..512)
            .map(|_| {
                // Marsaglia's xorshift: as good as random to a compressor.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        let noise = Publication::new(Target::Everyone, Payload::Binary(noise.into()), None);
        assert_eq!(
            noise.frame(Form::RawDeflated(15), &COMPRESSION).len(),
            noise.frame(Form::Raw, &COMPRESSION).len()
        );
    }
}
