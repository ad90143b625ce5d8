//! `Upgrade` and `Connection` on requests that are no handshakes: the answers, the bodies, and the
//! clients that leave.

use std::{io::Write as _, net::TcpStream};

use crate::support::{Response, SOON, Server, eventually, raw};

/// A poll waits longer than any test does.
const SETTINGS: &str = "api.key = \"k\"\n[limits]\npoll_wait = \"10m\"\n[client]\nconnect_timeout = \"10m\"\n\
    [channels]\nhistory_size = 10\nallow.subscribe = [\"anonymous\"]\nallow.publish = [\"anonymous\"]\n\
    [[namespace]]\nname = \"now\"\nhistory_size = 0\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

fn start() -> Server {
    Server::start(&(SETTINGS.to_string() + &raw("/ws", "on_message = \"echo\"")))
}

fn send(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream.write_all(text.as_bytes()).expect("sent");
    stream
}

/// actix-http no longer looks at the socket of a request with `Upgrade: websocket`, so that a poll
/// or a stream of a client that had gone kept its session and its descriptor. They end at once, as
/// without the header.
#[test]
fn a_client_that_leaves_ends_its_session_whatever_it_asked_to_upgrade() {
    let server = start();
    let connect = "{\"id\":1,\"connect\":{}}";
    let posted = format!("Content-Length: {}\r\n\r\n{connect}", connect.len());
    for headers in ["", UPGRADE, "Connection: Upgrade\r\n"] {
        for (line, rest) in [
            ("GET /poll?channel=now:a&since=-", "\r\n"),
            ("GET /sse?channel=a", "\r\n"),
            ("GET /connection/uni_sse?cf_connect=%7B%7D", "\r\n"),
            ("POST /connection/http_stream", posted.as_str()),
        ] {
            let stream = send(
                &server,
                &format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}{rest}"),
            );
            server.wait_status("sessions", 1);
            drop(stream);
            eventually(&format!("the end of {line} with {headers:?}"), || {
                (server.status()["sessions"] == 0).then_some(())
            });
        }
    }
}

/// The answer to an ordinary request with `Connection: Upgrade` said `connection: upgrade`, and the
/// socket closed: a proxy that keeps connections open lost its next request. An answer says `close`
/// where it closes.
#[test]
fn an_answer_to_connection_upgrade_says_whether_another_may_follow() {
    let server = start();
    let key = "X-API-Key: k\r\n";
    let body = "{\"channel\":\"a\",\"data\":1}";
    let length = format!("Content-Length: {}\r\n", body.len());
    for headers in [
        "",
        "Connection: Upgrade\r\n",
        "Connection: keep-alive, Upgrade\r\n",
        UPGRADE,
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    ] {
        let request = format!(
            "POST /api/publish HTTP/1.1\r\nHost: localhost\r\n{key}{length}{headers}\r\n{body}"
        );
        let mut stream = send(&server, &request);
        for _ in 0..3 {
            let answer = Response::read(&mut stream).expect("an answer");
            assert_eq!(answer.status, 200, "{headers:?} {}", answer.body);
            let connection = answer.header("connection").unwrap_or_default();
            assert!(!connection.contains("upgrade"), "{headers:?} {connection}");
            if connection == "close" {
                stream = TcpStream::connect(server.address).expect("a connection");
            }
            stream.write_all(request.as_bytes()).expect("sent");
        }
    }
}

/// A POST with `Upgrade: websocket` came to its handler without its body. All of it comes, also
/// where it is sent in pieces, announced by `Expect`, or longer than a buffer.
#[test]
fn a_post_that_asks_for_an_upgrade_keeps_its_body() {
    let server = start();
    let long = "弹幕".repeat(9_000);
    for text in ["hello", long.as_str()] {
        let mut stream = send(
            &server,
            &format!(
                "POST /send?path=/ws HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n{UPGRADE}\
                 Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                text.len()
            ),
        );
        let mut go_on = [0; 25];
        std::io::Read::read_exact(&mut stream, &mut go_on).expect("a word to go on");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        for piece in text.as_bytes().chunks(4_099) {
            stream.write_all(piece).expect("sent");
        }
        let answer = Response::read(&mut stream).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body, text);
    }
}

/// A body that is longer than it may be was never looked at. It is refused as without the header.
#[test]
fn a_body_that_is_too_long_is_refused_whatever_it_asks_to_upgrade() {
    let server = start();
    let request = format!(
        "POST /send?channel=a HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}Content-Length: 70000\r\n\r\n{}",
        "x".repeat(70_000)
    );
    let answer = Response::read(&mut send(&server, &request)).expect("an answer");
    assert_eq!(answer.status, 413, "{}", answer.body);
}

/// A request behind the last answer of its connection was answered, and the socket stayed open,
/// although that answer said `close`: a proxy may send it again elsewhere. Nothing behind that
/// answer is done.
#[test]
fn nothing_is_answered_behind_an_answer_that_closes() {
    let server = start();
    for (line, headers) in [
        ("GET /health HTTP/1.1", "Connection: Upgrade\r\n"),
        ("GET /health HTTP/1.1", "Connection: close\r\n"),
        ("GET /nothing HTTP/1.1", "Connection: Upgrade\r\n"),
        ("GET /health HTTP/1.0", ""),
    ] {
        let first = format!("{line}\r\nHost: localhost\r\n{headers}\r\n");
        let behind =
            "POST /send?channel=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1";
        let mut stream = send(&server, &format!("{first}{behind}{behind}"));
        let mut answers = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut answers).expect("the end");
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.").count(), 1, "{line} {answers}");
    }
    let status = server.status();
    assert!(status.to_string().contains("\"published\":0"), "{status}");
}
