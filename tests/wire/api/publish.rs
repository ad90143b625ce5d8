//! Publishing: to channels, in batches, by shells; and what is kept of it.

use serde_json::{Value, json};

use super::{KEY, call, client, code, done, post, start};
use crate::support::Frame;

#[test]
fn a_publication_reaches_subscribers_as_the_bytes_that_came() {
    let server = start("");
    let mut in_news = client(&server, "channel=news", "news");
    let mut in_kept = client(&server, "channel=kept:1", "kept:1");
    let body = "{\"channel\":\"news\",\"data\":{\"b\" : 1.50,\n \"a\":\"\\u00e9\"},\"unknown\":1}";
    let response = post(&server, "/api/publish", KEY, body.as_bytes());
    assert_eq!(
        response.body, r#"{"result":{}}"#,
        "no offset without history"
    );
    in_news.expect_text(r#"{"b" : 1.50, "a":"\u00e9"}"#);
    done(
        &server,
        "publish",
        &json!({ "channel": "news", "b64data": "/wA=" }),
    );
    assert_eq!(in_news.message(), Frame::binary(&[0xff, 0]));
    post(
        &server,
        "/api/publish",
        "Authorization: apikey other\r\n",
        br#"{"channel":"news","data":null}"#,
    );
    in_news.expect_text("null");

    let publish =
        json!({ "channel": "kept:1", "data": 1, "idempotency_key": "i", "tags": { "t": "x" } });
    let first = done(&server, "publish", &publish);
    assert_eq!(first["offset"], 1);
    assert_eq!(
        done(&server, "publish", &publish),
        first,
        "the same key again"
    );
    let unkept = json!({ "channel": "kept:1", "data": 2, "skip_history": true });
    assert_eq!(done(&server, "publish", &unkept), json!({}));
    let versioned = json!({ "channel": "kept:1", "data": 3, "version": 5 });
    assert_eq!(done(&server, "publish", &versioned)["offset"], 2);
    assert_eq!(
        done(&server, "publish", &versioned)["offset"],
        2,
        "not newer"
    );
    for expected in ["1", "2", "3"] {
        in_kept.expect_text(expected);
    }
    let history = done(
        &server,
        "history",
        &json!({ "channel": "kept:1", "limit": -1 }),
    );
    assert_eq!(
        history["publications"],
        json!([{ "data": 1, "offset": 1, "tags": { "t": "x" } }, { "data": 3, "offset": 2 }])
    );
    assert_eq!(
        (&history["offset"], &history["epoch"]),
        (&json!(2), &first["epoch"])
    );
}

#[test]
fn a_history_is_read_from_a_position_and_forgotten() {
    let server = start("");
    for number in 1..=5 {
        done(
            &server,
            "publish",
            &json!({ "channel": "kept:1", "data": number }),
        );
    }
    let read = |request: Value| {
        let mut request = request;
        request["channel"] = json!("kept:1");
        let history = done(&server, "history", &request);
        assert_eq!(history["offset"], 5);
        let data = history["publications"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|kept| kept["data"].clone());
        Value::Array(data.collect())
    };
    assert_eq!(read(json!({})), json!([]));
    assert_eq!(read(json!({ "limit": 2 })), json!([1, 2]));
    assert_eq!(read(json!({ "limit": 2, "reverse": true })), json!([5, 4]));
    assert_eq!(
        read(json!({ "limit": -1, "since": { "offset": 3 } })),
        json!([4, 5])
    );
    assert_eq!(
        read(json!({ "limit": -1, "since": { "offset": 3 }, "reverse": true })),
        json!([2, 1])
    );
    let other =
        json!({ "channel": "kept:1", "limit": 1, "since": { "offset": 3, "epoch": "other" } });
    assert_eq!(code(&server, "history", &other), 112);
    done(&server, "history_remove", &json!({ "channel": "kept:1" }));
    assert_eq!(read(json!({ "limit": -1 })), json!([]));
    for method in ["history", "history_remove", "presence", "presence_stats"] {
        assert_eq!(
            code(&server, method, &json!({ "channel": "news" })),
            108,
            "{method}"
        );
    }
}

#[test]
fn broadcast_and_batch_answer_each_part_in_order() {
    let server = start("");
    let mut in_news = client(&server, "channel=news", "news");
    let answer = done(
        &server,
        "broadcast",
        &json!({ "channels": ["news", "nothing:1", "kept:1"], "data": "b" }),
    );
    let responses = &answer["responses"];
    assert_eq!(responses[0], json!({ "result": {} }));
    assert_eq!(responses[1]["error"]["code"], 102);
    assert_eq!(responses[2]["result"]["offset"], 1);
    in_news.expect_text("\"b\"");

    let commands = json!({ "parallel": true, "commands": [
        { "publish": { "channel": "kept:1", "data": 2 } },
        { "presence": { "channel": "news" } },
        { "history": { "channel": "kept:1", "limit": 1, "reverse": true } },
        { "batch": { "commands": [] } },
        {},
    ] });
    let replies = &call(&server, "batch", &commands)["replies"];
    assert_eq!(replies[0]["publish"]["offset"], 2);
    assert_eq!(replies[1]["error"]["code"], 108);
    assert_eq!(replies[2]["history"]["publications"][0]["data"], 2);
    assert_eq!(
        (&replies[3]["error"]["code"], &replies[4]["error"]["code"]),
        (&json!(107), &json!(107))
    );
    let too_many = json!({ "commands": vec![json!({}); 10_001] });
    assert_eq!(code(&server, "batch", &too_many), 106);
}

#[test]
fn shells_publish_the_body_as_it_is() {
    let server = start("api.body_bytes = 1000\n");
    let publish = |path: &str, headers: &str, body: &str| {
        let path = format!("/api/channels/{path}");
        post(&server, &path, &format!("{KEY}{headers}"), body.as_bytes())
    };
    let nobody = publish("news", "", "x");
    assert_eq!(
        (nobody.status, nobody.body.as_str()),
        (202, r#"{"delivered":0}"#)
    );
    let mut in_kept = client(&server, "channel=kept:a/b", "kept:a/b");
    for path in ["kept:a/b", "kept%3Aa%2Fb"] {
        let answer = publish(
            path,
            "Content-Type: text/plain\r\nIdempotency-Key: one\r\n",
            "text, no json",
        );
        let receipt: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(receipt["offset"], 1, "{path} {}", answer.body);
    }
    in_kept.expect_text("text, no json");
    let bytes = publish(
        "kept:a/b",
        "Content-Type: application/octet-stream\r\n",
        "bytes",
    );
    assert_eq!(bytes.status, 200);
    assert!(bytes.body.contains("\"delivered\":1"), "{}", bytes.body);
    assert_eq!(in_kept.message(), Frame::binary(b"bytes"));
    assert_eq!(publish("nothing:1", "", "x").status, 404);
    assert_eq!(publish("$endpoint:/ws", "", "x").status, 400);
    assert_eq!(publish("a%20b", "", "x").status, 400);
    assert_eq!(
        publish(
            "news",
            &format!("Idempotency-Key: {}\r\n", "k".repeat(257)),
            "x"
        )
        .status,
        400
    );
    assert_eq!(publish("news", "", &"x".repeat(1001)).status, 413);
    assert_eq!(post(&server, "/api/channels/news", "", b"x").status, 401);
    assert_eq!(server.get_with("/api/channels/news", KEY).status, 405);
}
