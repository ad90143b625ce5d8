//! What travels: messages, and the opcodes that carry them (RFC 6455 §5.2).
//!
//! Made by the decoder, owned by whoever takes them. Payloads are shared bytes, so that a relayed
//! message is never copied. Nothing here looks at the wire.

use bytes::Bytes;
use bytestring::ByteString;

/// A whole message or control frame from the peer: unmasked, joined, inflated, text proven UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// A ping; to be answered with a pong of the same payload (RFC 6455 §5.5.2).
    Ping(Bytes),
    /// A pong, asked for or not.
    Pong(Bytes),
    /// A close; `None` if it carries no code (shown as 1005, RFC 6455 §7.1.5).
    Close(Option<CloseFrame>),
}

/// The body of a Close frame (RFC 6455 §5.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Status code, one that may stand on the wire.
    pub code: u16,
    /// The reason as the peer gave it, at most 123 bytes.
    pub reason: ByteString,
}

/// A frame's opcode (RFC 6455 §5.2); the others are reserved and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message under way.
    Continuation = 0x0,
    /// Text, or the first fragment of it.
    Text = 0x1,
    /// Binary, or the first fragment of it.
    Binary = 0x2,
    /// The last frame of its direction.
    Close = 0x8,
    /// Are you there?
    Ping = 0x9,
    /// I am; also without having been asked.
    Pong = 0xa,
}

impl Opcode {
    /// Close, Ping and Pong: never fragmented, never over 125 bytes (RFC 6455 §5.5).
    #[must_use]
    pub(crate) const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    /// The opcode that these four bits stand for.
    pub(super) const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }
}
