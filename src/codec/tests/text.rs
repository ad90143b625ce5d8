//! UTF-8 (RFC 6455 §8.1): refused at the earliest byte, wherever frames and reads are cut.

use super::*;

/// `prefix` and the bytes of `bad`, whose last one is the first that no valid text continues with.
fn fails_at_the_last_byte_of(bad: &[u8]) {
    for prefix in ["", "x", "κόσμε", &"长".repeat(100)] {
        let mut payload = prefix.as_bytes().to_vec();
        payload.extend_from_slice(bad);
        let wrong = payload.len();
        payload.extend_from_slice(b"and the rest of the frame");

        let in_a_frame = frame(0x81, &payload);
        let head = in_a_frame.len() - payload.len();
        assert_eq!(
            protocol_error(&in_a_frame, false),
            (ProtocolError::TextNotUtf8, head + wrong),
            "{payload:x?}"
        );

        let mut fragments = Vec::new();
        for (i, byte) in payload.iter().enumerate() {
            fragments.extend(frame(u8::from(i == 0), &[*byte]));
        }
        assert_eq!(
            protocol_error(&fragments, false),
            (ProtocolError::TextNotUtf8, wrong * 7),
            "{payload:x?}"
        );
    }
}

#[test]
fn the_earliest_wrong_byte_ends_it() {
    for bad in [
        &b"\x80"[..],
        b"\xbf",
        b"\xc0",
        b"\xc1",
        b"\xc3\x28",
        b"\xe0\x80",
        b"\xe0\x9f",
        b"\xe1\x80\xc0",
        b"\xed\xa0",
        b"\xed\xbf",
        b"\xf0\x80",
        b"\xf0\x8f",
        b"\xf0\x90\x80\x28",
        b"\xf4\x90",
        b"\xf5",
        b"\xff",
    ] {
        fails_at_the_last_byte_of(bad);
    }
}

#[test]
fn edges_of_what_is_legal_pass_in_any_cut() {
    let all =
        "\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}\u{feff}你好🦀";
    assert_eq!(messages(&frame(0x81, all.as_bytes())), [text(all)]);
    let bytes = all.as_bytes();
    for cut in 0..=bytes.len() {
        let mut fragments = frame(0x01, &bytes[..cut]);
        fragments.extend(frame(0x00, b""));
        fragments.extend(frame(0x80, &bytes[cut..]));
        assert_eq!(messages(&fragments), [text(all)], "cut at {cut}");
    }
}

#[test]
fn a_message_must_not_end_inside_a_character() {
    for cut in [&b"\xc3"[..], b"\xe4\xbd", b"\xf0\x9f\xa6"] {
        assert_eq!(
            protocol_error(&frame(0x81, cut), false),
            (ProtocolError::TextNotUtf8, 6 + cut.len())
        );
        let mut fragments = frame(0x01, cut);
        let at = fragments.len() + 6;
        fragments.extend(frame(0x80, b""));
        assert_eq!(
            protocol_error(&fragments, false),
            (ProtocolError::TextNotUtf8, at)
        );
    }
}

#[test]
fn binary_may_be_anything() {
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(messages(&frame(0x82, &bytes)), [binary(&bytes)]);
}
