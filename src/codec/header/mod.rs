//! The head of a frame (RFC 6455 §5.2): read byte by byte, refused at the first byte that proves it
//! wrong.
//!
//! Called by the decoder with whatever has arrived of a head, at most 14 bytes. The checks follow
//! the order of the bytes, so the verdict does not depend on how they were split. Nothing here
//! allocates, and nothing looks at the payload.

use super::{Opcode, ProtocolError};

/// Two bytes, eight of length, four of mask.
pub(super) const HEAD_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const CONTROL_BYTES_MAX: usize = 125;

/// What a head has to obey at this moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// permessage-deflate was agreed, so RSV1 may mark the first frame of a message.
    pub deflate: bool,
    /// The limit of a message's bytes, all fragments together.
    pub message_bytes_max: usize,
    /// The bytes that the message under way has already; `None` between messages.
    pub joined_bytes: Option<usize>,
}

/// A legal head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub fin: bool,
    /// RSV1: the message is compressed.
    pub compressed: bool,
    pub opcode: Opcode,
    /// Payload bytes that follow.
    pub len: usize,
    pub key: [u8; 4],
}

impl FrameHeader {
    /// Reads a head from the front of `bytes`: the head and its own length, or `None` while it is
    /// not all there.
    #[inline]
    pub(super) fn parse(
        bytes: &[u8],
        rules: Rules,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let opcode = parse_first(first, rules)?;
        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        if second & MASKED == 0 {
            return Err(ProtocolError::Unmasked);
        }
        let short = usize::from(second & LENGTH);
        if opcode.is_control() && short > CONTROL_BYTES_MAX {
            return Err(ProtocolError::ControlTooLong);
        }
        let Some((len, rest)) = parse_length(short, rest)? else {
            return Ok(None);
        };
        let message_buffer = rules.joined_bytes.unwrap_or(0) as u64;
        if !opcode.is_control()
            && message_buffer.saturating_add(len) > rules.message_bytes_max as u64
        {
            return Err(ProtocolError::MessageTooBig {
                limit: rules.message_bytes_max,
            });
        }
        let Some((key, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let header = Self {
            fin: first & FIN != 0,
            compressed: first & RSV1 != 0,
            opcode,
            // Fits: at most 125 or `message_bytes_max`.
            len: len as usize,
            key: *key,
        };
        Ok(Some((header, bytes.len() - rest.len())))
    }
}

/// FIN, the reserved bits and the opcode.
fn parse_first(first: u8, rules: Rules) -> Result<Opcode, ProtocolError> {
    let bits = first & OPCODE;
    let opcode = Opcode::from_bits(bits).ok_or(ProtocolError::UnknownOpcode(bits))?;
    // RFC 7692 §6: RSV1 stands on the first frame of a data message alone.
    let rsv1_legal = rules.deflate && matches!(opcode, Opcode::Text | Opcode::Binary);
    if first & RSV2_RSV3 != 0 || (first & RSV1 != 0 && !rsv1_legal) {
        return Err(ProtocolError::ReservedBit);
    }
    match opcode {
        Opcode::Close | Opcode::Ping | Opcode::Pong if first & FIN == 0 => {
            Err(ProtocolError::ControlFragmented)
        }
        Opcode::Continuation if rules.joined_bytes.is_none() => {
            Err(ProtocolError::NothingToContinue)
        }
        Opcode::Text | Opcode::Binary if rules.joined_bytes.is_some() => {
            Err(ProtocolError::MessageInsideMessage)
        }
        _ => Ok(opcode),
    }
}

/// The payload's length and what follows it; `short` is the 7-bit form.
fn parse_length(short: usize, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    match short {
        126 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            let len = u16::from_be_bytes(*bytes);
            if len < 126 {
                return Err(ProtocolError::LengthNotMinimal);
            }
            Ok(Some((u64::from(len), rest)))
        }
        127 => {
            if rest.first().is_some_and(|high| high & 0x80 != 0) {
                return Err(ProtocolError::LengthHighBit);
            }
            let Some((bytes, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(*bytes);
            if len <= u64::from(u16::MAX) {
                return Err(ProtocolError::LengthNotMinimal);
            }
            Ok(Some((len, rest)))
        }
        short => Ok(Some((short as u64, rest))),
    }
}

#[cfg(test)]
mod tests;
