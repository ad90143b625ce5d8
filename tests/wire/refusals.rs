//! Whoever is turned away finds the reason in the log, at the level that everyone has: by any
//! route, with what is true of it, and once a second for each reason.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use serde_json::{Value, json};

use crate::{
    backend::Backend,
    support::{Server, eventually, raw},
};

const KEYS: &str = "[api]\nkey = \"a key of the API\"\n[admin]\nkey = \"a key of its own\"\n";

fn post(server: &Server, path: &str, key: &str, body: &str) -> u16 {
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{key}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    server.request(&text).expect("an answer").status
}

/// The lines of the log that have all of these parts.
fn lines_with(server: &Server, parts: &[&str]) -> Vec<String> {
    let text = server.log.text();
    let lines = text.lines();
    lines
        .filter(|line| parts.iter().all(|part| line.contains(part)))
        .map(str::to_string)
        .collect()
}

/// Waits for a line that has all of these parts.
fn told(server: &Server, parts: &[&str]) -> String {
    eventually(&format!("a line with {parts:?}"), || {
        lines_with(server, parts).pop()
    })
}

#[test]
fn a_path_that_is_not_served_is_told_like_any_other_refusal() {
    // A misspelt path of a client was told nowhere, at no level.
    // Whoever looked into the log saw a server at which nobody knocked.
    let server = Server::start(&raw("/ws", ""));
    assert_eq!(server.get("/nope").status, 404);
    let line = told(&server, &["request refused", "path=/nope", "status=404"]);
    assert!(
        line.contains("INFO") && line.contains("address=127.0.0.1"),
        "{line}"
    );
    assert!(line.contains("WebSocket endpoints: /ws"), "{line}");
    assert_eq!(server.try_ws("/wss?token=t0ps3cret", "").0.status, 404);
    told(&server, &["request refused", "path=/wss", "status=404"]);
    assert!(!server.log.text().contains("t0ps3cret"));
    // A probe of a node is answered, not refused.
    assert_eq!(server.get("/ready").status, 200);
    assert!(lines_with(&server, &["path=/ready"]).is_empty());
}

#[test]
fn mistakes_at_the_api_are_in_the_log_and_counted() {
    // Wrong keys and calls that fail were at debug only, and counted nowhere: neither who guesses
    // keys nor a backend with an old one could be seen.
    let server = Server::start(KEYS);
    let key = "X-API-Key: a key of the API\r\n";
    assert_eq!(
        post(&server, "/api/publish", "X-API-Key: old\r\n", "{}"),
        401
    );
    assert_eq!(post(&server, "/api/publish", "", "{}"), 401);
    assert_eq!(post(&server, "/api/publish", key, "{"), 400);
    assert_eq!(post(&server, "/api/publisch", key, "{}"), 404);
    assert_eq!(server.get("/api/publish").status, 405);
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(server.get("/status/sessions").status, 401);
    // An error in an answer of success, alone and in a batch.
    assert_eq!(
        post(
            &server,
            "/api/publish",
            key,
            "{\"channel\":\"a b\",\"data\":1}"
        ),
        200
    );
    let batch = "{\"commands\":[{\"presence\":{\"channel\":\"c d\"}}]}";
    assert_eq!(post(&server, "/api/batch", key, batch), 200);
    for (path, status, reason) in [
        ("/api/publish", 401, "needs the header X-API-Key"),
        ("/api/publish", 400, "EOF"),
        ("/api/publisch", 404, "method not found"),
        ("/api/publish", 405, "only POST"),
        ("/metrics", 401, "admin.key"),
        ("/status/sessions", 401, "admin.key"),
        ("/api/publish", 200, "code=107"),
        ("/api/batch", 200, "code=107"),
    ] {
        let (path, status) = (format!("path={path} "), format!("status={status} "));
        let line = told(&server, &["request refused", &path, &status, reason]);
        assert!(line.contains("INFO"), "{line}");
    }
    assert!(
        !server.log.text().contains("a key of"),
        "no key is ever logged"
    );
    let metrics = server.get_with("/metrics", key).body;
    for count in [
        "fanfare_refused_requests_total{status=\"401\"} 4",
        "fanfare_refused_requests_total{status=\"404\"} 1",
        "fanfare_refused_requests_total{status=\"405\"} 1",
        "fanfare_api_errors_total{code=\"101\"} 2",
        "fanfare_api_errors_total{code=\"104\"} 2",
        "fanfare_api_errors_total{code=\"107\"} 3",
    ] {
        assert!(metrics.contains(count), "{count} in {metrics}");
    }
}

#[test]
fn a_handshake_that_was_taken_is_not_told_as_refused() {
    // A bad token on a WebSocket was "request refused status=401", though the client had a 101 and
    // a close: two lines that contradict each other, the first without the session that it is of.
    let settings = format!(
        "[token]\nhmac_secret = \"a secret of more than thirty-two bytes\"\n{}",
        raw("/ws", "")
    );
    let server = Server::start(&settings);
    let mut client = server.ws("/ws?token=a.b.c");
    assert_eq!(client.expect_close(), (3500, "invalid token".to_string()));
    let ended = server.log.wait_for("session ended");
    let id = ended
        .split("id=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let id = format!("id={}", id.expect("an id"));
    let line = told(&server, &["connect refused", &id, "endpoint=/ws"]);
    assert_eq!(line.matches("invalid").count(), 1, "{line}");
    assert!(lines_with(&server, &["request refused"]).is_empty());
}

#[test]
fn each_new_reason_of_a_hook_that_fails_is_told_as_it_is() {
    // A backend that answered 403 "does not answer", and only the first reason in ten seconds was
    // told: whoever mended that was not shown the next one.
    let turn = Arc::new(AtomicU32::new(0));
    let turns = turn.clone();
    let backend = Backend::start(move |_| match turns.load(Relaxed) {
        0 => (403, "application/json", "{}".to_string()),
        _ => (200, "application/json", "{}".to_string()),
    });
    let server = Server::start(&format!(
        "{}{}",
        backend.hook("connect"),
        raw("/ws", "connect_hook = true")
    ));
    for (round, closed, reason) in [
        (
            0,
            "the backend answered with an error",
            "the backend answered 403",
        ),
        (
            1,
            "the backend's answer cannot be used",
            "the backend's answer cannot be used: ",
        ),
    ] {
        turn.store(round, Relaxed);
        assert_eq!(server.ws("/ws").expect_close(), (3004, closed.to_string()));
        let refused = told(&server, &["connect refused", reason]);
        assert!(!refused.contains("does not answer"), "{refused}");
        let failed = reason.rsplit("backend ").next().unwrap_or_default();
        let failed = failed.rsplit(": ").next().unwrap_or_default();
        let line = told(&server, &["hook failed", "hook=connect", failed]);
        assert!(
            line.contains("WARN") && !line.contains("address="),
            "{line}"
        );
    }
    // The rest of the reasons' number comes at the level of the first line, and says what it is of.
    turn.store(0, Relaxed);
    let clients: Vec<_> = (0..3).map(|_| server.ws("/ws")).collect();
    let again = told(&server, &["connect refused again", "answered 403"]);
    assert!(again.contains("address=127.0.0.1"), "{again}");
    drop(clients);
}

#[test]
fn values_of_a_json_line_are_members_and_numbers_are_numbers() {
    // The duration of a session was a text with its unit, and addresses stood in messages, where
    // no query of a log finds them.
    let settings = format!("[log]\nformat = \"json\"\n{}", raw("/ws", ""));
    let server = Server::start(&settings);
    drop(server.ws("/ws"));
    let read =
        |text: &str| -> Value { serde_json::from_str(&server.log.wait_for(text)).expect("JSON") };
    assert!(read("session ended")["duration"].is_f64());
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    std::io::Write::write_all(&mut stream, b"\x00\x01garbage\r\n\r\n").expect("sent");
    let line = read("no HTTP came");
    assert_eq!(line["address"], "127.0.0.1");
    assert_eq!(line["message"], json!("no HTTP came"));
}

#[test]
fn a_token_that_is_no_bearers_is_refused_and_a_proxys_password_is_passed_over() {
    // `Authorization: <jwt>` or `Token <jwt>` made a session of nobody, without a word.
    // What a proxy asked a browser for is no token of ours.
    let settings = "[token]\nhmac_secret = \"a secret of more than thirty-two bytes\"\n\
                    [client]\nanonymous = true\n[channels]\nallow.subscribe = [\"anonymous\"]\n";
    let server = Server::start(settings);
    let ask = |authorization: &str| {
        let header = format!("Authorization: {authorization}\r\n");
        server.get_with("/poll?channel=news", &header).status
    };
    for (authorization, status) in [
        ("e30.e30.s", 401),
        ("Token e30.e30.s", 401),
        ("Bearer e30.e30.s", 401),
        ("Basic dXNlcjpwYXNz", 200),
        ("Bearer ", 200),
    ] {
        assert_eq!(ask(authorization), status, "{authorization}");
    }
}

#[test]
fn who_may_not_relay_is_told_the_setting_and_the_channel() {
    // The close was "permission denied: publish", of which channel and why was for guessing.
    let server = Server::start(&format!(
        "[channels]\nallow.subscribe = [\"anonymous\"]\n{}",
        raw("/ws", "on_message = \"relay\"")
    ));
    let mut client = server.ws("/ws?channel=news");
    client.text("hello");
    let (code, reason) = client.expect_close();
    assert_eq!(
        (code, reason.as_str()),
        (
            3507,
            "permission denied (allow.publish of [channels]): news"
        )
    );
    let text = "POST /send?path=/ws&channel=news HTTP/1.1\r\nHost: localhost\r\n\
                Connection: close\r\nContent-Length: 2\r\n\r\nhi";
    let answer = server.request(text).expect("an answer");
    assert_eq!((answer.status, answer.body.trim()), (403, reason.as_str()));
}

#[test]
fn what_the_api_needs_and_did_not_get_is_named() {
    // A misspelt field was "channel is missing", a body that is no JSON "expected ident", and
    // a raw publish without a name a method that is not found.
    let server = Server::start(KEYS);
    let ask = |path: &str, body: &str| {
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             X-API-Key: a key of the API\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = server.request(&text).expect("an answer");
        let json: Value = serde_json::from_str(&answer.body).expect("JSON");
        let message = json["error"]["message"].as_str().unwrap_or_default();
        (answer.status, message.to_string())
    };
    for (path, body, status, part) in [
        (
            "/api/publish",
            r#"{"chanel":"n","data":1}"#,
            200,
            "channel is missing",
        ),
        ("/api/history", "{}", 200, "channel is missing"),
        ("/api/publish", "hello", 400, "the body is no JSON: "),
        ("/api/publish", r#"{"channel":7}"#, 400, "invalid type"),
        ("/api", "hello", 400, "the body is no JSON: "),
        ("/api/channels/", "{}", 400, "channel is missing"),
        ("/api/channels/", "text", 400, "channel is missing"),
    ] {
        let (told, message) = ask(path, body);
        assert!(
            told == status && message.contains(part),
            "{path} {body}: {told} {message}"
        );
    }
}

#[test]
fn the_refusal_of_a_page_names_the_setting_that_lists_the_others() {
    let server = Server::start(&format!(
        "[client]\norigins = [\"https://*.example.com\"]\n{}",
        raw("/ws", "origins = [\"https://a.example\"]")
    ));
    let evil = "Origin: https://evil.example\r\n";
    for (path, setting) in [
        ("/connection/websocket", "client.origins"),
        ("/ws", "origins of its [[raw]]"),
    ] {
        let (answer, _) = server.try_ws(path, evil);
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains(setting), "{}", answer.body);
    }
    let below = "Origin: https://deep.down.example.com\r\n";
    assert_eq!(server.try_ws("/connection/websocket", below).0.status, 101);
}

#[test]
fn a_misspelt_parameter_is_told_where_no_channel_is_named() {
    // `?chanel=news` was taken, joined nothing, and nobody was told.
    let server = Server::start(&raw("/ws", ""));
    drop(server.ws("/ws?chanel=news"));
    let line = told(&server, &["no channel is named", "parameter=chanel"]);
    assert!(line.contains("INFO") && line.contains("path=/ws"), "{line}");
}

#[test]
fn the_status_leaves_out_what_is_not_for_everyone() {
    // `null` stood for "not for you", and looked like "there is none".
    let backend = Backend::start(|_| (403, "text/plain", String::new()));
    let server = Server::start(&format!(
        "{KEYS}{}[[poll]]\nurl = \"http://{}/p\"\nevery = \"1s\"\nchannel = \"news\"\n{}",
        backend.hook("rpc"),
        backend.address,
        raw("/ws", "channels = [\"news\"]")
    ));
    let _client = server.ws("/ws");
    let inside = eventually("a failure", || {
        let text = server
            .get_with("/status", "X-API-Key: a key of the API\r\n")
            .body;
        let status: Value = serde_json::from_str(&text).expect("JSON");
        (status["polls"][0]["failures"] != 0).then_some(status)
    });
    assert_eq!(inside["polls"][0]["last_reason"], "status 403");
    assert!(inside["hooks"].is_object());
    let outside = server.status();
    assert_eq!(outside.get("hooks"), None);
    for name in ["url", "last_error", "last_reason"] {
        assert_eq!(outside["polls"][0].get(name), None, "{name}");
    }
}

#[test]
fn what_a_stream_or_poll_brings_from_the_history_is_counted() {
    // Five publications by `since` were `messages_out=0 bytes_out=0`; live ones were counted.
    let server = Server::start(&format!(
        "{KEYS}[channels]\nhistory_size = 9\nallow.subscribe = [\"anonymous\"]\n"
    ));
    let key = "X-API-Key: a key of the API\r\n";
    for _ in 0..5 {
        let status = post(
            &server,
            "/api/publish",
            key,
            r#"{"channel":"news","data":1}"#,
        );
        assert_eq!(status, 200);
    }
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    let request = "GET /sse?channel=news&since=9 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
    server.wait_status("messages_out", 5);
    drop(stream);
    let line = server.log.wait_for("session ended");
    assert!(
        line.contains("messages_out=5") && !line.contains("bytes_out=0"),
        "{line}"
    );
    assert_eq!(server.get("/poll?channel=news&since=9").status, 200);
    server.wait_status("messages_out", 10);
}

#[test]
fn headers_that_the_settings_name_are_in_the_lines_of_a_session_and_of_a_refusal() {
    // A request's id reached hooks and no line of the log, so that the two could not be brought
    // together. A header that carries a secret cannot be named.
    let settings = format!(
        "[log]\nheaders = [\"X-Request-Id\", \"X-Custom\"]\n{}",
        raw("/ws", "")
    );
    let server = Server::start(&settings);
    drop(server.ws_with("/ws", "x-request-id: r-17\r\nX-Other: no\r\n"));
    let line = server.log.wait_for("session ended");
    assert!(line.contains("headers=\"x-request-id=r-17\""), "{line}");
    drop(server.ws("/ws"));
    let _ = server.get_with("/nope", "X-Request-Id: r-18\r\nX-Custom: c\r\n");
    let line = told(&server, &["request refused", "path=/nope"]);
    assert!(
        line.contains("headers=\"x-request-id=r-18 x-custom=c\""),
        "{line}"
    );
}
