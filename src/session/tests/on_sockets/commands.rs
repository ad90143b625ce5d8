//! Commands of the Centrifuge protocol as bytes, replies and pushes as they come, codes for
//! everything that is wrong.

use serde_json::{Value, json};

use super::*;

#[test]
fn data_passes_as_the_bytes_that_came() {
    run(async {
        let server = Server::start(OPEN);
        let mut client = ProtocolClient::connected(&server).await;
        client.subscribe("live:x").await;
        // Numbers keep their form, keys their order and doubles, spaces stay; only raw newlines go.
        client
            .peer
            .text("{\"id\":7,\"publish\":{\"channel\":\"live:x\",\"data\":{\"b\" : 1.50e2,\n\"a\":\"\\u4f60\",\"b\":18446744073709551616}}}")
            .await;
        let text = loop {
            let text = String::from_utf8(client.peer.message().await.payload).expect("text");
            if text.contains("\"pub\"") {
                break text;
            }
        };
        let expected = "{\"b\" : 1.50e2,\"a\":\"\\u4f60\",\"b\":18446744073709551616}";
        assert!(text.contains(expected), "{text}");
    });
}

#[test]
fn one_frame_may_hold_many_commands_and_the_answers_share_frames() {
    run(async {
        let server = Server::start(OPEN);
        let mut client = server.ws("/connection/websocket").await;
        let mut frame = String::from("{\"id\":1,\"connect\":{}}");
        for id in 2..=21 {
            frame.push_str(&format!(
                "\n{{\"id\":{id},\"subscribe\":{{\"channel\":\"live:{id}\"}}}}"
            ));
        }
        client.text(&frame).await;
        let (mut replies, mut frames) = (0, 0);
        while replies < 21 {
            let frame = client.message().await;
            let text = String::from_utf8(frame.payload).expect("text");
            replies += text.split('\n').count();
            frames += 1;
        }
        assert_eq!((replies, frames), (21, 1));
    });
}

async fn history(client: &mut ProtocolClient, request: Value) -> (Value, Vec<u64>) {
    let reply = client.ask(json!({"history": request})).await;
    let publications = reply["history"]["publications"].as_array();
    let publications = publications.into_iter().flatten();
    let offsets = publications.filter_map(|publication| publication["offset"].as_u64());
    let offsets = offsets.collect();
    (reply, offsets)
}

#[test]
fn history_presence_and_their_numbers() {
    run(async {
        let server = Server::start(OPEN);
        let mut client = ProtocolClient::connected(&server).await;
        client.subscribe("news").await;
        for n in 1..=5 {
            client.publish("news", &json!(n)).await;
        }
        let (reply, offsets) = history(&mut client, json!({"channel": "news"})).await;
        assert_eq!((&reply["history"]["offset"], offsets.len()), (&json!(5), 0));
        let epoch = reply["history"]["epoch"].clone();
        let all = json!({"channel": "news", "limit": -1});
        assert_eq!(history(&mut client, all).await.1, [1, 2, 3, 4, 5]);
        let newest = json!({"channel": "news", "limit": 2, "reverse": true});
        assert_eq!(history(&mut client, newest).await.1, [5, 4]);
        let since = json!({"channel": "news", "limit": 2, "since": {"offset": 2, "epoch": epoch}});
        assert_eq!(history(&mut client, since).await.1, [3, 4]);
        let other = json!({"channel": "news", "limit": 2, "since": {"offset": 2, "epoch": "x"}});
        assert_eq!(code(&history(&mut client, other).await.0), 112);
        let none = json!({"channel": "live:x"});
        assert_eq!(code(&history(&mut client, none.clone()).await.0), 108);
        let mut other = ProtocolClient::connected(&server).await;
        other.subscribe("news").await;
        let ask_stats = json!({"presence_stats": {"channel": "news"}});
        let stats = client.ask(ask_stats.clone()).await;
        assert_eq!(
            stats["presence_stats"],
            json!({"num_clients": 2, "num_users": 1})
        );
        let presence = client.ask(json!({"presence": {"channel": "news"}})).await;
        assert_eq!(
            presence["presence"]["presence"]
                .as_object()
                .map(serde_json::Map::len),
            Some(2)
        );
        drop(other);
        server.wait_sessions(1).await;
        let stats = client.ask(ask_stats).await;
        assert_eq!(stats["presence_stats"]["num_clients"], 1, "one is left");
        assert_eq!(code(&client.ask(json!({"presence": none})).await), 108);
    });
}

#[test]
fn what_is_not_allowed_gets_its_code_and_the_session_lives_on() {
    run(async {
        let server = Server::start(OPEN);
        let mut client = ProtocolClient::connected(&server).await;
        for (command, expected) in [
            (json!({"subscribe": {"channel": "closed:x"}}), 103),
            (json!({"publish": {"channel": "closed:x", "data": 1}}), 103),
            (json!({"history": {"channel": "closed:x"}}), 103),
            (json!({"presence": {"channel": "closed:x"}}), 103),
            (json!({"subscribe": {"channel": "unknown:x"}}), 102),
            (json!({"publish": {"channel": "$mine", "data": 1}}), 107),
            (json!({"subscribe": {"channel": "a b"}}), 107),
            (json!({"subscribe": {"channel": "dialog#42,43"}}), 103),
            (json!({"publish": {"channel": "news"}}), 107),
            (json!({"rpc": {"method": "x", "data": {}}}), 108),
            (json!({"ping": {}}), 108),
            (json!({"refresh": {"token": "x"}}), 108),
            (
                json!({"sub_refresh": {"channel": "news", "token": "x"}}),
                103,
            ),
        ] {
            let reply = client.ask(command.clone()).await;
            assert_eq!(code(&reply), expected, "{command}: {reply}");
        }
        client.subscribe("news").await;
        let again = client.ask(json!({"subscribe": {"channel": "news"}})).await;
        assert_eq!(code(&again), 105);
    });
}

#[test]
fn what_is_not_the_protocol_ends_the_session_with_3501() {
    run(async {
        let server = Server::start(OPEN);
        let mut witness = ProtocolClient::connected(&server).await;
        witness.subscribe("news").await;
        let deep = format!(
            "{{\"id\":2,\"rpc\":{{\"data\":{}1{}}}}}",
            "[".repeat(20_000),
            "]".repeat(20_000)
        );
        for bad in [
            "",
            "x",
            "null",
            "[]",
            "{",
            "{}",
            "{\"id\":2}",
            "{\"id\":-1,\"rpc\":{}}",
            "{\"id\":1e30,\"rpc\":{}}",
            "{\"id\":\"2\",\"rpc\":{}}",
            "{\"id\":2,\"rpc\":null}",
            "{\"rpc\":{}}",
            "{\"id\":2,\"rpc\":{},\"ping\":{}}",
            "{\"id\":2,\"subscribe\":{\"channel\":null}}",
            "{\"id\":2,\"subscribe\":{\"channel\":7}}",
            "{\"id\":2,\"subscribe\":{\"channel\":\"\"}}",
            "{\"id\":2,\"publish\":{\"channel\":\"\",\"data\":1}}",
            "{\"id\":2,\"history\":{\"channel\":\"news\",\"limit\":99999999999}}",
            "{\"id\":2,\"connect\":{}}",
            "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"offset\":18446744073709551616}}",
            &deep,
        ] {
            let mut client = ProtocolClient::connected(&server).await;
            client.peer.text(bad).await;
            client.expect_close(3501).await;
        }
        let mut binary = ProtocolClient::connected(&server).await;
        binary.peer.send(&Frame::binary(b"{}")).await;
        binary.expect_close(3501).await;
        let mut early = ProtocolClient::open(&server).await;
        early
            .send(&json!({"id": 1, "subscribe": {"channel": "news"}}))
            .await;
        early.expect_close(3501).await;
        witness.publish("news", &json!("still here")).await;
        assert_eq!(witness.push().await["pub"]["data"], "still here");
    });
}

#[test]
fn send_without_a_backend_ends_with_3508_and_silence_with_3502() {
    run(async {
        let server = Server::start(&format!("[client]\nconnect_timeout = \"300ms\"\n{OPEN}"));
        let mut client = ProtocolClient::connected(&server).await;
        client.send(&json!({"send": {"data": 1}})).await;
        client.expect_close(3508).await;
        let mut silent = ProtocolClient::open(&server).await;
        silent.expect_close(3502).await;
    });
}
