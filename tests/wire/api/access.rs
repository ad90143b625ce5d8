//! Keys: who may use the API and read the metrics, and how fast a key publishes.

use serde_json::{Value, json};

use super::{KEY, call, done, post, start};
use crate::support::{Server, eventually, raw};

#[test]
fn a_key_publishes_at_its_rate_and_is_counted() {
    let server = start("api.publishes_per_second = 1\n");
    let publish = json!({ "channel": "news", "data": 1 });
    let answer = done(
        &server,
        "broadcast",
        &json!({ "channels": vec!["news"; 20], "data": 1 }),
    );
    let refused = answer["responses"].as_array().expect("a list");
    let refused = refused
        .iter()
        .filter(|answer| answer["error"]["code"] == 111)
        .count();
    assert!(
        (15..=18).contains(&refused),
        "twice the rate at once: {refused}"
    );
    let error = eventually("a refusal", || {
        let answer = call(&server, "publish", &publish);
        (answer["error"]["code"] == 111).then_some(answer)
    });
    assert_eq!(error["error"]["temporary"], true);
    let raw = eventually("a refusal", || {
        Some(post(&server, "/api/channels/news", KEY, b"x")).filter(|raw| raw.status == 429)
    });
    assert_eq!(raw.header("retry-after"), Some("1"));
    let other = post(
        &server,
        "/api/publish",
        "X-API-Key: other\r\n",
        publish.to_string().as_bytes(),
    );
    assert_eq!(other.body, r#"{"result":{}}"#, "the other key's own rate");
    assert!(
        server
            .get_with("/metrics", KEY)
            .body
            .contains("limit=\"api_publishes\"")
    );
}

#[test]
fn who_has_no_key_is_turned_away() {
    let server = start("");
    for headers in [
        "",
        "X-API-Key: wrong\r\n",
        "Authorization: Bearer k\r\n",
        "Authorization: apikey \r\n",
    ] {
        let answer = post(&server, "/api/publish", headers, b"{}");
        assert_eq!(answer.status, 401, "{headers}");
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|value| value.starts_with("apikey"))
        );
        assert_eq!(
            post(&server, "/api/nothing", headers, b"{}").status,
            401,
            "nor learns of methods"
        );
    }
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(server.get_with("/metrics", KEY).status, 200);
    assert_eq!(
        server
            .get_with("/metrics", "Authorization: Bearer s3cret\r\n")
            .status,
        200
    );
    let document: Value =
        serde_json::from_str(&server.get("/api/openapi.json").body).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    assert!(!server.log.text().contains("api key of this run"));
}

#[test]
fn without_a_key_one_is_made_for_this_machine_and_proxies_are_refused() {
    let server = Server::start(&format!("admin.key = \"s3cret\"\n{}", raw("/ws", "")));
    let line = server.log.wait_for("api key of this run: ");
    let key = line
        .split("api key of this run: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let key = format!("X-API-Key: {}\r\n", key.expect("a key"));
    let publish = |headers: &str| {
        post(
            &server,
            "/api/publish",
            headers,
            br#"{"channel":"any:1","data":1}"#,
        )
    };
    assert_eq!(publish(&key).body, r#"{"result":{}}"#);
    assert_eq!(publish("").status, 401);
    assert_eq!(server.get("/metrics").status, 200);
    for header in [
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 p",
    ] {
        assert_eq!(
            publish(&format!("{key}{header}\r\n")).status,
            403,
            "{header}"
        );
        assert_eq!(
            server.get_with("/metrics", &format!("{header}\r\n")).status,
            403,
            "{header}"
        );
    }
    let admin = "Authorization: Bearer s3cret\r\nVia: 1.1 p\r\n";
    assert_eq!(server.get_with("/metrics", admin).status, 200);
    assert_eq!(server.log.text().matches("api key of this run").count(), 1);
    let without = Server::start(&format!("api.enabled = false\n{}", raw("/ws", "")));
    assert_eq!(post(&without, "/api/publish", &key, b"{}").status, 404);
    assert!(!without.log.text().contains("api key"));
}
