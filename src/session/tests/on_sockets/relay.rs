//! Messages from one client to others, and who is in which channel.

use serde_json::json;

use super::*;

#[test]
fn relay_self_lets_senders_hear_themselves() {
    run(async {
        let server = Server::start(&raw("/ws", "on_message = \"relay\"\nrelay_self = true"));
        let mut a = server.ws("/ws").await;
        a.text("x").await;
        a.expect_text("x").await;
    });
}

#[test]
fn who_names_channels_speaks_to_those_channels_and_nobody_hears_twice() {
    run(async {
        let server = Server::start(&raw("/ws", "on_message = \"relay\""));
        let mut both = server.ws("/ws?channel=a&channel=b").await;
        let mut also_both = server.ws("/ws?channel=b&channel=a&channel=a").await;
        let mut only_b = server.ws("/ws?channel=b").await;
        let mut none = server.ws("/ws").await;
        server.wait_sessions(4).await;
        assert_eq!(server.test.node.count_channels(), 2);
        both.text("to a and b").await;
        also_both.expect_text("to a and b").await;
        also_both.expect_nothing().await;
        only_b.expect_text("to a and b").await;
        none.expect_nothing().await;
        none.text("to the path").await;
        for client in [&mut both, &mut also_both, &mut only_b] {
            client.expect_text("to the path").await;
        }
    });
}

#[test]
fn an_endpoints_own_channels_are_joined_by_all_its_sessions() {
    run(async {
        let server = Server::start(
            &(raw("/ws", "on_message = \"relay\"\nchannels = [\"news\"]")
                + &raw("/listen", "channels = [\"news\"]")),
        );
        let (mut a, mut b) = (server.ws("/ws").await, server.ws("/listen").await);
        a.text("x").await;
        b.expect_text("x").await;
    });
}

#[test]
fn raw_clients_and_clients_of_the_protocol_hear_each_other() {
    run(async {
        let settings = format!(
            "{}{OPEN}",
            raw("/ws", "on_message = \"relay\"\nrelay_self = false")
        );
        let server = Server::start(&settings);
        let mut client = ProtocolClient::connected(&server).await;
        client.subscribe("news").await;
        let mut plain = server.ws("/ws?channel=news").await;
        for (sent, data) in [
            ("弹幕", json!("弹幕")),
            ("{\"a\": 1}", json!({"a": 1})),
            ("{\"a\": 1", json!("{\"a\": 1")),
        ] {
            plain.text(sent).await;
            assert_eq!(client.push().await["pub"]["data"], data);
        }
        plain.send(&Frame::binary(&[255, 0])).await;
        assert_eq!(client.push().await["pub"]["data"], "/wA=");
        client.publish("news", &json!({"b": 2})).await;
        plain.expect_text("{\"b\":2}").await;
    });
}
