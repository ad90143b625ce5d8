//! Frames for the wire: the server's side, so unmasked and never in fragments (RFC 6455 §5.1,
//! §5.4).
//!
//! The result is owned by whoever asked and shared among all who send it. One allocation of exactly
//! the frame's size; the caller bounds the payload. It must not compress: that happens once per
//! publication, before this.

use bytes::Bytes;

use super::{Opcode, close_body};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// One whole frame.
#[must_use]
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    frame(FIN | opcode as u8, payload)
}

/// One whole frame of a message that [`deflate::Deflater`](super::deflate::Deflater) compressed:
/// RSV1 set (RFC 7692 §6).
#[must_use]
pub fn encode_compressed(opcode: Opcode, deflated: &[u8]) -> Bytes {
    debug_assert!(!opcode.is_control(), "control frames are never compressed");
    frame(FIN | RSV1 | opcode as u8, deflated)
}

/// A Close frame. A code that must not stand on the wire, as 1005 "no code", gives an empty body; a
/// reason over 123 bytes is cut at a character.
#[must_use]
pub fn encode_close(code: u16, reason: &str) -> Bytes {
    if !close_body::is_legal(code) {
        return encode(Opcode::Close, b"");
    }
    let reason = close_body::cut(reason);
    let mut body = Vec::with_capacity(2 + reason.len());
    body.extend_from_slice(&code.to_be_bytes());
    body.extend_from_slice(reason.as_bytes());
    encode(Opcode::Close, &body)
}

/// The three forms of a length: RFC 6455 §5.2.
fn frame(first: u8, payload: &[u8]) -> Bytes {
    let len = payload.len();
    debug_assert!(
        first & 0x08 == 0 || len <= 125,
        "control frame over 125 bytes"
    );
    let mut head = [first, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let head = if len <= 125 {
        head[1] = len as u8;
        &head[..2]
    } else if let Ok(short) = u16::try_from(len) {
        head[1] = 126;
        head[2..4].copy_from_slice(&short.to_be_bytes());
        &head[..4]
    } else {
        head[1] = 127;
        head[2..].copy_from_slice(&(len as u64).to_be_bytes());
        &head[..]
    };
    let mut frame = Vec::with_capacity(head.len() + len);
    frame.extend_from_slice(head);
    frame.extend_from_slice(payload);
    Bytes::from(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmasked_examples_of_rfc_6455_5_7() {
        assert_eq!(encode(Opcode::Text, b"Hello"), &b"\x81\x05Hello"[..]);
        assert_eq!(encode(Opcode::Ping, b"Hello"), &b"\x89\x05Hello"[..]);
        let binary = encode(Opcode::Binary, &[9; 256]);
        assert_eq!(binary[..4], [0x82, 0x7e, 0x01, 0x00]);
        assert_eq!(binary.len(), 260);
        let binary = encode(Opcode::Binary, &[9; 65536]);
        assert_eq!(binary[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(binary.len(), 65546);
    }

    #[test]
    fn lengths_change_form_at_the_right_byte() {
        assert_eq!(encode(Opcode::Binary, &[0; 125])[1], 125);
        assert_eq!(encode(Opcode::Binary, &[0; 126])[1..4], [126, 0, 126]);
        assert_eq!(encode(Opcode::Binary, &[0; 65535])[1..4], [126, 255, 255]);
        assert_eq!(encode(Opcode::Binary, &[0; 65536])[1], 127);
    }

    #[test]
    fn a_compressed_frame_differs_by_rsv1() {
        assert_eq!(
            encode_compressed(Opcode::Text, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
            &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..]
        );
    }

    #[test]
    fn a_close_carries_code_and_reason_or_nothing() {
        assert_eq!(encode_close(1000, ""), &b"\x88\x02\x03\xe8"[..]);
        assert_eq!(encode_close(1012, "later"), &b"\x88\x07\x03\xf4later"[..]);
        for unsendable in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(encode_close(unsendable, "x"), &b"\x88\x00"[..]);
        }
        assert_eq!(encode_close(4000, &"字".repeat(60)).len(), 2 + 2 + 123);
        assert_eq!(encode_close(4000, &"é".repeat(80)).len(), 2 + 2 + 122);
    }
}
