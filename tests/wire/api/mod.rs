//! The server's API: what a backend's request does to those who are connected, and how it is
//! answered. Helpers are here; one file a subject.

mod access;
mod answers;
mod publish;
mod sessions;

use std::{
    io::Write as _,
    net::TcpStream,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::support::{Client, Response, SOON, Server, eventually, raw};

const KEY: &str = "X-API-Key: k\r\n";
/// A namespace that keeps what is published and knows who is there, and channels without one that
/// do not.
const SETTINGS: &str = r#"
api.key = ["k", "other"]
token.hmac_secret = "0123456789abcdef0123456789abcdef"
client.anonymous = true
admin.key = "s3cret"
[channels]
allow.subscribe = ["client", "anonymous"]
[[namespace]]
name = "open"
allow.subscribe = ["client", "anonymous"]
allow.publish = ["client", "anonymous"]
[[namespace]]
name = "kept"
history_size = 10
presence = true
allow.subscribe = ["client", "anonymous"]
"#;

fn start(before: &str) -> Server {
    Server::start(&format!("{before}{SETTINGS}{}", raw("/ws", "")))
}

/// With another endpoint beside `/ws`.
fn start_with(endpoint: &str) -> Server {
    Server::start(&format!("{SETTINGS}{}{endpoint}", raw("/ws", "")))
}

fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> Response {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = [head.as_bytes(), body].concat();
    stream.write_all(&request).expect("sent");
    Response::read(&mut stream).expect("an answer")
}

fn call(server: &Server, method: &str, body: &Value) -> Value {
    let path = format!("/api/{method}");
    let response = post(server, &path, KEY, body.to_string().as_bytes());
    assert_eq!(response.status, 200, "{method}: {}", response.body);
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_str(&response.body).expect("JSON")
}

/// The result of a call that must succeed.
fn done(server: &Server, method: &str, body: &Value) -> Value {
    let mut answer = call(server, method, body);
    assert!(answer["error"].is_null(), "{method} {body}: {answer}");
    answer["result"].take()
}

fn code(server: &Server, method: &str, body: &Value) -> Value {
    call(server, method, body)["error"]["code"].take()
}

/// A client in these channels, which the server knows of.
fn client(server: &Server, query: &str, channel: &str) -> Client {
    let before = members(server, channel);
    let client = server.ws(&format!("/ws?{query}"));
    eventually("the client is there", || {
        (members(server, channel) > before).then_some(())
    });
    client
}

fn members(server: &Server, channel: &str) -> u64 {
    let listed = done(server, "channels", &json!({ "pattern": channel }));
    listed["channels"][channel]["num_clients"]
        .as_u64()
        .unwrap_or(0)
}

fn connections(server: &Server, filter: &Value) -> Vec<String> {
    let listed = done(server, "connections", filter);
    let connections = listed["connections"].as_object().expect("an object");
    connections.keys().cloned().collect()
}

/// A connection token of a user.
fn token(user: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let claims = json!({ "sub": user, "iat": now - 5, "exp": now + 600 });
    let key = jsonwebtoken::EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token")
}
