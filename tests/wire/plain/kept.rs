//! What is kept for whom: histories that readers cannot throw out, and idempotency keys.

use serde_json::json;

use crate::{
    backend::Backend,
    support::{Server, eventually},
};

use super::{OPEN, json as answer_of, poll, post, publish, texts};

fn bounded(settings: &str) -> Server {
    Server::start(&format!("api.key = \"k\"\n[limits]\n{settings}\n{OPEN}"))
}

// 840,000 polls for channels that nobody uses threw out everybody's history. A position without
// publications is no history, and whoever publishes nothing throws out nothing.
#[test]
fn polls_for_channels_that_nobody_uses_throw_out_no_history() {
    let server = bounded(
        "history_bytes = \"64KiB\"\nposition_bytes = \"64KiB\"\npoll_wait = \"1ms\"\nsubscriptions = 128",
    );
    for number in 0..20 {
        publish(&server, &format!("used{number}"), "x");
    }
    let quiet = poll(&server, "channel=quiet");
    for round in 0..20 {
        let names = (0..100).map(|number| format!("channel=unused-{round}-{number}"));
        poll(&server, &names.collect::<Vec<_>>().join("&"));
    }
    for number in 0..20 {
        let kept = poll(&server, &format!("channel=used{number}&since=10"));
        assert_eq!(texts(&kept), ["x"], "used{number}");
    }
    let status = server.status();
    assert_eq!(status["evicted_publications"], 0);
    let positions = status["position_bytes"].as_u64().expect("a number");
    assert!(positions <= 64 << 10, "{positions} for 2,000 channels");
    // Whoever was told a position goes on from there, though it was not kept.
    publish(&server, "quiet", "y");
    let since = super::since(&quiet);
    let next = poll(&server, &format!("channel=quiet&since={since}"));
    assert_eq!(
        (texts(&next), &next["recovered"]),
        (vec!["y".into()], &json!(true))
    );
}

// 16,384 further keys made a channel forget one before its time, so that its publication went out
// twice. A key without room is refused; who brings too many is refused alone.
#[test]
fn a_key_is_held_for_its_time_and_one_client_cannot_use_up_the_room() {
    let server = bounded("idempotency_bytes = \"64KiB\"");
    let send = |key: &str| {
        let key = format!("Idempotency-Key: {key}\r\n");
        post(&server, "/send?channel=a", &key, "x")
    };
    let first = answer_of(&send("k0"));
    let refused = eventually("a refusal", || {
        let status = server.status();
        let number = status["published"].as_u64().expect("a number");
        let answer = send(&format!("k{number}"));
        (answer.status != 200).then_some((answer, number))
    });
    assert_eq!((refused.0.status, refused.1), (429, 4), "a hundredth");
    assert!(refused.0.header("retry-after").is_some());
    assert!(refused.0.body.starts_with("too many idempotency keys"));
    assert_eq!(answer_of(&send("k0")), first, "held all the while");
    let plain = answer_of(&post(&server, "/send?channel=a", "", "x"));
    assert_eq!(plain["offset"], 5, "what was refused has no place");
    let api = |key: usize| {
        let body = json!({"channel": "a", "data": 1, "idempotency_key": key.to_string()});
        let answer = post(
            &server,
            "/api/publish",
            "X-API-Key: k\r\n",
            &body.to_string(),
        );
        answer_of(&answer)
    };
    let answers = (0..600).map(|key| (key, api(key)));
    let mut refused = answers.skip_while(|(_, answer)| answer["error"].is_null());
    let (taken, refused) = refused.next().expect("a refusal");
    assert!(taken > 200, "{taken}");
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["temporary"]),
        (&json!(100), &json!(true))
    );
    assert_eq!(api(0)["result"]["offset"], 6, "the first one's place");
    let limited = server.status()["limited"]["idempotency_keys"].clone();
    assert_eq!(limited, 2);
}

// A key that the backend gives to a client's publication is the client's to pay for: else any
// client could use up the room by publishing.
#[test]
fn a_key_from_the_backend_counts_for_the_client_that_published() {
    let backend = Backend::start(|asked| {
        let key = asked.json()["data"].to_string();
        let result = json!({"result": {"idempotency_key": key}});
        (200, "application/json", result.to_string())
    });
    let server = Server::start(&format!(
        "client.anonymous = true\n[limits]\nidempotency_bytes = \"64KiB\"\n{}[channels]\n\
         allow.publish = [\"hook\"]\nhistory_size = 10\n",
        backend.hook("publish")
    ));
    let mut client = server.ws("/connection/websocket");
    client.text("{\"id\":1,\"connect\":{}}");
    let mut answers = Vec::new();
    for id in 2..7 {
        client.text(&format!(
            "{{\"id\":{id},\"publish\":{{\"channel\":\"a\",\"data\":{id}}}}}"
        ));
        answers.push(eventually("an answer", || {
            let text = String::from_utf8(client.message().payload).expect("text");
            let found = text.contains(&format!("\"id\":{id},"));
            found.then(|| text.contains("\"code\":111"))
        }));
    }
    assert_eq!(answers, [false, false, false, false, true]);
    let send = post(&server, "/send?channel=a", "", "99");
    assert_eq!(
        send.status, 429,
        "the same address, nobody known: {}",
        send.body
    );
}
