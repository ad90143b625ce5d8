//! Tokens of plain clients: how they are brought, and what is said where they do not count.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use ring::hmac;

use super::{Events, json, poll, post};
use crate::support::{SOON, Server};

const SECRET: &str = "a secret of thirty-two bytes, or more";

fn settings() -> String {
    format!(
        "[token]\nhmac_secret = \"{SECRET}\"\n[channels]\nhistory_size = 10\nallow.subscribe = [\"client\"]\n\
         allow.publish = [\"client\"]\n[[namespace]]\nname = \"team\"\nallow.subscribe = []\n\
         [[raw]]\npath = \"/ws\"\non_message = \"relay\"\n"
    )
}

/// A token with these claims (RFC 7519, HS256).
fn token(claims: &serde_json::Value) -> String {
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let text = format!(
        "{}.{}",
        encode(br#"{"alg":"HS256","typ":"JWT"}"#),
        encode(claims.to_string().as_bytes())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!(
        "{text}.{}",
        encode(hmac::sign(&key, text.as_bytes()).as_ref())
    )
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

#[test]
fn a_token_comes_by_query_header_or_subprotocol() {
    let server = Server::start(&settings());
    let jwt = token(&serde_json::json!({"sub": "42", "exp": now() + 60}));
    let bearer = format!("Authorization: Bearer {jwt}\r\n");
    json(&server.get(&format!("/poll?channel=a&token={jwt}")));
    json(&server.get_with("/poll?channel=a", &bearer));
    assert_eq!(post(&server, "/send?channel=a", &bearer, "x").status, 200);
    let mut events = Events::open(
        server.address,
        &format!("/sse?channel=a&token={jwt}&since=1"),
        "",
    );
    events.greeting();
    assert_eq!(events.next().data, "x");
    let mut ws = server.ws(&format!("/ws?channel=a&token={jwt}&since=1"));
    ws.expect_text("x");
    let offer = format!("Sec-WebSocket-Protocol: fanfare, token.{jwt}\r\n");
    let (response, ws) = server.try_ws("/ws?channel=a&since=1", &offer);
    assert_eq!(response.header("sec-websocket-protocol"), Some("fanfare"));
    ws.expect("a client").expect_text("x");
}

#[test]
fn what_does_not_count_is_401_and_on_a_socket_a_close() {
    let server = Server::start(&settings());
    let old = token(&serde_json::json!({"sub": "42", "exp": now() - 60}));
    for (query, code) in [
        ("&token=nonsense", 3500),
        (&*format!("&token={old}"), 3005),
        ("", 3500),
    ] {
        for path in ["/sse?channel=a", "/poll?channel=a"] {
            let answer = server.get(&format!("{path}{query}"));
            assert_eq!(answer.status, 401, "{path}{query}: {}", answer.body);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        for path in ["/send?channel=a", "/send?path=/ws"] {
            assert_eq!(
                post(&server, &format!("{path}{query}"), "", "x").status,
                401,
                "{path}{query}"
            );
        }
        assert_eq!(
            server.ws(&format!("/ws?channel=a{query}")).expect_close().0,
            code
        );
    }
}

#[test]
fn the_end_of_a_token_is_the_end_of_its_stream_and_poll() {
    let server = Server::start(&settings());
    let jwt = token(&serde_json::json!({"sub": "42", "exp": now() + 5}));
    let mut events = Events::open(server.address, &format!("/sse?channel=a&token={jwt}"), "");
    let at = events.greeting().id.expect("an id");
    let poll = server.get(&format!("/poll?channel=a&token={jwt}&since={at}"));
    assert_eq!(poll.status, 401, "{}", poll.body);
    let event = events.next();
    assert_eq!(
        (event.name.as_str(), &event.json()["code"]),
        ("close", &3005.into())
    );
    assert_eq!(events.any(), None);
}

#[test]
fn channels_of_the_token_are_told_and_gone_on_in_like_the_others() {
    let server = Server::start(&settings());
    let jwt = token(
        &serde_json::json!({"sub": "42", "exp": now() + SOON.as_secs() + 60, "channels": ["team:x"]}),
    );
    let bearer = format!("Authorization: Bearer {jwt}\r\n");
    let first = poll(&server, &format!("channel=a&token={jwt}"));
    assert_eq!(super::since(&first).matches("%2C").count(), 1, "{first}");
    post(&server, "/send?channel=team:x", &bearer, "1");
    post(&server, "/send?channel=a", &bearer, "2");
    let next = poll(
        &server,
        &format!("channel=a&since={}&token={jwt}", super::since(&first)),
    );
    assert_eq!(super::texts(&next), ["2", "1"]);
    let mut events = Events::open(
        server.address,
        &format!("/sse?channel=a&token={jwt}"),
        &format!(
            "Last-Event-ID: {}\r\n",
            first["since"].as_str().expect("a position")
        ),
    );
    assert_eq!(events.greeting().json()["recovered"], true);
    assert_eq!([events.next().data, events.next().data], ["2", "1"]);
    let other = token(&serde_json::json!({"sub": "43", "exp": now() + 60}));
    assert_eq!(
        server
            .get(&format!("/poll?channel=team:x&token={other}"))
            .status,
        403
    );
}
