//! What a client may send instead of commands: each is a fault, none a panic.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{
    super::{Encoding, connect_request, decode_commands, emulation},
    all,
};

#[test]
fn json_that_is_no_command() {
    for frame in [
        "",
        " ",
        "\n",
        "\r\n",
        "null",
        "1",
        "\"x\"",
        "[]",
        "[1]",
        "true",
        "x",
        "{",
        "}",
        "{}x",
        "{},{}",
        "\0",
        r#"{"id":1}"#,
        r#"{"id":-1,"ping":{}}"#,
        r#"{"id":1.5,"ping":{}}"#,
        r#"{"id":1e30,"ping":{}}"#,
        r#"{"id":1e0,"ping":{}}"#,
        r#"{"id":4294967296,"ping":{}}"#,
        r#"{"id":99999999999999999999999999,"ping":{}}"#,
        r#"{"id":"1","ping":{}}"#,
        r#"{"id":null,"ping":{}}"#,
        r#"{"id":true,"ping":{}}"#,
        r#"{"id":1,"id":1,"ping":{}}"#,
        r#"{"ping":{}}"#,
        r#"{"connect":{}}"#,
        r#"{"id":0,"connect":{}}"#,
        r#"{"id":1,"connect":null}"#,
        r#"{"id":1,"connect":[]}"#,
        r#"{"id":1,"connect":["t"]}"#,
        r#"{"id":1,"connect":"t"}"#,
        r#"{"id":1,"ping":[]}"#,
        r#"{"id":1,"ping":null}"#,
        r#"{"id":1,"ping":{},"send":{}}"#,
        r#"{"id":1,"ping":{},"ping":{}}"#,
        r#"{"send":{},"send":{}}"#,
        r#"{"id":1,"connect":{"token":1}}"#,
        r#"{"id":1,"connect":{"token":"\ud800"}}"#,
        r#"{"id":1,"connect":{"token":"a","token":"b"}}"#,
        r#"{"id":1,"connect":{"headers":{"a":1}}}"#,
        r#"{"id":1,"connect":{"headers":[]}}"#,
        r#"{"id":1,"connect":{"subs":{"a":[]}}}"#,
        r#"{"id":1,"connect":{"flag":9223372036854775808}}"#,
        r#"{"id":1,"subscribe":{"channel":["a"]}}"#,
        r#"{"id":1,"subscribe":{"offset":-1}}"#,
        r#"{"id":1,"subscribe":{"offset":1.5}}"#,
        r#"{"id":1,"subscribe":{"offset":1e30}}"#,
        r#"{"id":1,"subscribe":{"offset":18446744073709551616}}"#,
        r#"{"id":1,"subscribe":{"recover":1}}"#,
        r#"{"id":1,"subscribe":{"recover":"true"}}"#,
        r#"{"id":1,"history":{"limit":2147483648}}"#,
        r#"{"id":1,"history":{"since":[1,"e"]}}"#,
        r#"{"id":1,"history":{"since":{"offset":-1}}}"#,
        r#"{"id":1,"publish":{"channel":"c","data":}}"#,
        r#"{"id":1,"publish":{"channel":"c","data":nul}}"#,
        r#"{"id":1,"publish":{"channel":"c","data":{"a":1}"#,
        r#"{"id":1,"publish":{"channel":"c","data":1,"data":2}}"#,
    ] {
        assert!(all(Encoding::Json, frame.as_bytes()).is_err(), "{frame}");
    }
    for frame in [
        b"\xff".as_slice(),
        b"{\"id\":1,\"publish\":{\"channel\":\"\xff\",\"data\":1}}",
        b"{\"id\":1,\"publish\":{\"channel\":\"c\",\"data\":\"\xff\"}}",
        b"{\"id\":1,\"publish\":{\"channel\":\"c\",\"data\":\"\n\"}}",
    ] {
        assert!(all(Encoding::Json, frame).is_err(), "{frame:?}");
    }
}

#[test]
fn depth_is_refused_or_skipped_without_recursion() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (depth, right) in [(1, true), (128, true), (129, false), (500_000, false)] {
        let frame = format!(r#"{{"send":{{"data":{}}}}}"#, deep(depth));
        assert_eq!(all(Encoding::Json, frame.as_bytes()).is_ok(), right);
    }
    let unknown = format!(r#"{{"id":1,"ping":{{}},"new":{}}}"#, deep(500_000));
    // Either verdict is right, as long as there is one.
    let _ = all(Encoding::Json, unknown.as_bytes());
    let objects = r#"{"connect":"#.repeat(100_000);
    assert!(all(Encoding::Json, objects.as_bytes()).is_err());
    // Groups of Protobuf nest without a length.
    let groups = [b"\xa0\x8d\x06".as_slice(), &b"\xa3\x06".repeat(50_000)].concat();
    assert!(all(Encoding::Protobuf, &groups).is_err());
}

#[test]
fn protobuf_that_is_no_command() {
    for frame in [
        b"".as_slice(),
        b"\x02\x08\x01",
        b"\x05\x08\x01",
        b"\x01",
        b"\x80",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xff\xff\xff\xff\x07\x00",
        b"\x02\x5a\x00",
        b"\x06\x08\x01\x5a\x00\x62\x00",
        b"\x02\x08\x80",
        b"\x04\x08\x01\x5a\x01",
        b"\x04\x08\x01\x58\x01",
        b"\x07\x08\x01\x32\x03\x0a\x01\xff",
        b"\x02\x00\x00",
    ] {
        assert!(all(Encoding::Protobuf, frame).is_err(), "{frame:?}");
    }
}

#[test]
fn a_reason_fits_into_a_close_frame_and_quotes_nothing() {
    let frame = br#"{"id":1,"connect":{"token":{"secret":1}}}"#;
    let fault = all(Encoding::Json, frame).unwrap_err().to_string();
    assert!(fault.len() <= 123 && !fault.contains("secret"));
}

/// Frames of pieces that belong to commands, so that the inner layers are reached.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\n",
        " ",
        "null",
        "1",
        "-1",
        "1e9",
        "\"id\":1",
        "\"connect\":",
        "\"subs\":{",
        "\"send\":{",
        "\"data\":",
        "\"channel\":\"c\"",
        "\"token\":",
        "\"since\":",
        "\\u",
        "\u{e9}",
        "{}",
        "\x08\x01",
    ]);
    vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop_oneof![vec(any::<u8>(), 0..80), pieces()]) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let frame = Bytes::from(bytes.clone());
            let found: Vec<_> = decode_commands(encoding, &frame).collect();
            prop_assert!(!found.is_empty() && found.len() <= bytes.len() + 1);
            let faults = found.iter().filter(|it| it.is_err()).count();
            prop_assert!(faults == 0 || faults == 1 && found.last().is_some_and(Result::is_err));
            let _ = connect_request(encoding, &bytes);
            let _ = emulation(encoding, &bytes);
        }
    }
}
