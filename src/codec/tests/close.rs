//! Close frames: RFC 6455 §5.5.1 and §7.4.

use super::{super::CloseFrame, *};

#[test]
fn a_close_comes_with_its_code_and_reason() {
    assert_eq!(messages(&frame(0x88, b"")), [Message::Close(None)]);
    let mut body = vec![0x0f, 0xa0];
    body.extend_from_slice("再见".as_bytes());
    assert_eq!(
        messages(&frame(0x88, &body)),
        [Message::Close(Some(CloseFrame {
            code: 4000,
            reason: "再见".into()
        }))]
    );
    body.resize(125, b'x');
    assert_eq!(messages(&frame(0x88, &body)).len(), 1);
}

#[test]
fn bad_bodies_are_refused() {
    let refused = |body: &[u8]| protocol_error(&frame(0x88, body), false).0;
    assert_eq!(refused(&[3]), ProtocolError::CloseCodeCut);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        assert_eq!(
            refused(&code.to_be_bytes()),
            ProtocolError::CloseCodeIllegal(code)
        );
    }
    assert_eq!(refused(b"\x03\xe8\xff"), ProtocolError::CloseReasonNotUtf8);
}

#[test]
fn nothing_after_a_close_is_looked_at() {
    let mut bytes = frame(0x88, b"\x03\xe8");
    bytes.extend(frame(0x81, b"late"));
    bytes.extend([0xff; 100]);
    assert_eq!(messages(&bytes).len(), 1);
}

#[test]
fn a_close_inside_a_fragmented_message_frees_it() {
    let mut decoder = Decoder::new(LIMIT, false);
    let start = frame(0x01, &[b'x'; 1000]);
    let close = frame(0x88, b"");
    assert_eq!(feed(&mut decoder, [&start[..]]), (vec![], None));
    assert!(decoder.heap_bytes() >= 1000);
    assert_eq!(
        feed(&mut decoder, [&close[..]]),
        (vec![Message::Close(None)], None)
    );
    assert_eq!(decoder.heap_bytes(), 0);
}
