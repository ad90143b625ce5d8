//! `/sse`: what its first event tells, how a stream goes on after a cut, and how it ends.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::{Events, OPEN, post, publish};
use crate::support::{Response, SOON, Server, eventually, raw};

/// What a browser's `EventSource` says of itself.
const ACCEPT: &str = "Accept: text/event-stream\r\n";

/// Checks that an answer is a stream that is over, from which an `EventSource` comes back, with
/// this code and after so many milliseconds.
fn comes_back(answer: &Response, code: u16, retry_ms: std::ops::Range<u64>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("retry-after"), None);
    let lines: Vec<&str> = answer.body.lines().collect();
    let retry = lines[0].strip_prefix("retry: ").expect("a retry");
    let retry: u64 = retry.parse().expect("milliseconds");
    assert!(retry_ms.contains(&retry), "{retry}");
    assert_eq!(lines[1], "event: close");
    let data = lines[2].strip_prefix("data: ").expect("data");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["code"], code, "{data}");
    assert!(!answer.body.contains("id:"), "it keeps the id that it has");
}

#[test]
fn the_first_event_tells_channels_and_position_and_the_rest_are_messages_with_ids() {
    let server = Server::start(OPEN);
    publish(&server, "a", "before");
    let mut events = Events::open(server.address, "/sse?channel=a&channel=now:b", "");
    for header in [
        "200 ok",
        "content-type: text/event-stream",
        "cache-control: no-cache, no-transform",
        "x-accel-buffering: no",
    ] {
        assert!(events.head.contains(header), "{header} in {}", events.head);
    }
    let first = events.greeting();
    let retry: u32 = first
        .retry
        .as_deref()
        .expect("a retry")
        .parse()
        .expect("a number");
    assert!((1000..10_000).contains(&retry));
    let told = first.json();
    let position = told["channels"][0]["since"].as_str().expect("a position");
    assert!(position.starts_with("1@"), "{told}");
    assert_eq!(told["channels"][0]["channel"], "a");
    assert_eq!(
        told["channels"][1],
        serde_json::json!({"channel": "now:b", "recovered": true})
    );
    assert_eq!(told["recovered"], true);
    assert_eq!(told["since"], format!("{position},-"));
    assert_eq!(first.id.as_deref(), told["since"].as_str());

    publish(&server, "a", "one\ntwo\r\nthree");
    let epoch = position.strip_prefix("1@").unwrap();
    let event = events.next();
    assert_eq!(
        (event.name.as_str(), event.data.as_str()),
        ("", "one\ntwo\nthree")
    );
    assert_eq!(event.id, Some(format!("2@{epoch},-")));
    publish(&server, "now:b", "y");
    let event = events.next();
    assert_eq!(
        (event.data.as_str(), event.id),
        ("y", Some(format!("2@{epoch},-")))
    );
}

#[test]
fn a_stream_goes_on_where_it_was_cut_by_header_or_address() {
    let server = Server::start(OPEN);
    let mut events = Events::open(server.address, "/sse?channel=a&channel=b", "");
    events.greeting();
    publish(&server, "a", "1");
    publish(&server, "b", "2");
    assert_eq!(events.next().data, "1");
    let id = events.next().id.expect("an id");
    drop(events);
    server.wait_status("sessions", 0);
    publish(&server, "b", "3");
    publish(&server, "a", "4");
    // The address is as it was when the page made the stream; the header is newer.
    let header = format!("Last-Event-ID: {id}\r\n");
    let path = "/sse?channel=a&channel=b&last_event_id=0@x,0@y";
    let mut events = Events::open(server.address, path, &header);
    let told = events.greeting();
    assert_eq!(told.json()["recovered"], true);
    assert_eq!(
        told.id.as_deref(),
        Some(id.as_str()),
        "nothing of it was taken yet"
    );
    let missed = [events.next(), events.next()];
    assert_eq!([&*missed[0].data, &*missed[1].data], ["4", "3"]);
    publish(&server, "a", "5");
    assert_eq!(events.next().data, "5");
    // Cut in the middle of what was missed.
    let middle = missed[0].id.as_deref().expect("an id").replace(',', "%2C");
    let path = format!("/sse?channel=a&channel=b&last_event_id={middle}");
    let mut events = Events::open(server.address, &path, "");
    assert_eq!(events.greeting().json()["recovered"], true);
    assert_eq!([events.next().data, events.next().data], ["5", "3"]);
}

// An EventSource made of JavaScript says the last id in the address, each in a spelling of its own.
// These were passed over: the stream began from now and said that nothing was missing.
#[test]
fn every_spelling_of_the_last_event_id_goes_on_where_the_stream_was_cut() {
    let server = Server::start(OPEN);
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    for text in ["1", "2", "3", "4"] {
        publish(&server, "a", text);
    }
    let ids: Vec<String> = (0..4).map(|_| events.next().id.expect("an id")).collect();
    for spelling in [
        "lastEventId",
        "Last-Event-ID",
        "lastEventID",
        "last-event-id",
        "last_event_id",
    ] {
        let path = format!("/sse?channel=a&{spelling}={}", ids[2]);
        let mut again = Events::open(server.address, &path, "");
        assert_eq!(again.greeting().json()["recovered"], true, "{spelling}");
        assert_eq!(again.next().data, "4", "{spelling}");
    }
    // Of several in the address the last, a header before all.
    let path = format!(
        "/sse?lastEventId={}&channel=a&Last-Event-ID={}",
        ids[0], ids[1]
    );
    let mut again = Events::open(server.address, &path, "");
    again.greeting();
    assert_eq!(again.next().data, "3");
    let header = format!("Last-Event-ID: {}\r\n", ids[2]);
    let mut again = Events::open(server.address, &path, &header);
    again.greeting();
    assert_eq!(again.next().data, "4");
}

// An id that is none of this server's, or of other channels, was answered 400 or taken for a number
// of messages. After 400 an EventSource stops for good.
#[test]
fn a_foreign_id_begins_from_now_and_says_that_something_may_be_missing() {
    let server = Server::start(OPEN);
    publish(&server, "a", "before");
    for id in ["x", "17", "1@a,2@b,", "\u{e9}", "{}"] {
        let path = "/sse?channel=a&channel=now:b";
        let in_address = format!("{path}&lastEventId={}", super::escaped(id));
        let header = format!("Last-Event-ID: {id}\r\n");
        for (path, header) in [(in_address.as_str(), ""), (path, &header)] {
            let mut events = Events::open(server.address, path, header);
            let told = events.greeting().json();
            assert_eq!(told["recovered"], false, "{id}");
            assert!(
                told["since"]
                    .as_str()
                    .expect("a position")
                    .starts_with("1@")
            );
            for channel in told["channels"].as_array().expect("a list") {
                assert_eq!(channel["recovered"], false, "{id}: {channel}");
            }
            publish(&server, "now:b", "after");
            assert_eq!(events.next().data, "after", "{id}");
        }
    }
    let polled = super::poll(&server, "channel=a&lastEventId=x");
    assert_eq!(
        (&polled["recovered"], &polled["messages"]),
        (&false.into(), &serde_json::json!([]))
    );
}

#[test]
fn what_cannot_be_had_again_is_said() {
    let server = Server::start(OPEN);
    publish(&server, "a", "1");
    let told = |since: &str| {
        let path = format!("/sse?channel=a&channel=now:x&since={since}");
        Events::open(server.address, &path, "").greeting().json()
    };
    let answer = told("0@nosuch,");
    assert_eq!(
        (&answer["recovered"], &answer["channels"][0]["recovered"]),
        (&false.into(), &false.into())
    );
    assert_eq!(answer["channels"][1]["recovered"], true);
    assert!(answer["since"].as_str().unwrap().starts_with("1@"));
    // Nothing is kept there, so nobody can say what came meanwhile.
    assert_eq!(told(",-")["channels"][1]["recovered"], false);
    let mut newest = Events::open(server.address, "/sse?channel=a&since=5", "");
    assert_eq!(newest.greeting().json()["recovered"], true);
    assert_eq!(newest.next().data, "1");
}

#[test]
fn an_envelope_names_the_channel_and_bytes_come_as_base64() {
    let server = Server::start(OPEN);
    let mut plain = Events::open(server.address, "/sse?channel=a", "");
    let mut wrapped = Events::open(server.address, "/sse?channel=a&envelope=1", "");
    plain.greeting();
    wrapped.greeting();
    let octets = "Content-Type: application/octet-stream\r\n";
    assert_eq!(
        post(&server, "/send?channel=a", octets, "\u{1}\u{2}").status,
        200
    );
    publish(&server, "a", "{\"x\": 1}");
    assert_eq!(
        [plain.next().data, plain.next().data],
        ["AQI=", "{\"x\": 1}"]
    );
    let event = wrapped.next();
    assert_eq!(event.json()["since"].as_str(), event.id.as_deref());
    assert_eq!(event.json()["b64data"], "AQI=");
    assert_eq!(wrapped.next().json()["data"]["x"], 1);
    // The same when it is replayed.
    let mut again = Events::open(server.address, "/sse?channel=a&envelope=1&since=2", "");
    again.greeting();
    assert_eq!(again.next(), event);
    let mut again = Events::open(server.address, "/sse?channel=a&since=2", "");
    again.greeting();
    assert_eq!(again.next().data, "AQI=");
}

#[test]
fn a_message_into_several_channels_is_one_event_and_moves_all_positions() {
    let server = Server::start(OPEN);
    let mut events = Events::open(server.address, "/sse?channel=a&channel=b", "");
    events.greeting();
    let mut ws = server.ws("/ws?channel=b&channel=a");
    ws.text("x");
    assert_eq!(events.next().data, "x");
    // The position behind all of it, without waiting for the next message.
    let moved = events.any().expect("an id");
    assert_eq!((moved.name.as_str(), moved.data.as_str()), ("", ""));
    let id = moved.id.expect("an id");
    assert!(id.starts_with("1@") && id.contains(",1@"), "{id}");
    let id = id.replace(',', "%2C");
    let path = format!("/sse?channel=a&channel=b&last_event_id={id}");
    let mut again = Events::open(server.address, &path, "");
    again.greeting();
    publish(&server, "a", "y");
    assert_eq!([events.next().data, again.next().data], ["y", "y"]);
}

#[test]
fn comment_lines_keep_a_silent_stream_alive() {
    let server = Server::start(
        &("[heartbeat]\nping_interval = \"1s\"\npong_timeout = \"500ms\"\n".to_string() + OPEN),
    );
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    for _ in 0..2 {
        assert!(events.any().expect("a comment").comment);
    }
    publish(&server, "a", "x");
    assert_eq!(events.next().data, "x");
}

#[test]
fn the_end_is_told_and_then_comes() {
    let server = Server::start(&("[drain]\nnotice = \"0s\"\nspread = \"0s\"\n".to_string() + OPEN));
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    publish(&server, "a", "last");
    server.signal("TERM");
    assert_eq!(events.next().data, "last");
    let event = events.next();
    assert_eq!(
        (event.name.as_str(), &event.json()["code"]),
        ("close", &1012.into())
    );
    assert_eq!(events.any(), None);
}

#[test]
fn a_session_ends_with_its_connection() {
    let server = Server::start(OPEN);
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    server.wait_status("sessions", 1);
    drop(events);
    server.wait_status("sessions", 0);
}

#[test]
fn a_client_of_http_1_0_gets_its_events_until_the_end() {
    let server = Server::start(OPEN);
    let request = "GET /sse?channel=a HTTP/1.0\r\nHost: test\r\n\r\n";
    let mut events = Events::request(server.address, request);
    assert!(!events.head.contains("chunked"), "{}", events.head);
    events.greeting();
    publish(&server, "a", "x");
    assert_eq!(events.next().data, "x");
}

#[test]
fn a_refusal_is_a_status() {
    let settings = "[limits]\nsessions = 1\n".to_string() + OPEN;
    let server = Server::start(&settings);
    for (path, status) in [
        ("/sse", 400),
        ("/sse?channel=a%20b", 400),
        ("/sse?channel=a&since=x", 400),
        ("/sse?channel=shut:a", 403),
        ("/sse?channel=nosuch:a", 404),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    let full = server.get("/sse?channel=a");
    assert_eq!(
        (full.status, full.header("retry-after").is_some()),
        (503, true)
    );
    for method in ["PUT", "DELETE"] {
        let request =
            format!("{method} /sse?channel=a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let answer = server.request(&request).expect("an answer");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD, POST, OPTIONS")),
            "{method}"
        );
    }
}

// By HTML 9.2.3 an EventSource ends for good at any answer but 200, so that a page that connected
// to a full server stayed without events until it was loaded anew. From a stream that is over it
// comes back by itself.
#[test]
fn an_event_source_comes_back_from_a_full_server_and_others_are_refused() {
    let settings = "[limits]\nsessions = 1\n".to_string() + OPEN;
    let server = Server::start(&settings);
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    let origin = format!("{ACCEPT}Origin: http://localhost\r\n");
    for path in ["/sse?channel=a", "/connection/uni_sse?cf_connect=%7B%7D"] {
        comes_back(&server.get_with(path, ACCEPT), 1013, 5000..10_001);
        assert_eq!(server.get(path).status, 503, "{path}");
        let several = server.get_with(path, "Accept: text/event-stream, */*\r\n");
        assert_eq!(several.status, 503, "{path}");
        let of_page = server.get_with(path, &origin);
        comes_back(&of_page, 1013, 5000..10_001);
        let allowed = of_page.header("access-control-allow-origin");
        assert_eq!(allowed, Some("http://localhost"), "the page may read it");
    }
    let client = server.get_with("/connection/sse?cf_connect=%7B%7D", ACCEPT);
    assert_eq!(client.status, 503, "a client of the protocol comes again");
    // What does not pass by itself is said as ever.
    let gone = server.get_with("/sse?channel=nosuch:a&since=x", ACCEPT);
    assert_eq!(gone.status, 400, "{gone:?}");
    let metrics = server.get("/metrics").body;
    let refused = "fanfare_refused_requests_total{status=\"503\"";
    assert!(metrics.contains(refused), "it is counted as what it is");
    drop(events);
    eventually("there is room", || {
        let mut next = Events::open(server.address, "/sse?channel=a", "");
        (next.next().name == "fanfare").then_some(())
    });
}

// The same while a node drains: the refusal was the end of the stream for as long as the page
// lived.
#[test]
fn an_event_source_that_asks_a_draining_node_comes_back() {
    let mut server = Server::start(&("[drain]\nspread = \"5m\"\n".to_string() + OPEN));
    let _kept = [(); 8].map(|()| {
        let mut events = Events::open(server.address, "/sse?channel=a", "");
        events.greeting();
        events
    });
    let asks = ["/sse?channel=a", "/connection/uni_sse?cf_connect=%7B%7D"];
    let asks = asks.map(|path| {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let half = format!("GET {path} HTTP/1.1\r\nHost: test\r\n");
        stream.write_all(half.as_bytes()).expect("sent");
        stream
    });
    eventually("what came of both is read", || {
        let metrics = server.get("/metrics").body;
        metrics
            .contains("\nfanfare_pending_connections 2\n")
            .then_some(())
    });
    server.signal("TERM");
    eventually("nobody is accepted", || {
        TcpStream::connect(server.address).is_err().then_some(())
    });
    for mut stream in asks {
        let rest = format!("{ACCEPT}\r\n");
        stream.write_all(rest.as_bytes()).expect("sent");
        let answer = Response::read(&mut stream).expect("an answer");
        comes_back(&answer, 1012, 5000..10_001);
        assert_eq!(stream.read(&mut [0]).expect("an end"), 0);
    }
    server.signal("TERM");
    assert_eq!(server.wait(), 1);
}

#[test]
fn an_open_server_needs_no_rules_and_keeps_nothing() {
    let server = Server::start(&raw("/ws", "on_message = \"relay\""));
    let mut events = Events::open(server.address, "/sse?channel=any", "");
    assert_eq!(events.greeting().id.as_deref(), Some("-"));
    server.ws("/ws?channel=any").text("x");
    let event = events.next();
    assert_eq!((event.data.as_str(), event.id.as_deref()), ("x", Some("-")));
    assert_eq!(
        post(&server, "/send?channel=any", "", "x").status,
        403,
        "publishing is never open"
    );
}
