//! Nothing lost, nothing doubled, everything in order: streams and polls that are cut again and
//! again while others publish.

use std::{
    io::Write as _,
    net::{Shutdown, TcpStream},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{Events, OPEN, poll, since};
use crate::support::Server;

const MESSAGES: usize = 600;

/// Relays numbers into two channels in turn, until all are out.
fn publish_all(server: &Server) {
    let mut ws = [server.ws("/ws?channel=a"), server.ws("/ws?channel=b")];
    for number in 0..MESSAGES {
        ws[number % 2].text(&number.to_string());
        if number % 50 == 0 {
            // So that readers come in between: a round trip through each session.
            ws.iter_mut().for_each(|ws| {
                ws.send_raw(&crate::support::masked(0x89, b"m"));
                while !ws.message().is(10) {}
            });
        }
    }
    // What a session relays is published before it answers its next ping.
    for ws in &mut ws {
        ws.send_raw(&crate::support::masked(0x89, b"m"));
        while !ws.message().is(10) {}
    }
}

/// Every number once, and in order within its channel.
fn check(seen: &[usize]) {
    let mut sorted = seen.to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..MESSAGES).collect::<Vec<_>>());
    for channel in 0..2 {
        let of_channel: Vec<usize> = seen.iter().copied().filter(|n| n % 2 == channel).collect();
        assert!(of_channel.is_sorted(), "{of_channel:?}");
    }
}

#[test]
fn streams_that_are_cut_again_and_again_have_everything_once() {
    let server = Server::start(OPEN);
    let path = "/sse?channel=a&channel=b";
    std::thread::scope(|scope| {
        let readers: Vec<_> = [1, 7, 40]
            .into_iter()
            .map(|cut_after| {
                let mut events = Events::open(server.address, path, "");
                let mut id = events.greeting().id.expect("an id");
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    while seen.len() < MESSAGES {
                        for _ in 0..cut_after.min(MESSAGES - seen.len()) {
                            let event = events.next();
                            seen.push(event.data.parse().expect("a number"));
                            id = event.id.expect("an id");
                        }
                        let header = format!("Last-Event-ID: {id}\r\n");
                        events = Events::open(
                            events.stream.peer_addr().expect("an address"),
                            path,
                            &header,
                        );
                        assert_eq!(events.greeting().json()["recovered"], true);
                    }
                    seen
                })
            })
            .collect();
        publish_all(&server);
        for reader in readers {
            check(&reader.join().expect("a reader"));
        }
    });
}

#[test]
fn polls_have_everything_once_even_if_some_are_given_up() {
    let server = Server::start(OPEN);
    let done = AtomicBool::new(false);
    let first = since(&poll(&server, "channel=a&channel=b"));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (server, mut at) = (&server, first.clone());
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    while seen.len() < MESSAGES {
                        let answer = poll(server, &format!("channel=a&channel=b&since={at}"));
                        assert_eq!(answer["recovered"], true);
                        for message in answer["messages"].as_array().expect("a list") {
                            let number = message["data"].as_u64().expect("a number");
                            seen.push(usize::try_from(number).expect("a small number"));
                        }
                        at = since(&answer);
                    }
                    seen
                })
            })
            .collect();
        // Polls that nobody reads the answer of take nothing from others.
        scope.spawn(|| {
            for _ in (0..200).take_while(|_| !done.load(Relaxed)) {
                let mut stream = TcpStream::connect(server.address).expect("a connection");
                let request = format!(
                    "GET /poll?channel=a&channel=b&since={first} HTTP/1.1\r\nHost: test\r\n\r\n"
                );
                stream.write_all(request.as_bytes()).expect("sent");
                stream.shutdown(Shutdown::Both).expect("shut");
            }
        });
        publish_all(&server);
        for reader in readers {
            check(&reader.join().expect("a reader"));
        }
        done.store(true, Relaxed);
    });
}
