//! Every reply and push in JSON, as text.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    super::{Encoding, append_message, ping},
    ClientInfo, ConnectResult, PayloadRef, Pub, Push, Reply, ReplyError, SubscribeResult,
    connected, info, own_error, plain, subscribed,
};

#[track_caller]
fn replies(reply: &Reply<'_>, expected: &str) {
    let text = String::from_utf8(super::reply(Encoding::Json, reply)).unwrap();
    assert_eq!(text, format!("{{\"id\":7,{expected}}}"));
}

#[track_caller]
fn pushes(channel: &str, push: &Push<'_>, expected: &str) {
    let unidirectional = super::push(Encoding::Json, true, channel, push);
    assert_eq!(String::from_utf8(unidirectional).unwrap(), expected);
    let wrapped = super::push(Encoding::Json, false, channel, push);
    let expected = format!("{{\"push\":{expected}}}");
    assert_eq!(String::from_utf8(wrapped).unwrap(), expected);
}

#[test]
fn errors() {
    replies(
        &Reply::Error(&ReplyError::INTERNAL),
        r#""error":{"code":100,"message":"internal server error","temporary":true}"#,
    );
    replies(
        &Reply::Error(&own_error()),
        r#""error":{"code":1000,"message":"no \"x\""}"#,
    );
}

#[test]
fn results_with_all_fields() {
    replies(
        &Reply::Connect(connected()),
        concat!(
            r#""connect":{"client":"c1","version":"v","expires":true,"ttl":60,"data":{},"#,
            r#""subs":{"s":{}},"ping":25,"pong":true,"session":"x","node":"y","time":5}"#
        ),
    );
    replies(
        &Reply::Subscribe(subscribed()),
        concat!(
            r#""subscribe":{"expires":true,"ttl":60,"recoverable":true,"epoch":"ab","#,
            r#""publications":[{"data":1,"offset":300}],"recovered":true,"offset":300,"#,
            r#""positioned":true,"data":[],"was_recovering":true,"delta":true}"#
        ),
    );
    replies(
        &Reply::Refresh {
            client: "c".into(),
            version: "v".into(),
            expires: true,
            ttl: 9,
        },
        r#""refresh":{"client":"c","version":"v","expires":true,"ttl":9}"#,
    );
}

#[test]
fn results_without_any() {
    replies(
        &Reply::Connect(ConnectResult::default()),
        r#""connect":{"client":""}"#,
    );
    replies(
        &Reply::Subscribe(SubscribeResult::default()),
        r#""subscribe":{}"#,
    );
    replies(&Reply::Unsubscribe, r#""unsubscribe":{}"#);
    replies(&Reply::Publish, r#""publish":{}"#);
    replies(&Reply::Rpc { data: Bytes::new() }, r#""rpc":{}"#);
    replies(
        &Reply::SubRefresh {
            expires: false,
            ttl: 0,
        },
        r#""sub_refresh":{}"#,
    );
    replies(&Reply::Presence(&[]), r#""presence":{"presence":{}}"#);
    replies(
        &Reply::PresenceStats {
            num_clients: 0,
            num_users: 0,
        },
        r#""presence_stats":{"num_clients":0,"num_users":0}"#,
    );
    replies(
        &Reply::History {
            publications: Vec::new(),
            epoch: "",
            offset: 0,
        },
        r#""history":{"publications":[],"epoch":"","offset":0}"#,
    );
}

#[test]
fn who_is_there() {
    let present = [
        ("c1".to_owned(), info()),
        ("c\"2".to_owned(), ClientInfo::default()),
    ];
    replies(
        &Reply::Presence(&present),
        concat!(
            r#""presence":{"presence":{"c1":{"user":"42","client":"c1","conn_info":{"n":1}},"#,
            r#""c\"2":{"user":"","client":""}}}"#
        ),
    );
}

#[test]
fn a_page_of_history() {
    let page = |offset| Pub {
        offset,
        ..plain(PayloadRef::Text("x"))
    };
    replies(
        &Reply::History {
            publications: vec![page(u64::MAX - 1), page(u64::MAX)],
            epoch: "e",
            offset: u64::MAX,
        },
        concat!(
            r#""history":{"publications":[{"data":"x","#,
            r#""offset":18446744073709551614},{"data":"x","offset":18446744073709551615}],"#,
            r#""epoch":"e","offset":18446744073709551615}"#
        ),
    );
}

#[test]
fn a_publication_with_all_fields() {
    let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".into(), "\n".into())]).into();
    let info = info();
    let shown = Pub {
        data: PayloadRef::Json(b"{\"x\":1}"),
        offset: 3,
        info: Some(&info),
        tags: Some(&tags),
        delta: true,
        time: 1_700_000_000_000,
        channel: "a:b",
    };
    pushes(
        "a:*",
        &Push::Pub(shown),
        concat!(
            r#"{"channel":"a:*","pub":{"data":{"x":1},"info":{"user":"42","client":"c1","#,
            r#""conn_info":{"n":1}},"offset":3,"tags":{"a":"1","b":"\n"},"delta":true,"#,
            r#""time":1700000000000,"channel":"a:b"}}"#
        ),
    );
}

#[test]
fn payloads_of_every_kind() {
    for (data, expected) in [
        (PayloadRef::Json(b"[1]"), "[1]"),
        (PayloadRef::Text("a\n\"\u{1}温"), r#""a\n\"\u0001温""#),
        (PayloadRef::Text(""), r#""""#),
        (PayloadRef::Binary(b"\xff\x00"), r#""/wA=""#),
        (PayloadRef::Stringed(b"{\"x\":1}"), r#""{\"x\":1}""#),
        (PayloadRef::Stringed(b"\xff"), r#""/w==""#),
    ] {
        let expected = format!("{{\"message\":{{\"data\":{expected}}}}}");
        pushes("", &Push::Message { data }, &expected);
    }
    let data = PayloadRef::Json(b"");
    pushes("", &Push::Message { data }, r#"{"message":{}}"#);
}

#[test]
fn pushes_of_every_kind() {
    let info = ClientInfo::default();
    let about = r#"{"info":{"user":"","client":""}}"#;
    pushes(
        "c",
        &Push::Join(&info),
        &format!(r#"{{"channel":"c","join":{about}}}"#),
    );
    pushes(
        "c",
        &Push::Leave(&info),
        &format!(r#"{{"channel":"c","leave":{about}}}"#),
    );
    pushes(
        "c",
        &Push::Unsubscribe {
            code: 2500,
            reason: "insufficient state",
        },
        r#"{"channel":"c","unsubscribe":{"code":2500,"reason":"insufficient state"}}"#,
    );
    pushes(
        "c",
        &Push::Subscribe {
            recoverable: true,
            epoch: "e",
            offset: 4,
            positioned: true,
            data: Bytes::from_static(b"1"),
        },
        concat!(
            r#"{"channel":"c","subscribe":{"recoverable":true,"epoch":"e","offset":4,"#,
            r#""positioned":true,"data":1}}"#
        ),
    );
    pushes(
        "",
        &Push::Disconnect {
            code: 3001,
            reason: "shutdown",
        },
        r#"{"disconnect":{"code":3001,"reason":"shutdown"}}"#,
    );
    pushes(
        "",
        &Push::Connect(ConnectResult {
            client: "c".into(),
            ..ConnectResult::default()
        }),
        r#"{"connect":{"client":"c"}}"#,
    );
    pushes(
        "",
        &Push::Refresh {
            expires: true,
            ttl: 3,
        },
        r#"{"refresh":{"expires":true,"ttl":3}}"#,
    );
}

/// A token's or a backend's bytes may be anything, and must not break the line for those who read
/// it.
#[test]
fn data_that_is_not_json_becomes_a_string() {
    for (data, expected) in [
        (b"{\n}".as_slice(), "{}"),
        (b"\x01\x02", r#""AQI=""#),
        (b"1 2", r#""MSAy""#),
    ] {
        let data = Bytes::copy_from_slice(data);
        replies(
            &Reply::Rpc { data },
            &format!(r#""rpc":{{"data":{expected}}}"#),
        );
    }
}

#[test]
fn messages_of_a_frame_are_lines() {
    let mut frame = Vec::new();
    for _ in 0..3 {
        append_message(Encoding::Json, ping(Encoding::Json), &mut frame);
    }
    assert_eq!(frame, b"{}\n{}\n{}");
}
