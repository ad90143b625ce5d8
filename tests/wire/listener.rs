//! Connections before they are sessions: their bounds, what silent and foreign ones cost the
//! others, and which worker gets the next one.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    support::{Client, Response, SOON, Server, TempDir, eventually, raw},
    tls,
};

const KEY: &str = "a key of these tests";

/// Nobody waits so long whom nothing holds up, on a machine that does ten other things.
const ANSWERED: Duration = Duration::from_secs(20);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream
}

/// Whether the server has ended the connection; waits for it.
fn is_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Asks on a connection that stays open; the status line of the answer.
fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("sent");
    answer(stream)
}

/// Reads one answer with a length; its status line.
fn answer(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "it ended");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().ok())?
    });
    let mut body = vec![0; length.expect("a length")];
    stream.read_exact(&mut body).expect("a body");
    head.lines().next().expect("a line").to_string()
}

fn metric(server: &Server, name: &str) -> u64 {
    server.metric(name, &format!("X-API-Key: {KEY}\r\n"))
}

fn wait_metric(server: &Server, name: &str, number: u64) {
    eventually(&format!("{name} = {number}"), || {
        (metric(server, name) == number).then_some(())
    });
}

fn wait_metric_at_least(server: &Server, name: &str, number: u64) {
    eventually(&format!("{name} >= {number}"), || {
        (metric(server, name) >= number).then_some(())
    });
}

/// A plain listener first, then one of TLS; the address of the second.
fn start_both(settings: &str) -> (Server, SocketAddr) {
    let dir = TempDir::new();
    tls::make_certificate(&dir);
    let path = dir.path().display().to_string();
    let settings = format!(
        "listen = [\"127.0.0.1:0\", \"tls:127.0.0.1:0\"]\ntls.cert = \"{path}/cert.pem\"\n\
         tls.key = \"{path}/key.pem\"\n{settings}{}",
        raw("/echo", "on_message = \"echo\"")
    );
    let server = Server::start_in(dir, &settings, &[]);
    let line = server.log.wait_for("listening on https://");
    let address = line.split("https://").nth(1).expect("an address");
    let address = address.trim_end_matches('/').parse().expect("an address");
    (server, address)
}

/// A worker took 256 TLS handshakes and then accepted nothing more, on no listener. Silent
/// connections stopped everyone, plain requests too, until their time was over.
#[test]
fn beside_600_silent_connections_tls_and_plain_requests_are_answered() {
    rlimit::increase_nofile_limit(4096).expect("descriptors");
    let (server, address) =
        start_both("tls.handshake_timeout = \"10m\"\nlimits.pending_connections_per_address = 0\n");
    let silent: Vec<TcpStream> = (0..600).map(|_| connect(address)).collect();
    let started = Instant::now();
    for _ in 0..4 {
        let (stream, _) = tls::connect(address);
        let mut client = Client::handshake(stream, "/echo", "").1.expect("a client");
        client.text("over TLS");
        client.expect_text("over TLS");
        assert_eq!(server.get("/health").status, 200);
    }
    assert!(started.elapsed() < ANSWERED, "{:?}", started.elapsed());
    // The other worker may have some of them to look at still.
    wait_metric_at_least(&server, "fanfare_pending_connections", 600);
    drop(silent);
    // The request that asks is being answered.
    wait_metric(&server, "fanfare_pending_connections", 0);
}

/// The time of a TLS handshake was that of a request's head. A silent client of a TLS listener now
/// has `tls.handshake_timeout`, and its end is counted.
#[test]
fn a_tls_handshake_that_does_not_come_is_ended_and_counted() {
    let (server, address) = start_both("tls.handshake_timeout = \"300ms\"\n");
    assert!(is_ended(&mut connect(address)));
    // Counted behind the end, by the worker.
    wait_metric(
        &server,
        "fanfare_cut_connections_total{reason=\"tls_timeout\"}",
        1,
    );
}

/// Connections that were no sessions had no bound, and one address could hold thousands. It now
/// loses its oldest one, whether that is silent, idle, or has half a request.
#[test]
fn an_address_with_too_many_pending_connections_loses_its_oldest() {
    let server = Server::start(
        &("limits.pending_connections_per_address = 8\nhttp.request_timeout = \"10m\"\n"
            .to_string()
            + &raw("/echo", "")),
    );
    let connect_all =
        |count: usize| -> Vec<TcpStream> { (0..count).map(|_| connect(server.address)).collect() };
    let mut silent = connect(server.address);
    let mut half = connect(server.address);
    half.write_all(b"GET /health HTTP/1.1\r\nHost")
        .expect("sent");
    let mut idle = connect(server.address);
    let _four = connect_all(4);
    // From here on the idle one is younger than all of these.
    assert!(ask(&mut idle).contains("200"));
    let _seven = connect_all(3);
    assert!(is_ended(&mut silent));
    assert!(is_ended(&mut half));
    assert!(ask(&mut idle).contains("200"));
    let mut newcomers = connect_all(8);
    assert!(is_ended(&mut idle));
    assert!(ask(&mut newcomers[7]).contains("200"));
    let evicted = "fanfare_cut_connections_total{reason=\"address\"}";
    // Each is counted behind its end, by the worker of whoever it made room for.
    wait_metric_at_least(&server, evicted, 10);
}

/// A head without an end was kept up to 128 KiB, of each connection. It is bounded by
/// `http.head_bytes`; a body behind a head is none of it.
#[test]
fn a_head_beyond_its_bound_is_answered_with_431_and_a_body_is_not() {
    let server = Server::start(&format!(
        "http.head_bytes = \"4KiB\"\napi.key = \"{KEY}\"\n{}",
        raw("/echo", "")
    ));
    let mut stream = connect(server.address);
    let body = format!("{{\"channel\":\"a\",\"data\":\"{}\"}}", "x".repeat(60_000));
    let publish = format!(
        "POST /api/publish HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..3 {
        stream.write_all(publish.as_bytes()).expect("sent");
        assert!(answer(&mut stream).contains("200"));
        assert!(ask(&mut stream).contains("200"));
    }
    let head = format!(
        "GET /health HTTP/1.1\r\nHost: test\r\nX-Long: {}",
        "x".repeat(5000)
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // Neither the client nor the log was told which bound it was, and what to do.
    let answer = Response::read(&mut stream).expect("an answer");
    assert_eq!(answer.status, 431);
    for part in ["http.head_bytes", "/poll and /sse", "POST"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    let line = server.log.wait_for("larger than http.head_bytes");
    assert!(line.contains("127.0.0.1"), "{line}");
    let cut = "fanfare_cut_connections_total{reason=\"head_too_large\"}";
    assert_eq!(metric(&server, cut), 1);
}

/// A carrier puts thousands of clients behind one address, so only connections that are no sessions
/// count. WebSockets, streams and requests that wait for their answer stay.
#[test]
fn sessions_and_requests_that_are_being_answered_are_not_pending() {
    let server = Server::start(
        &(format!("limits.pending_connections_per_address = 3\napi.key = \"{KEY}\"\n")
            + &raw("/echo", "on_message = \"echo\"")),
    );
    let mut clients: Vec<Client> = (0..6).map(|_| server.ws("/echo")).collect();
    let stream = |path: &str| {
        let mut stream = connect(server.address);
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    };
    let mut events = stream("/sse?channel=news");
    let mut poll = stream("/poll?channel=news&since=-");
    server.wait_status("sessions", 8);
    // The connection that asked for the status may be closing still.
    wait_metric(&server, "fanfare_pending_connections", 0);
    let mut silent: Vec<TcpStream> = (0..6).map(|_| connect(server.address)).collect();
    assert!(is_ended(&mut silent[0]));
    for client in &mut clients {
        client.text("still here");
        client.expect_text("still here");
    }
    let body = r#"{"channel":"news","data":"hello"}"#;
    let publish = format!(
        "POST /api/publish HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-API-Key: {KEY}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(server.request(&publish).expect("an answer").status, 200);
    assert!(answer(&mut poll).contains("200"));
    let mut text = Vec::new();
    let mut chunk = [0; 1024];
    while !String::from_utf8_lossy(&text).contains("hello") {
        let count = events.read(&mut chunk).expect("an event");
        assert!(count > 0, "the stream ended");
        text.extend_from_slice(&chunk[..count]);
    }
}

/// A proxy brings the connections of many by one address. Trusted ones have no bound of their own,
/// only that of all.
#[test]
fn trusted_proxies_have_no_bound_of_their_own() {
    let server = Server::start(
        &("trusted_proxies = [\"127.0.0.1\"]\nlimits.pending_connections_per_address = 2\n\
           limits.pending_connections = 8\n"
            .to_string()
            + &raw("/echo", "")),
    );
    let mut silent: Vec<TcpStream> = (0..7).map(|_| connect(server.address)).collect();
    for stream in &mut silent {
        assert!(ask(stream).contains("200"));
    }
    for _ in 0..2 {
        silent.push(connect(server.address));
    }
    assert!(is_ended(&mut silent[0]));
    let evicted = "fanfare_cut_connections_total{reason=\"total\"}";
    wait_metric_at_least(&server, evicted, 1);
}

/// Workers got connections in turn, so that those whose clients had gone stayed nearly empty. The
/// one with the fewest gets the next.
#[test]
fn the_worker_with_the_fewest_sessions_gets_the_next() {
    let server = Server::start(&raw("/echo", "on_message = \"echo\""));
    let of_worker = |worker: u64| {
        let name = format!("fanfare_worker_sessions{{worker=\"{worker}\"}}");
        metric(&server, &name)
    };
    let open = |count: usize| -> Vec<Client> { (0..count).map(|_| server.ws("/echo")).collect() };
    let sessions = open(40);
    server.wait_status("sessions", 40);
    // Taken in turn when all are equal: every second one is on the same worker.
    let kept: Vec<Client> = sessions.into_iter().step_by(2).collect();
    server.wait_status("sessions", 20);
    let _more = open(20);
    server.wait_status("sessions", 40);
    let (first, second) = (of_worker(0), of_worker(1));
    assert!(first.abs_diff(second) <= 4, "{first} and {second}");
    drop(kept);
}

/// Every scanner on the internet wrote an ERROR line without an address. What is no HTTP now has
/// one line at info that says whose it was, and TLS a hint.
#[test]
fn what_is_no_http_has_one_line_with_its_address() {
    let (server, tls_address) =
        start_both("log.filter = \"info\"\ntls.handshake_timeout = \"60s\"\n");
    let send = |address: SocketAddr, bytes: &[u8]| {
        let mut stream = connect(address);
        stream.write_all(bytes).expect("sent");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    };
    send(
        server.address,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    );
    let line = server.log.wait_for("TLS on a plain listener");
    assert!(
        line.contains("INFO") && line.contains("127.0.0.1"),
        "{line}"
    );
    assert!(line.contains("use ws://, or tls: in listen"), "{line}");
    send(server.address, b"\x00\x01garbage\r\n\r\n");
    let line = server.log.wait_for("no HTTP");
    assert!(
        line.contains("INFO") && line.contains("127.0.0.1"),
        "{line}"
    );
    let answer = send(tls_address, b"GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(
        answer.contains("400") && answer.contains("wss://"),
        "{answer}"
    );
    server.log.wait_for("plain HTTP on a tls: listener");
    let log = server.log.text();
    assert!(!log.contains("ERROR"), "{log}");
    let foreign = "fanfare_cut_connections_total{reason=\"not_http\"}";
    assert_eq!(metric(&server, foreign), 2);
}

/// At the end of a drain the workers went at once, whoever was still being answered. Who has asked
/// is answered.
#[test]
fn a_request_that_was_begun_before_the_drain_is_answered() {
    let settings = format!("api.key = \"{KEY}\"\nclose.timeout = \"60s\"\n");
    let mut server = Server::start(&(settings + &raw("/echo", "")));
    let mut stream = connect(server.address);
    let body = r#"{"channel":"news","data":"hello"}"#;
    let head = format!(
        "POST /api/publish HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // The head is there.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("a word to go on");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).expect("sent");
    server.signal("TERM");
    server.log.wait_for("drained: every session");
    stream.write_all(&body.as_bytes()[10..]).expect("sent");
    assert!(answer(&mut stream).contains("200"));
    assert_eq!(server.wait(), 0);
}

/// Connections counted as unfinished before anyone had looked at them, so that of 3,000 whole
/// handshakes which came at once 645 were cut without an answer. Only who waits for its client
/// counts.
#[test]
fn however_many_whole_handshakes_come_at_once_none_is_lost() {
    const CLIENTS: usize = 2000;
    rlimit::increase_nofile_limit(2 * CLIENTS as u64 + 100).expect("descriptors");
    let server = Server::start(
        &("limits.pending_connections_per_address = 8\nlimits.pending_connections = 8\n\
           heartbeat.ping_interval = \"10m\"\n"
            .to_string()
            + &raw("/echo", "on_message = \"echo\"")),
    );
    // They all wait in the system's backlog, whole.
    server.signal("STOP");
    let handshake = "GET /echo HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let begin = |_| {
        let mut stream = connect(server.address);
        stream.write_all(handshake.as_bytes()).expect("sent");
        stream
    };
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(begin).collect();
    server.signal("CONT");
    for (number, stream) in clients.iter_mut().enumerate() {
        let mut start = [0; 12];
        let read = stream.read_exact(&mut start);
        read.unwrap_or_else(|error| panic!("client {number}: {error}"));
        assert_eq!(&start, b"HTTP/1.1 101", "client {number}");
    }
    server.wait_status("sessions", CLIENTS as u64);
    assert_eq!(
        metric(&server, "fanfare_cut_connections_total{reason=\"address\"}"),
        0
    );
}

/// Nothing above debug said that connections were cut to make room. One line a second names the
/// address and the bound.
#[test]
fn a_connection_that_makes_room_is_told_in_the_log_with_the_bound() {
    let server = Server::start(
        &("limits.pending_connections_per_address = 1\n".to_string() + &raw("/echo", "")),
    );
    let mut first = connect(server.address);
    let _second = connect(server.address);
    assert!(is_ended(&mut first));
    let line = server.log.wait_for("makes room");
    assert!(line.contains("127.0.0.1"), "{line}");
    assert!(
        line.contains("limits.pending_connections_per_address"),
        "{line}"
    );
}

/// Bodies that did not end were bounded in number, not in bytes: 512 connections of one address
/// held a hundred megabytes. It now loses the oldest of them, and a key of the API vouches for its
/// own.
#[test]
fn an_address_with_too_many_bytes_of_unfinished_bodies_loses_its_oldest() {
    let server = Server::start(&format!(
        "limits.pending_body_bytes_per_address = \"100KB\"\napi.key = \"{KEY}\"\n{}",
        raw("/echo", "")
    ));
    let begin = |path: &str, header: &str| {
        let mut stream = connect(server.address);
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: test\r\n{header}Content-Length: 40001\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&[b'x'; 40_000]).expect("sent");
        stream
    };
    let key = format!("X-API-Key: {KEY}\r\n");
    let mut of_key: Vec<TcpStream> = (0..4).map(|_| begin("/api/channels/news", &key)).collect();
    let gauge = "fanfare_pending_body_bytes";
    let mut first = begin("/send?channel=news", "");
    wait_metric(&server, gauge, 40_000);
    let mut second = begin("/send?channel=news", "");
    wait_metric(&server, gauge, 80_000);
    let mut third = begin("/send?channel=news", "");
    assert!(is_ended(&mut first));
    let cut = "fanfare_cut_connections_total{reason=\"address_body_bytes\"}";
    // Counted behind the end, by the worker of the third.
    wait_metric(&server, cut, 1);
    let line = server.log.wait_for("makes room");
    assert!(
        line.contains("limits.pending_body_bytes_per_address"),
        "{line}"
    );
    for stream in [&mut second, &mut third].into_iter().chain(&mut of_key) {
        stream.write_all(b"x").expect("sent");
        let line = answer(stream);
        assert!(line.starts_with("HTTP/1.1 "), "{line}");
    }
    wait_metric(&server, gauge, 0);
}

/// Two Host headers, a wrong encoding, garbage, and an address that is not encoded behind another
/// request in the same packet got a 400 without a word. The answer and the log say what is wrong.
#[test]
fn a_request_that_cannot_be_read_is_told_why() {
    let (server, tls_address) = start_both("tls.handshake_timeout = \"60s\"\n");
    let get = "GET /health HTTP/1.1\r\nHost: test\r\n";
    for (sent, fault) in [
        (format!("{get}Host: other\r\n\r\n"), "more than one Host"),
        (
            format!("{get}Transfer-Encoding: gzip\r\n\r\n"),
            "Transfer-Encoding",
        ),
        ("GET /health HTTP/1.1\r\n\r\n".to_string(), "no Host"),
        ("\u{1}garbage\r\n\r\n".to_string(), "first line"),
        (
            format!("{get}\r\nGET /health?name=你好 HTTP/1.1\r\nHost: test\r\n\r\n"),
            "percent-encoded",
        ),
    ] {
        let mut plain = connect(server.address);
        plain.write_all(sent.as_bytes()).expect("sent");
        let mut text = String::new();
        plain
            .read_to_string(&mut text)
            .expect("an answer and its end");
        let is_behind = sent.matches("HTTP/1.1").count() > 1;
        assert_eq!(
            text.matches("HTTP/1.1 200 OK").count(),
            usize::from(is_behind),
            "{text}"
        );
        let begin = text
            .find("HTTP/1.1 400")
            .unwrap_or_else(|| panic!("{sent:?}: {text}"));
        let answer = Response::read(&mut &text.as_bytes()[begin..]).expect("an answer");
        assert!(
            answer.body.starts_with("this request cannot be read: "),
            "{text}"
        );
        assert!(answer.body.contains(fault), "{sent:?}: {}", answer.body);
        assert_eq!(answer.header("connection"), Some("close"));
        let line = server.log.wait_for(fault);
        assert!(
            line.contains("INFO") && line.contains("address=127.0.0.1"),
            "{line}"
        );
    }
    let (mut stream, _) = tls::connect(tls_address);
    stream
        .write_all(format!("{get}Host: other\r\n\r\n").as_bytes())
        .expect("sent");
    let answer = Response::read(&mut stream).expect("an answer");
    assert!(
        answer.body.contains("more than one Host"),
        "{}",
        answer.body
    );
    // Counted behind the answer, by the worker.
    wait_metric(
        &server,
        "fanfare_cut_connections_total{reason=\"not_http\"}",
        6,
    );
}
