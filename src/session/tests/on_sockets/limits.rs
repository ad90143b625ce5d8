//! What one client of the Centrifuge protocol may have: messages, channels, bytes of what it
//! missed.

use serde_json::{Value, json};

use super::*;

#[test]
fn too_many_messages_are_refused_and_then_end_the_session() {
    run(async {
        let server = Server::start(&format!(
            "[limits]\nmessages_per_second = 1\nmessages_burst = 5\nsubscriptions = 2\n{OPEN}"
        ));
        let mut client = ProtocolClient::connected(&server).await;
        client.subscribe("a").await;
        client.subscribe("b").await;
        let third = client.ask(json!({"subscribe": {"channel": "c"}})).await;
        assert_eq!(code(&third), 106);
        let mut codes = Vec::new();
        for _ in 0..6 {
            let stats = json!({"presence_stats": {"channel": "a"}});
            codes.push(code(&client.ask(stats).await));
        }
        assert!(codes.contains(&111), "{codes:?}");
        for _ in 0..60 {
            client
                .send(&json!({"id": 99, "presence_stats": {"channel": "a"}}))
                .await;
        }
        client.expect_close(3013).await;
        assert!(server.limited("messages") > 40);
    });
}

async fn recovers(client: &mut ProtocolClient, offset: u64) -> bool {
    let subscribe = json!({"subscribe": {"channel": "news", "recover": true, "offset": offset}});
    let reply = client.ask(subscribe).await;
    client
        .ask(json!({"unsubscribe": {"channel": "news"}}))
        .await;
    reply["subscribe"]["recovered"] == true
}

#[test]
fn a_recovery_beyond_its_bound_is_not_recovered() {
    run(async {
        let server = Server::start(&format!("[limits]\nrecovery_bytes = \"10KiB\"\n{OPEN}"));
        let mut client = ProtocolClient::connected(&server).await;
        let data = json!("x".repeat(4 * 1024));
        for _ in 0..5 {
            client.publish("news", &data).await;
        }
        assert!(!recovers(&mut client, 0).await);
        assert!(recovers(&mut client, 4).await);
    });
}

/// A channel with five publications of so many bytes.
async fn filled(server: &Server, channel: &str, bytes: usize) {
    let mut client = ProtocolClient::connected(server).await;
    let data = json!("x".repeat(bytes));
    for _ in 0..5 {
        client.publish(channel, &data).await;
    }
}

#[test]
fn many_channels_recovered_at_once_stay_within_the_outbox() {
    // Each within its bound, they once ran into the outbox's together: 3008, and the same again at
    // the next try.
    run(async {
        let server = Server::start(&format!("[limits]\noutbox_bytes = \"256KiB\"\n{OPEN}"));
        for channel in 0..6 {
            filled(&server, &format!("c{channel}"), 10_000).await;
        }
        let mut client = ProtocolClient::open(&server).await;
        let mut frame = String::from("{\"id\":1,\"connect\":{}}");
        for channel in 0..6 {
            let id = channel + 2;
            frame.push_str(&format!(
                "\n{{\"id\":{id},\"subscribe\":{{\"channel\":\"c{channel}\",\"recover\":true}}}}"
            ));
        }
        client.peer.text(&frame).await;
        let mut replies: Vec<Value> = Vec::new();
        for id in 1..=7 {
            replies.push(client.reply(id).await);
        }
        let recovered = replies
            .iter()
            .filter(|reply| reply["subscribe"]["recovered"] == true);
        let recovered = recovered.count();
        assert!((1..6).contains(&recovered), "{recovered}");
        filled(&server, "c0", 10).await;
        assert!(
            client.push().await["pub"]["offset"].as_u64() > Some(0),
            "it lives on"
        );
    });
}
