//! The few WebSocket frames (RFC 6455, section 5) that the load generator needs: masked ones out,
//! unmasked ones in.
//!
//! Pure code, owned by nobody. It takes no message over [`PAYLOAD_MAX`] and no fragments: the
//! servers under test have no reason to send either. It must stay cheap, because its time is spent
//! on the load generator's only core.

use crate::error::LoadError;

/// A text message.
pub const TEXT: u8 = 0x1;
/// A binary message.
pub const BINARY: u8 = 0x2;
/// The end of the connection, with a code.
pub const CLOSE: u8 = 0x8;
/// A question for life, to be answered with [`PONG`].
pub const PING: u8 = 0x9;
/// The answer to [`PING`].
pub const PONG: u8 = 0xA;

/// The longest payload taken from a server.
pub const PAYLOAD_MAX: u64 = 4 << 20;

/// Any key that is not zero costs the server the full unmasking; a random one would cost us, and
/// measure nothing.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x17, 0x8E];

/// One whole frame at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The low four bits of the first byte.
    pub opcode: u8,
    /// What it carries.
    pub payload: &'a [u8],
    /// How many bytes of the buffer it took, header included.
    pub length: usize,
}

/// Appends the masked header of an unfragmented frame. The length is only announced: see `header`,
/// which lies about it.
pub fn put_header(out: &mut Vec<u8>, opcode: u8, length: u64) {
    out.push(0x80 | opcode);
    match length {
        0..126 => out.push(0x80 | length as u8),
        126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
}

/// Appends one whole masked frame.
pub fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_header(out, opcode, payload.len() as u64);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

/// The frame at the start of `buffer`, or `None` while it is incomplete.
pub fn take(buffer: &[u8]) -> Result<Option<Frame<'_>>, LoadError> {
    let [first, second, rest @ ..] = buffer else {
        return Ok(None);
    };
    if first & 0xF0 != 0x80 || second & 0x80 != 0 {
        return Err(LoadError::Frame(
            "a fragment, a reserved bit or a mask from the server",
        ));
    }
    let (start, length) = match (second & 0x7F, rest) {
        (126, [a, b, ..]) => (4, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (2, u64::from(short)),
    };
    if length > PAYLOAD_MAX {
        return Err(LoadError::Frame("a longer frame than this program takes"));
    }
    // The bound above makes the sum fit.
    let end = start + length as usize;
    Ok(buffer.get(start..end).map(|payload| Frame {
        opcode: first & 0x0F,
        payload,
        length: end,
    }))
}

/// The code in a Close frame's payload, 1005 when there is none (section 7.1.5).
pub fn close_code(payload: &[u8]) -> u16 {
    match payload {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 1005,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_arrives_whole_or_not_at_all_however_it_is_cut() {
        for size in [0usize, 1, 125, 126, 65_535, 65_536] {
            let mut sent = vec![0x81];
            match size {
                0..126 => sent.push(size as u8),
                126..65_536 => {
                    sent.push(126);
                    sent.extend((size as u16).to_be_bytes());
                }
                _ => {
                    sent.push(127);
                    sent.extend((size as u64).to_be_bytes());
                }
            }
            sent.resize(sent.len() + size, b'x');
            for cut in (0..sent.len()).step_by(1 + size / 50) {
                assert_eq!(
                    take(&sent[..cut]).unwrap(),
                    None,
                    "{size} bytes cut at {cut}"
                );
            }
            sent.push(0x81);
            let frame = take(&sent).unwrap().unwrap();
            assert_eq!(
                (frame.opcode, frame.payload.len(), frame.length),
                (TEXT, size, sent.len() - 1)
            );
        }
    }

    #[test]
    fn what_is_sent_is_masked_and_carries_its_length() {
        let mut out = Vec::new();
        put(&mut out, TEXT, b"hello");
        assert_eq!(out[..2], [0x81, 0x85]);
        assert_ne!(&out[6..], b"hello");
        let plain: Vec<u8> = out[6..]
            .iter()
            .zip(out[2..6].iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        assert_eq!(plain, b"hello");

        out.clear();
        put_header(&mut out, BINARY, 1 << 40);
        assert_eq!(out[..10], [0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_server_that_masks_or_announces_too_much_is_refused() {
        assert!(take(&[0x81, 0x85]).is_err());
        assert!(take(&[0x01, 0x05]).is_err());
        assert!(take(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]).is_err());
        assert_eq!(close_code(&[3, 0xF1, b'x']), 1009);
        assert_eq!(close_code(&[]), 1005);
    }
}
