//! Channels with a window, as streams and polls have them. What clients on WebSockets get of it is
//! tested under a clock that stands still (`session/tests/on_sockets/windows`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    plain::{Events, poll, post, publish, since, texts},
    support::{Client, SOON, Server},
};

fn settings(more: &str) -> String {
    // One worker, so that every count is known. The window is so long that a loaded machine
    // publishes a few messages within half of it.
    format!(
        "workers = 1\napi.key = \"k\"\n[channels]\nwindow = \"8s\"\nallow.subscribe = [\"anonymous\"]\n\
         allow.publish = [\"anonymous\", \"subscriber\"]\n{more}\n[[raw]]\npath = \"/ws\"\n"
    )
}

fn start(more: &str) -> Server {
    Server::start(&settings(more))
}

const KEPT: &str = "history_size = 100\nrecovery = true\n";

const KEY: &str = "X-API-Key: k\r\n";

/// A number of `/metrics`, over all workers.
fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get_with("/metrics", KEY).body;
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum::<f64>() as u64
}

/// Batches that left, those that left early, and publications that gave way to newer ones.
fn counts(server: &Server) -> [u64; 3] {
    ["batches", "early", "replaced"]
        .map(|name| metric(server, &format!("fanfare_window_{name}_total")))
}

/// A client of the protocol, subscribed to the channel.
fn client(server: &Server, channel: &str) -> Client {
    let mut client = server.ws("/connection/websocket");
    client.text("{\"id\":1,\"connect\":{}}");
    client.message();
    client.text(&json!({ "id": 2, "subscribe": { "channel": channel } }).to_string());
    let reply = client.json_lines().remove(0);
    assert_eq!(reply["id"], 2, "{reply}");
    client
}

fn text_of(client: &mut Client) -> String {
    String::from_utf8(client.message().payload).expect("text")
}

/// A stream's batch is one write in which each event still has the id to go on from. A poll that
/// waits is answered with all of a batch, not with its first message.
#[test]
fn a_stream_gets_each_event_with_its_id_and_a_poll_one_answer() {
    let server = start(KEPT);
    let mut events = Events::open(server.address, "/sse?channel=a", "");
    events.greeting();
    publish(&server, "a", "1");
    let first = events.next().id.expect("an id");
    let asked = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={first}")));
        // The poll is one more session while it waits.
        server.wait_status("sessions", 2);
        for number in 2..=4 {
            publish(&server, "a", &number.to_string());
        }
        waiting.join().expect("an answer")
    });
    let polled = texts(&asked);
    assert_eq!(polled, ["2", "3", "4"]);
    for number in 2..=4u64 {
        let event = events.next();
        assert_eq!(event.data, number.to_string());
        let id = event.id.expect("an id");
        assert!(id.starts_with(&format!("{number}@")), "{id}");
    }
    assert!(since(&asked).starts_with("4@"));
}

/// Where only the newest value counts, older ones that still wait are not worth a byte. The last
/// one always arrives, and nobody is told a place from which values could be missing.
#[test]
fn with_keep_newest_only_the_newest_of_what_waits_arrives() {
    let server = start("keep = \"newest\"\nhistory_size = 1\ncache_recovery = true\n");
    let mut raw = server.ws("/ws?channel=a&envelope=1");
    raw.message();
    let mut protocol = client(&server, "a");
    publish(&server, "a", "1");
    assert!(!text_of(&mut raw).contains("since"));
    text_of(&mut protocol);
    for number in 2..=5 {
        publish(&server, "a", &number.to_string());
    }
    let envelope = text_of(&mut raw);
    assert!(
        envelope.contains("\"data\":5") && !envelope.contains("since"),
        "{envelope}"
    );
    assert!(text_of(&mut protocol).contains("\"data\":5"));
    assert_eq!(counts(&server), [1, 0, 3]);
    // Who comes back has no position, and the newest once more; a poll then waits for the next.
    let mut events = Events::open(server.address, "/sse?channel=a", "Last-Event-ID: -\r\n");
    events.greeting();
    assert_eq!(events.next().data, "5");
    let answer = poll(&server, "channel=a");
    assert_eq!(
        (texts(&answer), since(&answer)),
        (vec!["5".into()], "-".into())
    );
    let mut late = server.ws("/connection/websocket");
    late.text("{\"id\":1,\"connect\":{}}");
    late.message();
    late.text(
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recoverable\":true,\"positioned\":true}}",
    );
    let result = text_of(&mut late);
    assert!(
        result.contains("\"data\":5"),
        "the newest at once: {result}"
    );
    assert!(
        !result.contains("recoverable") && !result.contains("positioned"),
        "{result}"
    );
}

/// A stream of the protocol has lines where a WebSocket has frames. What leaves together is one
/// write, and a read finds all of its lines.
#[test]
fn a_stream_of_lines_gets_all_lines_in_one_write() {
    use std::io::{Read as _, Write as _};
    let server = start(KEPT);
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let body = "{\"id\":1,\"connect\":{}}";
    let request = format!(
        "POST /connection/http_stream HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut read = |wanted: &str| {
        let (mut text, mut chunk) = (String::new(), [0; 1 << 16]);
        while !text.contains(wanted) {
            let n = stream.read(&mut chunk).expect("more");
            assert!(n > 0, "ended without {wanted}: {text}");
            text.push_str(std::str::from_utf8(&chunk[..n]).expect("text"));
        }
        text
    };
    let text = read("\"node\"");
    let reply = text.lines().find(|line| line.starts_with("{\"id\":1"));
    let reply: Value = serde_json::from_str(reply.expect("a reply")).expect("JSON");
    let command = json!({
        "session": reply["connect"]["session"],
        "node": reply["connect"]["node"],
        "data": "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}",
    });
    assert_eq!(
        post(&server, "/emulation", "", &command.to_string()).status,
        204
    );
    read("\"id\":2");
    publish(&server, "a", "1");
    read("\"data\":1");
    for number in 2..=4 {
        publish(&server, "a", &number.to_string());
    }
    let text = read("\"data\":");
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let offsets = lines.map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["push"]["pub"]["offset"].as_u64().expect("an offset")
    });
    assert_eq!(offsets.collect::<Vec<_>>(), [2, 3, 4], "{text}");
}

/// The longest that there is.
const WINDOW: Duration = Duration::from_secs(10);

/// A poll that waited was there when a message was published, even if its time is over before the
/// window's. Between polls nobody is there, so what waits is in its answer or lost.
#[test]
fn a_poll_whose_time_is_over_takes_what_waits() {
    let long = settings("").replace("8s", "10s") + "[limits]\npoll_wait = \"4s\"\n";
    let server = Server::start(&long);
    let mut member = server.ws("/ws?channel=a");
    let started = Instant::now();
    publish(&server, "a", "1");
    member.expect_text("1");
    let position = since(&poll(&server, "channel=a"));
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(&server, &format!("channel=a&since={position}")));
        server.wait_status("sessions", 2);
        for number in 2..=3 {
            publish(&server, "a", &number.to_string());
        }
        waiting.join().expect("an answer")
    });
    assert_eq!(texts(&answer), ["2", "3"]);
    assert!(started.elapsed() < WINDOW, "the window is longer");
}
