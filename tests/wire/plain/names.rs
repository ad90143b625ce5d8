//! Names of channels: UTF-8 through every way in and out, and what is refused.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{Events, escaped, json as json_of, poll, post, publish, texts};
use crate::{
    backend::Backend,
    support::{Client, Frame, Response, Server, eventually},
};

/// Open channels, a namespace with a Chinese name, an API, and a path that relays.
const SETTINGS: &str = r#"
api.key = "k"
client.anonymous = true
[channels]
history_size = 10
presence = true
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
allow.history = ["client", "anonymous"]
[[namespace]]
name = "聊天"
history_size = 0
presence = false
allow.publish = ["anonymous"]
[[namespace]]
name = "关闭"
allow.subscribe = []
[[raw]]
path = "/ws"
on_message = "relay"
"#;

const FAMILY: &str = "👨\u{200d}👩\u{200d}👧";
const API: &str = "X-API-Key: k\r\n";

fn call(server: &Server, method: &str, body: &Value) -> Value {
    let answer = post(server, &format!("/api/{method}"), API, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// A client that is told JSON, a line each.
struct Told {
    client: Client,
    waiting: VecDeque<Value>,
}

impl Told {
    fn open(server: &Server, path: &str) -> Self {
        Self {
            client: server.ws(path),
            waiting: VecDeque::new(),
        }
    }

    /// A client of the protocol that is connected.
    fn connected(server: &Server) -> Self {
        let mut client = Self::open(server, "/connection/websocket");
        client.ask(&json!({"id": 1, "connect": {}}));
        client
    }

    fn next(&mut self) -> Value {
        if self.waiting.is_empty() {
            self.waiting.extend(self.client.json_lines());
        }
        self.waiting.pop_front().expect("a line")
    }

    fn ask(&mut self, command: &Value) -> Value {
        self.client.text(&command.to_string());
        self.next()
    }
}

// A name was visible ASCII: 弹幕 was refused by every route, a browser saw 1006 and came again for
// ever, and the API and the SDKs said "bad request" without a reason.
#[test]
fn a_name_of_any_script_goes_through_every_way_in_and_out() {
    let server = Server::start(SETTINGS);
    for name in ["弹幕", "聊天:直播间", FAMILY, "dialog,１：＃，", "café"] {
        let query = format!("channel={}", escaped(name));
        let mut raw = Told::open(&server, &format!("/ws?{query}&envelope=1"));
        assert_eq!(raw.next()["channel"], name);
        let path = format!("/sse?{query}&envelope=1");
        let mut events = Events::open(server.address, &path, "");
        assert_eq!(events.greeting().json()["channels"][0]["channel"], name);
        let mut client = Told::connected(&server);
        let subscribed = client.ask(&json!({"id": 2, "subscribe": {"channel": name}}));
        assert!(subscribed["subscribe"].is_object(), "{subscribed}");

        let answer = post(&server, &format!("/send?{query}"), "", "\"one\"");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let published = call(&server, "publish", &json!({"channel": name, "data": "two"}));
        assert!(published["result"].is_object(), "{published}");
        let answer = post(
            &server,
            &format!("/api/channels/{}", escaped(name)),
            API,
            "\"three\"",
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
        for text in ["one", "two", "three"] {
            let envelope = raw.next();
            assert_eq!(
                (&envelope["channel"], &envelope["data"]),
                (&name.into(), &text.into())
            );
            let event = events.next().json();
            assert_eq!(
                (&event["channel"], &event["data"]),
                (&name.into(), &text.into())
            );
            let push = client.next()["push"].take();
            assert_eq!(
                (&push["channel"], &push["pub"]["data"]),
                (&name.into(), &text.into())
            );
        }
        let listed = call(&server, "channels", &json!({"pattern": name}));
        assert!(listed["result"]["channels"][name].is_object(), "{listed}");
        if !name.starts_with("聊天:") {
            let polled = poll(&server, &format!("{query}&since=3"));
            assert_eq!(texts(&polled), ["one", "two", "three"]);
            assert_eq!(polled["messages"][0]["channel"], name);
            let history = call(&server, "history", &json!({"channel": name, "limit": -1}));
            let kept = history["result"]["publications"]
                .as_array()
                .expect("a list");
            assert_eq!(kept.len(), 3);
        }
    }
}

/// A message of the client protocol in Protobuf: a field, its length, what is in it.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    assert!(length < 128);
    [&[tag, length], content].concat()
}

#[test]
fn a_name_of_any_script_goes_through_protobuf() {
    let server = Server::start(SETTINGS);
    let mut client = server.ws("/connection/websocket?format=protobuf");
    let mut ask = |command: &[u8]| {
        let length = [u8::try_from(command.len()).expect("short")];
        client.send(&Frame::binary(&[&length, command].concat()));
        client.message().payload
    };
    // Command: id is 1, connect 4, subscribe 5; SubscribeRequest: channel is 1.
    ask(&[&[8, 1], &*field(0x22, &[])].concat());
    let name = "聊天:弹幕🎉";
    let channel = field(0x0a, name.as_bytes());
    let subscribed = ask(&[&[8, 2], &*field(0x2a, &channel)].concat());
    assert_eq!(subscribed[1..4], [8, 2, 0x32], "a result of subscribe");
    call(&server, "publish", &json!({"channel": name, "data": 1}));
    let push = client.message().payload;
    let is_there = push.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(is_there, "{push:?}");
}

#[test]
fn names_are_compared_byte_for_byte_and_only_ascii_separates() {
    let server = Server::start(SETTINGS);
    let (one, two) = (escaped("caf\u{e9}"), escaped("cafe\u{301}"));
    publish(&server, &one, "one");
    publish(&server, &two, "two");
    assert_eq!(
        texts(&poll(&server, &format!("channel={one}&since=9"))),
        ["one"]
    );
    assert_eq!(
        texts(&poll(&server, &format!("channel={two}&since=9"))),
        ["two"]
    );
    // The rules of the namespace 关闭, and a name of [channels] that only looks like one of its.
    let shut = server.get(&format!("/sse?channel={}", escaped("关闭:1")));
    assert_eq!(shut.status, 403, "{}", shut.body);
    let wide = server.get(&format!("/poll?channel={}", escaped("关闭：1")));
    assert_eq!(wide.status, 200, "{}", wide.body);
    let unknown = server.get(&format!("/poll?channel={}", escaped("没有:1")));
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    // For users behind an ASCII # alone.
    let users = server.get(&format!("/poll?channel={}", escaped("对话#42,567")));
    assert_eq!(users.status, 403, "{}", users.body);
    let wide = server.get(&format!("/poll?channel={}", escaped("对话＃42，567")));
    assert_eq!(wide.status, 200, "{}", wide.body);
}

#[test]
fn a_hook_is_told_the_name_as_it_is() {
    let backend = Backend::start(|_| (200, "application/json", r#"{"result":{}}"#.to_string()));
    let hooked = "presence = false\nallow.publish = [\"hook\"]";
    let settings = SETTINGS.replace("presence = false\nallow.publish = [\"anonymous\"]", hooked);
    let server = Server::start(&(settings + &backend.hook("publish")));
    let answer = post(
        &server,
        &format!("/send?channel={}", escaped("聊天:🎉")),
        "",
        "1",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let asked = eventually("the hook was asked", || backend.asked("/publish").pop());
    assert_eq!(asked.json()["channel"], "聊天:🎉");
}

// The reason did not reach whoever could mend it: the SDKs and the API showed "bad request".
#[test]
fn a_refused_name_is_told_with_the_reason_whatever_the_route() {
    let server = Server::start(SETTINGS);
    let mut client = Told::connected(&server);
    let long = "弹".repeat(86);
    for (number, (name, part)) in [
        ("a b", "white space (U+0020)"),
        ("弹\u{3000}幕", "white space (U+3000)"),
        ("a\u{2028}", "white space (U+2028)"),
        ("a\u{1b}[0m", "control character (U+001B)"),
        ("$all", "the server's own"),
        (&*long, "258 bytes"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = number * 10 + 10;
        for (offset, command) in [
            (0, json!({"subscribe": {"channel": name}})),
            (1, json!({"publish": {"channel": name, "data": 1}})),
            (2, json!({"history": {"channel": name}})),
            (3, json!({"presence": {"channel": name}})),
        ] {
            let mut command = command;
            command["id"] = json!(id + offset);
            let error = client.ask(&command)["error"].take();
            let message = error["message"].as_str().expect("a sentence");
            assert!(
                error["code"] == 107 && message.contains(part),
                "{command}: {error}"
            );
        }
        for (method, body) in [
            ("publish", json!({"channel": name, "data": 1})),
            ("history", json!({"channel": name})),
            ("presence", json!({"channel": name})),
            ("subscribe", json!({"user": "42", "channel": name})),
            ("history_remove", json!({"channel": name})),
        ] {
            let error = call(&server, method, &body)["error"].take();
            let message = error["message"].as_str().expect("a sentence");
            assert!(
                error["code"] == 107 && message.contains(part),
                "{method}: {error}"
            );
        }
        let name = escaped(name);
        for path in ["/poll", "/sse"] {
            let answer = server.get(&format!("{path}?channel={name}"));
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
            assert!(answer.body.contains(part), "{path}: {}", answer.body);
        }
        for path in [
            format!("/send?channel={name}"),
            format!("/api/channels/{name}"),
        ] {
            let answer = post(&server, &path, API, "1");
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
            assert!(answer.body.contains(part), "{path}: {}", answer.body);
        }
    }
    // Bytes that are no UTF-8 are no name either, where a route has bytes.
    for path in ["/send?channel=%C4%E3", "/api/channels/%C4%E3"] {
        let answer = post(&server, path, API, "1");
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains("not UTF-8"), "{path}: {}", answer.body);
    }
}

// A channel that was named twice was two: what was missed came twice, and a message that was
// relayed went out once for each, so that three names made 128 of one.
#[test]
fn a_repeated_channel_is_one_channel_on_every_route() {
    let server = Server::start(&("limits.subscriptions = 2\n".to_string() + SETTINGS));
    let twice = "channel=a&channel=b&channel=a&channel=a";
    let mut listener = server.ws("/ws?channel=a");
    let mut speaker = server.ws(&format!("/ws?{twice}"));
    let mut events = Events::open(server.address, &format!("/sse?{twice}"), "");
    let told = events.greeting().json();
    assert_eq!(
        told["channels"].as_array().expect("a list").len(),
        2,
        "{told}"
    );
    speaker.text("1");
    listener.expect_text("1");
    assert_eq!(events.next().data, "1");
    let published = json_of(&post(&server, "/send?channel=a&channel=a", "", "2"));
    assert_eq!(published["offset"], 2, "once, and told as one: {published}");
    listener.expect_text("2");
    listener.expect_nothing();
    // The relay into b may be on its way when that into a has been heard.
    let polled = eventually("what b got of the relay", || {
        let polled = texts(&poll(&server, &format!("{twice}&since=9")));
        (polled.len() > 2).then_some(polled)
    });
    assert_eq!(polled, ["1", "2", "1"], "once of a, and what b got");
    let mut late = server.ws("/ws?channel=a&channel=a&since=9");
    late.expect_text("1");
    late.expect_text("2");
    late.expect_nothing();
}

/// Only the first request line of a connection was made readable, and a blank in it never: the
/// answer was a 400 without a word. Each line of a client that waits for its answers is, and the
/// log says what it is where none can be read.
#[test]
fn an_address_that_is_not_encoded_is_read_in_every_request() {
    let server = Server::start(SETTINGS);
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    for path in [
        "/poll?channel=弹幕",
        "/poll?channel=a&x=b c",
        "/poll?channel=直播间",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
        let answer = Response::read(&mut stream).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let (answer, client) = server.try_ws("/ws?channel=a&name=a b", "");
    assert!(client.is_some(), "{}", answer.status);
    let request = "GET /health HTTP/1.1\r\nno header\r\n\r\n";
    assert_eq!(server.request(request).expect("an answer").status, 400);
    server.log.wait_for("cannot be read");
}
