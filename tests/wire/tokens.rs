//! Who may: tokens in every place where they may stand, limits of users, and channels for some.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Client, Server, eventually, raw};

const SECRET: &str = "a secret of more than thirty-two bytes";

fn settings(more: &str) -> String {
    format!(
        "[token]\nhmac_secret = \"{SECRET}\"\n[channels]\nallow.subscribe = [\"client\"]\n[[namespace]]\nname = \"private\"\nallow.subscribe = [\"token\"]\n[[namespace]]\nname = \"open\"\nallow.publish = [\"subscriber\"]\n{more}"
    )
}

/// A token made by the binary itself.
fn token(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["token", "--secret", SECRET])
        .args(arguments)
        .env_remove("FANFARE_CONFIG")
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_string()
}

fn expired() -> String {
    token(&["--user", "42", "--claim", "exp=1000000000"])
}

fn connect(client: &mut Client, connect: &Value) -> Value {
    client.text(&json!({"id": 1, "connect": connect}).to_string());
    serde_json::from_slice(&client.message().payload).expect("JSON")
}

#[test]
fn a_token_may_stand_in_the_connect_the_query_a_header_or_a_subprotocol() {
    let server = Server::start(&settings("[admin]\nkey = \"admin\"\n"));
    let token = token(&["--user", "42", "--channels", "given"]);
    let ways: [(&str, String, Value); 4] = [
        (
            "/connection/websocket",
            String::new(),
            json!({"token": token}),
        ),
        (
            &format!("/connection/websocket?token={token}"),
            String::new(),
            json!({}),
        ),
        (
            "/connection/websocket",
            format!("Authorization: Bearer {token}\r\n"),
            json!({}),
        ),
        (
            "/connection/websocket",
            format!("Sec-WebSocket-Protocol: fanfare, token.{token}\r\n"),
            json!({}),
        ),
    ];
    let mut clients = Vec::new();
    for (path, headers, request) in ways {
        let (response, client) = server.try_ws(path, &headers);
        if headers.contains("fanfare") {
            assert_eq!(response.header("sec-websocket-protocol"), Some("fanfare"));
        }
        let mut client = client.expect("a client");
        let reply = connect(&mut client, &request);
        assert!(
            reply["connect"]["subs"]["given"].is_object(),
            "{path}: {reply}"
        );
        assert_eq!(reply["connect"]["expires"], true);
        assert!(
            reply["connect"]["ttl"]
                .as_u64()
                .is_some_and(|ttl| ttl > 3000),
            "{reply}"
        );
        clients.push(client);
    }
    let sessions = eventually("it is listed", || {
        let body = server
            .get_with("/status/sessions", "Authorization: Bearer admin\r\n")
            .body;
        body.contains("\"user\":\"42\"").then_some(body)
    });
    assert!(!sessions.contains(&token));
}

#[test]
fn tokens_that_do_not_count_get_their_codes() {
    let server = Server::start(&settings(""));
    let mut client = server.ws("/connection/websocket");
    let reply = connect(&mut client, &json!({"token": expired()}));
    assert_eq!(reply["error"]["code"], 109);
    client.text("{\"id\":2,\"rpc\":{}}");
    assert_eq!(
        client.message().code_and_reason().0,
        3501,
        "nothing goes on after a refused connect"
    );
    for (request, code) in [(json!({"token": "x.y.z"}), 3500), (json!({}), 3501)] {
        let mut client = server.ws("/connection/websocket");
        client.text(&json!({"id": 1, "connect": request}).to_string());
        assert_eq!(client.message().code_and_reason().0, code);
    }
}

#[test]
fn raw_endpoints_hold_to_the_same_rules_and_say_no_behind_the_handshake() {
    let server = Server::start(&settings(&raw(
        "/ws",
        "on_message = \"relay\"\nrelay_self = true",
    )));
    let good = token(&["--user", "42"]);
    let mut client = server.ws(&format!("/ws?channel=open:news&token={good}"));
    client.text("x");
    client.expect_text("x");
    // Here it may listen, but not speak.
    let mut client = server.ws(&format!("/ws?channel=news&token={good}"));
    client.text("x");
    assert_eq!(client.message().code_and_reason().0, 3507);
    // Nor where the token itself put it.
    let given = token(&["--user", "42", "--channels", "news,nowhere:x"]);
    let mut client = server.ws(&format!("/ws?token={given}"));
    client.text("x");
    assert_eq!(client.message().code_and_reason().0, 3507);
    for (path, code) in [
        (format!("/ws?token={}", expired()), 3005),
        ("/ws?token=x".to_string(), 3500),
        ("/ws".to_string(), 3500),
        (format!("/ws?channel=private:x&token={good}"), 3507),
        (format!("/ws?channel=unknown:x&token={good}"), 3507),
    ] {
        assert_eq!(
            server.ws(&path).message().code_and_reason().0,
            code,
            "{path}"
        );
    }
    let brief = token(&["--user", "42", "--ttl", "2s"]);
    let mut client = server.ws(&format!("/ws?token={brief}"));
    assert_eq!(
        client.message().code_and_reason().0,
        3005,
        "it ends with its token"
    );
}

#[test]
fn a_subscription_token_is_for_its_channel_and_user_only() {
    let server = Server::start(&settings(""));
    let subscribe = |token: &str| {
        let mut client = server.ws("/connection/websocket");
        connect(
            &mut client,
            &json!({"token": self::token(&["--user", "42"])}),
        );
        client.text(
            &json!({"id": 2, "subscribe": {"channel": "private:x", "token": token}}).to_string(),
        );
        client.message()
    };
    let reply =
        |token: &str| -> Value { serde_json::from_slice(&subscribe(token).payload).expect("JSON") };
    let good = token(&["--user", "42", "--channel", "private:x"]);
    assert_eq!(reply(&good)["subscribe"]["expires"], true);
    assert_eq!(reply("")["error"]["code"], 103);
    assert_eq!(reply("x")["error"]["code"], 103);
    let old = token(&[
        "--user",
        "42",
        "--channel",
        "private:x",
        "--claim",
        "exp=1000000000",
    ]);
    assert_eq!(reply(&old)["error"]["code"], 109);
    for other in [
        token(&["--user", "42", "--channel", "private:y"]),
        token(&["--user", "43", "--channel", "private:x"]),
    ] {
        assert_eq!(subscribe(&other).code_and_reason().0, 3500);
    }
}

#[test]
fn a_channel_may_be_for_some_users_only() {
    let server = Server::start(&settings(""));
    for (user, code) in [("42", 0), ("567", 0), ("4", 103)] {
        let mut client = server.ws("/connection/websocket");
        connect(&mut client, &json!({"token": token(&["--user", user])}));
        client.text("{\"id\":2,\"subscribe\":{\"channel\":\"dialog#42,567\"}}");
        let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
        assert_eq!(
            reply["error"]["code"].as_u64().unwrap_or(0),
            code,
            "{user}: {reply}"
        );
    }
}

#[test]
fn a_user_has_so_many_sessions() {
    let server = Server::start(&settings("[limits]\nsessions_per_user = 1\n"));
    let token = token(&["--user", "42"]);
    let mut first = server.ws("/connection/websocket");
    connect(&mut first, &json!({"token": token}));
    let mut second = server.ws("/connection/websocket");
    second.text(&json!({"id": 1, "connect": {"token": token}}).to_string());
    assert_eq!(second.message().code_and_reason().0, 3504);
    drop(first);
    eventually("there is room again", || {
        let mut third = server.ws("/connection/websocket");
        third.text(&json!({"id": 1, "connect": {"token": token}}).to_string());
        third.message().is(1).then_some(())
    });
}

// A raw session over the limit was closed and not counted, a session of the protocol was counted.
#[test]
fn sessions_over_a_users_limit_are_counted_whatever_they_speak() {
    let server = Server::start(&settings(
        &("[limits]\nsessions_per_user = 1\n".to_string() + &raw("/ws", "")),
    ));
    let token = token(&["--user", "42"]);
    let path = format!("/ws?token={token}");
    let _first = server.ws(&path);
    server.wait_status("sessions", 1);
    assert_eq!(server.ws(&path).message().code_and_reason().0, 3504);
    let mut second = server.ws("/connection/websocket");
    second.text(&json!({"id": 1, "connect": {"token": token}}).to_string());
    assert_eq!(second.message().code_and_reason().0, 3504);
    let stream = server.get(&format!("/sse?channel=news&token={token}"));
    assert_eq!(stream.status, 429, "{}", stream.body);
    eventually("all three are counted", || {
        (server.status()["limited"]["sessions_per_user"] == 3).then_some(())
    });
}

// A token with thousands of channels kept a worker busy, and a raw session had as many as it named.
// They are counted first.
#[test]
fn a_token_with_more_channels_than_a_session_may_have_is_refused_everywhere() {
    let server = Server::start(&settings(
        &("[limits]\nsubscriptions = 2\n".to_string() + &raw("/ws", "")),
    ));
    let many = token(&["--user", "42", "--channels", "a,b,c"]);
    let two = token(&["--user", "42", "--channels", "a,b"]);
    let mut client = server.ws("/connection/websocket");
    client.text(&json!({"id": 1, "connect": {"token": many}}).to_string());
    assert_eq!(client.message().code_and_reason().0, 3505);
    let code = |path: &str| server.ws(path).message().code_and_reason().0;
    assert_eq!(code(&format!("/ws?token={many}")), 3505);
    assert_eq!(code(&format!("/ws?channel=c&token={two}")), 3505);
    for path in [
        format!("/sse?channel=a&token={many}"),
        format!("/poll?channel=c&token={two}"),
    ] {
        let answer = server.get(&path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
    }
    let answer = server.get(&format!("/poll?channel=a&token={two}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_session_goes_on_with_a_new_token() {
    let server = Server::start(&settings(""));
    let mut client = server.ws("/connection/websocket");
    connect(
        &mut client,
        &json!({"token": token(&["--user", "42", "--ttl", "60s"])}),
    );
    let refresh = |client: &mut Client, token: &str| {
        client.text(&json!({"id": 2, "refresh": {"token": token}}).to_string());
        client.message()
    };
    let reply = refresh(&mut client, &token(&["--user", "42"]));
    let reply: Value = serde_json::from_slice(&reply.payload).expect("JSON");
    assert!(
        reply["refresh"]["ttl"]
            .as_u64()
            .is_some_and(|ttl| ttl > 3000),
        "{reply}"
    );
    let closed = refresh(&mut client, &token(&["--user", "43"]));
    assert_eq!(closed.code_and_reason().0, 3500);
}

// A refresh with a token that had expired meanwhile was answered with error 109, at which an SDK
// ends its client for good. A backend that gives an old token once is enough for that.
#[test]
fn who_refreshes_with_an_expired_token_is_closed_and_may_come_back() {
    let server = Server::start(&settings(""));
    let early = token(&["--user", "42", "--claim", "nbf=4000000000"]);
    for old in [expired(), early] {
        let mut client = server.ws("/connection/websocket");
        connect(&mut client, &json!({"token": token(&["--user", "42"])}));
        client.text(&json!({"id": 2, "refresh": {"token": old}}).to_string());
        let (code, reason) = client.message().code_and_reason();
        assert_eq!((code, reason.as_str()), (3005, "expired"));
    }
}

// A sub_refresh with an expired token was answered with error 109, at which an SDK ends the
// subscription for good. Without an answer that renews it, it ends at its time with 2501, and the
// SDK subscribes anew.
#[test]
fn a_subscription_that_is_refreshed_with_an_expired_token_keeps_its_end() {
    let server = Server::start(&settings(""));
    let mut client = server.ws("/connection/websocket");
    connect(&mut client, &json!({"token": token(&["--user", "42"])}));
    let of_channel = |more: &[&str]| {
        let mut arguments = vec!["--user", "42", "--channel", "private:x"];
        arguments.extend(more);
        token(&arguments)
    };
    let subscribe = json!({"channel": "private:x", "token": of_channel(&[])});
    client.text(&json!({"id": 2, "subscribe": subscribe}).to_string());
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert_eq!(reply["subscribe"]["expires"], true);
    let old = of_channel(&["--claim", "exp=1000000000"]);
    let refresh = json!({"channel": "private:x", "token": old});
    client.text(&json!({"id": 3, "sub_refresh": refresh}).to_string());
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert_eq!(reply, json!({"id": 3, "sub_refresh": {}}));
    let other = json!({"channel": "private:x", "token": "x.y.z"});
    client.text(&json!({"id": 4, "sub_refresh": other}).to_string());
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert_eq!(reply["error"]["code"], 103, "an invalid token is told");
}

// A token whose nbf was a few seconds ahead was an invalid one: 3500, which is final, or 103. Two
// machines whose clocks differ by a second were enough for that.
#[test]
fn a_token_that_does_not_count_yet_is_answered_as_an_expired_one() {
    let server = Server::start(&settings(&raw("/ws", "")));
    let early = |more: &[&str]| {
        let mut arguments = vec!["--user", "42", "--claim", "nbf=4000000000"];
        arguments.extend(more);
        token(&arguments)
    };
    let mut client = server.ws("/connection/websocket");
    let reply = connect(&mut client, &json!({"token": early(&[])}));
    assert_eq!(reply["error"]["code"], 109);
    server.log.wait_for("token.leeway");
    let closed = server.ws(&format!("/ws?token={}", early(&[]))).message();
    assert_eq!(closed.code_and_reason().0, 3005);
    let mut client = server.ws("/connection/websocket");
    connect(&mut client, &json!({"token": token(&["--user", "42"])}));
    let subscribe = json!({"channel": "private:x", "token": early(&["--channel", "private:x"])});
    client.text(&json!({"id": 2, "subscribe": subscribe}).to_string());
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert_eq!(reply["error"]["code"], 109);
}

// A token with times in milliseconds was closed with 3500 and "invalid token", and nothing said
// what was wrong with it.
#[test]
fn a_time_in_milliseconds_is_named() {
    let server = Server::start(&settings(&raw("/ws", "")));
    let wrong = token(&["--user", "42", "--claim", "exp=1900000000000"]);
    let mut client = server.ws("/connection/websocket");
    client.text(&json!({"id": 1, "connect": {"token": wrong}}).to_string());
    for closed in [
        client.message(),
        server.ws(&format!("/ws?token={wrong}")).message(),
    ] {
        let (code, reason) = closed.code_and_reason();
        assert_eq!(code, 3500);
        assert!(
            reason.contains("exp") && reason.contains("milliseconds"),
            "{reason}"
        );
    }
    let answer = server.get(&format!("/sse?channel=a&token={wrong}"));
    assert!(
        answer.status == 401 && answer.body.contains("milliseconds"),
        "{}",
        answer.body
    );
    let mut client = server.ws("/connection/websocket");
    connect(&mut client, &json!({"token": token(&["--user", "42"])}));
    let wrong = token(&[
        "--user",
        "42",
        "--channel",
        "private:x",
        "--claim",
        "exp=1900000000000",
    ]);
    let subscribe = json!({"channel": "private:x", "token": wrong});
    client.text(&json!({"id": 2, "subscribe": subscribe}).to_string());
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert_eq!(reply["error"]["code"], 103);
    assert!(
        reply["error"]["message"]
            .to_string()
            .contains("milliseconds"),
        "{reply}"
    );
}

// A token that ends in 2286 told a time to live of 4294967295 seconds, which is -1 for a client
// that counts in 32 signed bits: it asked for new tokens without a pause.
#[test]
fn a_client_is_told_a_time_to_live_of_at_most_a_year() {
    let year = 365 * 24 * 3600;
    let server = Server::start(&settings(""));
    let far = |more: &[&str]| {
        let mut arguments = vec!["--user", "42", "--claim", "exp=9999999999"];
        arguments.extend(more);
        token(&arguments)
    };
    let mut client = server.ws("/connection/websocket");
    let reply = connect(&mut client, &json!({"token": far(&[])}));
    assert_eq!(reply["connect"]["ttl"], year);
    let of_channel = json!({"channel": "private:x", "token": far(&["--channel", "private:x"])});
    for (method, request) in [
        ("refresh", json!({"token": far(&[])})),
        ("subscribe", of_channel.clone()),
        ("sub_refresh", of_channel),
    ] {
        client.text(&json!({"id": 2, method: request}).to_string());
        let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
        assert_eq!(reply[method]["ttl"], year, "{reply}");
    }
    let mut listener = server.ws("/connection/uni_websocket");
    listener.text(&json!({"token": far(&[])}).to_string());
    let push: Value = serde_json::from_slice(&listener.message().payload).expect("JSON");
    assert_eq!(push["connect"]["ttl"], year, "{push}");
}

/// A token was renewed with fewer channels, and its client stayed in those that it had lost: a
/// right that was taken back went on.
#[test]
fn a_renewed_token_with_fewer_channels_takes_the_others_back() {
    let server = Server::start(&settings("[api]\nkey = \"key\"\n"));
    let mut client = server.ws("/connection/websocket");
    let first = token(&[
        "--user",
        "42",
        "--channels",
        "private:kept,private:lost,open:asked",
    ]);
    let reply = connect(&mut client, &json!({"token": first}));
    assert_eq!(
        reply["connect"]["subs"].as_object().map(|subs| subs.len()),
        Some(3)
    );
    let mut ask = |command: Value| -> Value {
        client.text(&command.to_string());
        serde_json::from_slice(&client.message().payload).expect("JSON")
    };
    // From here on it is there because it asks: its own right, which no token names.
    ask(json!({"id": 2, "unsubscribe": {"channel": "open:asked"}}));
    let asked = ask(json!({"id": 3, "subscribe": {"channel": "open:asked"}}));
    assert!(
        asked["error"].is_object() || asked["subscribe"].is_object(),
        "{asked}"
    );
    ask(json!({"id": 4, "unsubscribe": {"channel": "private:lost"}}));
    let again = ask(json!({"id": 5, "subscribe": {"channel": "private:lost"}}));
    assert!(again["subscribe"].is_object(), "its token lets it: {again}");

    let renewed = token(&["--user", "42", "--channels", "private:kept"]);
    client.text(&json!({"id": 6, "refresh": {"token": renewed}}).to_string());
    let mut left = Vec::new();
    loop {
        let text = String::from_utf8(client.message().payload).expect("text");
        let messages = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let messages: Vec<Value> = messages.collect();
        for message in &messages {
            if let Some(channel) = message["push"]["channel"].as_str() {
                assert_eq!(message["push"]["unsubscribe"]["code"], 2000, "{message}");
                left.push(channel.to_string());
            }
        }
        if messages
            .iter()
            .any(|message| message["refresh"].is_object())
        {
            break;
        }
    }
    left.sort();
    assert!(left.contains(&"private:lost".to_string()), "{left:?}");
    assert!(!left.contains(&"private:kept".to_string()), "{left:?}");
    client.text(&json!({"id": 7, "subscribe": {"channel": "private:lost"}}).to_string());
    let reply: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert_eq!(reply["error"]["code"], 103, "{reply}");
}
