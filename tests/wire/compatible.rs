//! What clients and backends made for Centrifugo send and expect, beyond the protocol's plain way:
//! each was answered otherwise once, and a client library broke by it.

use serde_json::{Value, json};

use crate::{
    client::{OPEN, Session, code},
    support::{Frame, Server, eventually},
};

/// Everyone has a token for user 42, made by hand: the key is in the settings.
const TOKENS: &str = "[token]\nhmac_secret = \"a secret of more than thirty-two bytes\"\n";

fn token(user: &str) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args([
            "token",
            "--secret",
            "a secret of more than thirty-two bytes",
        ])
        .args(["--user", user])
        .env_remove("FANFARE_CONFIG")
        .output()
        .expect("it runs");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_string()
}

/// A session of a user, and what its welcome said.
fn connected_as(server: &Server, user: &str) -> (Session, Value) {
    let mut session = Session::open(server);
    let reply = session.ask(json!({"connect": {"token": token(user)}}));
    (session, reply["connect"].clone())
}

fn json_of(frame: &Frame) -> Value {
    serde_json::from_slice(&frame.payload).expect("JSON")
}

fn encoded(request: &Value) -> String {
    let text = request.to_string();
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn api(server: &Server, path: &str, headers: &str, body: &Value) -> Value {
    let body = body.to_string();
    let request = format!(
        "POST /api/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = server.request(&request).expect("an answer");
    serde_json::from_str(&answer.body).unwrap_or(json!({"status": answer.status}))
}

const KEY: &str = "[api]\nkey = \"secret\"\n";

fn call(server: &Server, method: &str, body: &Value) -> Value {
    api(server, method, "X-API-Key: secret\r\n", body)
}

// A client whose language writes null for what is absent was closed with 3501 by its connect.
#[test]
fn null_in_a_command_is_as_absent() {
    let server = Server::start(OPEN);
    let mut session = Session::open(&server);
    let connect =
        json!({"token": null, "data": null, "name": null, "headers": null, "subs": {"news": null}});
    let reply = session.ask(json!({"connect": connect, "subscribe": null, "rpc": null}));
    assert!(reply["connect"]["subs"]["news"].is_object(), "{reply}");
    let request = json!({"channel": "other", "token": null, "recover": null, "offset": null, "epoch": null,
        "positioned": null, "join_leave": null, "delta": null, "tf": null, "type": null});
    let reply = session.ask(json!({"subscribe": request}));
    assert_eq!(reply["subscribe"], json!({}), "{reply}");
    let reply = session.ask(json!({"history": {"channel": "other", "limit": null, "since": null}}));
    assert_eq!(reply["history"]["offset"], 0, "{reply}");
    let reply = session.ask(json!({"publish": {"channel": "other", "data": null}}));
    assert_eq!(
        reply["publish"],
        json!({}),
        "a null payload is a payload: {reply}"
    );
    assert_eq!(session.push()["pub"]["data"], Value::Null);
    session.ask(json!({"rpc": {}}));
    session.client.text("{\"id\":99,\"subscribe\":null}");
    session.expect_close(3501);
}

// Who asked for a filter got everything, and who asked for a map got a stream.
#[test]
fn what_is_not_there_is_refused_instead_of_something_else_given() {
    let server = Server::start(OPEN);
    let mut session = Session::connected(&server);
    let filter = json!({"key": "k", "cmp": "eq", "val": "v"});
    let reply = session.ask(json!({"subscribe": {"channel": "news", "tf": filter}}));
    assert_eq!(code(&reply), 107, "{reply}");
    assert!(
        reply["error"]["message"].to_string().contains("tf"),
        "{reply}"
    );
    for kind in 1..=4 {
        let reply = session.ask(json!({"subscribe": {"channel": "news", "type": kind}}));
        assert_eq!(code(&reply), 108, "{reply}");
    }
    let map = json!({"channel": "news", "type": 1, "key": "k", "data": 1});
    assert_eq!(code(&session.ask(json!({"publish": map}))), 108);
    assert_eq!(
        code(&session.ask(json!({"sub_refresh": {"channel": "news", "type": 1}}))),
        108
    );
    session.subscribe("news");
    let mut other = Session::open(&server);
    let reply = other.ask(json!({"connect": {"subs": {"news": {"tf": filter}}}}));
    assert_eq!(code(&reply), 107, "{reply}");
}

// A one-way WebSocket with its connect request in the URL got nothing, and was closed as stale.
// What it sent behind its connect, as keep-alives do, closed it with 3501.
#[test]
fn a_one_way_websocket_connects_by_its_url_and_may_send_what_it_likes() {
    let server = Server::start(&format!("{KEY}{OPEN}"));
    let request = encoded(&json!({"subs": {"news": {}}}));
    let mut client = server.ws(&format!("/connection/uni_websocket?cf_connect={request}"));
    let welcome = json_of(&client.message());
    assert!(welcome["connect"]["subs"]["news"].is_object(), "{welcome}");
    for frame in [
        Frame::text("keep"),
        Frame::text("{}"),
        Frame::binary(&[255]),
        Frame::text(""),
    ] {
        client.send(&frame);
    }
    // By the name of its session the API finds it, as it does those that stream.
    let session = welcome["connect"]["session"].as_str().expect("a session");
    assert!(welcome["connect"].get("node").is_none(), "{welcome}");
    let body = json!({"session": session, "user": "", "channel": "other"});
    assert_eq!(call(&server, "subscribe", &body)["result"], json!({}));
    let push = json_of(&client.message());
    assert_eq!(
        (&push["channel"], push["subscribe"].is_object()),
        (&json!("other"), true),
        "{push}"
    );
    let mut bad = server.ws("/connection/uni_websocket?cf_connect=%7B");
    let (code, reason) = bad.message().code_and_reason();
    assert!(code == 3501 && reason.contains("JSON"), "{code} {reason}");
}

// Tools as wscat asked for WebSocket's own pings, got the protocol's, did not know them and were
// closed with 3012.
#[test]
fn a_client_may_be_asked_for_life_by_the_pings_of_websocket() {
    let server = Server::start(&format!(
        "[heartbeat]\nping_interval = \"3s\"\npong_timeout = \"2900ms\"\n{OPEN}"
    ));
    let mut client = server.ws("/connection/websocket?cf_ws_frame_ping_pong=true");
    client.text("{\"id\":1,\"connect\":{}}");
    let mut pings = 0;
    let mut is_connected = false;
    while pings < 4 || !is_connected {
        let frame = client.next().expect("a frame");
        if frame.is(9) {
            pings += 1;
            client.send(&Frame {
                first: 0x8a,
                payload: frame.payload,
            });
            continue;
        }
        let reply = json_of(&frame);
        let connect = &reply["connect"];
        assert!(connect["client"].is_string(), "{reply}");
        assert!(
            connect.get("ping").is_none() && connect.get("pong").is_none(),
            "{reply}"
        );
        is_connected = true;
    }
}

// `?cf_protocol=protobuf` was passed over, and what followed was no JSON: 3501.
#[test]
fn protobuf_may_be_asked_for_by_either_name() {
    let server = Server::start(OPEN);
    for name in ["format", "cf_protocol"] {
        let mut client = server.ws(&format!("/connection/websocket?{name}=protobuf"));
        client.send(&Frame::binary(&[4, 0x08, 0x01, 0x22, 0x00]));
        let reply = client.message();
        assert_eq!(
            (reply.first, &reply.payload[1..3]),
            (0x82, &[0x08, 0x01][..]),
            "{name}"
        );
    }
}

// Some WebSocket libraries send every message as binary; JSON in such a frame was closed with 3501.
#[test]
fn json_may_come_in_a_binary_frame() {
    let server = Server::start(OPEN);
    let mut client = server.ws("/connection/websocket");
    client.send(&Frame::binary(b"{\"id\":1,\"connect\":{}}"));
    let reply = client.message();
    assert_eq!(reply.first, 0x81, "the answer is text");
    assert!(json_of(&reply)["connect"]["client"].is_string());
    client.send(&Frame::binary(b"\xff"));
    assert_eq!(client.message().code_and_reason().0, 3501);
}

// A client that came back to a cache got again what it had, and was told that it had recovered
// where nothing was left.
#[test]
fn a_cache_brings_what_is_newer_and_says_when_it_cannot() {
    let server = Server::start(&format!(
        "{KEY}{OPEN}[[namespace]]\nname = \"cache\"\ncache_recovery = true\n"
    ));
    let mut session = Session::connected(&server);
    let mut subscribe = |channel: &str, offset: u64, epoch: &str| {
        let request =
            json!({"channel": channel, "recover": true, "offset": offset, "epoch": epoch});
        let reply = session.ask(json!({"subscribe": request}))["subscribe"].clone();
        session.ask(json!({"unsubscribe": {"channel": channel}}));
        assert_eq!(reply["was_recovering"], true, "{reply}");
        let recovered = reply["recovered"] == true;
        let got: Vec<u64> = reply["publications"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|publication| publication["offset"].as_u64())
            .collect();
        (
            recovered,
            got,
            reply["epoch"].as_str().unwrap_or_default().to_string(),
        )
    };
    let (recovered, got, epoch) = subscribe("cache:x", 0, "");
    assert!(
        recovered && got.is_empty(),
        "who had nothing has lost nothing"
    );
    assert!(
        !subscribe("cache:x", 3, &epoch).0,
        "a position that cannot be met"
    );
    assert!(!subscribe("cache:x", 0, "elsewhere").0, "another stream");
    for data in 1..=3 {
        call(
            &server,
            "publish",
            &json!({"channel": "cache:x", "data": data}),
        );
    }
    for (offset, epoch, expected) in [
        (0, "", vec![3]),
        (2, epoch.as_str(), vec![3]),
        (3, epoch.as_str(), vec![]),
        (3, "elsewhere", vec![3]),
    ] {
        let (recovered, got, _) = subscribe("cache:x", offset, epoch);
        assert_eq!((recovered, got), (true, expected), "{offset}@{epoch}");
    }
    call(&server, "history_remove", &json!({"channel": "cache:x"}));
    assert!(!subscribe("cache:x", 2, &epoch).0, "the newest is gone");
}

// A session was to end by the API with a time that had passed, and went on for the 25 seconds of a
// token's renewal.
#[test]
fn a_refresh_into_the_past_ends_the_session_at_once() {
    let server = Server::start(&format!("{KEY}{TOKENS}{OPEN}"));
    let (mut session, _) = connected_as(&server, "42");
    call(
        &server,
        "refresh",
        &json!({"user": "42", "expire_at": 1_000_000_000}),
    );
    session.expect_close(3005);
}

// By code 3000 Centrifugo ends a socket without a Close frame, so that a client tells itself that
// the connection is gone.
#[test]
fn code_3000_ends_a_connection_without_a_word() {
    let server = Server::start(&format!("{KEY}{TOKENS}{OPEN}"));
    let (mut session, _) = connected_as(&server, "42");
    let disconnect = json!({"code": 3000, "reason": "gone"});
    call(
        &server,
        "disconnect",
        &json!({"user": "42", "disconnect": disconnect}),
    );
    assert_eq!(
        session.client.next(),
        None,
        "the end, and no Close before it"
    );
    server.wait_status("sessions", 0);
}

// A namespace could not send joins and leaves to all of its subscribers; only who asked got them.
#[test]
fn joins_and_leaves_can_be_forced_on_every_subscriber_of_a_namespace() {
    let server = Server::start(&format!(
        "{OPEN}[[namespace]]\nname = \"lobby\"\nforce_push_join_leave = true\n"
    ));
    let (mut first, mut second) = (Session::connected(&server), Session::connected(&server));
    first.subscribe("lobby:x");
    let own = first.push();
    assert!(own["join"]["info"]["client"].is_string(), "{own}");
    second.subscribe("lobby:x");
    let join = first.push();
    second.ask(json!({"unsubscribe": {"channel": "lobby:x"}}));
    let leave = first.push();
    assert_eq!(join["join"]["info"], leave["leave"]["info"], "{leave}");
    let mut plain = Session::connected(&server);
    plain.subscribe("news");
    second.subscribe("news");
    plain.ask(json!({"publish": {"channel": "news", "data": 1}}));
    assert!(plain.push()["pub"].is_object(), "nothing else came");
}

// Users had no channel of their own from the start, which the suites of client libraries rely on.
#[test]
fn a_user_has_a_channel_of_its_own_from_the_start() {
    let settings = |more: &str| {
        format!(
            "{KEY}{TOKENS}{OPEN}[client]\nanonymous = true\npersonal_channel.enabled = true\n{more}"
        )
    };
    let server = Server::start(&settings(""));
    let (mut session, welcome) = connected_as(&server, "42");
    assert_eq!(
        welcome["subs"].as_object().map(|subs| subs.len()),
        Some(1),
        "{welcome}"
    );
    assert!(welcome["subs"]["#42"].is_object(), "{welcome}");
    call(
        &server,
        "publish",
        &json!({"channel": "#42", "data": "for 42"}),
    );
    assert_eq!(session.push()["pub"]["data"], "for 42");
    // Several of one user, who resumes it.
    let mut again = Session::open(&server);
    let subs = json!({"#42": {"recover": true, "offset": 1}});
    let reply = again.ask(json!({"connect": {"token": token("42"), "subs": subs}}));
    assert!(reply["connect"]["subs"]["#42"].is_object(), "{reply}");
    let mut nobody = Session::open(&server);
    let reply = nobody.ask(json!({"connect": {}}));
    assert!(reply["connect"].get("subs").is_none(), "{reply}");
    // A comma would make it the channel of two users.
    assert!(connected_as(&server, "4,2").1.get("subs").is_none());
    let server = Server::start(&settings(
        "personal_channel.namespace = \"forced\"\npersonal_channel.single_connection = true\n",
    ));
    let (mut first, welcome) = connected_as(&server, "42");
    assert!(
        welcome["subs"]["forced:#42"]["recoverable"] == true,
        "{welcome}"
    );
    let (mut other, _) = connected_as(&server, "43");
    let (mut second, _) = connected_as(&server, "42");
    first.expect_close(3504);
    for (session, user) in [(&mut second, "42"), (&mut other, "43")] {
        let channel = format!("forced:#{user}");
        call(
            &server,
            "publish",
            &json!({"channel": channel, "data": user}),
        );
        assert_eq!(session.push()["pub"]["data"], user);
    }
}

// Keys in URLs and alternatives in patterns are Centrifugo's; they were passed over.
#[test]
fn the_api_takes_a_key_from_the_url_and_alternatives_in_a_pattern() {
    let server = Server::start(&format!("{KEY}{OPEN}"));
    let mut session = Session::connected(&server);
    for channel in ["a", "b", "c"] {
        session.subscribe(channel);
    }
    let listed = eventually("they are listed", || {
        let answer = api(
            &server,
            "channels?api_key=secret",
            "",
            &json!({"pattern": "{a,b}"}),
        );
        let channels = answer["result"]["channels"].as_object()?.clone();
        (!channels.is_empty()).then_some(channels)
    });
    assert_eq!(listed.keys().collect::<Vec<_>>(), ["a", "b"]);
    let refused = api(&server, "channels?api_key=wrong", "", &json!({}));
    assert!(refused.get("result").is_none(), "{refused}");
}

// What a one-way client sends behind its connect is passed over, and a flood of it was nobody's
// concern.
#[test]
fn what_a_one_way_client_sends_counts_against_its_rate() {
    let server = Server::start(&format!(
        "[limits]\nmessages_per_second = 1\nmessages_burst = 2\n{OPEN}"
    ));
    let mut client = server.ws("/connection/uni_websocket?cf_connect=%7B%7D");
    assert!(json_of(&client.message())["connect"].is_object());
    for _ in 0..300 {
        client.text("x");
    }
    let code = eventually("it is ended", || {
        let frame = client.message();
        frame.is(8).then(|| frame.code_and_reason().0)
    });
    assert_eq!(code, 3013);
}
