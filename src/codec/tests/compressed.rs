//! Compressed messages: the examples of RFC 7692 §7.2.3, what is broken, and bombs.

use super::{
    super::deflate::{Deflater, inflate},
    *,
};

/// A masked, compressed text message.
fn compressed(payload: &[u8]) -> Vec<u8> {
    frame(0xc1, payload)
}

fn refused(payload: &[u8]) -> ProtocolError {
    protocol_error(&compressed(payload), true).0
}

#[test]
fn examples_of_rfc_7692_7_2_3() {
    // §7.2.3.1 one block; §7.2.3.3 no compression; §7.2.3.4 BFINAL set; §7.2.3.5 two blocks in one
    // message.
    for hello in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
    ] {
        assert_eq!(messages(&compressed(hello)), [text("Hello")], "{hello:x?}");
    }
    // §7.2.3.1 in two frames: RSV1 on the first alone.
    let mut fragments = frame(0x41, &[0xf2, 0x48, 0xcd]);
    fragments.extend(frame(0x89, b"between"));
    fragments.extend(frame(0x80, &[0xc9, 0xc9, 0x07, 0x00]));
    assert_eq!(
        messages(&fragments),
        [Message::Ping("between".into()), text("Hello")]
    );
    // §7.2.3.2 shares the window with the message before: without context takeover it must not
    // inflate.
    assert_eq!(
        refused(&[0xf2, 0x00, 0x11, 0x00, 0x00]),
        ProtocolError::DeflateBroken
    );
    // §7.2.3.6: an empty message.
    assert_eq!(messages(&compressed(&[0x00])), [text("")]);
    assert_eq!(Deflater::new(6).compress(b"", 15), [0x00]);
}

#[test]
fn unusual_but_legal_streams_inflate() {
    // A flush of nothing with its tail cut off leaves nothing.
    assert_eq!(messages(&compressed(&[])), [text("")]);
    // A final stored block whose last four bytes were the tail.
    assert_eq!(messages(&compressed(&[0x01])), [text("")]);
    // Final and complete: no byte follows.
    assert_eq!(
        messages(&compressed(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])),
        [text("Hello")]
    );
    // Two final blocks.
    let twice = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00].repeat(2);
    assert_eq!(messages(&compressed(&twice)), [text("HelloHello")]);
}

#[test]
fn a_plain_message_may_follow_a_compressed_one() {
    let mut bytes = compressed(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    bytes.extend(frame(0x81, b"plain"));
    bytes.extend(compressed(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]));
    assert_eq!(
        messages(&bytes),
        [text("Hello"), text("plain"), text("Hello")]
    );
}

#[test]
fn broken_and_cut_streams_are_refused() {
    assert_eq!(refused(&[0xff; 20]), ProtocolError::DeflateBroken);
    // A stored block with a wrong complement of its length.
    assert_eq!(
        refused(&[0x00, 5, 0, 0, 0, 1, 2, 3, 4, 5]),
        ProtocolError::DeflateBroken
    );
    // A stored block that lacks four bytes must not be filled up with the tail.
    let cut = [0x00, 5, 0, 0xfa, 0xff, b'H'];
    assert_eq!(refused(&cut), ProtocolError::DeflateBroken);
    assert_eq!(
        protocol_error(&frame(0xc2, &cut), true).0,
        ProtocolError::DeflateBroken
    );
    let mut whole = Deflater::new(6).compress(&b"0123456789abcdef".repeat(40), 15);
    assert_eq!(messages(&compressed(&whole)).len(), 1);
    while whole.pop().is_some() && !whole.is_empty() {
        assert_eq!(
            refused(&whole),
            ProtocolError::DeflateBroken,
            "{} bytes",
            whole.len()
        );
    }
    // After a broken one the thread's inflater serves the next.
    assert_eq!(messages(&compressed(&[0x00])), [text("")]);
}

#[test]
fn inflated_text_is_checked() {
    let bad = Deflater::new(6).compress(b"\xed\xa0\x80", 15);
    assert_eq!(refused(&bad), ProtocolError::TextNotUtf8);
    assert_eq!(messages(&frame(0xc2, &bad)), [binary(b"\xed\xa0\x80")]);
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let mut deflater = Deflater::new(9);
    let fits = deflater.compress(&vec![b'a'; LIMIT], 15);
    assert_eq!(messages(&compressed(&fits)), [text(&"a".repeat(LIMIT))]);
    let bomb = deflater.compress(&vec![b'a'; LIMIT + 1], 15);
    assert_eq!(
        refused(&bomb),
        ProtocolError::MessageTooBig { limit: LIMIT }
    );

    let bomb = deflater.compress(&vec![0; 8 << 20], 15);
    assert!(bomb.len() < LIMIT);
    assert_eq!(
        refused(&bomb),
        ProtocolError::MessageTooBig { limit: LIMIT }
    );
}

#[test]
fn compressed_bytes_count_against_the_limit_too() {
    let mut bytes = frame(0x41, &[0; LIMIT]);
    let at = bytes.len() + 2;
    bytes.extend(frame(0x80, &[0]));
    assert_eq!(
        protocol_error(&bytes, true),
        (ProtocolError::MessageTooBig { limit: LIMIT }, at)
    );
}

#[test]
fn a_message_of_exactly_the_limit_inflates_whatever_the_limit() {
    let mut deflater = Deflater::new(1);
    for limit in [0, 1, 2, 255, 256, 257, 4096, 200_000] {
        let plain = vec![7; limit];
        let deflated = deflater.compress(&plain, 15);
        let len = inflate(&deflated, limit, |plain| Ok(plain.len()));
        assert_eq!(len, Ok(limit));
        if limit > 0 {
            let over = inflate(&deflated, limit - 1, |_| Ok(()));
            assert_eq!(over, Err(ProtocolError::MessageTooBig { limit: limit - 1 }));
        }
    }
}

#[test]
fn every_level_and_window_round_trips_with_a_reader_of_that_window() {
    let plain: Vec<u8> = (0..60_000_u32)
        .map(|i| ((i * i) >> 7) as u8 & 0x3f)
        .collect();
    for level in [0, 1, 6, 9, 99] {
        let mut deflater = Deflater::new(level);
        for bits in 9..=15 {
            let mut deflated = deflater.compress(&plain, bits);
            assert_eq!(
                inflate(&deflated, plain.len(), |p| Ok(p == plain)),
                Ok(true)
            );
            // A client that asked for a small window has no more than that to inflate with.
            deflated.extend([0, 0, 0xff, 0xff]);
            let mut reader = flate2::Decompress::new_with_window_bits(false, bits);
            let mut read = vec![0; plain.len()];
            reader
                .decompress(&deflated, &mut read, flate2::FlushDecompress::Sync)
                .expect("inflates with the agreed window");
            assert!(read == plain, "level {level}, {bits} bits");
        }
    }
}
