//! Clients that take less than they are sent, or nothing.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{Client, Frame, SOON, Server, eventually, raw};

/// A relay in which a sender can push `count` messages of 1 KiB.
fn flood(sender: &mut Client, count: usize) {
    let text = "x".repeat(1024);
    for _ in 0..count {
        sender.text(&text);
    }
}

#[test]
fn who_never_reads_is_closed_as_slow_and_memory_stays_bounded() {
    let server = Server::start(
        &("[limits]\noutbox_bytes = \"256KiB\"\nmessage_bytes = \"64KiB\"\n[slow]\nwrite_timeout = \"1s\"\n[close]\ntimeout = \"500ms\"\n".to_string()
            + &raw("/ws", "on_message = \"relay\"")),
    );
    let _deaf = server.ws("/ws");
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

#[test]
fn who_takes_nothing_at_all_is_gone_after_the_write_timeout() {
    let server = Server::start(
        &("[limits]\noutbox_bytes = \"64MiB\"\n[slow]\nwrite_timeout = \"700ms\"\n".to_string()
            + &raw("/ws", "on_message = \"relay\"")),
    );
    let _deaf = server.ws("/ws");
    let mut sender = server.ws("/ws");
    server.wait_status("sessions", 2);
    // Pushed all the while, more than the kernel's buffers take and less than the bound.
    let deadline = Instant::now() + SOON;
    while server.status()["sessions"] == 2 {
        flood(&mut sender, 500);
        assert!(Instant::now() < deadline);
    }
    let line = server.log.wait_for("session ended");
    assert!(line.contains("code=3009"), "{line}");
}

/// Fills the deaf client's kernel buffers, then sends numbered messages, then lets the client read.
fn overflow(policy: &str, numbered: &[(&str, u32)]) -> (serde_json::Value, Vec<String>) {
    let server = Server::start(&format!(
        "[limits]\noutbox_bytes = \"64KiB\"\nmessage_bytes = \"64KiB\"\n[slow]\npolicy = \"{policy}\"\nwrite_timeout = \"60s\"\n{}",
        raw("/ws", "on_message = \"relay\"")
    ));
    let mut deaf = server.ws("/ws?channel=a&channel=b");
    let mut a = server.ws("/ws?channel=a");
    let mut b = server.ws("/ws?channel=b");
    server.wait_status("sessions", 3);
    let mut flooded = 0;
    eventually("drops", || {
        flood(&mut a, 500);
        flooded += 500;
        (server.status()["slow_dropped"].as_u64()? > 500).then_some(())
    });
    // What is taken in one turn leaves together, and is dropped together.
    eventually("the flood is taken", || {
        (server.status()["messages_in"].as_u64()? == flooded).then_some(())
    });
    for (channel, number) in numbered {
        let sender = if *channel == "a" { &mut a } else { &mut b };
        sender.text(&format!("{channel}{number}"));
        // Both senders are acknowledged, so that the order between them is known.
        sender.expect_nothing();
    }
    let wanted = numbered
        .last()
        .map(|(channel, number)| format!("{channel}{number}"))
        .expect("one");
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8(deaf.message().payload).expect("text");
        if !text.starts_with('x') {
            seen.push(text.clone());
        }
        if text == wanted {
            return (server.status(), seen);
        }
    }
}

#[test]
fn drop_oldest_keeps_the_session_and_the_newest_messages() {
    let (status, seen) = overflow("drop_oldest", &[("a", 1), ("b", 2), ("a", 3)]);
    assert_eq!(seen, ["a1", "b2", "a3"]);
    assert_eq!(status["sessions"], 3);
    assert_eq!(status["slow_disconnects"], 0);
}

#[test]
fn latest_keeps_the_newest_of_each_channel() {
    let (status, seen) = overflow("latest", &[("b", 1), ("a", 2), ("b", 3)]);
    assert_eq!(seen.last().map(String::as_str), Some("b3"));
    assert!(seen.contains(&"a2".to_string()), "{seen:?}");
    assert_eq!(status["sessions"], 3);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a window in which nothing may move"
)]
fn a_client_that_does_not_read_its_echoes_is_paused_not_killed() {
    let server = Server::start(
        &("[limits]\noutbox_bytes = \"64KiB\"\n[slow]\nwrite_timeout = \"30s\"\n".to_string()
            + &raw("/echo", "on_message = \"echo\"")),
    );
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let writer = stream.try_clone().expect("a second handle");
    let (_, client) = Client::handshake(stream.try_clone().expect("a third"), "/echo", "");
    let mut client = client.expect("a client");
    let payload = vec![b'y'; 4000];
    let frame = crate::support::masked(0x82, &payload);
    let count = 5_000; // 20 MB, far more than all buffers together.
    let mut writer = writer;
    let sending = std::thread::spawn(move || {
        for _ in 0..count {
            writer
                .write_all(&frame)
                .expect("the server does not give up on us");
        }
    });
    // The writer comes to a halt, since the server stops reading once its answers wait.
    eventually("a halt", || {
        let before = server.status()["bytes_in"].as_u64()?;
        std::thread::sleep(Duration::from_millis(200));
        (before > 0 && server.status()["bytes_in"].as_u64()? == before).then_some(())
    });
    assert!(
        !sending.is_finished(),
        "the whole load cannot have been taken"
    );
    for _ in 0..count {
        assert_eq!(client.message(), Frame::binary(&payload));
    }
    sending.join().expect("all was sent");
    let _ = stream.flush();
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
        &("workers = 2\n[slow]\npolicy = \"drop_oldest\"\nwrite_timeout = \"60s\"\n[limits]\noutbox_bytes = \"64KiB\"\n".to_string()
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
