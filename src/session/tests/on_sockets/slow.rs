//! Clients that take less than they are sent, or nothing.

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::close::{Close, Ending};

/// A relay in which a sender can push `count` messages of 1 KiB.
async fn flood(sender: &mut Peer, count: usize) {
    let text = "x".repeat(1024);
    for _ in 0..count {
        sender.text(&text).await;
    }
}

#[test]
fn who_takes_nothing_at_all_is_gone_after_the_write_timeout() {
    run(async {
        let settings =
            "[limits]\noutbox_bytes = \"64MiB\"\n[slow]\nwrite_timeout = \"700ms\"\n".to_string();
        let server = Server::start(&(settings + &raw("/ws", "on_message = \"relay\"")));
        let deaf = server.ws("/ws").await;
        let mut sender = server.ws("/ws").await;
        server.wait_sessions(2).await;
        // Pushed all the while, more than the socket's buffer takes and less than the bound.
        let started = tokio::time::Instant::now();
        while server.sessions() == 2 {
            flood(&mut sender, 500).await;
            tokio::time::sleep(STEP * 10).await;
            assert!(started.elapsed() < SOON);
        }
        let ending = Ending::ByServer(Close::WRITE_TIMEOUT);
        assert_eq!(deaf.ending(), Some(ending));
        assert_eq!(Close::WRITE_TIMEOUT.code, 3009);
    });
}

/// Fills the deaf client's buffers, then sends numbered messages, then lets the client read. What
/// it saw of those.
async fn overflow(policy: &str, numbered: &[(&str, u32)]) -> (Server, Vec<String>) {
    let server = Server::start(&format!(
        "[limits]\noutbox_bytes = \"64KiB\"\nmessage_bytes = \"64KiB\"\n[slow]\npolicy = \"{policy}\"\nwrite_timeout = \"60s\"\n{}",
        raw("/ws", "on_message = \"relay\"")
    ));
    let mut deaf = server.ws("/ws?channel=a&channel=b").await;
    let mut a = server.ws("/ws?channel=a").await;
    let mut b = server.ws("/ws?channel=b").await;
    server.wait_sessions(3).await;
    let metrics = server.test.metrics.clone();
    let (mut flooded, started) = (0, tokio::time::Instant::now());
    while metrics.sum(|stats| &stats.dropped) <= 500 {
        flood(&mut a, 500).await;
        flooded += 500;
        tokio::time::sleep(STEP).await;
        assert_eq!(server.sessions(), 3, "a slow client is not disconnected");
        assert!(started.elapsed() < SOON, "no drops of {flooded}");
    }
    // What is taken in one turn leaves together, and is dropped together.
    until("the flood is taken", || {
        metrics.sum(|stats| &stats.messages_in) == flooded
    })
    .await;
    for (channel, number) in numbered {
        let sender = if *channel == "a" { &mut a } else { &mut b };
        sender.text(&format!("{channel}{number}")).await;
        // Both senders are acknowledged, so that the order between them is known.
        sender.expect_nothing().await;
    }
    let wanted = numbered
        .last()
        .map(|(channel, number)| format!("{channel}{number}"))
        .expect("one");
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8(deaf.message().await.payload).expect("text");
        if !text.starts_with('x') {
            seen.push(text.clone());
        }
        if text == wanted {
            assert_eq!(server.sessions(), 3);
            return (server, seen);
        }
    }
}

#[test]
fn drop_oldest_keeps_the_session_and_the_newest_messages() {
    run(async {
        let (server, seen) = overflow("drop_oldest", &[("a", 1), ("b", 2), ("a", 3)]).await;
        assert_eq!(seen, ["a1", "b2", "a3"]);
        let metrics = &server.test.metrics;
        assert_eq!(metrics.sum(|stats| &stats.slow_disconnects), 0);
    });
}

#[test]
fn latest_keeps_the_newest_of_each_channel() {
    run(async {
        let (_server, seen) = overflow("latest", &[("b", 1), ("a", 2), ("b", 3)]).await;
        assert_eq!(seen.last().map(String::as_str), Some("b3"));
        assert!(seen.contains(&"a2".to_string()), "{seen:?}");
    });
}

#[test]
fn a_client_that_does_not_read_its_echoes_is_paused_not_killed() {
    run(async {
        let settings =
            "[limits]\noutbox_bytes = \"64KiB\"\n[slow]\nwrite_timeout = \"30s\"\n".to_string();
        let server = Server::start(&(settings + &raw("/echo", "on_message = \"echo\"")));
        let (mut client, mut writer) = server.ws("/echo").await.into_halves();
        let payload = vec![b'y'; 4000];
        let frame = masked(0x82, &payload);
        let count = 5_000; // 20 MB, far more than all buffers together.
        let sending = tokio::task::spawn_local(async move {
            for _ in 0..count {
                let sent = writer.write_all(&frame).await;
                sent.expect("the server does not give up on us");
            }
            writer
        });
        // The writer comes to a halt, since the server stops reading once its answers wait.
        let metrics = server.test.metrics.clone();
        let bytes_in = || metrics.sum(|stats| &stats.bytes_in);
        loop {
            let before = bytes_in();
            tokio::time::sleep(Duration::from_millis(200)).await;
            if before > 0 && bytes_in() == before {
                break;
            }
        }
        assert!(
            !sending.is_finished(),
            "the whole load cannot have been taken"
        );
        for _ in 0..count {
            assert_eq!(client.next().await, Some(Frame::binary(&payload)));
        }
        sending.await.expect("all was sent");
    });
}
