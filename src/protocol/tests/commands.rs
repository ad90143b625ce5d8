//! Every request in both encodings.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    super::{
        Command, ConnectRequest, EmulationRequest, Encoding, HistoryRequest, Malformed, Request,
        SubscribeRequest, WirePosition, connect_request, decode_commands, emulation,
    },
    all,
};

fn one(encoding: Encoding, frame: &[u8]) -> Command {
    let mut found = all(encoding, frame).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The same command in JSON and in Protobuf; the length before the latter is put here.
fn check(json: &str, protobuf: &[u8], id: u32, request: Request) {
    let expected = Command { id, request };
    assert_eq!(one(Encoding::Json, json.as_bytes()), expected);
    assert!(protobuf.len() < 128);
    let framed = [&[protobuf.len() as u8], protobuf].concat();
    assert_eq!(one(Encoding::Protobuf, &framed), expected);
}

fn data(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn an_empty_command_is_a_pong() {
    check("{}", b"", 0, Request::Pong);
}

#[test]
fn a_connect_has_all_its_fields() {
    check(
        concat!(
            r#"{"id":1,"connect":{"token":"t","data":{"a":1},"name":"js","version":"5","#,
            r#""headers":{"h":"v"},"subs":{"s":{"recover":true,"offset":2,"epoch":"e"}},"#,
            r#""flag":1}}"#
        ),
        b"\x08\x01\x22\x2b\x0a\x01t\x12\x07{\"a\":1}\x1a\x0c\x0a\x01s\x12\x07\x18\x01\x32\x01e\
          \x38\x02\x22\x02js\x2a\x015\x32\x06\x0a\x01h\x12\x01v\x38\x01",
        1,
        Request::Connect(ConnectRequest {
            token: "t".into(),
            data: data(r#"{"a":1}"#),
            name: "js".into(),
            version: "5".into(),
            headers: BTreeMap::from([("h".into(), "v".into())]),
            subs: BTreeMap::from([(
                "s".into(),
                SubscribeRequest {
                    recover: true,
                    offset: 2,
                    epoch: "e".into(),
                    ..SubscribeRequest::default()
                },
            )]),
            flag: 1,
        }),
    );
}

#[test]
fn a_subscribe_has_all_its_fields() {
    check(
        concat!(
            r#"{"id":2,"subscribe":{"channel":"c","token":"t","data":1,"recover":true,"#,
            r#""offset":18446744073709551615,"epoch":"e","positioned":true,"recoverable":true,"#,
            r#""join_leave":true,"delta":"fossil","flag":2}}"#
        ),
        b"\x08\x02\x2a\x29\x0a\x01c\x12\x01t\x18\x01\x32\x01e\x38\xff\xff\xff\xff\xff\xff\xff\
          \xff\xff\x01\x42\x011\x48\x01\x50\x01\x58\x01\x62\x06fossil\x70\x02",
        2,
        Request::Subscribe(SubscribeRequest {
            channel: "c".into(),
            token: "t".into(),
            data: data("1"),
            recover: true,
            offset: u64::MAX,
            epoch: "e".into(),
            positioned: true,
            recoverable: true,
            join_leave: true,
            delta: "fossil".into(),
            flag: 2,
            ..SubscribeRequest::default()
        }),
    );
}

#[test]
fn a_history_has_all_its_fields() {
    check(
        concat!(
            r#"{"id":3,"history":{"channel":"c","limit":-1,"since":{"offset":4,"epoch":"e"},"#,
            r#""reverse":true}}"#
        ),
        b"\x08\x03\x52\x17\x0a\x01c\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x42\x05\x08\
          \x04\x12\x01e\x48\x01",
        3,
        Request::History(HistoryRequest {
            channel: "c".into(),
            limit: -1,
            since: Some(WirePosition {
                offset: 4,
                epoch: "e".into(),
            }),
            reverse: true,
        }),
    );
}

#[test]
fn the_methods_of_a_channel() {
    let channel = || String::from("c");
    check(
        r#"{"id":4,"unsubscribe":{"channel":"c"}}"#,
        b"\x08\x04\x32\x03\x0a\x01c",
        4,
        Request::Unsubscribe { channel: channel() },
    );
    check(
        r#"{"id":5,"publish":{"channel":"c","data":"x"}}"#,
        b"\x08\x05\x3a\x08\x0a\x01c\x12\x03\"x\"",
        5,
        Request::Publish {
            channel: channel(),
            data: data("\"x\""),
        },
    );
    check(
        r#"{"id":6,"presence":{"channel":"c"}}"#,
        b"\x08\x06\x42\x03\x0a\x01c",
        6,
        Request::Presence { channel: channel() },
    );
    check(
        r#"{"id":7,"presence_stats":{"channel":"c"}}"#,
        b"\x08\x07\x4a\x03\x0a\x01c",
        7,
        Request::PresenceStats { channel: channel() },
    );
    check(
        r#"{"id":8,"sub_refresh":{"channel":"c","token":"t"}}"#,
        b"\x08\x08\x7a\x06\x0a\x01c\x12\x01t",
        8,
        Request::SubRefresh {
            channel: channel(),
            token: "t".into(),
        },
    );
}

#[test]
fn the_methods_of_a_session() {
    check(
        r#"{"id":4294967295,"ping":{}}"#,
        b"\x08\xff\xff\xff\xff\x0f\x5a\x00",
        u32::MAX,
        Request::Unavailable,
    );
    check(
        r#"{"send":{"data":[1]}}"#,
        b"\x62\x05\x0a\x03[1]",
        0,
        Request::Send { data: data("[1]") },
    );
    check(
        r#"{"id":9,"rpc":{"method":"m","data":{}}}"#,
        b"\x08\x09\x6a\x07\x0a\x02{}\x12\x01m",
        9,
        Request::Rpc {
            method: "m".into(),
            data: data("{}"),
        },
    );
    check(
        r#"{"id":10,"refresh":{"token":"t"}}"#,
        b"\x08\x0a\x72\x03\x0a\x01t",
        10,
        Request::Refresh { token: "t".into() },
    );
}

#[test]
fn absent_fields_are_zero_and_unknown_ones_pass() {
    let frame = br#" {"new":[{}],"subscribe":{"new":{"deep":[null]},"type":0},"id":1} "#;
    let expected = Request::Subscribe(SubscribeRequest::default());
    assert_eq!(one(Encoding::Json, frame).request, expected);
    let frame = b"\x0b\x08\x01\x2a\x03\x98\x01\x05\xa2\x06\x01x";
    assert_eq!(one(Encoding::Protobuf, frame).request, expected);
}

// A client whose language writes null for what is absent was closed with 3501, in every field of
// every command and for methods that it did not mean.
#[test]
fn null_is_as_absent_in_every_field_and_for_every_method() {
    let methods: [(&str, &[&str]); 11] = [
        (
            "connect",
            &["token", "name", "version", "headers", "subs", "flag"],
        ),
        (
            "subscribe",
            &[
                "channel",
                "token",
                "recover",
                "offset",
                "epoch",
                "positioned",
                "recoverable",
                "join_leave",
                "delta",
                "flag",
                "tf",
                "type",
                "phase",
            ],
        ),
        ("unsubscribe", &["channel"]),
        ("publish", &["channel", "type", "key", "removed"]),
        ("presence", &["channel"]),
        ("presence_stats", &["channel"]),
        ("history", &["channel", "limit", "since", "reverse"]),
        ("ping", &["any"]),
        ("rpc", &["method"]),
        ("refresh", &["token"]),
        (
            "sub_refresh",
            &["channel", "token", "type", "track", "untrack"],
        ),
    ];
    let read = |text: String| one(Encoding::Json, text.as_bytes());
    for (method, fields) in methods {
        let empty = read(format!(r#"{{"id":1,"{method}":{{}}}}"#));
        for field in fields {
            let null = read(format!(r#"{{"id":1,"{method}":{{"{field}":null}}}}"#));
            assert_eq!(null, empty, "{method}.{field}");
        }
        let other = if method == "ping" { "rpc" } else { "ping" };
        for others in [
            format!(r#"{{"{other}":null,"id":1,"{method}":{{}}}}"#),
            format!(r#"{{"id":1,"{method}":{{}},"{other}":null,"send":null}}"#),
        ] {
            assert_eq!(read(others.clone()), empty, "{others}");
        }
        let none = format!(r#"{{"id":1,"{method}":null}}"#);
        assert!(all(Encoding::Json, none.as_bytes()).is_err(), "{none}");
    }
    assert_eq!(read(r#"{"id":null}"#.into()).request, Request::Pong);
    let nested =
        read(r#"{"id":1,"history":{"since":{"offset":null,"epoch":null}},"publish":null}"#.into());
    let Request::History(HistoryRequest { since, .. }) = nested.request else {
        panic!("{nested:?}");
    };
    assert_eq!(since, Some(WirePosition::default()));
    let connect = read(
        r#"{"id":1,"connect":{"subs":{"a":null,"b":{"offset":null}},"headers":{"h":null,"i":"v"}}}"#
            .into(),
    );
    let Request::Connect(request) = connect.request else {
        panic!("{connect:?}");
    };
    assert_eq!(
        request.subs.len(),
        2,
        "null is a subscription without wishes"
    );
    assert_eq!(request.subs["a"], SubscribeRequest::default());
    assert_eq!(request.headers, BTreeMap::from([("i".into(), "v".into())]));
    let body = br#"{"session":null,"node":"n","data":null}"#;
    let body = emulation(Encoding::Json, body).expect("a body");
    assert_eq!((body.session.as_str(), body.node.as_str()), ("", "n"));
}

// A subscription with a filter got everything, one to a map got a stream, and a publication into a
// map went to the stream's subscribers. The fields were passed over as unknown.
#[test]
fn what_the_protocol_has_and_this_server_does_not_is_told_apart() {
    let code = |encoding, frame: &[u8]| match one(encoding, frame).request {
        Request::Subscribe(request) => request.unsupported().map_or(0, |error| error.code),
        Request::Unavailable => 108,
        other => panic!("{other:?}"),
    };
    for (json, protobuf, expected) in [
        (
            r#"{"id":1,"subscribe":{"type":0}}"#,
            b"\x04\x08\x01\x2a\x00".as_slice(),
            0,
        ),
        (
            r#"{"id":1,"subscribe":{"tf":{}}}"#,
            b"\x06\x08\x01\x2a\x02\x6a\x00",
            107,
        ),
        (
            r#"{"id":1,"subscribe":{"type":1}}"#,
            b"\x06\x08\x01\x2a\x02\x78\x01",
            108,
        ),
        (
            r#"{"id":1,"publish":{"type":1}}"#,
            b"\x06\x08\x01\x3a\x02\x18\x01",
            108,
        ),
        (
            r#"{"id":1,"sub_refresh":{"type":2}}"#,
            b"\x06\x08\x01\x7a\x02\x18\x02",
            108,
        ),
    ] {
        assert_eq!(code(Encoding::Json, json.as_bytes()), expected, "{json}");
        assert_eq!(code(Encoding::Protobuf, protobuf), expected, "{json}");
    }
}

#[test]
fn a_frame_holds_several_in_order() {
    let json = b"{\"id\":1,\"connect\":{}}\r\n{\"id\":2,\"ping\":{}}{}\n";
    let ids = |found: Vec<Command>| found.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(all(Encoding::Json, json).unwrap()), [1, 2, 0]);
    let protobuf = b"\x04\x08\x01\x22\x00\x04\x08\x02\x5a\x00\x00";
    assert_eq!(ids(all(Encoding::Protobuf, protobuf).unwrap()), [1, 2, 0]);
}

#[test]
fn what_stands_before_a_fault_is_yielded_and_nothing_after_it() {
    for (encoding, frame) in [
        (Encoding::Json, b"{}\n{}\nx\n{}\n".as_slice()),
        (Encoding::Protobuf, b"\x00\x00\x01\x0f\x00"),
    ] {
        let mut found = decode_commands(encoding, &Bytes::copy_from_slice(frame));
        assert!(matches!(found.next(), Some(Ok(_))));
        assert!(matches!(found.next(), Some(Ok(_))));
        assert!(matches!(found.next(), Some(Err(_))));
        assert!(found.next().is_none());
        assert!(found.next().is_none());
    }
}

/// A payload that is kept in a history must not keep the frame, which may be a thousand times its
/// size.
#[test]
fn a_payload_has_its_own_memory() {
    let frame = Bytes::from_static(br#"{"send":{"data":[12345]}}"#);
    let Some(Ok(Command {
        request: Request::Send { data },
        ..
    })) = decode_commands(Encoding::Json, &frame).next()
    else {
        panic!("not a send");
    };
    assert_eq!(data, "[12345]");
    assert!(!frame.as_ptr_range().contains(&data.as_ptr()));
}

#[test]
fn a_payload_is_the_text_that_came_without_newlines() {
    let frame = b"{\"send\":{\"data\": {\"a\" :\r\n 1.50e+2,\n\"a\":\"\\n\\u4e00\"} }}";
    let expected = data(r#"{"a" : 1.50e+2,"a":"\n\u4e00"}"#);
    assert_eq!(
        one(Encoding::Json, frame).request,
        Request::Send { data: expected }
    );
    // What an application passes on as null is a payload.
    let null = one(Encoding::Json, br#"{"send":{"data":null}}"#);
    assert_eq!(null.request, Request::Send { data: data("null") });
}

#[test]
fn a_connect_request_stands_alone() {
    let expected = ConnectRequest {
        token: "t".into(),
        ..ConnectRequest::default()
    };
    let json = connect_request(Encoding::Json, br#" {"token":"t"} "#);
    assert_eq!(json, Ok(expected.clone()));
    let protobuf = connect_request(Encoding::Protobuf, b"\x0a\x01t");
    assert_eq!(protobuf, Ok(expected));
    for (encoding, nothing) in [
        (Encoding::Json, b"{}".as_slice()),
        (Encoding::Json, b""),
        (Encoding::Json, b" \n"),
        (Encoding::Json, b"null"),
        (Encoding::Json, br#"{"token":null}"#),
        (Encoding::Protobuf, b""),
    ] {
        assert_eq!(
            connect_request(encoding, nothing),
            Ok(ConnectRequest::default())
        );
    }
    for bad in ["[]", "1", "{} {}", "{", r#"{"token":1}"#] {
        assert!(connect_request(Encoding::Json, bad.as_bytes()).is_err());
    }
    assert!(connect_request(Encoding::Protobuf, b"\x0a\x05t").is_err());
}

#[test]
fn the_up_link_names_session_and_node() {
    let expected = EmulationRequest {
        session: "s".into(),
        node: "n".into(),
        data: data("{\"id\":1}\n{}"),
    };
    let json = br#"{"session":"s","node":"n","data":"{\"id\":1}\n{}"}"#;
    assert_eq!(emulation(Encoding::Json, json), Ok(expected.clone()));
    let protobuf = b"\x0a\x01n\x12\x01s\x1a\x0b{\"id\":1}\n{}";
    assert_eq!(emulation(Encoding::Protobuf, protobuf), Ok(expected));
    for bad in ["", "null", "[]", r#"{"data":{}}"#, r#"{"node":7}"#, "{}x"] {
        let found = emulation(Encoding::Json, bad.as_bytes());
        assert!(matches!(found, Err(Malformed(_))), "{bad}");
    }
    assert!(emulation(Encoding::Protobuf, b"\x0a").is_err());
}
