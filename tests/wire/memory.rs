//! What the process holds in memory: a burst leaves nothing behind.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{SOON, Server, raw};

const BODY_BYTES: usize = 2_000_000;
const CONNECTIONS: usize = 100;
/// Dirty pages are given back within 10 s; the rest is for a loaded machine.
const GIVEN_BACK: Duration = Duration::from_secs(60);

// After bursts of large bodies the system's allocator kept 450 to 720 MB for good: what was free
// lay between small blocks that were not. Memory that a burst took is given back.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the step of a wait that has a deadline"
)]
fn memory_that_a_burst_of_large_bodies_took_is_given_back() {
    let server = Server::start(&format!("api.key = \"k\"\n{}", raw("/ws", "")));
    let before = server.rss_kib();
    let head = format!(
        "POST /api/channels/x HTTP/1.1\r\nHost: test\r\nX-API-Key: k\r\nContent-Type: \
         application/octet-stream\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    );
    let most = vec![b'x'; BODY_BYTES - 1];
    for _ in 0..2 {
        let mut waiting: Vec<TcpStream> = (0..CONNECTIONS)
            .map(|_| {
                let mut stream = TcpStream::connect(server.address).expect("a connection");
                stream.set_read_timeout(Some(SOON)).expect("a socket");
                stream.write_all(head.as_bytes()).expect("the head");
                stream.write_all(&most).expect("most of the body");
                stream
            })
            .collect();
        for stream in &mut waiting {
            stream.write_all(b"x").expect("the rest");
        }
        for stream in &mut waiting {
            let mut status = [0; 12];
            stream.read_exact(&mut status).expect("an answer");
            assert_eq!(&status, b"HTTP/1.1 202");
        }
    }
    let end = Instant::now() + GIVEN_BACK;
    let most = before + 50_000;
    while server.rss_kib() > most {
        let now = server.rss_kib();
        assert!(Instant::now() < end, "{now} KiB stay, {before} before");
        std::thread::sleep(Duration::from_millis(100));
    }
}
