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
            107,
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
    assert_eq!(status("presence", br#"{"channel":"news"}"#), 400);
    assert_eq!(status("publish", br#"{"channel":"news","data":1}"#), 200);

    let bare = |path: &str, headers: &str, body: &[u8]| {
        let answer = post(&server, path, headers, body);
        let error: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        (answer.status, error["code"].as_u64())
    };
    for (path, body, expected) in [
        (
            "/api/publish",
            r#"{"channel":"nothing:1","data":1}"#,
            (404, Some(102)),
        ),
        ("/api/presence", r#"{"channel":"news"}"#, (400, Some(108))),
        ("/api/publish", "x", (400, Some(107))),
        ("/api/nothing", "{}", (404, Some(104))),
        ("/api/channels/nothing:1", "x", (404, Some(102))),
    ] {
        assert_eq!(
            bare(path, &transport, body.as_bytes()),
            expected,
            "{path} {body}: the error alone"
        );
    }
    let nobody = "X-Centrifugo-Error-Mode: transport\r\n";
    assert_eq!(bare("/api/publish", nobody, b"{}"), (401, Some(101)));

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

/// gocent and other libraries of Centrifugo write commands of method and params to one address, and
/// got 404. Each line is answered by a line, in order, whatever becomes of the others.
#[test]
fn lines_of_method_and_params_are_answered_line_by_line() {
    let server = start("api.body_bytes = \"1MiB\"\n");
    let lines = |path: &str, body: &str| post(&server, path, KEY, body.as_bytes());
    let answer = lines(
        "/api",
        r#"{"method":"publish","params":{"channel":"kept:1","data":{"n":1}}}
{"id":7,"method":"PUBLISH","params":{"channel":"nothing:1","data":1}}{"id":8,"method":"history","params":{"channel":"kept:1","limit":1}}

{"method":"rpc","params":{}}
{"method":"publish","params":{"channel":7}}
{"method":11,"params":{"user":"u","channel":"news"}}
"#,
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let replies: Vec<serde_json::Value> = answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(replies.len(), 6, "{}", answer.body);
    assert_eq!(replies[0]["result"]["offset"], 1);
    assert_eq!(
        (&replies[1]["id"], &replies[1]["error"]["code"]),
        (&json!(7), &json!(102))
    );
    assert_eq!(replies[2]["id"], 8);
    assert_eq!(
        replies[2]["result"]["publications"][0]["data"],
        json!({ "n": 1 })
    );
    assert_eq!(replies[3]["error"]["code"], 104);
    assert_eq!(replies[4]["error"]["code"], 107);
    assert_eq!(replies[5], json!({ "result": {} }));

    let one = r#"{"method":"publish","params":{"channel":"kept:2","data":1}}"#;
    for broken in [format!("{one}\n{{"), "[]".to_string(), String::new()] {
        assert_eq!(lines("/api", &broken).status, 400, "{broken}");
    }
    let history = json!({ "channel": "kept:2" });
    assert_eq!(
        done(&server, "history", &history)["offset"],
        0,
        "nothing of it was done"
    );
    let many = format!("{}\n", r#"{"method":"info"}"#).repeat(10_001);
    let refused = lines("/api", &many);
    assert!(
        refused.status == 400 && refused.body.contains("10000 commands"),
        "{}",
        refused.body
    );
    assert_eq!(lines("/api/", one).status, 200);
    assert_eq!(post(&server, "/api", "", one.as_bytes()).status, 401);
    assert_eq!(server.get_with("/api", KEY).status, 405);
}

/// A body with a byte order mark was "expected value at line 1 column 1", and so was one that is
/// gzip. The mark is passed over, and the encoding is named.
#[test]
fn a_byte_order_mark_is_passed_over_and_an_encoding_is_named() {
    let server = start("");
    let marked = "\u{feff}{\"channel\":\"news\",\"data\":1}";
    let answer = post(&server, "/api/publish", KEY, marked.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let raw = post(&server, "/api/channels/news", KEY, "\u{feff}{}".as_bytes());
    assert_eq!(raw.status, 202, "{}", raw.body);
    let zipped = format!("{KEY}Content-Encoding: GZIP\r\n");
    for path in ["/api/publish", "/api/channels/news"] {
        let answer = post(&server, path, &zipped, b"xyz");
        assert_eq!(answer.status, 415, "{path}");
        assert!(answer.body.contains("gzip"), "{}", answer.body);
    }
    // Without its header it was "no JSON"; its first bytes tell.
    for path in ["/api/publish", "/api"] {
        let answer = post(&server, path, KEY, b"\x1f\x8b\x08\0xyz");
        assert_eq!(answer.status, 415, "{path}: {}", answer.body);
        assert!(
            answer.body.contains("compressed by gzip"),
            "{}",
            answer.body
        );
    }
    let plain = format!("{KEY}Content-Encoding: identity\r\n");
    assert_eq!(post(&server, "/api/info", &plain, b"{}").status, 200);
}

/// Which of the patterns under `/api` takes what, and with which methods: they are looked through
/// in an order.
#[test]
fn each_path_of_the_api_is_its_own_resource() {
    let server = start("");
    for (method, path, status, body) in [
        ("POST", "/api/publish", 200, "data or b64data is missing"),
        ("POST", "/api/channels", 200, r#"{"channels":{}}"#),
        ("GET", "/api/publish", 405, "only POST"),
        ("OPTIONS", "/api/publish", 405, "only POST"),
        ("POST", "/api/channels/a/b", 202, r#"{"delivered":0}"#),
        ("POST", "/api/channels/", 400, "channel is missing"),
        ("POST", "/api", 200, "method is missing"),
        ("POST", "/api/", 200, "method is missing"),
        ("POST", "/api/nothing", 404, "method not found"),
        ("POST", "/api/publish/x", 404, "method not found"),
        ("POST", "/api//publish", 404, "method not found"),
        ("GET", "/api/openapi.json", 200, r#""openapi""#),
        ("OPTIONS", "/api/openapi.json", 200, ""),
        ("POST", "/api/openapi.json", 405, "only GET"),
        // What only begins like it.
        ("POST", "/apix", 404, ""),
    ] {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{KEY}");
        let request = format!("{head}Content-Length: 2\r\n\r\n{{}}");
        let answer = server.request(&request).expect("an answer");
        let told = (method, path, &answer.body);
        assert_eq!(answer.status, status, "{told:?}");
        assert!(answer.body.contains(body), "{told:?}");
        assert!(
            status != 405 || answer.header("allow").is_some(),
            "{told:?}"
        );
    }
}
