//! A process that was started with listening sockets and has not read its state yet: who is
//! answered, who is held, for how long and how many.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use serde_json::{Value, json};

use crate::{
    handover::with_sockets,
    support::{Client, Response, Server, TempDir, eventually, raw},
};

const SECRET: &str = "a secret of more than thirty-two bytes";

const SETTINGS: &str = r#"workers = 2
[api]
key = "k"
[client]
anonymous = true
[token]
hmac_secret = "a secret of more than thirty-two bytes"
[channels]
allow.subscribe = ["anonymous"]
history_size = 100
history_ttl = "1h"
recovery = true
[[push]]
every = "100ms"
channel = "pushed"
data = '{seq}'
"#;

/// A directory with a state, and what a process before left in it.
struct Kept {
    dir: TempDir,
    epoch: String,
}

impl Kept {
    /// Three messages in `news`, and 42 is blocked.
    fn new() -> (Self, Server) {
        let dir = TempDir::new();
        let first = Server::start(&settings(dir.path(), ""));
        let mut epoch = String::new();
        for number in 1..=3 {
            let body =
                json!({"channel": "news", "data": number, "idempotency_key": number.to_string()});
            let answer = api(first.address, "publish", &body);
            assert_eq!(answer["result"]["offset"], number, "{answer}");
            epoch = answer["result"]["epoch"].as_str().expect("an epoch").into();
        }
        api(first.address, "block_user", &json!({"user": "42"}));
        (Self { dir, epoch }, first)
    }

    /// The same, which this process has the lock of.
    fn locked() -> (Self, File) {
        let (kept, mut first) = Self::new();
        first.signal("TERM");
        assert_eq!(first.wait(), 0);
        let lock = kept.lock();
        (kept, lock)
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn lock(&self) -> File {
        let lock = File::open(self.state().join("lock")).expect("a lock");
        lock.try_lock().expect("nobody has it");
        lock
    }

    /// A process on a socket of ours, which answers `/health`.
    fn next(&self, more: &str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        // Longer than any machine takes, where a test does not say how long.
        let held = match more.contains("handover = ") {
            true => "",
            false => "handover = \"10m\"\n",
        };
        let settings = format!(
            "listen = [\"{address}\"]\n{}",
            settings(self.dir.path(), &format!("{held}{more}"))
        );
        let config = self.dir.write("next.toml", &settings);
        Server::spawn(with_sockets(&config, vec![listener.into()]), TempDir::new())
    }
}

fn settings(dir: &Path, more: &str) -> String {
    let state = dir.join("state");
    let endpoint = raw("/ws", "channels = [\"news\"]");
    format!(
        "{SETTINGS}{endpoint}[state]\ndir = \"{}\"\n{more}",
        state.display()
    )
}

fn post(address: SocketAddr, method: &str, body: &Value, headers: &str) -> Response {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!(
        "POST /api/{method} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nConnection: close\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
    Response::read(&mut stream).expect("an answer")
}

fn api(address: SocketAddr, method: &str, body: &Value) -> Value {
    let response = post(address, method, body, "");
    assert_eq!(response.status, 200, "{}", response.body);
    serde_json::from_str(&response.body).expect("JSON")
}

fn publish(data: u64, key: &str) -> Value {
    json!({"channel": "news", "data": data, "idempotency_key": key})
}

/// A publish that may be held, on a thread of its own.
fn publishes(server: &Server, data: u64, key: &str) -> JoinHandle<Response> {
    let (address, body) = (server.address, publish(data, key));
    std::thread::spawn(move || post(address, "publish", &body, ""))
}

fn connects(server: &Server) -> JoinHandle<(Response, Option<Client>)> {
    let address = server.address;
    std::thread::spawn(move || {
        let stream = TcpStream::connect(address).expect("a connection");
        Client::handshake(stream, "/connection/websocket", "")
    })
}

fn held(server: &Server, count: u64) {
    eventually("they are held", || {
        (server.status()["state"]["held"] == count).then_some(())
    });
}

fn metric(server: &Server, name: &str) -> u64 {
    server.metric(name, "X-API-Key: k\r\n")
}

fn refused(server: &Server, reason: &str) -> u64 {
    let name = format!("fanfare_state_refused_requests_total{{reason=\"{reason}\"}}");
    metric(server, &name)
}

fn ready(server: &Server) {
    eventually("it is ready", || {
        (server.get("/ready").status == 200).then_some(())
    });
}

fn token(user: &str) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["token", "--secret", SECRET, "--user", user])
        .env_remove("FANFARE_CONFIG")
        .output();
    let output = output.expect("it runs").stdout;
    String::from_utf8(output).expect("text").trim().to_string()
}

// A process that took over read the state first and only then accepted: probes, and everyone else,
// waited without an answer. It answers probes at once, and whoever needs the state once it has
// that, with the old one's keys, offsets and blocks.
#[test]
fn while_the_old_process_has_the_state_probes_are_answered_and_others_are_held_and_answered_right()
{
    let (kept, mut first) = Kept::new();
    let next = kept.next("");
    assert_eq!(next.get("/health").status, 200);
    let ready_answer = next.get("/ready");
    assert_eq!(
        (ready_answer.status, ready_answer.body.trim()),
        (503, "starting")
    );
    assert_eq!(next.status()["state"]["reading"], true);
    assert_eq!(next.get("/").status, 200, "the page");
    let (new, repeated, client) = (
        publishes(&next, 4, "4"),
        publishes(&next, 3, "3"),
        connects(&next),
    );
    held(&next, 3);
    assert_eq!(metric(&next, "fanfare_state_held_requests"), 3);
    assert!(metric(&next, "fanfare_state_held_bytes") > 300);
    assert!(!new.is_finished() && !repeated.is_finished() && !client.is_finished());

    let more = api(first.address, "publish", &publish(3, "old"));
    assert_eq!(more["result"]["offset"], 4, "the old one serves on");
    first.signal("TERM");
    assert_eq!(first.wait(), 0);
    let of = |answer: JoinHandle<Response>| {
        let answer = answer.join().expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        let result = &answer["result"];
        assert_eq!(result["epoch"], kept.epoch, "{answer}");
        result["offset"].as_u64()
    };
    assert_eq!((of(new), of(repeated)), (Some(5), Some(3)));
    let (answer, client) = client.join().expect("an answer");
    assert_eq!(answer.status, 101, "{answer:?}");
    let mut client = client.expect("a client");
    client.text(&json!({"id": 1, "connect": {}}).to_string());
    client.json_lines();
    let subscribe = json!({"channel": "news", "recover": true, "offset": 2, "epoch": kept.epoch});
    client.text(&json!({"id": 2, "subscribe": subscribe}).to_string());
    let reply = client.json_lines().remove(0);
    assert_eq!(reply["subscribe"]["recovered"], true, "{reply}");
    let missed = reply["subscribe"]["publications"].as_array().map(Vec::len);
    assert_eq!(missed, Some(3));
    ready(&next);
    let waited = metric(&next, "fanfare_state_waited_requests_total");
    assert_eq!(
        (waited, metric(&next, "fanfare_state_held_requests")),
        (3, 0)
    );
    assert_eq!(next.status()["state"]["reading"], false);
    // Pushes begin with the state.
    client.text(&json!({"id": 3, "subscribe": {"channel": "pushed"}}).to_string());
    eventually("a push", || {
        let lines = client.json_lines();
        lines
            .iter()
            .any(|line| line["push"]["pub"].is_object())
            .then_some(())
    });
}

// Who was blocked by the old process would come in at the new one, which had not read it yet. A
// connect is held until it has.
#[test]
fn who_was_blocked_before_does_not_come_in_while_the_state_is_read() {
    let (kept, lock) = Kept::locked();
    let next = kept.next("");
    let client = connects(&next);
    held(&next, 1);
    drop(lock);
    let mut client = client.join().expect("an answer").1.expect("a client");
    client.text(&json!({"id": 1, "connect": {"token": token("42")}}).to_string());
    assert_eq!(client.expect_close().0, 3503);
}

// A directory that is not let go held clients for ever, or without an end. After `state.handover`
// all are told to come again, each in its own form, and once the state is there they are served.
#[test]
fn after_its_time_whoever_needs_the_state_is_told_to_come_again_until_it_is_there() {
    let (kept, lock) = Kept::locked();
    let next = kept.next("handover = \"300ms\"\n");
    // It is held until the time is over, or came behind that.
    let first = publishes(&next, 4, "4").join().expect("an answer");
    for answer in [&first, &post(next.address, "publish", &publish(4, "4"), "")] {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(body["error"]["code"], 100, "{body}");
        assert_eq!(body["error"]["temporary"], true, "{body}");
        let why = body["error"]["message"].as_str().expect("a reason");
        assert!(why.contains("state.handover"), "{why}");
    }
    for path in ["/sse?channel=news", "/poll?channel=news", "/nowhere"] {
        let answer = next.get_with(path, "Origin: http://localhost\r\n");
        assert_eq!(answer.status, 503, "{path}: {answer:?}");
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, Some("http://localhost"), "a page sees it");
    }
    let page = next.get_with("/sse?channel=news", "Accept: text/event-stream\r\n");
    assert_eq!(page.status, 200, "an EventSource never comes back from 503");
    assert!(page.body.starts_with("retry: "), "{page:?}");
    for path in ["/ws", "/connection/websocket"] {
        let (answer, _) = next.try_ws(path, "");
        assert_eq!(answer.status, 503, "{path}: {answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(next.get("/ready").status, 503);
    assert!(refused(&next, "time") >= 4);
    next.log.wait_for("whoever needs the state is refused");
    drop(lock);
    ready(&next);
    let answer = api(next.address, "publish", &publish(4, "4"));
    assert_eq!(
        (&answer["result"]["offset"], &answer["result"]["epoch"]),
        (&json!(4), &json!(kept.epoch))
    );
    next.ws("/ws").expect_nothing();
}

// Whoever comes while nothing can be answered holds memory. Beyond a number of requests, and of
// their bytes, the newcomer is refused at once, and those that are held are served.
#[test]
fn more_than_may_be_held_are_refused_at_once() {
    let (kept, lock) = Kept::locked();
    let next = kept.next("handover_requests = 2\nhandover_bytes = \"4KiB\"\n");
    let waiting = [publishes(&next, 4, "4"), publishes(&next, 5, "5")];
    held(&next, 2);
    let third = post(next.address, "publish", &publish(6, "6"), "");
    assert_eq!(third.status, 503, "{third:?}");
    assert!(third.body.contains("state.handover_requests"), "{third:?}");
    assert_eq!(refused(&next, "requests"), 1);
    drop(lock);
    for answer in waiting {
        assert_eq!(answer.join().expect("an answer").status, 200);
    }
    ready(&next);

    let mut next = next;
    next.signal("TERM");
    assert_eq!(next.wait(), 0);
    let lock = kept.lock();
    let next = kept.next("handover_requests = 2\nhandover_bytes = \"4KiB\"\n");
    let large = format!("X-Large: {}\r\n", "x".repeat(5000));
    let answer = post(next.address, "publish", &publish(7, "7"), &large);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("state.handover_bytes"), "{answer:?}");
    let mut long = publish(7, "7");
    long["data"] = json!("x".repeat(5000));
    let answer = post(next.address, "publish", &long, "");
    assert_eq!(answer.status, 503, "a body too: {answer:?}");
    assert_eq!(refused(&next, "bytes"), 2);
    let fits = publishes(&next, 7, "7");
    held(&next, 1);
    drop(lock);
    assert_eq!(fits.join().expect("an answer").status, 200);
}

// A client that went on waiting would keep its place until the state is there. With its connection
// its place goes too.
#[test]
fn whoever_goes_is_held_no_longer() {
    let (kept, _lock) = Kept::locked();
    let next = kept.next("handover_requests = 1\n");
    for request in [
        "GET /sse?channel=news HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(next.address).expect("a connection");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
        held(&next, 1);
        drop(stream);
        held(&next, 0);
    }
}

// A process that is told to stop while it waits would leave those it holds without an answer, or
// wait for the directory first. It answers them and ends.
#[test]
fn a_process_that_is_stopped_while_it_waits_refuses_whom_it_holds() {
    let (kept, _lock) = Kept::locked();
    let mut next = kept.next("");
    let (answer, client) = (publishes(&next, 4, "4"), connects(&next));
    held(&next, 2);
    next.signal("TERM");
    let answer = answer.join().expect("an answer");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("goes away"), "{answer:?}");
    assert_eq!(client.join().expect("an answer").0.status, 503);
    assert_eq!(next.wait(), 0);
}

// A state that must not be guessed at ends the process: who was revoked would be in again. Those
// who wait are told so, and the status and the log say why.
#[test]
fn a_state_that_cannot_be_read_ends_the_process_with_an_answer_for_whom_it_holds() {
    let (kept, lock) = Kept::locked();
    let name = "revocations-0000000001.log";
    let file = kept.state().join(name);
    let mut bytes = fs::read(&file).expect("the revocations");
    let place = bytes
        .windows(2)
        .position(|two| two == b"42")
        .expect("the user");
    bytes[place] = b'9';
    fs::write(&file, bytes).expect("written");
    let mut next = kept.next("");
    let answer = publishes(&next, 4, "4");
    held(&next, 1);
    drop(lock);
    assert_eq!(answer.join().expect("an answer").status, 503);
    assert_eq!(next.wait(), 1);
    next.log.wait_for(&format!("{name} is damaged"));
}
