//! The query as a form, by `POST /poll` and `POST /sse`.

use std::{io::Write as _, net::TcpStream};

use super::{Events, OPEN, escaped, json, post, publish, since, texts};
use crate::support::Server;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// More names than fit an address that a proxy passes on.
fn long_form(channels: usize) -> String {
    let name = |number: usize| format!("{}{number:03}", "弹".repeat(80));
    let names = (0..channels).map(|number| format!("channel={}&", escaped(&name(number))));
    names.collect()
}

// Names of other scripts grow threefold in an address, and proxies take 8 kB of it. A client with
// many of them could not ask for them.
#[test]
fn a_poll_takes_its_query_as_a_form() {
    let server = Server::start(OPEN);
    let form = long_form(60) + "channel=a";
    assert!(form.len() > 40_000);
    let first = json(&post(&server, "/poll", FORM, &form));
    publish(&server, "a", "x");
    // Beside the address, whose channels come first.
    let at = since(&first);
    let next = json(&post(&server, "/poll", FORM, &format!("{form}&since={at}")));
    assert_eq!(texts(&next), ["x"]);
    assert_eq!(next["recovered"], true);
    let at = since(&json(&server.get("/poll?channel=a&channel=b")));
    publish(&server, "b", "y");
    let path = "/poll?channel=a";
    let next = json(&post(&server, path, FORM, &format!("channel=b&since={at}")));
    assert_eq!(texts(&next), ["y"]);
    // Without a body the address is the query.
    assert_eq!(post(&server, "/poll?channel=a", "", "").status, 200);
}

#[test]
fn a_stream_takes_its_query_as_a_form() {
    let server = Server::start(OPEN);
    let form = "channel=a&envelope=1";
    let request = |form: &str| {
        let length = form.len();
        format!("POST /sse HTTP/1.1\r\nHost: test\r\n{FORM}Content-Length: {length}\r\n\r\n{form}")
    };
    let mut events = Events::request(server.address, &request(form));
    events.greeting();
    publish(&server, "a", "x");
    let event = events.next();
    assert_eq!(event.json()["data"], "x");
    drop(events);
    server.wait_status("sessions", 0);
    publish(&server, "a", "y");
    let form = format!("{form}&lastEventId={}", event.id.expect("an id"));
    let mut events = Events::request(server.address, &request(&form));
    assert_eq!(events.greeting().json()["recovered"], true);
    assert_eq!(events.next().json()["data"], "y");
}

#[test]
fn who_hangs_up_after_a_form_has_no_session_any_more() {
    let server = Server::start(&("[limits]\npoll_wait = \"60s\"\n".to_string() + OPEN));
    let at = since(&json(&server.get("/poll?channel=a")));
    let form = format!("channel=a&since={at}");
    let length = form.len();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let request = format!(
        "POST /poll HTTP/1.1\r\nHost: test\r\n{FORM}Content-Length: {length}\r\n\r\n{form}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    server.wait_status("sessions", 1);
    drop(stream);
    server.wait_status("sessions", 0);
}

#[test]
fn a_body_that_is_no_form_is_refused_in_words() {
    let server = Server::start(&("[limits]\nmessage_bytes = \"1KiB\"\n".to_string() + OPEN));
    let long = format!("channel=a&x={}", "x".repeat(1100));
    for (path, headers, body, status, part) in [
        ("/poll", FORM, "channel=a+b", 400, "white space"),
        ("/poll", FORM, "x=y", 400, "name at least one channel"),
        (
            "/poll",
            "Content-Type: application/json\r\n",
            "{}",
            415,
            "x-www-form-urlencoded",
        ),
        ("/sse", "", "channel=a", 415, "x-www-form-urlencoded"),
        ("/poll", FORM, &*long, 413, "limits.message_bytes"),
    ] {
        let answer = post(&server, path, headers, body);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    }
}
