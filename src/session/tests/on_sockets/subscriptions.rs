//! Subscriptions of the Centrifuge protocol: what was missed, joins and leaves, deltas.

use serde_json::{Value, json};

use super::*;

/// The reply to a subscription that goes on from there.
async fn recover(server: &Server, offset: u64, epoch: &str, flag: u64) -> Value {
    let mut client = ProtocolClient::connected(server).await;
    let subscribe = json!({"subscribe": {
        "channel": "forced:x", "recover": true, "offset": offset, "epoch": epoch, "flag": flag,
    }});
    client.ask(subscribe).await
}

#[test]
fn what_was_missed_is_recovered_and_what_is_gone_is_said_to_be() {
    run(async {
        let server = Server::start(OPEN);
        let mut publisher = ProtocolClient::connected(&server).await;
        let mut client = ProtocolClient::connected(&server).await;
        let first = client.subscribe("forced:x").await;
        assert_eq!(
            (&first["recoverable"], &first["positioned"]),
            (&json!(true), &json!(true))
        );
        let epoch = first["epoch"].as_str().expect("an epoch").to_string();
        publisher.publish("forced:x", &json!(1)).await;
        assert_eq!(client.push().await["pub"]["offset"], 1);
        drop(client);
        for n in 2..=4 {
            publisher.publish("forced:x", &json!(n)).await;
        }
        let reply = &recover(&server, 1, &epoch, 0).await["subscribe"];
        assert_eq!(reply["recovered"], true);
        assert_eq!(reply["offset"], 1, "the client counts on from its own");
        let data: Vec<&Value> = reply["publications"]
            .as_array()
            .expect("publications")
            .iter()
            .map(|publication| &publication["data"])
            .collect();
        assert_eq!(data, [&json!(2), &json!(3), &json!(4)]);
        let none = &recover(&server, 4, &epoch, 0).await["subscribe"];
        assert_eq!(
            (&none["recovered"], none.get("publications")),
            (&json!(true), None)
        );
        let all = &recover(&server, 0, "", 0).await["subscribe"];
        assert_eq!(all["publications"].as_array().map(Vec::len), Some(4));
        for (offset, epoch) in [(1, "other"), (9, epoch.as_str())] {
            let reply = &recover(&server, offset, epoch, 0).await["subscribe"];
            assert!(reply.get("recovered").is_none(), "{reply}");
            assert_eq!(
                (&reply["was_recovering"], &reply["offset"]),
                (&json!(true), &json!(4))
            );
            assert_eq!(code(&recover(&server, offset, epoch, 2).await), 112);
        }
        for n in 5..=14 {
            publisher.publish("forced:x", &json!(n)).await;
        }
        let trimmed = &recover(&server, 3, &epoch, 0).await["subscribe"];
        assert!(trimmed.get("recovered").is_none(), "trimmed");
        let kept = &recover(&server, 4, &epoch, 0).await["subscribe"];
        assert_eq!(kept["recovered"], true);
    });
}

#[test]
fn joins_and_leaves_are_told_to_those_who_ask() {
    run(async {
        let server = Server::start(OPEN);
        let mut asks = ProtocolClient::connected(&server).await;
        let mut other = ProtocolClient::connected(&server).await;
        asks.ask(json!({"subscribe": {"channel": "news", "join_leave": true}}))
            .await;
        let own = asks.push().await;
        assert!(own["join"]["info"]["client"].is_string(), "{own}");
        other.subscribe("news").await;
        let join = asks.push().await;
        let client = join["join"]["info"]["client"].clone();
        assert_ne!(client, own["join"]["info"]["client"]);
        let reply = other.ask(json!({"unsubscribe": {"channel": "news"}})).await;
        assert_eq!(reply["unsubscribe"], json!({}));
        assert_eq!(asks.push().await["leave"]["info"]["client"], client);
        let reply = other
            .ask(json!({"unsubscribe": {"channel": "never"}}))
            .await;
        assert_eq!(reply["unsubscribe"], json!({}), "always succeeds");
    });
}

#[test]
fn deltas_are_patches_of_what_the_client_has() {
    run(async {
        let server = Server::start(OPEN);
        let mut client = ProtocolClient::connected(&server).await;
        let reply = client
            .ask(
                json!({"subscribe": {"channel": "delta:x", "delta": "fossil", "positioned": true}}),
            )
            .await;
        assert_eq!(reply["subscribe"]["delta"], true, "{reply}");
        let mut plain = ProtocolClient::connected(&server).await;
        plain.subscribe("delta:x").await;
        let mut known: Option<String> = None;
        for n in 0..4 {
            let data = json!({"rows": vec!["a row of the table"; 20], "version": n});
            plain.publish("delta:x", &data).await;
            assert_eq!(
                plain.push().await["pub"]["data"],
                data,
                "who does not ask has it whole"
            );
            let push = client.push().await;
            let text = push["pub"]["data"].as_str().expect("a string").to_string();
            assert_eq!(push["pub"]["delta"] == true, n > 0, "{push}");
            let whole = match &known {
                None => text,
                Some(known) => {
                    let applied = crate::fossil::apply(known.as_bytes(), text.as_bytes());
                    String::from_utf8(applied.expect("a patch")).expect("text")
                }
            };
            assert_eq!(serde_json::from_str::<Value>(&whole).expect("JSON"), data);
            known = Some(whole);
        }
    });
}
