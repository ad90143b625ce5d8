//! The body of a Close frame: which codes and reasons may stand on the wire (RFC 6455 §5.5.1,
//! §7.4).
//!
//! Used by the decoder for what arrives and by the encoder for what leaves. Bounds: 125 bytes. It
//! must not judge what a code means; `close` does that.

use bytestring::ByteString;

use super::{CloseFrame, ProtocolError};

/// A control frame holds 125 bytes, the code takes two of them.
pub(super) const REASON_BYTES_MAX: usize = 123;

/// Codes that may stand in a frame: those defined and registered (RFC 6455 §7.4.1 and the registry
/// of §11.7), and the ranges for libraries and applications (§7.4.2). 1004 is reserved; 1005, 1006
/// and 1015 only exist in APIs.
pub(super) const fn is_legal(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Reads a Close frame's unmasked payload.
pub(super) fn parse(body: &[u8]) -> Result<Option<CloseFrame>, ProtocolError> {
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return if body.is_empty() {
            Ok(None)
        } else {
            Err(ProtocolError::CloseCodeCut)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !is_legal(code) {
        return Err(ProtocolError::CloseCodeIllegal(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
    Ok(Some(CloseFrame {
        code,
        reason: ByteString::from(reason),
    }))
}

/// The longest front of `reason` that fits and ends at a character.
pub fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_judged_as_the_rfc_and_the_registry_say() {
        let legal: Vec<u16> = (0..=u16::MAX).filter(|code| is_legal(*code)).collect();
        let mut expected = vec![1000, 1001, 1002, 1003];
        expected.extend(1007..=1014);
        expected.extend(3000..=4999);
        assert_eq!(legal, expected);
    }

    #[test]
    fn bodies_are_read_or_refused() {
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"\x03"), Err(ProtocolError::CloseCodeCut));
        assert_eq!(
            parse(b"\x03\xed"),
            Err(ProtocolError::CloseCodeIllegal(1005))
        );
        assert_eq!(
            parse(b"\x03\xe8\xce\xba\xe1"),
            Err(ProtocolError::CloseReasonNotUtf8)
        );
        let frame = CloseFrame {
            code: 1000,
            reason: ByteString::from_static("再见"),
        };
        let mut body = vec![0x03, 0xe8];
        body.extend_from_slice("再见".as_bytes());
        assert_eq!(parse(&body), Ok(Some(frame)));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(cut(&long).len(), 122);
        assert_eq!(cut(&"x".repeat(124)).len(), 123);
    }
}
