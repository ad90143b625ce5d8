//! WebSocket frames (RFC 6455, section 5) as a client needs them: masked ones out, unmasked ones
//! in.
//!
//! Pure, and apart from the server's own codec: what measures must not share its faults. It must
//! stay cheap, because it is asked once for each delivery.

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The longest payload that is taken from a server.
pub(crate) const PAYLOAD_MAX: u64 = 16 << 20;

/// Any key that is not zero costs the server the full unmasking; a random one would cost only us.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x17, 0x8E];

/// One whole frame at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub opcode: u8,
    /// The last frame of its message.
    pub is_final: bool,
    /// RSV1: the message is deflated.
    pub is_deflated: bool,
    pub payload: &'a [u8],
    /// How many bytes of the buffer it took, header included.
    pub length: usize,
}

/// Appends one whole masked frame.
pub(crate) fn put(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        middle @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let keys = MASK.iter().cycle();
    out.extend(payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
}

/// The frame at the start of `buffer`, or `None` while it is incomplete.
pub(crate) fn take(buffer: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let [first, second, rest @ ..] = buffer else {
        return Ok(None);
    };
    if first & 0x30 != 0 {
        return Err("a frame with a reserved bit");
    }
    if second & 0x80 != 0 {
        return Err("a masked frame from a server");
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
        return Err("a frame of more than 16 MiB");
    }
    // The bound above makes the sum fit.
    let end = start + length as usize;
    Ok(buffer.get(start..end).map(|payload| Frame {
        opcode: first & 0x0F,
        is_final: first & 0x80 != 0,
        is_deflated: first & 0x40 != 0,
        payload,
        length: end,
    }))
}

/// What a Close says, as a sentence's part.
pub(crate) fn close_text(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("close {code} {}", String::from_utf8_lossy(reason))
                .trim_end()
                .to_owned()
        }
        _ => "close without a code".to_owned(),
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
                assert_eq!(take(&sent[..cut]).unwrap(), None, "{size} cut at {cut}");
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
        let keys = out[2..6].iter().cycle();
        let plain: Vec<u8> = out[6..].iter().zip(keys).map(|(b, k)| b ^ k).collect();
        assert_eq!(plain, b"hello");
    }

    #[test]
    fn a_server_that_masks_or_announces_too_much_is_refused() {
        assert!(take(&[0x81, 0x85]).is_err());
        assert!(take(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]).is_err());
        assert!(take(&[0xA1, 0]).is_err());
        assert_eq!(close_text(&[3, 0xF1, b'x']), "close 1009 x");
    }
}
