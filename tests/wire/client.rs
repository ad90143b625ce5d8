//! The Centrifuge protocol on the wire: commands as bytes, replies and pushes as they come, codes
//! for everything that is wrong.

use std::{collections::VecDeque, os::unix::net::UnixStream};

use serde_json::{Value, json};

use crate::support::{Client, Frame, Server, TempDir, eventually, raw};

/// A client of the protocol in JSON.
pub(crate) struct Session {
    pub(crate) client: Client,
    waiting: VecDeque<Value>,
    id: u64,
}

impl Session {
    pub(crate) fn open(server: &Server) -> Self {
        Self::of(server.ws("/connection/websocket"))
    }

    fn of(client: Client) -> Self {
        Self {
            client,
            waiting: VecDeque::new(),
            id: 0,
        }
    }

    pub(crate) fn connected(server: &Server) -> Self {
        Self::open(server).connect()
    }

    fn connect(self) -> Self {
        let mut session = self;
        let reply = session.ask(json!({"connect": {}}));
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        session
    }

    fn send(&mut self, command: &Value) {
        self.client.text(&command.to_string());
    }

    /// Sends a command with the next id and waits for its reply; pushes that come before it are
    /// kept.
    pub(crate) fn ask(&mut self, mut command: Value) -> Value {
        self.id += 1;
        command["id"] = json!(self.id);
        self.send(&command);
        self.reply(self.id)
    }

    fn reply(&mut self, id: u64) -> Value {
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if message["id"] == id {
                for kept in before.into_iter().rev() {
                    self.waiting.push_front(kept);
                }
                return message;
            }
            before.push(message);
        }
    }

    pub(crate) fn next(&mut self) -> Value {
        if self.waiting.is_empty() {
            self.waiting.extend(self.client.json_lines());
        }
        self.waiting.pop_front().expect("something waits")
    }

    pub(crate) fn push(&mut self) -> Value {
        let message = self.next();
        assert!(message["push"].is_object(), "{message}");
        message["push"].clone()
    }

    pub(crate) fn subscribe(&mut self, channel: &str) -> Value {
        let reply = self.ask(json!({"subscribe": {"channel": channel}}));
        assert!(reply["subscribe"].is_object(), "{reply}");
        reply["subscribe"].clone()
    }

    pub(crate) fn expect_close(&mut self, code: u16) {
        let (found, reason) = eventually("a Close", || {
            let frame = self.client.message();
            frame.is(8).then(|| frame.code_and_reason())
        });
        assert_eq!(found, code, "{reason}");
    }
}

/// Everyone may do everything; see there.
pub(crate) const OPEN: &str = concat!("\n", include_str!("../../src/testing/open.toml"));

pub(crate) fn code(reply: &Value) -> u64 {
    reply["error"]["code"].as_u64().unwrap_or(0)
}

#[test]
fn a_publication_reaches_subscribers_with_its_place_and_its_publisher() {
    let server = Server::start(OPEN);
    let (mut a, mut b) = (Session::connected(&server), Session::connected(&server));
    let subscribed = a.subscribe("news");
    assert!(subscribed.get("epoch").is_none(), "{subscribed}");
    b.subscribe("news");
    let reply = b.ask(json!({"publish": {"channel": "news", "data": {"你": [1, 2.50]}}}));
    assert_eq!(reply["publish"], json!({}));
    let push = a.push();
    assert_eq!(push["channel"], "news");
    assert_eq!(push["pub"]["data"], json!({"你": [1, 2.50]}));
    assert_eq!(push["pub"]["offset"], 1);
    assert_eq!(push["pub"]["info"]["user"], "");
    assert_eq!(b.push()["pub"]["offset"], 1, "publishers hear themselves");
}

/// "permission denied" and "unknown channel" named no cause, so that whoever forgot a setting went
/// through all of them. The answer names the setting, on every way in.
#[test]
fn a_refusal_names_the_setting_that_would_allow_it() {
    let server = Server::start(
        &("[channels]\nallow.subscribe = []\n[[namespace]]\nname = \"chat\"\nallow.subscribe = [\"anonymous\"]\nhistory_size = 1\n"
            .to_string()
            + &raw("/ws", "")),
    );
    let mut session = Session::connected(&server);
    for (command, code, message) in [
        (
            json!({"subscribe": {"channel": "news"}}),
            103,
            "permission denied (allow.subscribe of [channels])",
        ),
        (
            json!({"publish": {"channel": "chat:1", "data": 1}}),
            103,
            "permission denied (allow.publish of [[namespace]] \"chat\")",
        ),
        (
            json!({"history": {"channel": "chat:1"}}),
            103,
            "permission denied (allow.history of [[namespace]] \"chat\")",
        ),
        (
            json!({"subscribe": {"channel": "no\"ne:1"}}),
            102,
            "unknown channel (there is no [[namespace]] \"no\\\"ne\")",
        ),
        (
            json!({"subscribe": {"channel": "chat:1#42"}}),
            103,
            "permission denied (the channel is for the users named behind its #)",
        ),
    ] {
        let reply = session.ask(command.clone());
        assert_eq!(
            reply["error"],
            json!({"code": code, "message": message}),
            "{command}"
        );
    }
    assert_eq!(
        server.ws("/ws?channel=news").expect_close(),
        (
            3507,
            "permission denied (allow.subscribe of [channels]): news".to_string()
        )
    );
    let sse = server.get("/sse?channel=none:1");
    assert_eq!(sse.status, 404);
    assert!(
        sse.body.contains("there is no [[namespace]] \"none\""),
        "{}",
        sse.body
    );
}

#[test]
fn a_slow_subscriber_whose_publications_were_dropped_is_told_to_begin_anew() {
    // By a socket whose buffers are soon full: those of TCP take megabytes, and a loaded machine
    // its time to fill them.
    let dir = TempDir::new();
    let path = dir.path().join("socket");
    let settings = format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\"]\n[limits]\noutbox_bytes = \"64KiB\"\nmessage_bytes = \"32KiB\"\n[slow]\npolicy = \"drop_oldest\"\nwrite_timeout = \"60s\"\n[heartbeat]\nping_interval = \"5m\"\n{OPEN}",
        path.display()
    );
    let server = Server::start_in(dir, &settings, &[]);
    let slow = UnixStream::connect(path).expect("a connection");
    let (_, slow) = Client::handshake(slow, "/connection/websocket", "");
    let mut slow = Session::of(slow.expect("a client")).connect();
    let mut publisher = Session::connected(&server);
    slow.ask(json!({"subscribe": {"channel": "news", "positioned": true}}));
    let data = "x".repeat(16 * 1024);
    eventually("publications are dropped", || {
        for _ in 0..20 {
            publisher.ask(json!({"publish": {"channel": "news", "data": data}}));
        }
        (server.status()["slow_dropped"].as_u64() > Some(0)).then_some(())
    });
    // What was not dropped is still in order; then the news of it.
    let mut last = 0;
    loop {
        let push = slow.push();
        if push["unsubscribe"].is_object() {
            assert_eq!(push["unsubscribe"]["code"], 2500);
            break;
        }
        let offset = push["pub"]["offset"].as_u64().expect("an offset");
        assert!(offset > last);
        last = offset;
    }
    let again = slow.ask(
        json!({"subscribe": {"channel": "news", "recover": true, "offset": last, "epoch": ""}}),
    );
    assert!(again["subscribe"]["was_recovering"] == true, "{again}");
}

/// Reads a streamed answer until it holds `text`.
fn streamed(server: &Server, request: &str, texts: &[&str]) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    stream
        .set_read_timeout(Some(crate::support::SOON))
        .expect("a timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if texts.iter().all(|wanted| text.contains(wanted)) {
            return text.into_owned();
        }
        let n = stream.read(&mut chunk).expect("more");
        assert!(n > 0, "ended without {texts:?}: {text}");
        bytes.extend_from_slice(&chunk[..n]);
    }
}

#[test]
fn streams_and_their_up_link() {
    use std::io::{Read as _, Write as _};
    let server = Server::start(OPEN);
    let body = "{\"id\":1,\"connect\":{}}";
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    stream
        .set_read_timeout(Some(crate::support::SOON))
        .expect("a timeout");
    let request = format!(
        "POST /connection/http_stream HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let mut read_until = |wanted: &str| loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.contains(wanted) {
            return text;
        }
        let n = stream.read(&mut chunk).expect("more");
        assert!(n > 0, "ended without {wanted}: {text}");
        bytes.extend_from_slice(&chunk[..n]);
    };
    let text = read_until("\"node\"");
    assert!(text.contains("x-accel-buffering: no"), "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with("{\"id\":1"))
        .expect("the reply");
    let reply: Value = serde_json::from_str(line).expect("JSON");
    let (session, node) = (&reply["connect"]["session"], &reply["connect"]["node"]);
    let emulate = |session: &Value, node: &Value, data: &str| {
        let body = json!({"session": session, "node": node, "data": data}).to_string();
        let request = format!(
            "POST /emulation HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        server.request(&request).expect("an answer").status
    };
    let subscribe = "{\"id\":2,\"subscribe\":{\"channel\":\"news\"}}";
    assert_eq!(emulate(session, node, subscribe), 204);
    read_until("{\"id\":2,\"subscribe\":{}}");
    assert_eq!(
        emulate(
            session,
            node,
            "{\"id\":3,\"publish\":{\"channel\":\"news\",\"data\":\"up\"}}"
        ),
        204
    );
    read_until("\"data\":\"up\"");
    assert_eq!(emulate(&json!("nobody"), node, subscribe), 404);
    assert_eq!(emulate(session, &json!("elsewhere"), subscribe), 404);
    assert_eq!(emulate(session, node, "{}"), 204, "a pong without a ping");
    read_until("\"disconnect\":{\"code\":3501");
    server.wait_status("sessions", 0);
    let big = "x".repeat(70_000);
    let request = format!(
        "POST /connection/http_stream HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{big}",
        big.len()
    );
    assert_eq!(server.request(&request).expect("an answer").status, 413);
}

#[test]
fn event_streams_and_the_one_way_forms() {
    let server = Server::start(OPEN);
    let encoded = "%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D";
    let text = streamed(
        &server,
        &format!("GET /connection/sse?cf_connect={encoded} HTTP/1.1\r\nHost: test\r\n\r\n"),
        &["\r\ndata: {\"id\":1,\"connect\":{", "\n\n"],
    );
    assert!(
        text.contains("text/event-stream") && text.contains("no-transform"),
        "{text}"
    );
    let request = json!({"subs": {"news": {}}}).to_string();
    let encoded: String = request.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let one_way = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            streamed(
                &server,
                &format!(
                    "GET /connection/uni_sse?cf_connect={encoded} HTTP/1.1\r\nHost: test\r\n\r\n"
                ),
                &[
                    "data: {\"connect\":{",
                    "\"subs\":{\"news\":{",
                    "data: {\"channel\":\"news\",\"pub\":{",
                ],
            )
        });
        server.wait_status("channels", 1);
        let mut publisher = Session::connected(&server);
        publisher.ask(json!({"publish": {"channel": "news", "data": 1}}));
        reader.join().expect("read")
    });
    assert!(
        one_way.find("\"connect\"") < one_way.find("\"pub\""),
        "{one_way}"
    );
    let mut client = server.ws("/connection/uni_websocket");
    client.text("{\"subs\":{\"news\":{}}}");
    let welcome: Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    assert!(welcome["connect"]["client"].is_string(), "{welcome}");
}

#[test]
fn pages_of_other_hosts_may_not_connect_unless_they_are_named() {
    let server = Server::start(OPEN);
    let open = |headers: &str| server.try_ws("/connection/websocket", headers).0.status;
    assert_eq!(open(""), 101);
    assert_eq!(open("Origin: http://localhost\r\n"), 101);
    // Another port is another origin, and a Host without one says nothing else.
    assert_eq!(open("Origin: http://localhost:8443\r\n"), 403);
    assert_eq!(open("Origin: https://evil.example\r\n"), 403);
    assert_eq!(open("Origin: https://localhost.evil.example\r\n"), 403);
    assert_eq!(open("Origin: null\r\n"), 403);
    let named = Server::start(&format!(
        "[client]\norigins = [\"https://a.example\"]\n{OPEN}"
    ));
    let open = |headers: &str| named.try_ws("/connection/websocket", headers).0.status;
    assert_eq!(open("Origin: https://a.example\r\n"), 101);
    assert_eq!(open("Origin: http://localhost\r\n"), 403);
}

#[test]
fn subprotocols_say_how_messages_are_written() {
    let server = Server::start(OPEN);
    let headers = "Sec-WebSocket-Protocol: other, centrifuge-protobuf\r\n";
    let (response, client) = server.try_ws("/connection/websocket", headers);
    assert_eq!(
        response.header("sec-websocket-protocol"),
        Some("centrifuge-protobuf")
    );
    let mut client = client.expect("a client");
    // Length 4, then id 1 and an empty connect (field 4).
    client.send(&Frame::binary(&[4, 0x08, 0x01, 0x22, 0x00]));
    let reply = client.message();
    assert_eq!(reply.first, 0x82);
    assert_eq!(&reply.payload[1..3], [0x08, 0x01], "{reply:?}");
    let (response, _) = server.try_ws(
        "/connection/websocket",
        "Sec-WebSocket-Protocol: unknown\r\n",
    );
    assert_eq!(
        (response.status, response.header("sec-websocket-protocol")),
        (101, None)
    );
}

/// A channel with five publications of so many bytes.
fn filled(server: &Server, channel: &str, bytes: usize) {
    let mut session = Session::connected(server);
    let data = "x".repeat(bytes);
    for _ in 0..5 {
        let reply = session.ask(json!({"publish": {"channel": channel, "data": data}}));
        assert_eq!(code(&reply), 0, "{reply}");
    }
}

#[test]
fn a_frame_of_many_commands_does_not_make_answers_without_bound() {
    // A thousand pages of history in one frame once made half a gigabyte of answers for a client
    // that reads none of them.
    let server = Server::start(&format!("[limits]\noutbox_bytes = \"256KiB\"\n{OPEN}"));
    filled(&server, "news", 20_000);
    let before = server.rss_kib();
    let mut session = Session::connected(&server);
    let history = "{\"id\":9,\"history\":{\"channel\":\"news\",\"limit\":-1}}";
    session.client.text(&vec![history; 1000].join("\n"));
    let mut refused = 0;
    for _ in 0..1000 {
        refused += u64::from(code(&session.next()) == 111);
    }
    assert!(refused > 900, "{refused}");
    assert!(server.rss_kib() < before + 20 * 1024);
}

#[test]
fn a_message_without_a_backend_ends_the_session_with_3508() {
    let server = Server::start(OPEN);
    let mut session = Session::connected(&server);
    session.send(&json!({"send": {"data": 1}}));
    let (code, reason) = session.client.expect_close();
    assert_eq!(code, 3508);
    assert!(reason.contains("hooks.message"), "{reason}");
}

#[test]
fn who_never_sends_a_connect_is_ended_with_3502() {
    let server = Server::start(&format!("[client]\nconnect_timeout = \"300ms\"\n{OPEN}"));
    let mut silent = Session::open(&server);
    assert_eq!(silent.client.expect_close(), (3502, "stale".to_string()));
    server.wait_status("sessions", 0);
}

/// A client that recovers once took as much as a history has. Beyond its bound it is told that it
/// has not all of it, and asks for what it needs.
#[test]
fn what_is_recovered_at_once_is_bounded_by_recovery_bytes() {
    let server = Server::start(&format!("[limits]\nrecovery_bytes = \"10KiB\"\n{OPEN}"));
    filled(&server, "news", 4 * 1024);
    let mut session = Session::connected(&server);
    for (offset, recovers) in [(0, false), (4, true)] {
        let wish = json!({"channel": "news", "recover": true, "offset": offset});
        let reply = session.ask(json!({ "subscribe": wish }));
        let brought = reply["subscribe"]["publications"].as_array().map(Vec::len);
        assert_eq!(reply["subscribe"]["recovered"] == true, recovers, "{reply}");
        assert_eq!(brought, recovers.then_some(1), "{reply}");
        session.ask(json!({"unsubscribe": {"channel": "news"}}));
    }
}
