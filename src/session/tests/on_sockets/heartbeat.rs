//! Pings, and what counts as an answer.

use serde_json::json;

use super::*;

fn start() -> Server {
    let settings = "[heartbeat]\nping_interval = \"400ms\"\npong_timeout = \"300ms\"\n";
    Server::start(&(settings.to_string() + &raw("/ws", "on_message = \"echo\"")))
}

#[test]
fn the_server_pings_and_any_frame_counts_as_life() {
    run(async {
        let server = start();
        let mut client = server.ws("/ws").await;
        for _ in 0..4 {
            assert!(client.next().await.expect("a ping").is(9));
            client.text("I live").await;
            assert_eq!(client.next().await, Some(Frame::text("I live")));
        }
        server.wait_sessions(1).await;
    });
}

#[test]
fn a_beginning_of_a_frame_that_never_ends_is_no_life() {
    run(async {
        let server = start();
        let mut client = server.ws("/ws").await;
        client.send_raw(&[0x81, 0xfe, 0x10]).await;
        assert_eq!(client.expect_close().await.0, 3012);
    });
}

#[test]
fn pings_are_of_the_protocol_and_a_pong_without_one_is_a_fault() {
    run(async {
        let server = Server::start(&format!(
            "[heartbeat]\nping_interval = \"400ms\"\npong_timeout = \"200ms\"\n{OPEN}"
        ));
        let mut client = ProtocolClient::connected(&server).await;
        for _ in 0..3 {
            let ping = client.peer.message().await;
            assert_eq!(
                ping,
                Frame::text("{}"),
                "no WebSocket ping, only the protocol's"
            );
            client.peer.text("{}").await;
        }
        client.peer.text("{}").await;
        client.expect_close(3501).await;
        let mut silent = ProtocolClient::connected(&server).await;
        assert_eq!(silent.peer.message().await, Frame::text("{}"));
        silent.expect_close(3012).await;
        // Any other frame is life, and leaves the pong due.
        let mut talks = ProtocolClient::connected(&server).await;
        assert_eq!(talks.peer.message().await, Frame::text("{}"));
        talks
            .ask(json!({"presence_stats": {"channel": "news"}}))
            .await;
        talks.peer.text("{}").await;
        assert_eq!(talks.peer.message().await, Frame::text("{}"));
    });
}
