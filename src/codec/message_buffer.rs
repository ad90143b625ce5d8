//! A data message that is not all there yet: fragments joined, text checked as it arrives, inflated
//! at its end.
//!
//! Owned by the decoder while the message is under way. Bounds: the buffer grows with what arrived,
//! never with what was announced, and its capacity stays within twice that and within the message
//! limit (the decoder refused anything longer by its header). It must not look at frames.

use bytes::Bytes;
use bytestring::ByteString;

use super::{Message, ProtocolError, deflate::inflate};

/// What a data message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageKind {
    pub text: bool,
    pub compressed: bool,
}

impl MessageKind {
    /// A whole payload becomes a message: inflated within `limit`, text proven, copied out once.
    #[inline]
    pub(super) fn message(self, payload: &[u8], limit: usize) -> Result<Message, ProtocolError> {
        if self.compressed {
            inflate(payload, limit, |plain| self.plain_message(plain))
        } else {
            self.plain_message(payload)
        }
    }

    #[inline]
    fn plain_message(self, payload: &[u8]) -> Result<Message, ProtocolError> {
        if self.text {
            let text =
                simdutf8::basic::from_utf8(payload).map_err(|_| ProtocolError::TextNotUtf8)?;
            Ok(Message::Text(ByteString::from(text)))
        } else {
            Ok(Message::Binary(Bytes::copy_from_slice(payload)))
        }
    }
}

/// The message under way.
#[derive(Debug)]
pub(super) struct MessageBuffer {
    kind: MessageKind,
    data: Vec<u8>,
    /// `data` up to here is proven UTF-8; behind it stand at most three bytes of a character that
    /// is not all there.
    proven: usize,
}

impl MessageBuffer {
    pub(super) fn new(kind: MessageKind) -> Self {
        Self {
            kind,
            data: Vec::new(),
            proven: 0,
        }
    }

    /// The bytes so far.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// Heap that the message holds.
    pub(super) fn heap_bytes(&self) -> usize {
        self.data.capacity()
    }

    /// Adds unmasked bytes. `ceiling` is the most that the message can still become.
    pub(super) fn push(&mut self, bytes: &[u8], ceiling: usize) {
        let needed = self.data.len() + bytes.len();
        if needed > self.data.capacity() {
            // Twice what is there: amortised, and never more than the peer has paid for with bytes.
            let capacity = needed.saturating_mul(2).min(ceiling).max(needed);
            self.data.reserve_exact(capacity - self.data.len());
        }
        self.data.extend_from_slice(bytes);
    }

    /// Refuses text at the first byte that no valid text continues with (RFC 6455 §8.1), in a frame
    /// still arriving too. Compressed text can only be checked when it was inflated.
    pub(super) fn check(&mut self) -> Result<(), ProtocolError> {
        if !self.kind.text || self.kind.compressed {
            return Ok(());
        }
        match simdutf8::compat::from_utf8(&self.data[self.proven..]) {
            Ok(_) => self.proven = self.data.len(),
            // A character begun but not ended: its rest may still come.
            Err(error) if error.error_len().is_none() => self.proven += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::TextNotUtf8),
        }
        Ok(())
    }

    /// The whole message.
    pub(super) fn finish(self, limit: usize) -> Result<Message, ProtocolError> {
        if self.kind.text || self.kind.compressed {
            // Text is copied into an allocation of its size. That costs less than the standard
            // library's check, which a zero-copy conversion would run once more.
            self.kind.message(&self.data, limit)
        } else {
            // Without what room is left, since a history may keep it.
            Ok(Message::Binary(self.data.into_boxed_slice().into()))
        }
    }
}
