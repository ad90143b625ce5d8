//! Heads byte by byte: what is refused, and at which byte.

use super::*;

const IDLE: Rules = Rules {
    deflate: false,
    message_bytes_max: 65536,
    joined_bytes: None,
};
const DEFLATE: Rules = Rules {
    deflate: true,
    ..IDLE
};
const JOINING: Rules = Rules {
    joined_bytes: Some(65500),
    ..DEFLATE
};

/// The verdict, after checking that no shorter front had another one and the front before it
/// had none.
fn verdict(bytes: &[u8], rules: Rules) -> ProtocolError {
    let at = (0..=bytes.len()).find_map(|n| FrameHeader::parse(&bytes[..n], rules).err());
    let whole = FrameHeader::parse(bytes, rules).expect_err("must be refused");
    assert_eq!(at, Some(whole));
    assert!(
        FrameHeader::parse(&bytes[..bytes.len() - 1], rules).is_ok(),
        "refused later than its first wrong byte: {bytes:?}"
    );
    whole
}

#[test]
fn the_first_wrong_byte_decides() {
    assert_eq!(verdict(&[0x90 | 1], IDLE), ProtocolError::ReservedBit);
    assert_eq!(verdict(&[0xa0 | 1], IDLE), ProtocolError::ReservedBit);
    assert_eq!(verdict(&[0xc0 | 1], IDLE), ProtocolError::ReservedBit);
    assert_eq!(verdict(&[0x83], IDLE), ProtocolError::UnknownOpcode(3));
    assert_eq!(verdict(&[0x8f], IDLE), ProtocolError::UnknownOpcode(15));
    assert_eq!(verdict(&[0x09], IDLE), ProtocolError::ControlFragmented);
    assert_eq!(verdict(&[0x80], IDLE), ProtocolError::NothingToContinue);
    assert_eq!(verdict(&[0x00], IDLE), ProtocolError::NothingToContinue);
    assert_eq!(
        verdict(&[0x81], JOINING),
        ProtocolError::MessageInsideMessage
    );
    assert_eq!(verdict(&[0x81, 0x05], IDLE), ProtocolError::Unmasked);
    assert_eq!(verdict(&[0x89, 0xfe], IDLE), ProtocolError::ControlTooLong);
    assert_eq!(verdict(&[0x88, 0xff], IDLE), ProtocolError::ControlTooLong);
    assert_eq!(
        verdict(&[0x82, 0xfe, 0, 125], IDLE),
        ProtocolError::LengthNotMinimal
    );
    assert_eq!(
        verdict(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 255, 255], IDLE),
        ProtocolError::LengthNotMinimal
    );
    assert_eq!(
        verdict(&[0x82, 0xff, 0x80], IDLE),
        ProtocolError::LengthHighBit
    );
}

#[test]
fn rsv1_marks_the_first_frame_of_a_data_message_alone() {
    let (header, _) = FrameHeader::parse(&[0xc1, 0x80, 1, 2, 3, 4], DEFLATE)
        .expect("legal")
        .expect("whole");
    assert!(header.compressed);
    assert_eq!(verdict(&[0xc9], DEFLATE), ProtocolError::ReservedBit);
    assert_eq!(verdict(&[0xc0], JOINING), ProtocolError::ReservedBit);
}

#[test]
fn the_limit_is_checked_before_the_mask_arrives() {
    let limit = ProtocolError::MessageTooBig { limit: 65536 };
    assert_eq!(
        verdict(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0], IDLE),
        limit,
        "2^40 bytes"
    );
    assert_eq!(verdict(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1], IDLE), limit);
    assert_eq!(verdict(&[0x80, 0x80 | 37], JOINING), limit);
    let tiny = Rules {
        message_bytes_max: 3,
        ..IDLE
    };
    assert_eq!(
        verdict(&[0x82, 0x84], tiny),
        ProtocolError::MessageTooBig { limit: 3 }
    );
    assert!(
        FrameHeader::parse(&[0x89, 0x84], tiny).is_ok(),
        "a ping is no message"
    );
}

#[test]
fn every_form_of_length_is_read() {
    for (len, form) in [
        (125_usize, &[0x80 | 125][..]),
        (126, &[0xfe, 0, 126]),
        (65535, &[0xfe, 255, 255]),
        (65536, &[0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut bytes = vec![0x82];
        bytes.extend_from_slice(form);
        bytes.extend_from_slice(&[1, 2, 3, 4]);
        let head = bytes.len();
        bytes.push(99);
        let (header, used) = FrameHeader::parse(&bytes, IDLE)
            .expect("legal")
            .expect("whole");
        assert_eq!((header.len, header.key, used), (len, [1, 2, 3, 4], head));
    }
}
