//! `/send` where the backend answers: `on_message = "hook"` and `hooks.publish`. The backend is a
//! thread that answers what it was told to, one request a connection.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, sync_channel},
};

use super::{json, post};
use crate::support::{SOON, Server, raw};

/// Answers these in turn, status line to body, and tells the bodies it was asked with.
fn backend(answers: Vec<(&'static str, &'static str, &'static str)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (told, asked) = sync_channel(16);
    std::thread::spawn(move || {
        for (status, content_type, body) in answers {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let _ = stream.set_read_timeout(Some(SOON));
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut question = vec![0; length];
            let _ = reader.read_exact(&mut question);
            let _ = told.send(String::from_utf8_lossy(&question).into_owned());
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}

#[test]
fn the_backends_answer_is_the_answer() {
    let (url, asked) = backend(vec![
        ("200 OK", "text/plain", "hello"),
        ("200 OK", "application/json", "[\"a\", {\"b\": 1}]"),
        ("204 No Content", "text/plain", ""),
        ("500 Oops", "text/plain", "secret"),
        ("500 Oops", "text/plain", "secret"),
    ]);
    let settings = raw("/ask", "on_message = \"hook\"")
        + &raw(
            "/kind",
            "on_message = \"hook\"\non_failure = \"reply\"\nfailure_reply = \"later\"",
        )
        + &format!("[hooks.message]\nurl = \"{url}\"\n");
    let server = Server::start(&settings);
    let ask = |path: &str| post(&server, path, "", "question");
    let answer = ask("/send?path=/ask");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(asked.recv_timeout(SOON).expect("asked"), "question");
    assert_eq!(
        json(&ask("/send?path=/ask")),
        serde_json::json!(["a", {"b": 1}])
    );
    assert_eq!(ask("/send?path=/ask").status, 204);
    let failed = ask("/send?path=/ask");
    assert_eq!(failed.status, 502);
    assert!(!failed.body.contains("secret"));
    let answer = ask("/send?path=/kind");
    assert_eq!((answer.status, answer.body.as_str()), (200, "later"));
}

#[test]
fn the_backend_decides_who_publishes_what() {
    let (url, asked) = backend(vec![
        (
            "200 OK",
            "application/json",
            "{\"result\":{\"data\":\"changed\"}}",
        ),
        (
            "200 OK",
            "application/json",
            "{\"error\":{\"code\":1001,\"message\":\"not you\"}}",
        ),
        ("500 Oops", "text/plain", ""),
    ]);
    let server = Server::start(&format!(
        "[channels]\nhistory_size = 10\nallow.publish = [\"hook\"]\nallow.subscribe = [\"anonymous\"]\n\
         [hooks.publish]\nurl = \"{url}\"\n"
    ));
    let send = || post(&server, "/send?channel=a", "", "{\"as\":\"asked\"}");
    assert_eq!(json(&send())["offset"], 1);
    let question: serde_json::Value =
        serde_json::from_str(&asked.recv_timeout(SOON).expect("asked")).expect("JSON");
    assert_eq!(
        (&question["channel"], &question["data"]["as"]),
        (&"a".into(), &"asked".into())
    );
    assert_eq!(
        (&question["transport"], &question["user"]),
        (&"send".into(), &"".into())
    );
    let refused = send();
    assert_eq!((refused.status, refused.body.trim()), (403, "not you"));
    assert_eq!(send().status, 503);
    let kept = super::poll(&server, "channel=a&since=9");
    assert_eq!(super::texts(&kept), ["changed"]);
}
