//! Clients that take less than they are sent, or nothing.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use crate::support::{Client, SOON, Server, TempDir, eventually, raw};

/// A relay in which a sender can push `count` messages of 1 KiB.
fn flood(sender: &mut Client, count: usize) {
    let text = "x".repeat(1024);
    for _ in 0..count {
        sender.text(&text);
    }
}

/// A server with these settings and a relay at `/ws`, and a client of `path` that reads nothing
/// unless the test does. It comes by a unix socket, whose buffers are soon full: those of TCP take
/// megabytes, and a loaded machine its time to fill them.
fn with_deaf_client(path: &str, settings: &str) -> (Server, Client) {
    let dir = TempDir::new();
    let socket = dir.path().join("socket");
    let settings = format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\"]\n{settings}{}",
        socket.display(),
        raw("/ws", "on_message = \"relay\"")
    );
    let server = Server::start_in(dir, &settings, &[]);
    let stream = UnixStream::connect(socket).expect("a connection");
    let (_, deaf) = Client::handshake(stream, path, "");
    (server, deaf.expect("a client"))
}

#[test]
fn who_never_reads_is_closed_as_slow_and_memory_stays_bounded() {
    let (server, _deaf) = with_deaf_client(
        "/ws",
        "[limits]\noutbox_bytes = \"256KiB\"\nmessage_bytes = \"64KiB\"\n\
         [slow]\nwrite_timeout = \"1s\"\n[close]\ntimeout = \"500ms\"\n",
    );
    let mut reader = server.ws("/ws");
    let mut sender = server.ws("/ws");
    server.wait_status("sessions", 3);
    let before = server.rss_kib();
    let started = Instant::now();
    // Until the kernel's buffers are full too; the other receiver gets everything.
    let mut sent = 0u64;
    while server.status()["sessions"] == 3 {
        flood(&mut sender, 200);
        sent += 200;
        for _ in 0..200 {
            assert!(reader.message().is(1));
        }
        assert!(
            started.elapsed() < SOON,
            "still there after {sent} messages"
        );
    }
    assert_eq!(server.status()["slow_disconnects"], 1);
    let line = server.log.wait_for("session ended");
    assert!(
        line.contains("code=3008") || line.contains("code=3009"),
        "{line}"
    );
    assert!(server.rss_kib().saturating_sub(before) < 8 * 1024);
}

/// Where only the newest counts, the many of one channel must not push out the one of another.
#[test]
fn with_policy_latest_a_slow_client_gets_the_newest_of_each_channel() {
    let (server, mut deaf) = with_deaf_client(
        "/ws?channel=a&channel=b",
        "[limits]\noutbox_bytes = \"64KiB\"\nmessage_bytes = \"64KiB\"\n\
         [slow]\npolicy = \"latest\"\nwrite_timeout = \"60s\"\n",
    );
    let (mut a, mut b) = (server.ws("/ws?channel=a"), server.ws("/ws?channel=b"));
    server.wait_status("sessions", 3);
    // So small that what is taken in one turn, and dropped together, is less than half the bound.
    let text = "x".repeat(100);
    let dropped = || server.status()["slow_dropped"].as_u64().expect("a number");
    let mut flood_until = |wanted: u64| {
        eventually("drops", || {
            for _ in 0..100 {
                a.text(&text);
            }
            (dropped() >= wanted).then_some(())
        });
    };
    flood_until(1);
    b.text("b1");
    b.expect_nothing();
    // More than waits at once: the oldest of all would be gone.
    flood_until(dropped() + 1000);
    a.text("a2");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "a2") {
        let text = String::from_utf8(deaf.message().payload).expect("text");
        if !text.starts_with('x') {
            seen.push(text);
        }
    }
    assert_eq!(seen, ["b1", "a2"]);
    assert_eq!(server.status()["slow_disconnects"], 0);
    assert_eq!(server.status()["sessions"], 3);
}

#[test]
fn an_http_client_that_takes_nothing_is_ended_too() {
    let server =
        Server::start(&("[slow]\nwrite_timeout = \"500ms\"\n".to_string() + &raw("/ws", "")));
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    // Thousands of pipelined pages, none of them read.
    let request = "GET / HTTP/1.1\r\nHost: t\r\n\r\n".repeat(200);
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout");
    let deadline = Instant::now() + SOON;
    loop {
        match stream.write_all(request.as_bytes()) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => break, // reset: the server has ended us
        }
        assert!(Instant::now() < deadline, "still connected");
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(server.get("/health").status, 200);
}

/// The bound counted bytes on the wire alone, so a client that sent empty pings and read nothing
/// made the server hold four times the bound, and publications of one byte a hundred times.
#[test]
fn small_frames_that_wait_cost_no_more_than_the_bound() {
    let server = Server::start(
        &("[slow]\nwrite_timeout = \"60s\"\n".to_string() + &raw("/ws", "on_message = \"relay\"")),
    );
    let before = server.rss_kib();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let (_, _client) = Client::handshake(stream.try_clone().expect("a handle"), "/ws", "");
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .expect("a timeout");
    let pings = crate::support::masked(0x89, b"").repeat(10_000);
    // Until the server reads no more; nothing is ever read here.
    while stream.write_all(&pings).is_ok() {}
    let grown = server.rss_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "grew by {grown} KiB");
}

/// One client that relayed to others on another worker kept that worker's thread to itself for
/// seconds: its mailbox never became empty.
#[test]
fn a_flood_from_one_worker_leaves_another_its_turns() {
    let server = Server::start(
        &("workers = 2\nheartbeat.ping_interval = \"10m\"\n[slow]\npolicy = \"drop_oldest\"\nwrite_timeout = \"60s\"\n[limits]\noutbox_bytes = \"64KiB\"\n".to_string()
            + &raw("/ws", "on_message = \"relay\"")
            + &raw("/echo", "on_message = \"echo\"")),
    );
    let _deaf: Vec<Client> = (0..80).map(|_| server.ws("/ws")).collect();
    let mut echoes: Vec<Client> = (0..4).map(|_| server.ws("/echo")).collect();
    let stream = TcpStream::connect(server.address).expect("a connection");
    let mut writer = stream.try_clone().expect("a handle");
    let (_, _sender) = Client::handshake(stream, "/ws", "");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let flood = std::thread::spawn(move || {
        let frames = crate::support::masked(0x81, b"abc").repeat(1000);
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            writer.write_all(&frames).expect("sent");
        }
    });
    // A starved worker answers when the flood ends, which is when all of this is done: a deadlock
    // that the deadline of each read finds.
    for round in 0..20 {
        for echo in &mut echoes {
            echo.text(&round.to_string());
            echo.expect_text(&round.to_string());
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    flood.join().expect("the flood ends");
}
