//! Errors: codes, statuses, and what is refused before a method is reached.

use serde_json::json;

use super::{KEY, code, done, post, start};

#[test]
fn errors_have_centrifugos_codes_and_statuses_only_for_who_asks() {
    let server = start("api.body_bytes = 1000\n");
    for (method, body, expected) in [
        ("publish", json!({ "channel": "nothing:1", "data": 1 }), 102),
        (
            "publish",
            json!({ "channel": "$endpoint:/ws", "data": 1 }),
            102,
        ),
        ("publish", json!({ "channel": "news" }), 107),
        ("publish", json!({ "data": 1 }), 107),
        ("publish", json!({ "channel": "a b", "data": 1 }), 107),
        (
            "publish",
            json!({ "channel": "news", "data": 1, "exclude": ["me"] }),
            107,
        ),
        (
            "publish",
            json!({ "channel": "news", "data": 1, "idempotency_key": "k".repeat(257) }),
            107,
        ),
        ("broadcast", json!({ "data": 1 }), 107),
        ("subscribe", json!({ "channel": "news" }), 107),
        ("disconnect", json!({}), 107),
        (
            "disconnect",
            json!({ "user": "u", "disconnect": { "code": 1000 } }),
            107,
        ),
        ("send", json!({ "data": 1 }), 107),
        ("send", json!({ "data": 1, "user": "u", "all": true }), 107),
        ("channels", json!({ "pattern": "[" }), 107),
        ("connections", json!({ "address": "here" }), 107),
        ("connections", json!({ "expression": "x" }), 108),
        ("block_user", json!({}), 107),
        ("revoke_token", json!({}), 107),
    ] {
        assert_eq!(code(&server, method, &body), expected, "{method} {body}");
    }
    assert_eq!(
        done(
            &server,
            "unsubscribe",
            &json!({ "user": "nobody", "channel": "news" })
        ),
        json!({})
    );
    assert_eq!(
        post(&server, "/api/info", KEY, b"").status,
        200,
        "no body is {{}}"
    );

    let transport = format!("{KEY}X-Centrifugo-Error-Mode: transport\r\n");
    let status = |method: &str, body: &[u8]| {
        post(&server, &format!("/api/{method}"), &transport, body).status
    };
    assert_eq!(
        status("publish", br#"{"channel":"nothing:1","data":1}"#),
        404
    );
    assert_eq!(status("publish", br#"{"channel":"news"}"#), 400);
    assert_eq!(status("presence", br#"{"channel":"news"}"#), 409);
    assert_eq!(status("publish", br#"{"channel":"news","data":1}"#), 200);

    let broken = post(
        &server,
        "/api/publish",
        KEY,
        b"{\"channel\":\"news\",\n \"data\":}",
    );
    assert_eq!(broken.status, 400);
    assert!(broken.body.contains("line 2 column 9"), "{}", broken.body);
    let shape = post(&server, "/api/publish", KEY, b"{\"channel\":7}");
    assert!(
        shape.status == 400 && shape.body.contains("line 1 column 12"),
        "{}",
        shape.body
    );
    for (body, place) in [
        ("[null]", "line 1 column 1"),
        ("[", "line 1 column 1"),
        ("x", "line 1 column 1"),
    ] {
        let answer = post(&server, "/api/publish", KEY, body.as_bytes());
        assert!(
            answer.status == 400 && answer.body.contains(place),
            "{body}: {}",
            answer.body
        );
    }
    let large = post(&server, "/api/publish", KEY, &[b'x'; 1001]);
    assert_eq!(large.status, 413);
    let chunked = format!(
        "POST /api/info HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n{KEY}\r\n3e9\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1001)
    );
    assert_eq!(server.request(&chunked).expect("an answer").status, 413);
    let unknown = post(&server, "/api/nothing", KEY, b"{}");
    assert_eq!(unknown.status, 404);
    assert!(
        unknown.body.contains("publish, broadcast") && unknown.body.contains("batch"),
        "{}",
        unknown.body
    );
    let get = server.get_with("/api/publish", KEY);
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
}
