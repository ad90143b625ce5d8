//! One client that asks for much at a time, and the others on its worker.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Client, SOON, Server, masked};

/// Ten times what the server may do for one client while another waits.
const BOUND: Duration = Duration::from_millis(1500);

/// The time for which a processor has worked for the server. Unlike that of a clock it does not
/// pass while a busy machine works for others.
fn worked(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid()));
    let stat = stat.expect("a running process");
    // Behind the name, which may have blanks in it: utime and stime, in hundredths of a second.
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let times = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.map(|n| n.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

/// Asks as the others do, whatever one client makes the server do; how much it did meanwhile.
fn ask(server: &Server, client: &mut Client, id: u64) -> Duration {
    let before = worked(server);
    client.text(&json!({"id": id, "presence_stats": {"channel": "x"}}).to_string());
    let reply = client.json_lines().remove(0);
    assert_eq!(reply["id"], id);
    worked(server).saturating_sub(before)
}

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// A client of the protocol that is connected, and its socket.
fn connected(server: &Server, headers: &str) -> (Client, TcpStream) {
    let stream = TcpStream::connect(server.address).expect("a connection");
    let socket = stream.try_clone().expect("the same socket");
    let (_, client) = Client::handshake(stream, "/connection/websocket", headers);
    let mut client = client.expect("a client");
    client.text("{\"id\":1,\"connect\":{}}");
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert!(reply["connect"]["client"].is_string(), "{reply}");
    (client, socket)
}

/// A deflated frame with as many commands as a message holds.
fn large_frame() -> Vec<u8> {
    let one = |id| format!("{{\"id\":{id},\"presence_stats\":{{\"channel\":\"x\"}}}}");
    let commands: Vec<String> = (2..1400).map(one).collect();
    let commands = commands.join("\n");
    assert!(commands.len() <= 64 * 1024, "{}", commands.len());
    deflated_frame(commands.as_bytes())
}

/// A deflated text frame.
fn deflated_frame(text: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(text.len());
    flate2::Compress::new(flate2::Compression::best(), false)
        .compress_vec(text, &mut deflated, flate2::FlushCompress::Sync)
        .expect("deflated");
    deflated.truncate(deflated.len() - 4);
    masked(0xc1, &deflated)
}

/// A small frame holds more than a thousand commands. One client that sent such frames without end
/// had everyone else on its worker wait for two to three seconds.
#[test]
fn who_sends_frames_full_of_commands_keeps_nobody_waiting() {
    let server = Server::start("workers = 1\n[client]\nanonymous = true\n");
    let (mut other, _) = connected(&server, "");
    let (mut greedy, socket) = connected(&server, DEFLATE);
    let frames = large_frame().repeat(8);
    let sends = std::thread::spawn(move || while greedy.stream.write_all(&frames).is_ok() {});
    // Its answers are read, so that they do not hold it up.
    let mut answers = socket.try_clone().expect("the same socket");
    let reads = std::thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
    let mut longest = Duration::ZERO;
    for id in 2..40 {
        longest = longest.max(ask(&server, &mut other, id));
    }
    let metrics = server.get("/metrics").body;
    socket.shutdown(Shutdown::Both).expect("the end of it");
    sends.join().expect("no panic");
    let _ = reads.join().expect("no panic");
    assert!(longest < BOUND, "{longest:?} of work before an answer");
    assert!(turns_spent(&metrics) > 10, "{metrics}");
}

/// Whoever was closed and did not answer the Close was read for five seconds more, all that it sent
/// in one go: small frames that inflate to large messages, which nobody hears, had everyone else on
/// the worker wait for up to nine seconds.
#[test]
fn who_was_closed_and_goes_on_sending_keeps_nobody_waiting() {
    // So long that a busy machine has its turns in it.
    let server =
        Server::start("workers = 1\nclose.timeout = \"60s\"\n[client]\nanonymous = true\n");
    let (mut other, _) = connected(&server, "");
    let (mut greedy, socket) = connected(&server, DEFLATE);
    // A pong without a ping: 3501.
    greedy.text("{}");
    let frames = deflated_frame(&[b' '; 60_000]).repeat(2000);
    let before = turns_spent(&server.get("/metrics").body);
    let sends = std::thread::spawn(move || while greedy.stream.write_all(&frames).is_ok() {});
    let (mut longest, mut id, mut spent) = (Duration::ZERO, 1, before);
    let until = Instant::now() + SOON;
    while id < 40 || spent <= before + 10 && Instant::now() < until {
        id += 1;
        longest = longest.max(ask(&server, &mut other, id));
        spent = turns_spent(&server.get("/metrics").body);
    }
    // It may have been cut already.
    let _ = socket.shutdown(Shutdown::Both);
    sends.join().expect("no panic");
    assert!(longest < BOUND, "{longest:?} of work before an answer");
    assert!(spent > before + 10, "{spent} turns");
}

fn turns_spent(metrics: &str) -> u64 {
    let spent = metrics.lines().find_map(|line| {
        let count = line.strip_prefix("fanfare_turns_spent_total{worker=\"0\"} ")?;
        count.parse().ok()
    });
    spent.unwrap_or_else(|| panic!("no turns in {metrics}"))
}

/// The requests that one connection pipelined were answered for as long as they came: one anonymous
/// client that asked for 128 channels each time had everyone else wait for three to five seconds.
#[test]
fn who_pipelines_requests_keeps_nobody_waiting() {
    let server = Server::start(
        "workers = 1\n[client]\nanonymous = true\n\
         [channels]\nhistory_size = 20\nhistory_ttl = \"1h\"\nallow.subscribe = [\"anonymous\"]\n",
    );
    let channels: Vec<String> = (0..128)
        .map(|number| format!("channel=c{number}"))
        .collect();
    let many = format!("/poll?since=20&{}", channels.join("&"));
    for path in [many.as_str(), "/poll?channel=x", "/nope"] {
        let before = turns_spent(&server.get("/metrics").body);
        let (mut other, _) = connected(&server, "");
        let mut greedy = TcpStream::connect(server.address).expect("a connection");
        let socket = greedy.try_clone().expect("the same socket");
        let requests = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").repeat(64);
        let sends =
            std::thread::spawn(move || while greedy.write_all(requests.as_bytes()).is_ok() {});
        let mut answers = socket.try_clone().expect("the same socket");
        let reads = std::thread::spawn(move || io::copy(&mut answers, &mut io::sink()));
        let (mut longest, mut id) = (Duration::ZERO, 1);
        let mut metrics = String::new();
        let until = Instant::now() + SOON;
        while id < 40 || turns_spent(&metrics) <= before + 10 && Instant::now() < until {
            id += 1;
            longest = longest.max(ask(&server, &mut other, id));
            metrics = server.get("/metrics").body;
        }
        socket.shutdown(Shutdown::Both).expect("the end of it");
        sends.join().expect("no panic");
        let _ = reads.join().expect("no panic");
        assert!(
            longest < BOUND,
            "{path}: {longest:?} of work before an answer"
        );
        assert!(turns_spent(&metrics) > before + 10, "{path}: {metrics}");
    }
}

/// How many frames of a streamed session may wait was no setting, and nothing counted those that
/// were refused. The answer names the setting, and a metric has their number.
#[test]
fn frames_of_a_streamed_session_beyond_the_bound_are_refused_and_counted() {
    let server =
        Server::start("workers = 1\n[client]\nanonymous = true\n[limits]\nframes_pending = 1\n");
    let post = |path: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let connect = post("/connection/http_stream", "", "{\"id\":1,\"connect\":{}}");
    stream.write_all(connect.as_bytes()).expect("sent");
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    let reply: Value = loop {
        let count = stream.read(&mut chunk).expect("more");
        assert!(count > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        let line = text.lines().find(|line| line.starts_with("{\"id\":1"));
        if let Some(Ok(reply)) = line.map(serde_json::from_str) {
            break reply;
        }
    };
    let commands: Vec<String> = (2..502)
        .map(|id| format!("{{\"id\":{id},\"presence_stats\":{{\"channel\":\"x\"}}}}"))
        .collect();
    let frame = json!({
        "session": reply["connect"]["session"],
        "node": reply["connect"]["node"],
        "data": commands.join("\n"),
    });
    let frame = frame.to_string();
    let frames = post("/emulation", "", &frame).repeat(11)
        + &post("/emulation", "Connection: close\r\n", &frame);
    let mut sender = TcpStream::connect(server.address).expect("a connection");
    let mut answers = sender.try_clone().expect("the same socket");
    let sends = std::thread::spawn(move || sender.write_all(frames.as_bytes()));
    let mut text = String::new();
    answers.read_to_string(&mut text).expect("the answers");
    sends.join().expect("no panic").expect("sent");
    let refused = text.matches("HTTP/1.1 503").count();
    assert!(refused > 0, "{text}");
    assert!(text.contains("limits.frames_pending"), "{text}");
    let metrics = server.get("/metrics").body;
    let counted = format!("fanfare_limited_total{{limit=\"frames_pending\"}} {refused}\n");
    assert!(metrics.contains(&counted), "{refused} in {metrics}");
}
