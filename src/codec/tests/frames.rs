//! Frames and fragments: RFC 6455 §5.4, §5.7, and what is refused by its head alone.

use super::*;

#[test]
fn masked_examples_of_rfc_6455_5_7() {
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(messages(hello), [text("Hello")]);
    let pong = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(messages(pong), [Message::Pong("Hello".into())]);
}

#[test]
fn an_unmasked_frame_is_refused_at_its_second_byte() {
    assert_eq!(
        protocol_error(b"\x81\x05Hello", false),
        (ProtocolError::Unmasked, 2)
    );
}

#[test]
fn several_frames_of_one_read_come_one_by_one() {
    let mut bytes = frame(0x81, "你好".as_bytes());
    bytes.extend(frame(0x82, &[1, 2, 3]));
    bytes.extend(frame(0x89, b"p"));
    bytes.extend(frame(0x81, b""));
    bytes.extend(frame(0x82, b""));
    assert_eq!(
        messages(&bytes),
        [
            text("你好"),
            binary(&[1, 2, 3]),
            Message::Ping("p".into()),
            text(""),
            binary(b"")
        ]
    );
}

#[test]
fn every_length_around_an_edge_arrives() {
    for len in [0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        assert_eq!(messages(&frame(0x82, &payload)), [binary(&payload)]);
    }
}

#[test]
fn fragments_are_joined_and_control_frames_between_them_come_at_once() {
    let mut bytes = frame(0x01, b"Hel");
    bytes.extend(frame(0x89, b"first"));
    bytes.extend(frame(0x00, b""));
    bytes.extend(frame(0x8a, b""));
    bytes.extend(frame(0x80, b"lo"));
    bytes.extend(frame(0x82, b"next"));
    assert_eq!(
        messages(&bytes),
        [
            Message::Ping("first".into()),
            Message::Pong("".into()),
            text("Hello"),
            binary(b"next")
        ]
    );
}

#[test]
fn fragments_in_disorder_are_refused() {
    assert_eq!(
        protocol_error(&frame(0x80, b"x"), false),
        (ProtocolError::NothingToContinue, 1)
    );
    let mut bytes = frame(0x01, b"x");
    let at = bytes.len() + 1;
    bytes.extend(frame(0x81, b"y"));
    assert_eq!(
        protocol_error(&bytes, false),
        (ProtocolError::MessageInsideMessage, at)
    );
    let mut bytes = frame(0x01, b"x");
    bytes.extend(frame(0x80, b"y"));
    let at = bytes.len() + 1;
    bytes.extend(frame(0x80, b"z"));
    assert_eq!(
        protocol_error(&bytes, false),
        (ProtocolError::NothingToContinue, at)
    );
}

#[test]
fn fragments_share_one_limit() {
    let mut bytes = frame(0x02, &[0; LIMIT]);
    bytes.extend(frame(0x80, b""));
    assert_eq!(messages(&bytes), [binary(&[0; LIMIT])]);

    let mut bytes = frame(0x02, &[0; LIMIT]);
    let at = bytes.len() + 2;
    bytes.extend(frame(0x80, b"x"));
    assert_eq!(
        protocol_error(&bytes, false),
        (ProtocolError::MessageTooBig { limit: LIMIT }, at)
    );
}

#[test]
fn messages_before_a_violation_are_delivered() {
    let mut bytes = frame(0x81, b"good");
    bytes.extend(frame(0x83, b"bad"));
    assert_eq!(
        run(&bytes, false),
        (vec![text("good")], Some(ProtocolError::UnknownOpcode(3)))
    );
}

#[test]
fn a_violation_stays() {
    let mut decoder = Decoder::new(LIMIT, false);
    let bad = frame(0x83, b"");
    let good = frame(0x81, b"good");
    let expected = (vec![], Some(ProtocolError::UnknownOpcode(3)));
    assert_eq!(feed(&mut decoder, [&bad[..]]), expected);
    assert_eq!(feed(&mut decoder, [&good[..]]), expected);
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn every_violation_has_a_code_and_a_reason_that_fits_a_close_frame() {
    use ProtocolError::*;
    for (protocol_error, code) in [
        (MessageTooBig { limit: usize::MAX }, 1009),
        (ReservedBit, 1002),
        (UnknownOpcode(15), 1002),
        (Unmasked, 1002),
        (ControlTooLong, 1002),
        (ControlFragmented, 1002),
        (LengthNotMinimal, 1002),
        (LengthHighBit, 1002),
        (NothingToContinue, 1002),
        (MessageInsideMessage, 1002),
        (CloseCodeCut, 1002),
        (CloseCodeIllegal(u16::MAX), 1002),
        (CloseReasonNotUtf8, 1007),
        (TextNotUtf8, 1007),
        (DeflateBroken, 1007),
    ] {
        assert_eq!(protocol_error.close_code(), code);
        assert!(protocol_error.to_string().len() <= 123, "{protocol_error}");
    }
    assert_eq!(
        MessageTooBig { limit: 65536 }.to_string(),
        "message over the limit of 65536 bytes"
    );
}
