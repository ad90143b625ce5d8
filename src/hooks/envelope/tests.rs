//! Pure ring: what backends may answer, and what is made of it.

use bytes::Bytes;

use super::*;
use crate::{
    hooks::answer::{ConnectAnswer, PublishAnswer, RefreshAnswer, SubscribeAnswer},
    subscription::SubscriptionOverrides,
};

fn reads<T: FromResult>(body: &str) -> Result<T, HookFailure> {
    read(body.as_bytes()).map_err(|fault| fault.failure)
}

#[test]
fn connect_reads_every_field_and_ignores_what_it_does_not_know() {
    let body = r#" {"result":{"user":"alice","expire_at":1700000000,"info":{ "name": "A" },
        "data":[1,2],
        "channels":["a"],"subs":{"b":{"expire_at":5,"info":1,"b64data":"AAE=",
        "override":{"presence":{"value":false},
        "join_leave":{"value":true},"force_recovery":{}}},"c":null},
        "meta":{"m":"x"},"caps":[{"channels":["x"]}]}}"#;
    let answer: ConnectAnswer = reads(body).unwrap();
    assert_eq!(answer.user, "alice");
    assert_eq!(answer.expire_at, Some(1_700_000_000));
    assert_eq!(answer.info, r#"{ "name": "A" }"#);
    assert_eq!(answer.data, "[1,2]");
    assert_eq!(answer.channels, ["a"]);
    assert_eq!(answer.meta, r#"{"m":"x"}"#);
    let sub = &answer.subs[0];
    assert_eq!((sub.channel.as_str(), sub.expire_at), ("b", Some(5)));
    assert_eq!(sub.info, "1");
    assert_eq!(&sub.data[..], [0, 1]);
    let overrides = SubscriptionOverrides {
        presence: Some(false),
        join_leave: Some(true),
        force_recovery: Some(false),
        ..SubscriptionOverrides::default()
    };
    assert_eq!(sub.overrides, overrides);
    assert_eq!(answer.subs[1].channel, "c");
}

#[test]
fn null_and_absent_are_the_same() {
    let nulls = r#"{"result":{"user":null,"expire_at":null,"info":null,"b64info":null,"data":null,
        "channels":null,
        "subs":null,"meta":null},"error":null,"disconnect":null}"#;
    let answer: ConnectAnswer = reads(nulls).unwrap();
    assert_eq!(answer, ConnectAnswer::default());
    assert_eq!(reads::<ConnectAnswer>(r#"{"result":{}}"#).unwrap(), answer);
    // A tag that was null made an answer malformed, as a null in an override did.
    let tags: PublishAnswer = reads(r#"{"result":{"tags":{"a":null,"b":"c"}}}"#).unwrap();
    assert_eq!(tags.tags, BTreeMap::from([("b".into(), "c".into())]));
    let overrides = r#"{"result":{"override":{"presence":{"value":null},"join_leave":null}}}"#;
    let subscribe: SubscribeAnswer = reads(overrides).unwrap();
    let presence = Some(false);
    let expected = SubscriptionOverrides {
        presence,
        ..SubscriptionOverrides::default()
    };
    assert_eq!(subscribe.overrides, expected);
    let refresh: RefreshAnswer = reads(r#"{"result":{"expire_at":0}}"#).unwrap();
    assert_eq!(refresh, RefreshAnswer::default());
}

#[test]
fn json_for_clients_loses_its_line_breaks_but_not_its_texts() {
    let body = "{\"result\":{\"data\":{\r\n  \"a\": \"x\\ny\",\n\"b\":\n[1,\n2]\n}\n}}";
    let data: Bytes = reads(body).unwrap();
    assert_eq!(data, r#"{  "a": "x\ny","b":[1,2]}"#);
}

#[test]
fn publish_may_replace_the_data_and_set_the_options() {
    let body = r#"{"result":{"b64data":"aGk=","skip_history":true,"tags":{"k":"v"},
        "idempotency_key":"i",
        "delta":true,"version":7,"version_epoch":"e"}}"#;
    let expected = PublishAnswer {
        data: Some(Bytes::from_static(b"hi")),
        skip_history: true,
        tags: BTreeMap::from([("k".to_string(), "v".to_string())]),
        idempotency_key: "i".into(),
        delta: true,
        version: 7,
        version_epoch: "e".into(),
    };
    assert_eq!(reads::<PublishAnswer>(body).unwrap(), expected);
    let kept: PublishAnswer = reads(r#"{"result":{}}"#).unwrap();
    assert_eq!(kept.data, None, "the client's data stays");
}

#[test]
fn subscribe_tells_what_else_the_client_may_do() {
    let answer: SubscribeAnswer = reads(r#"{"result":{"allow":["pub","hst"],"info":{}}}"#).unwrap();
    assert_eq!(answer.allow, ["pub", "hst"]);
    assert_eq!(answer.info, "{}");
}

#[test]
fn an_error_is_for_the_client_and_a_disconnect_comes_before_it() {
    let error = reads::<Bytes>(r#"{"error":{"code":1001,"message":"no","temporary":true}}"#);
    let refusal = ReplyError {
        code: 1001,
        message: "no".into(),
        temporary: true,
    };
    assert_eq!(error, Err(HookFailure::Error(refusal)));
    let both = concat!(
        r#"{"error":{"code":1},"disconnect":{"code":4500,"reason":"bye","reconnect":true},"#,
        r#""result":{}}"#
    );
    let bye = HookFailure::Disconnect {
        code: 4500,
        reason: "bye".into(),
    };
    assert_eq!(reads::<Bytes>(both), Err(bye));
}

#[test]
fn a_disconnect_always_closes_with_a_code_and_reason_that_fit_a_close_frame() {
    for (code, expected) in [
        (0, 3503),
        (1005, 3503),
        (4000, 4000),
        (5000, 3503),
        (70_000, 3503),
    ] {
        let body = format!(
            r#"{{"disconnect":{{"code":{code},"reason":"{}"}}}}"#,
            "é".repeat(80)
        );
        let Err(HookFailure::Disconnect { code, reason }) = reads::<Bytes>(&body) else {
            panic!("{body}");
        };
        assert_eq!(code, expected);
        assert_eq!(reason, "é".repeat(61));
    }
}

#[test]
fn whatever_does_not_fit_is_malformed_and_never_a_permission() {
    let deep = format!(r#"{{"result":{{"x":{}"#, "[".repeat(200_000));
    let bodies = [
        "",
        "null",
        "ok",
        "[]",
        "{}",
        r#"{"result":null}"#,
        r#"{"result":true}"#,
        r#"{"result":["alice"]}"#,
        r#"[{"user":"alice"}]"#,
        r#"{"result":{"user":7}}"#,
        r#"{"result":{"user":"a","user":"b"}}"#,
        r#"{"result":{"expire_at":-1}}"#,
        r#"{"result":{"expire_at":1e99}}"#,
        // Milliseconds, which were never in seconds.
        r#"{"result":{"expire_at":1795712170999}}"#,
        r#"{"result":{"subs":{"a":{"expire_at":1795712170999}}}}"#,
        r#"{"result":{"b64info":"%"}}"#,
        r#"{"result":{"subs":{"a":{"b64data":"="}}}}"#,
        r#"{"result":{}} x"#,
        r#"{"result":{}"#,
        r#"{"error":{}}"#,
        r#"{"error":{"code":0}}"#,
        r#"{"error":{"code":99999999999}}"#,
        r#"{"error":"no"}"#,
        deep.as_str(),
    ];
    for body in bodies {
        let outcome = reads::<ConnectAnswer>(body);
        assert_eq!(outcome, Err(HookFailure::MALFORMED), "{:.60}", body);
    }
}

/// A wrong answer was "malformed" in the log, which is no help to who writes the backend: it says
/// what is wrong and where.
#[test]
fn the_log_is_told_what_is_wrong_and_where() {
    for (body, why) in [
        ("", "it is empty"),
        ("<html>", "it is no JSON object"),
        ("{}", "none of result, error and disconnect"),
        (
            r#"{"result":{"user":7}}"#,
            "in result: invalid type: integer `7`",
        ),
        ("{\n\"result\":", "line 2"),
        (r#"{"result":{"b64info":"%"}}"#, "no base64"),
        (r#"{"error":{"code":0}}"#, "its error has no code"),
    ] {
        let Err(fault) = read::<ConnectAnswer>(body.as_bytes()) else {
            panic!("{body} is taken");
        };
        assert!(fault.why.contains(why), "{body}: {}", fault.why);
    }
    let Err(fault) = read::<ConnectAnswer>(b"\x1f\x8b\x08\0") else {
        panic!("gzip is taken");
    };
    assert!(fault.why.contains("gzip"), "{}", fault.why);
    let marked = "\u{feff}{\"result\":{\"user\":\"ann\"}}";
    let answer = read::<ConnectAnswer>(marked.as_bytes()).map(|answer| answer.user);
    assert_eq!(answer.ok().as_deref(), Some("ann"));
}
