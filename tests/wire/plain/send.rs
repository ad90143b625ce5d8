//! `/send`: what a message on a raw endpoint would do, and publishing.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::{OPEN, json, post};
use crate::support::{Frame, SOON, Server, raw};

const OCTETS: &str = "Content-Type: application/octet-stream; x=y\r\n";

#[test]
fn echo_and_reply_answer_as_a_socket_would() {
    let server = Server::start(
        &(raw("/echo", "on_message = \"echo\"")
            + &raw(
                "/reply",
                "on_message = \"reply\"\nreply = \"got {message}!\"",
            )
            + &raw("/mute", "on_message = \"ignore\"")),
    );
    let answer = post(&server, "/send?path=/echo", "", "hi 你");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hi 你"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let answer = post(&server, "/send?path=%2Fecho", OCTETS, "\u{1}");
    assert_eq!((answer.status, answer.body.as_str()), (200, "\u{1}"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    let answer = post(&server, "/send?path=/reply", "", "x");
    assert_eq!((answer.status, answer.body.as_str()), (200, "got x!"));
    assert_eq!(post(&server, "/send?path=/mute", "", "x").status, 204);
    let unknown = post(&server, "/send?path=/nosuch", "", "x");
    assert_eq!(unknown.status, 404, "{}", unknown.body);
}

#[test]
fn a_relayed_message_reaches_the_path_or_the_channels() {
    let server = Server::start(&raw("/ws", "on_message = \"relay\""));
    let (mut path, mut channel) = (server.ws("/ws"), server.ws("/ws?channel=a&channel=b"));
    server.wait_status("sessions", 2);
    assert_eq!(
        post(&server, "/send?path=/ws", "", "to the path").status,
        204
    );
    path.expect_text("to the path");
    channel.expect_text("to the path");
    assert_eq!(
        post(
            &server,
            "/send?path=/ws&channel=a&channel=b",
            OCTETS,
            "\u{7f}"
        )
        .status,
        204
    );
    assert_eq!(channel.message(), Frame::binary(&[0x7f]));
    channel.expect_nothing();
    path.expect_nothing();
    server.wait_status("sessions", 2);
}

#[test]
fn a_publish_answers_its_place_and_its_key_publishes_once() {
    let server = Server::start(OPEN);
    let mut ws = server.ws("/ws?channel=a&envelope=1");
    ws.message();
    let key = "Idempotency-Key: k1\r\n";
    let first = json(&post(&server, "/send?channel=a", key, "x"));
    assert_eq!(first["offset"], 1);
    assert!(!first["epoch"].as_str().expect("an epoch").is_empty());
    assert_eq!(json(&post(&server, "/send?channel=a", key, "x")), first);
    let other = json(&post(
        &server,
        "/send?channel=a",
        "Idempotency-Key: k2\r\n",
        "y",
    ));
    assert_eq!(other["offset"], 2);
    for text in ["x", "y"] {
        let frame = ws.message();
        let envelope: serde_json::Value = serde_json::from_slice(&frame.payload).expect("JSON");
        assert_eq!(envelope["data"], text);
    }
    ws.expect_nothing();
    let list = json(&post(&server, "/send?channel=a&channel=now:b", "", "z"));
    assert_eq!(list[0]["channel"], "a");
    assert_eq!(list[0]["offset"], 3);
    assert_eq!(list[1], serde_json::json!({"channel": "now:b"}));
    assert_eq!(
        json(&post(&server, "/send?channel=now:b", "", "z")),
        serde_json::json!({})
    );
}

/// Anonymous senders shared one space of keys, so that whoever used a key first kept the
/// publications of everyone else with that key from going out. Those of another address are others.
#[test]
fn keys_of_nobody_are_told_apart_by_the_address() {
    let server = Server::start(&("trusted_proxies = [\"127.0.0.1\"]\n".to_string() + OPEN));
    let mut ws = server.ws("/ws?channel=a");
    server.wait_status("sessions", 1);
    for (address, text, offset) in [
        ("192.0.2.1", "first", 1),
        ("192.0.2.2", "second", 2),
        ("192.0.2.1", "again", 1),
        ("2001:db8::1", "third", 3),
        ("2001:db8::2", "of the same /64", 3),
    ] {
        let headers = format!("Idempotency-Key: 1\r\nX-Forwarded-For: {address}\r\n");
        let place = json(&post(&server, "/send?channel=a", &headers, text));
        assert_eq!(place["offset"], offset, "{address} {text}");
    }
    for text in ["first", "second", "third"] {
        ws.expect_text(text);
    }
    ws.expect_nothing();
}

#[test]
fn who_may_not_publish_to_one_channel_publishes_to_none() {
    let server = Server::start(&("[limits]\nmessage_bytes = \"1KiB\"\n".to_string() + OPEN));
    let long = "x".repeat(1025);
    let long_key = format!("Idempotency-Key: {}\r\n", "k".repeat(257));
    for (path, headers, body, status) in [
        ("/send?channel=a&channel=shut:b", "", "x", 403),
        ("/send?channel=a&channel=nosuch:b", "", "x", 404),
        ("/send?channel=a&channel=$all", "", "x", 400),
        ("/send", "", "x", 400),
        ("/send?channel=a", "", long.as_str(), 413),
        ("/send?path=/ws", "", &long, 413),
        ("/send?channel=a", "Idempotency-Key: \r\n", "x", 400),
        ("/send?channel=a", &long_key, "x", 400),
        ("/send?path=/ws&channel=shut:b", "", "x", 403),
    ] {
        let answer = post(&server, path, headers, body);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    // Without a length, the bound is found while it comes.
    let chunk = "x".repeat(1000);
    let chunked = format!(
        "POST /send?channel=a HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         3e8\r\n{chunk}\r\n3e8\r\n{chunk}\r\n0\r\n\r\n"
    );
    assert_eq!(server.request(&chunked).expect("an answer").status, 413);
    assert_eq!(
        json(&post(&server, "/send?channel=a", "", "x"))["offset"],
        1,
        "none of it was published"
    );
    let answer = server.get("/send?channel=a");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("POST, OPTIONS"))
    );
}

#[test]
fn bytes_that_are_no_text_are_binary_whoever_says_otherwise() {
    let server = Server::start(OPEN);
    let mut ws = server.ws("/ws?channel=a");
    server.wait_status("sessions", 1);
    let mut request = b"POST /send?channel=a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
        Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n"
        .to_vec();
    request.extend_from_slice(&[0xff, 0x00]);
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(&request).expect("sent");
    assert_eq!(ws.message(), Frame::binary(&[0xff, 0x00]));
}

/// Posts to these paths in one packet; each answer from its status on.
fn pipelined(server: &Server, paths: &[&str], headers: &str) -> Vec<String> {
    let post = |path: &&str| {
        format!("POST {path} HTTP/1.1\r\nHost: test\r\n{headers}Content-Length: 1\r\n\r\nx")
    };
    let requests: String = paths.iter().map(post).collect();
    let last = "GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let all = format!("{requests}{last}");
    stream.write_all(all.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answers");
    let answers = text.split("HTTP/1.1 ").skip(1);
    let answers: Vec<String> = answers.map(str::to_string).collect();
    assert_eq!(answers.len(), paths.len() + 1, "{text}");
    answers[..paths.len()].to_vec()
}

/// Who sent by requests of its own and without a user was under no rate at all: 3,000 messages a
/// second passed where sessions and users were allowed five.
#[test]
fn messages_of_nobody_are_charged_to_their_address() {
    let relay = "[[raw]]\npath = \"/mute\"\n";
    for (limits, burst) in [
        (
            "messages_per_second = 1\nmessages_per_second_per_user = 1\n",
            2,
        ),
        (
            "messages_per_second_per_user = 5\nmessages_per_second_per_address = 1\n",
            2,
        ),
    ] {
        let proxies = "trusted_proxies = [\"127.0.0.1\"]\n";
        let server = Server::start(&format!("{proxies}{OPEN}{relay}[limits]\n{limits}"));
        let started = std::time::Instant::now();
        // Sent together, since a slow machine takes its time for ten connections.
        let ten = ["/send?channel=chat", "/send?path=/mute"].repeat(5);
        let answers = pipelined(&server, &ten, "X-Forwarded-For: 192.0.2.1\r\n");
        let refilled = started.elapsed().as_secs() as usize + 1;
        let passed = answers.iter().filter(|answer| answer.starts_with('2'));
        assert!(passed.count() <= burst + refilled, "{answers:?}");
        let mut refused = answers.iter().filter(|answer| answer.starts_with("429"));
        let refused = refused.next().expect("ten are too many");
        assert!(refused.contains("retry-after: "), "{refused}");
        assert!(refused.contains("of this address"), "{refused}");
        let other = "X-Forwarded-For: 192.0.2.2\r\n";
        let other = post(&server, "/send?channel=chat", other, "x");
        assert_eq!(other.status, 200, "another address");
        let metrics = server.get("/metrics").body;
        assert!(
            metrics.contains("fanfare_limited_total{limit=\"messages_per_address\"}"),
            "{metrics}"
        );
    }
}

/// A session of nobody was under no user's rate, since it has no user.
#[test]
fn a_session_of_nobody_has_the_rate_of_a_user_by_itself() {
    let limits = "[limits]\nmessages_per_second_per_user = 1\n";
    let echo = raw("/echo", "on_message = \"echo\"");
    let server = Server::start(&format!("{echo}{limits}"));
    let mut sessions = [server.ws("/echo"), server.ws("/echo")];
    for client in &mut sessions {
        client.text("1");
        client.expect_text("1");
        // The burst is two; whatever a slow machine refills meanwhile, a hundred are too many.
        for _ in 0..100 {
            client.text("x");
        }
        assert_eq!(client.expect_close().0, 3013);
    }
}
