//! `/poll`: positions, waiting, and what is said where something was missed.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{OPEN, json, poll, post, publish, since, texts};
use crate::support::{SOON, Server, raw};

fn with_wait(wait: &str) -> String {
    format!("[limits]\npoll_wait = \"{wait}\"\n") + OPEN
}

#[test]
fn the_first_poll_tells_where_it_is_and_the_next_ones_go_on_from_there() {
    let server = Server::start(OPEN);
    publish(&server, "a", "before");
    let answer = server.get("/poll?channel=a&channel=b");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = json(&answer);
    assert_eq!(
        (&answer["messages"], &answer["recovered"]),
        (&serde_json::json!([]), &true.into())
    );
    publish(&server, "a", "{\"n\": 1}");
    publish(&server, "a", "text");
    let octets = "Content-Type: application/octet-stream\r\n";
    post(&server, "/send?channel=b", octets, "\u{1}\u{2}");
    let mut next = poll(
        &server,
        &format!("channel=a&channel=b&since={}", since(&answer)),
    );
    for message in next["messages"].as_array_mut().expect("a list") {
        let info = message.as_object_mut().and_then(|it| it.remove("info"));
        let info = info.expect("who published it");
        assert_eq!(info["user"], "", "{info}");
        assert!(info["client"].as_str().is_some_and(|id| !id.is_empty()));
    }
    let expected = serde_json::json!([
        {"channel": "a", "offset": 2, "data": {"n": 1}},
        {"channel": "a", "offset": 3, "data": "text"},
        {"channel": "b", "offset": 1, "b64data": "AQI="}
    ]);
    assert_eq!(
        (&next["messages"], &next["recovered"]),
        (&expected, &true.into())
    );
    let newest = poll(&server, "channel=a&since=1");
    assert_eq!(texts(&newest), ["text"]);
}

// A page that fell back to polling did not know who said what, though the same page over a
// WebSocket did. Who polls is told of the publisher and of the tags, of what was missed and of what
// comes.
#[test]
fn a_poll_says_who_published_and_with_which_tags() {
    let server = Server::start(&(with_wait("60s") + "[api]\nkey = [\"k\"]\n"));
    let at = since(&poll(&server, "channel=a"));
    let api = |data: u8| {
        let body = format!("{{\"channel\":\"a\",\"data\":{data},\"tags\":{{\"t\":\"x\\\"\"}}}}");
        let answer = post(&server, "/api/publish", "X-API-Key: k\r\n", &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    publish(&server, "a", "said");
    api(2);
    let missed = poll(&server, &format!("channel=a&since={at}"));
    let client = &missed["messages"][0]["info"]["client"];
    assert_eq!(
        missed["messages"],
        serde_json::json!([
            {"channel": "a", "offset": 1, "data": "said", "info": {"user": "", "client": client}},
            {"channel": "a", "offset": 2, "data": 2, "tags": {"t": "x\""}},
        ])
    );
    assert!(client.as_str().is_some_and(|id| !id.is_empty()), "{missed}");
    let at = since(&missed);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={at}")));
        server.wait_status("sessions", 1);
        api(3);
        let live = waiting.join().expect("an answer");
        assert_eq!(live["messages"][0]["tags"], serde_json::json!({"t": "x\""}));
    });
}

#[test]
fn a_poll_waits_for_the_first_message() {
    let server = Server::start(&with_wait("60s"));
    let at = since(&poll(&server, "channel=a"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={at}")));
        server.wait_status("sessions", 1);
        server.wait_status("channels", 1);
        publish(&server, "a", "x");
        let answer = waiting.join().expect("an answer");
        assert_eq!(texts(&answer), ["x"]);
        assert_eq!(answer["recovered"], true);
        assert_eq!(answer["messages"][0]["offset"], 1);
        assert_eq!(since(&answer).split('@').next(), Some("1"));
    });
    server.wait_status("sessions", 0);
}

#[test]
fn at_the_end_of_the_time_the_list_is_empty_and_the_position_the_same() {
    let server = Server::start(&with_wait("300ms"));
    let at = since(&poll(&server, "channel=a"));
    let begin = Instant::now();
    let answer = poll(&server, &format!("channel=a&since={at}"));
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(
        answer,
        serde_json::json!({"messages": [], "since": at, "recovered": true})
    );
}

#[test]
fn what_was_missed_is_said_at_once() {
    let server = Server::start(&with_wait("60s"));
    publish(&server, "a", "x");
    let here = since(&poll(&server, "channel=a"));
    let answer = poll(&server, "channel=a&since=1@nosuch");
    assert_eq!(
        answer,
        serde_json::json!({"messages": [], "since": here, "recovered": false})
    );
    // Of a channel that kept nothing when its position was told.
    let answer = poll(&server, "channel=a&since=-");
    assert_eq!(answer["recovered"], false);
}

#[test]
fn a_channel_without_history_is_heard_while_the_poll_waits() {
    let server = Server::start(&with_wait("60s"));
    let first = poll(&server, "channel=now:a");
    assert_eq!(
        first,
        serde_json::json!({"messages": [], "since": "-", "recovered": true})
    );
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, "channel=now:a&since=-"));
        // A session is counted before it is in its channel.
        server.wait_status("channels", 1);
        publish(&server, "now:a", "x");
        let answer = waiting.join().expect("an answer");
        let client = &answer["messages"][0]["info"]["client"];
        let info = serde_json::json!({"user": "", "client": client});
        assert!(client.is_string(), "{answer}");
        let message = serde_json::json!({"channel": "now:a", "data": "x", "info": info});
        assert_eq!(
            answer,
            serde_json::json!({"messages": [message], "since": "-", "recovered": false})
        );
    });
    let open = Server::start(&raw("/ws", ""));
    assert_eq!(poll(&open, "channel=any")["since"], "-");
}

#[test]
fn who_hangs_up_has_no_session_any_more() {
    let server = Server::start(&with_wait("60s"));
    let at = since(&poll(&server, "channel=a"));
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let request = format!("GET /poll?channel=a&since={at} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    server.wait_status("sessions", 1);
    drop(stream);
    server.wait_status("sessions", 0);
    assert_eq!(server.status()["channels"], 0);
}

#[test]
fn a_connection_is_kept_for_the_next_poll() {
    let server = Server::start(&with_wait("10ms"));
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    for _ in 0..3 {
        let request = "GET /poll?channel=now:a&since=- HTTP/1.1\r\nHost: test\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"false}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_drain_answers_who_waits() {
    let server = Server::start(
        &("[drain]\nnotice = \"0s\"\nspread = \"0s\"\n".to_string() + &with_wait("60s")),
    );
    let at = since(&poll(&server, "channel=a"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={at}")));
        server.wait_status("sessions", 1);
        server.signal("TERM");
        let answer = waiting.join().expect("an answer");
        assert_eq!(
            answer,
            serde_json::json!({"messages": [], "since": at, "recovered": true})
        );
    });
}

#[test]
fn who_is_sent_away_is_told_so() {
    let server = Server::start(&("[admin]\nkey = \"s3cret\"\n".to_string() + &with_wait("60s")));
    let key = "Authorization: Bearer s3cret\r\n";
    let at = since(&poll(&server, "channel=a"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get(&format!("/poll?channel=a&since={at}")));
        server.wait_status("sessions", 1);
        let page = json(&server.get_with("/status/sessions", key));
        assert_eq!(page["sessions"][0]["transport"], "poll", "{page}");
        let id = page["sessions"][0]["id"].as_str().expect("an id");
        let kick = format!(
            "DELETE /status/sessions/{id} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{key}\r\n"
        );
        let kicked = server.request(&kick).expect("an answer");
        assert!(kicked.status < 300, "{}", kicked.body);
        assert_eq!(waiting.join().expect("an answer").status, 403);
    });
}

#[test]
fn a_refusal_is_a_status() {
    let server = Server::start(OPEN);
    for (path, status) in [
        ("/poll", 400),
        ("/poll?channel=a&since=x", 400),
        ("/poll?channel=a&since=1@a&since=2@b", 400),
        ("/poll?channel=shut:a", 403),
        ("/poll?channel=nosuch:a", 404),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    let put = "PUT /poll?channel=a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    assert_eq!(server.request(put).expect("an answer").status, 405);
}
