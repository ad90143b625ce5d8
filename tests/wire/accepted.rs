//! Those whom a process had accepted when it handed over: in time they are served as ever, later
//! they are sent to the process that has taken over, and nobody is refused.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    thread::JoinHandle,
};

use serde_json::{Value, json};

use crate::{
    handover::{HEALTH, Last, ask, connect, hand_over},
    support::{Client, Frame, Response, Server, TempDir, eventually, raw},
};

/// A server with a state, whose `/ws` gives `news`; `drain` are lines of that table.
fn start(drain: &str) -> Server {
    let dir = TempDir::new();
    let settings = format!(
        r#"[api]
key = "k"
[client]
anonymous = true
[channels]
allow.subscribe = ["anonymous"]
history_size = 100
history_ttl = "1h"
recovery = true
[state]
dir = "{}"
handover = "10m"
[http]
request_timeout = "15s"
[close]
timeout = "15s"
[drain]
spread = 0
{drain}
{}"#,
        dir.path().join("state").display(),
        raw("/ws", "channels = [\"news\"]")
    );
    Server::start_in(dir, &settings, &[])
}

/// Connections that this process has accepted: it has answered one that came behind them.
fn accepted<const N: usize>(server: &Server) -> [TcpStream; N] {
    let streams = std::array::from_fn(|_| connect(server.address));
    assert_eq!(server.get("/health").status, 200);
    streams
}

/// A request to publish in `news`, with a key.
fn publish(number: u64) -> String {
    let body = json!({"channel": "news", "data": number, "idempotency_key": number.to_string()});
    let body = body.to_string();
    format!(
        "POST /api/publish HTTP/1.1\r\nHost: test\r\nX-API-Key: k\r\nContent-Length: {}\r\n\r\n\
         {body}",
        body.len()
    )
}

/// The result of a publish that was taken.
fn result(answer: &Response) -> Value {
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(answer.status, 200, "{body}");
    assert!(body["result"].is_object(), "{body}");
    body["result"].clone()
}

fn offset(answer: &Response) -> u64 {
    result(answer)["offset"].as_u64().expect("an offset")
}

/// The same on a connection of its own.
fn publishes(address: SocketAddr, number: u64) -> JoinHandle<Response> {
    std::thread::spawn(move || ask(&mut connect(address), &publish(number)))
}

/// The new process has the state, so that the old one has let go of it.
fn is_ready(server: &Server) {
    // Of the two, only the new one is ready from here on.
    server.log.wait_for("draining");
    eventually("the new process is ready", || {
        (server.try_get("/ready").ok()?.status == 200).then_some(())
    });
}

fn ends(mut server: Server, new: &Last) {
    assert_eq!(server.wait(), 0);
    new.signal("TERM");
    new.ends();
}

// What a process had accepted came in the moment of the hand-over, and was refused: the state was
// gone before the rest of the request was there. It is kept until they are served, and others wait.
#[test]
fn the_state_is_kept_until_everyone_who_was_accepted_is_served() {
    let server = start("handover_grace = \"60s\"");
    let [mut half, whole, silent] = accepted(&server);
    let request = publish(1);
    let (begun, rest) = request.split_at(request.len() - 5);
    half.write_all(begun.as_bytes()).expect("sent");
    let new = hand_over(&server);
    // The old process may accept the first of them.
    let mut number = 2;
    let held = eventually("the new process holds one", || {
        let publishing = publishes(server.address, number);
        number += 1;
        eventually("it is held or answered", || {
            let is_held = || Some(server.status()["state"]["held"].as_u64()? == 1);
            (publishing.is_finished() || is_held() == Some(true)).then_some(())
        });
        (!publishing.is_finished()).then_some(publishing)
    });
    let before = number - 2;
    half.write_all(rest.as_bytes()).expect("sent");
    let answer = Response::read(&mut half).expect("an answer");
    assert_eq!(offset(&answer), before);
    assert_eq!(answer.header("connection"), Some("close"));
    let (answer, client) = Client::handshake(whole, "/ws?since=0&channel=news", "");
    assert_eq!(answer.status, 101, "{answer:?}");
    let mut client = client.expect("a client");
    client.expect_nothing();
    assert!(!held.is_finished());
    drop(silent);
    let answer = held.join().expect("an answer");
    assert_eq!(offset(&answer), before + 1, "behind all of the old one's");
    assert_eq!(client.message().code_and_reason().0, 1012);
    client.send(&Frame::close(1012, ""));
    ends(server, &new);
}

// Whoever asked late was refused, and some clients never come back from that: a browser's
// EventSource, or an SDK that goes on by a worse transport. Each is sent to the new process in its
// own form.
#[test]
fn who_asks_when_the_state_is_gone_is_sent_to_the_new_process_and_loses_nothing() {
    let server = start("handover_grace = 0");
    let first = result(&ask(&mut connect(server.address), &publish(1)));
    let [
        sse,
        poll,
        fresh,
        stream,
        mut order,
        mut message,
        plain,
        client,
    ] = accepted(&server);
    let new = hand_over(&server);
    is_ready(&server);
    let second = ask(&mut connect(server.address), &publish(2));
    let since = format!(
        "{}@{}",
        offset(&second),
        first["epoch"].as_str().expect("an epoch")
    );

    let get = |mut stream: TcpStream, path: &str| {
        let answer = ask(
            &mut stream,
            &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"),
        );
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        answer
    };
    let answer = get(sse, &format!("/sse?channel=news&since={since}"));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.body.starts_with("retry: "), "{answer:?}");
    assert!(
        answer.body.contains("event: close\ndata: {\"code\":1012"),
        "{answer:?}"
    );
    assert!(!answer.body.contains("id:"), "it keeps the id that it has");
    // It was further at the new process than the old one knows.
    let body = |answer: &Response| serde_json::from_str::<Value>(&answer.body).expect("JSON");
    let path = format!("/poll?channel=news&since={since}");
    let nothing_new = json!({"messages": [], "since": since, "recovered": true});
    assert_eq!(body(&get(poll, &path)), nothing_new);
    let answer = body(&get(fresh, "/poll?channel=news"));
    let behind = answer["since"].as_str().expect("a position").to_string();
    // The new process gives it what is behind that.
    let again = format!("/poll?channel=news&since={behind}");
    let answer = server.get(&again);
    assert_eq!(body(&answer)["messages"][0]["data"], 2, "{answer:?}");

    let mut stream = stream;
    let commands = json!({"id": 1, "connect": {}}).to_string();
    let request = format!(
        "POST /connection/http_stream HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{commands}",
        commands.len()
    );
    let answer = ask(&mut stream, &request);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.body.contains("\"disconnect\":{\"code\":3001"),
        "{answer:?}"
    );
    for (stream, path, code) in [
        (plain, "/ws", 1012),
        (client, "/connection/websocket", 3001),
    ] {
        let (answer, client) = Client::handshake(stream, path, "");
        assert_eq!(answer.status, 101, "{path}: {answer:?}");
        let mut client = client.expect("a client");
        assert_eq!(
            client.message().code_and_reason().0,
            code,
            "{path}: told of no stream"
        );
        client.send(&Frame::close(code, ""));
    }
    // What it did would be known to nobody.
    let answer = ask(&mut order, &publish(3));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("0"));
    let error = &body(&answer)["error"];
    assert_eq!(
        (&error["code"], &error["temporary"]),
        (&json!(100), &json!(true))
    );
    assert_eq!(offset(&ask(&mut connect(server.address), &publish(3))), 3);
    let request = "POST /send?channel=news HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi";
    let answer = ask(&mut message, request);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("0"));
    drop((order, message, stream));
    ends(server, &new);
}

// A browser opens connections in advance and keeps polls waiting. A hand-over that waited for all
// of them would hold everyone up for its whole grace, or for ever.
#[test]
fn streams_and_waiting_polls_hold_nothing_up_and_silent_connections_no_longer_than_the_grace() {
    let server = start("handover_grace = \"60s\"");
    let position = ask(
        &mut connect(server.address),
        "GET /poll?channel=news HTTP/1.1\r\nHost: t\r\n\r\n",
    );
    let position: Value = serde_json::from_str(&position.body).expect("JSON");
    let since = position["since"].as_str().expect("a position");
    let [mut sse, mut poll, mut kept] = accepted(&server);
    sse.write_all(b"GET /sse?channel=news HTTP/1.1\r\nHost: t\r\n\r\n")
        .expect("sent");
    let request = format!("GET /poll?channel=news&since={since} HTTP/1.1\r\nHost: t\r\n\r\n");
    poll.write_all(request.as_bytes()).expect("sent");
    let mut session = server.ws("/ws");
    server.wait_status("sessions", 3);
    assert_eq!(ask(&mut kept, HEALTH).status, 200);
    let new = hand_over(&server);
    is_ready(&server);
    assert_eq!(session.message().code_and_reason().0, 1012);
    session.send(&Frame::close(1012, ""));
    assert_eq!(Response::read(&mut poll).expect("an answer").status, 200);
    drop((sse, poll, kept));
    ends(server, &new);

    let server = start("handover_grace = \"100ms\"");
    let silent = accepted::<2>(&server);
    let new = hand_over(&server);
    is_ready(&server);
    let line = server.log.wait_for("have not asked yet");
    assert!(line.contains("connections=2"), "{line}");
    drop(silent);
    ends(server, &new);
}
