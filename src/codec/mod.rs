//! The WebSocket codec: bytes in, messages out, and back. RFC 6455 in full, RFC 7692
//! (permessage-deflate).
//!
//! Owned by nobody: a session holds a [`Decoder`], whoever sends calls [`encode()`]. It is pure
//! code, so it is driven in tests and by the fuzzer as plain data. Bounds: a message is never
//! larger than the decoder's limit, neither as it arrives nor after inflating, and what is refused
//! is refused at the earliest byte that proves it wrong. It must not know actix or tokio, do I/O,
//! read a clock or log.

mod close_body;
mod decoder;
pub mod deflate;
mod encode;
mod header;
mod mask;
mod message;
mod message_buffer;
mod protocol_error;
#[cfg(test)]
mod tests;

pub use close_body::cut as cut_close_reason;
pub use decoder::Decoder;
pub use encode::{encode, encode_close, encode_compressed};
pub use message::{CloseFrame, Message, Opcode};
pub use protocol_error::ProtocolError;
