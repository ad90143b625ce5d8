//! The backend decides and knows: hooks of the client protocol and of raw endpoints, events, polls.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use serde_json::{Value, json};

use crate::{
    backend::{Backend, Reply},
    support::{Client, Frame, Server, eventually, raw},
};

fn ok(result: &Value) -> Reply {
    (
        200,
        "application/json",
        json!({"result": result}).to_string(),
    )
}

/// A wrong answer of a backend was "malformed" in the log, without a word of what or where. Now who
/// writes the backend can mend it by the line, and a byte order mark is passed over.
#[test]
fn the_log_says_what_is_wrong_with_a_hooks_answer() {
    let backend = Backend::start(|asked| {
        let body = match asked.json()["method"].as_str() {
            Some("wrong") => "{\n  \"result\": {\"data\": }\n}",
            _ => "\u{feff}{\"result\":{\"data\":7}}",
        };
        (200, "application/json", body.to_string())
    });
    let server = Server::start(&format!(
        "client.anonymous = true\n{}{}",
        backend.hook("rpc"),
        raw("/ws", "")
    ));
    let mut client = server.ws("/connection/websocket");
    ask(&mut client, &json!({"id": 1, "connect": {}}));
    let rpc = |client: &mut Client, id: u32, method: &str| {
        ask(
            client,
            &json!({"id": id, "rpc": {"method": method, "data": {}}}),
        )
    };
    assert_eq!(rpc(&mut client, 2, "wrong")["error"]["code"], 100);
    server.log.wait_for("line 2 column");
    assert_eq!(rpc(&mut client, 3, "marked")["rpc"]["data"], 7);
}

/// Sends commands and reads replies by their ids; what else comes is left out.
fn ask(client: &mut Client, command: &Value) -> Value {
    client.text(&command.to_string());
    eventually("a reply", || {
        let frame = client.message();
        assert_eq!(frame.first, 0x81, "{frame:?}");
        let text = String::from_utf8(frame.payload).expect("text");
        let messages = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        messages
            .into_iter()
            .find(|message| message["id"] == command["id"])
    })
}

#[test]
fn the_backend_says_who_a_client_is_and_what_it_may() {
    let backend = Backend::start(|asked| match asked.path.as_str() {
        "/connect" if asked.json()["data"]["key"] == "right" => ok(&json!({
            "user": "42", "info": {"name": "Anna"}, "data": {"welcome": true},
            "channels": ["given"], "meta": {"row": 7},
        })),
        "/connect" if asked.json()["data"]["key"] == "later" => (
            200,
            "application/json",
            json!({"error": {"code": 1000, "message": "come later"}}).to_string(),
        ),
        "/connect" => (
            200,
            "application/json",
            json!({"disconnect": {"code": 4501, "reason": "who are you?"}}).to_string(),
        ),
        "/subscribe" if asked.json()["channel"] == "room:yes" => {
            ok(&json!({"data": {"topic": "x"}, "allow": ["publish"]}))
        }
        "/subscribe" => (
            200,
            "application/json",
            json!({"error": {"code": 403, "message": "not you"}}).to_string(),
        ),
        "/publish" => ok(&json!({"data": {"checked": asked.json()["data"]}})),
        "/rpc" => ok(
            &json!({"data": {"method": asked.json()["method"], "row": asked.json()["meta"]["row"]}}),
        ),
        _ => (404, "text/plain", String::new()),
    });
    let hooks: String = ["connect", "subscribe", "publish", "rpc"]
        .map(|name| backend.hook(name))
        .concat();
    let server = Server::start(&format!(
        "[hooks]\nsecret = \"a secret of more than thirty-two bytes\"\nheaders = [\"x-tenant\"]\n{hooks}\
         [channels]\n[[namespace]]\nname = \"room\"\nallow.subscribe = [\"hook\"]\nallow.publish = [\"hook\"]\n"
    ));
    let mut client = server.ws_with("/connection/websocket", "X-Tenant: blue\r\nX-Other: no\r\n");
    let reply = ask(
        &mut client,
        &json!({"id": 1, "connect": {"data": {"key": "right"}}}),
    );
    assert_eq!(reply["connect"]["data"], json!({"welcome": true}));
    assert!(reply["connect"]["subs"]["given"].is_object(), "{reply}");
    let asked = &backend.asked("/connect")[0];
    assert_eq!(asked.header("x-tenant"), Some("blue"));
    assert_eq!(asked.header("x-other"), None);
    assert!(
        asked
            .header("x-fanfare-signature")
            .is_some_and(|value| value.starts_with("t="))
    );
    let reply = ask(
        &mut client,
        &json!({"id": 2, "subscribe": {"channel": "room:yes"}}),
    );
    assert_eq!(reply["subscribe"]["data"], json!({"topic": "x"}));
    let reply = ask(
        &mut client,
        &json!({"id": 3, "subscribe": {"channel": "room:no"}}),
    );
    assert_eq!(reply["error"], json!({"code": 403, "message": "not you"}));
    client.text("{\"id\":4,\"publish\":{\"channel\":\"room:yes\",\"data\":1}}");
    eventually("the publication", || {
        let text = String::from_utf8(client.message().payload).expect("text");
        text.contains("\"pub\":{\"data\":1").then_some(())
    });
    let reply = ask(
        &mut client,
        &json!({"id": 5, "rpc": {"method": "get", "data": {}}}),
    );
    assert_eq!(reply["rpc"]["data"], json!({"method": "get", "row": 7}));
    server.wait_status("sessions", 1);
    let metrics = server.get("/metrics").body;
    let counted = "fanfare_hook_calls_total{hook=\"rpc\",outcome=\"ok\"} 1";
    assert!(metrics.contains(counted), "{metrics}");

    let mut later = server.ws("/connection/websocket");
    let reply = ask(
        &mut later,
        &json!({"id": 1, "connect": {"data": {"key": "later"}}}),
    );
    assert_eq!(reply["error"]["code"], 1000);
    let mut nobody = server.ws("/connection/websocket");
    nobody.text("{\"id\":1,\"connect\":{}}");
    assert_eq!(
        nobody.message().code_and_reason(),
        (4501, "who are you?".to_string())
    );
}

/// A Protobuf command behind its length: id 1, then the field with a message of fields.
fn protobuf_command(id: u8, field: u8, body: &[u8]) -> Frame {
    let length = |bytes: usize| u8::try_from(bytes).expect("short");
    let mut command = vec![0x08, id, field << 3 | 2, length(body.len())];
    command.extend_from_slice(body);
    command.insert(0, length(command.len()));
    Frame::binary(&command)
}

/// A field of bytes.
fn protobuf_bytes(field: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2, u8::try_from(bytes.len()).expect("short")];
    out.extend_from_slice(bytes);
    out
}

/// What clients of Java, Go, Swift or Dart sent as JSON reached the backend as base64, which
/// backends made for Centrifugo's proxy do not read. JSON goes as JSON whatever the protocol, and
/// as base64 only to a hook that asks for it.
#[test]
fn what_protobuf_clients_send_as_json_reaches_the_backend_as_json() {
    let backend = Backend::start(|_| ok(&json!({"user": "42"})));
    let hooks = ["connect", "rpc", "publish"].map(|name| backend.hook(name));
    let server = Server::start(&format!(
        "{}binary_encoding = true\n[channels]\nallow.publish = [\"hook\"]\n",
        hooks.concat()
    ));
    let (_, client) = server.try_ws(
        "/connection/websocket",
        "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n",
    );
    let mut client = client.expect("a client");
    let data = protobuf_bytes(2, b"{\"key\":\"right\"}");
    client.send(&protobuf_command(1, 4, &data));
    assert_eq!(client.message().first, 0x82);
    let json_data = [protobuf_bytes(1, b"{\"a\":1}"), protobuf_bytes(2, b"m")].concat();
    client.send(&protobuf_command(2, 13, &json_data));
    client.message();
    let bytes = [protobuf_bytes(1, &[0xff, 0]), protobuf_bytes(2, b"m")].concat();
    client.send(&protobuf_command(3, 13, &bytes));
    client.message();
    let publish = [protobuf_bytes(1, b"news"), protobuf_bytes(2, b"{}")].concat();
    client.send(&protobuf_command(4, 7, &publish));
    client.message();
    let asked = |path: &str| -> Vec<Value> {
        let asked = backend.asked(path);
        let of = |body: Value| {
            json!({"protocol": body["protocol"], "encoding": body["encoding"],
                "data": body["data"], "b64data": body["b64data"]})
        };
        asked.iter().map(|asked| of(asked.json())).collect()
    };
    let expected = |encoding: &str, data: Value, b64data: Value| json!({"protocol": "protobuf", "encoding": encoding, "data": data, "b64data": b64data});
    assert_eq!(
        asked("/connect"),
        [expected("json", json!({"key": "right"}), Value::Null)]
    );
    assert_eq!(
        asked("/rpc"),
        [
            expected("json", json!({"a": 1}), Value::Null),
            expected("binary", Value::Null, json!("/wA=")),
        ]
    );
    assert_eq!(
        asked("/publish"),
        [expected("binary", Value::Null, json!("e30="))]
    );
}

#[test]
fn messages_of_a_raw_endpoint_go_to_the_backend_and_its_answers_come_back_in_order() {
    // Scenario 4: rows come one by one as JSON; a failure of the backend ends the connection.
    let backend = Backend::start(|asked| match asked.body.as_str() {
        "users" => (
            200,
            "application/json",
            json!([{"name": "王芳"}, {"name": "李娜"}]).to_string(),
        ),
        "quiet" => (204, "text/plain", String::new()),
        "fail" => (500, "text/plain", "no database".to_string()),
        text => (200, "text/plain", format!("你说 {text}")),
    });
    let settings = format!(
        "{}{}{}",
        backend.hook("message"),
        raw("/ws", "on_message = \"hook\""),
        raw(
            "/calm",
            "on_message = \"hook\"\non_failure = \"reply\"\nfailure_reply = \"抱歉\""
        )
    );
    let server = Server::start(&settings);
    let mut client = server.ws("/ws");
    for text in ["a", "users", "quiet", "b"] {
        client.text(text);
    }
    for expected in [
        "你说 a",
        "{\"name\":\"王芳\"}",
        "{\"name\":\"李娜\"}",
        "你说 b",
    ] {
        client.expect_text(expected);
    }
    assert_eq!(
        backend.asked("/message")[0].header("x-fanfare-path"),
        Some("/ws")
    );
    client.text("fail");
    assert_eq!(client.message().code_and_reason().0, 1011);
    let mut calm = server.ws("/calm");
    calm.text("fail");
    calm.expect_text("抱歉");
    calm.text("x");
    calm.expect_text("你说 x");
}

/// A backend that says when it is asked, and answers with what it was asked when it is told to.
fn patient_backend() -> (Backend, Receiver<()>, SyncSender<()>) {
    let (asked, is_asked) = sync_channel(1);
    let (answer, answers) = sync_channel::<()>(1);
    let (asked, answers) = (Mutex::new(asked), Mutex::new(answers));
    let backend = Backend::start(move |request| {
        asked.lock().unwrap().send(()).expect("the test listens");
        let _ = answers.lock().unwrap().recv();
        (200, "text/plain", request.body.clone())
    });
    (backend, is_asked, answer)
}

/// Settings of that backend, which may take as long as a test does.
fn waits_for(backend: &Backend) -> String {
    format!("{}timeout = \"10m\"\n", backend.hook("message"))
}

/// What comes behind so many pings, none of which is answered.
fn behind_pings(client: &mut Client, count: usize) {
    for _ in 0..count {
        let frame = client.next().expect("the connection lives");
        assert!(frame.is(9), "{frame:?}");
    }
}

#[test]
fn a_slow_backend_costs_no_connection_and_slows_nobody_else() {
    let (backend, is_asked, answer) = patient_backend();
    let settings = format!(
        "[heartbeat]\nping_interval = \"3s\"\npong_timeout = \"2900ms\"\n{}{}{}",
        waits_for(&backend),
        raw("/ws", "on_message = \"hook\""),
        raw("/echo", "on_message = \"echo\"")
    );
    // On the same worker, which would wait for the backend.
    let server = Server::start(&format!("workers = 1\n{settings}"));
    let mut slow = server.ws("/ws");
    slow.text("slow");
    is_asked.recv().expect("the backend is asked");
    let mut other = server.ws("/echo");
    for n in 0..20 {
        other.text(&n.to_string());
        other.expect_text(&n.to_string());
    }
    behind_pings(&mut slow, 2);
    answer.send(()).expect("it waits");
    slow.expect_text("slow");
}

/// While the backend was asked, nothing was read and no ping went out, so a proxy whose timeout is
/// shorter than the backend's time cut the connection, and the answer never arrived. Pings go on;
/// only the verdict about the client waits.
#[test]
fn pings_go_on_while_the_backend_is_asked() {
    let (backend, is_asked, answer) = patient_backend();
    let settings = format!(
        "[heartbeat]\nping_interval = \"200ms\"\npong_timeout = \"150ms\"\n{}{}",
        waits_for(&backend),
        raw("/ws", "on_message = \"hook\"")
    );
    let server = Server::start(&settings);
    let mut client = server.ws("/ws");
    client.text("slow");
    is_asked.recv().expect("the backend is asked");
    behind_pings(&mut client, 4);
    answer.send(()).expect("it waits");
    let answer = eventually("the answer", || {
        let frame = client.next().expect("the connection lives");
        (!frame.is(9)).then_some(frame)
    });
    assert_eq!(answer, Frame::text("slow"));
}

/// A session that waited for its backend heard nothing else, so an administrator's disconnect came
/// through only after the backend had answered. Commands of the server are heard meanwhile.
#[test]
fn commands_of_the_server_are_heard_while_the_backend_is_asked() {
    // Answers when the test has seen the end of the session.
    let (backend, is_asked, answer) = patient_backend();
    let settings = format!(
        "api.key = \"k\"\n{}{}",
        waits_for(&backend),
        raw("/ws", "on_message = \"hook\"")
    );
    let server = Server::start(&settings);
    let mut client = server.ws("/ws");
    client.text("slow");
    is_asked.recv().expect("the backend is asked");
    let key = "X-API-Key: k\r\n";
    let listed = post(&server, "/api/connections", key, "{}");
    let id = listed["result"]["connections"]
        .as_object()
        .and_then(|connections| connections.keys().next().cloned())
        .expect("a session");
    let wish = json!({ "client": id, "disconnect": { "code": 4001, "reason": "now" } });
    post(&server, "/api/disconnect", key, &wish.to_string());
    assert_eq!(client.expect_close(), (4001, "now".to_string()));
    drop(answer);
}

fn post(server: &Server, path: &str, headers: &str, body: &str) -> Value {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    let answer = server.request(&request).expect("an answer");
    serde_json::from_str(&answer.body).expect("JSON")
}

#[test]
fn raw_endpoints_ask_who_it_is_where_they_are_told_to() {
    let backend = Backend::start(|asked| match asked.header("x-key") {
        Some("right") => ok(&json!({"user": "42", "channels": ["given"]})),
        _ => (
            200,
            "application/json",
            json!({"disconnect": {"code": 4403, "reason": "no"}}).to_string(),
        ),
    });
    let settings = format!(
        "[hooks]\nheaders = [\"x-key\"]\n{}[admin]\nkey = \"admin\"\n{}",
        backend.hook("connect"),
        raw(
            "/ws",
            "connect_hook = true\non_message = \"relay\"\nrelay_self = true"
        )
    );
    let server = Server::start(&settings);
    let mut client = server.ws_with("/ws", "X-Key: right\r\n");
    client.text("to the given channel");
    client.expect_text("to the given channel");
    let sessions = server
        .get_with("/status/sessions", "Authorization: Bearer admin\r\n")
        .body;
    assert!(sessions.contains("\"user\":\"42\""), "{sessions}");
    assert_eq!(
        server.ws("/ws").message().code_and_reason(),
        (4403, "no".to_string())
    );
}

#[test]
fn the_backend_is_told_what_happens_in_order_and_again_until_it_has_it() {
    let (fails, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
    let (failing, tried) = (fails.clone(), tries.clone());
    let backend = Backend::start(move |_| {
        tried.fetch_add(1, Relaxed);
        match failing.swap(false, Relaxed) {
            true => (503, "text/plain", String::new()),
            false => (200, "application/json", "{}".to_string()),
        }
    });
    let server = Server::start(&format!(
        "{}[channels]\nallow.subscribe = [\"anonymous\"]\n",
        backend.hook("events")
    ));
    let mut client = server.ws("/connection/websocket");
    ask(&mut client, &json!({"id": 1, "connect": {}}));
    ask(
        &mut client,
        &json!({"id": 2, "subscribe": {"channel": "news"}}),
    );
    client.send(&Frame::close(4001, "bye"));
    let types = eventually("all events", || {
        // The first try failed, so its batch is left out here.
        let batches = backend.asked("/events");
        let types: Vec<String> = batches
            .iter()
            .skip(1)
            .flat_map(|asked| {
                asked.json()["events"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default()
            })
            .filter_map(|event| event["type"].as_str().map(str::to_string))
            .collect();
        types
            .iter()
            .any(|kind| kind == "disconnected")
            .then_some(types)
    });
    let of_session: Vec<&str> = types
        .iter()
        .map(String::as_str)
        .filter(|kind| !kind.starts_with("channel"))
        .collect();
    assert_eq!(
        of_session,
        [
            "node_started",
            "connected",
            "subscribed",
            "unsubscribed",
            "disconnected"
        ]
    );
    assert!(types.contains(&"channel_occupied".to_string()), "{types:?}");
    assert!(tries.load(Relaxed) >= 2);
    let last = eventually("the last event", || {
        let batches = backend.asked("/events");
        let mut events = batches.iter().flat_map(|asked| {
            asked.json()["events"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        });
        events.find(|event| event["type"] == "disconnected")
    });
    assert_eq!(
        (&last["code"], &last["reason"]),
        (&json!(4001), &json!("bye"))
    );
}

#[test]
fn an_endpoint_that_clients_poll_becomes_push() {
    let number = Arc::new(AtomicU32::new(1));
    let counted = number.clone();
    let backend = Backend::start(move |_| {
        (
            200,
            "application/json",
            format!("{{\"n\":{}}}", counted.load(Relaxed)),
        )
    });
    let server = Server::start(&format!(
        "[[poll]]\nurl = \"http://{}/rows\"\nevery = \"100ms\"\nchannel = \"rows\"\nheaders = {{ \"X-Key\" = \"v\" }}\n{}",
        backend.address,
        raw("/ws", "")
    ));
    eventually("several times to ask have passed", || {
        (server.status()["uptime_seconds"].as_f64() > Some(0.5)).then_some(())
    });
    assert!(backend.asked("/rows").is_empty(), "nobody listens");
    let mut client = server.ws("/ws?channel=rows");
    client.expect_text("{\"n\":1}");
    number.store(2, Relaxed);
    client.expect_text("{\"n\":2}");
    assert_eq!(backend.asked("/rows")[0].header("x-key"), Some("v"));
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("fanfare_hook_calls_waiting 0"),
        "{metrics}"
    );
    // Counted behind what the client has heard.
    eventually("both changes are counted", || {
        (server.status()["polls"][0]["changes"] == 2).then_some(())
    });
    let polls = &server.status()["polls"][0];
    assert_eq!(
        (&polls["changes"], &polls["failures"]),
        (&json!(2), &json!(0)),
        "{polls}"
    );
}

/// What a hook says of a channel held for clients of the protocol; of plain ones nobody had looked.
#[test]
fn what_a_hook_says_of_a_channel_holds_for_plain_clients_too() {
    let backend = Backend::start(|asked| match asked.json()["channel"].as_str() {
        Some("seen") => ok(&json!({"info": {"seat": 7}})),
        _ => ok(&json!({"override": {"presence": {"value": false}}})),
    });
    let server = Server::start(&format!(
        "api.key = \"k\"\n{}[channels]\npresence = true\nallow.subscribe = [\"hook\"]\n{}",
        backend.hook("subscribe"),
        raw("/ws", "")
    ));
    let present = |channel: &str| {
        let body = json!({ "channel": channel }).to_string();
        let length = body.len();
        let request = format!(
            "POST /api/presence HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-API-Key: k\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let answer = server.request(&request).expect("an answer").body;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let present = answer["result"]["presence"].as_object().cloned();
        present.unwrap_or_else(|| panic!("{answer}"))
    };
    let _raw = server.ws("/ws?channel=seen&channel=hidden");
    let stream = std::net::TcpStream::connect(server.address).expect("a connection");
    let request = "GET /sse?channel=seen&channel=hidden HTTP/1.1\r\nHost: test\r\n\r\n";
    std::io::Write::write_all(&mut &stream, request.as_bytes()).expect("sent");
    let seen = eventually("both are seen", || {
        let seen = present("seen");
        (seen.len() == 2).then_some(seen)
    });
    for info in seen.values() {
        assert_eq!(info["chan_info"], json!({"seat": 7}), "{info}");
    }
    eventually("and are in the other channel", || {
        (server.status()["channels"] == 2).then_some(())
    });
    assert!(present("hidden").is_empty(), "{:?}", present("hidden"));
}
