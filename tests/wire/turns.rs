//! One client that asks for much at a time, and the others on its worker.

use std::{
    io,
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Client, Server, masked};

/// Ten times what the others may have to wait.
const BOUND: Duration = Duration::from_millis(1500);

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
    let mut deflated = Vec::with_capacity(commands.len());
    flate2::Compress::new(flate2::Compression::best(), false)
        .compress_vec(
            commands.as_bytes(),
            &mut deflated,
            flate2::FlushCompress::Sync,
        )
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
        let asked = Instant::now();
        other.text(&json!({"id": id, "presence_stats": {"channel": "x"}}).to_string());
        let reply: Value = serde_json::from_slice(&other.message().payload).expect("JSON");
        assert_eq!(reply["id"], id);
        longest = longest.max(asked.elapsed());
    }
    let metrics = server.get("/metrics").body;
    socket.shutdown(Shutdown::Both).expect("the end of it");
    sends.join().expect("no panic");
    let _ = reads.join().expect("no panic");
    assert!(longest < BOUND, "the other waited for {longest:?}");
    let spent = metrics.lines().find_map(|line| {
        let count = line.strip_prefix("fanfare_turns_spent_total{worker=\"0\"} ")?;
        count.parse::<u64>().ok()
    });
    assert!(spent.is_some_and(|spent| spent > 10), "{metrics}");
}
