//! The administrator's page and what it asks. Helpers are here; one file a subject.

mod door;
mod login;
mod node;
mod sessions;
mod stats;

use serde_json::Value;

use crate::support::{Response, Server, raw};

/// The header that the key goes in.
const KEY: &str = "Authorization: Bearer s3cret\r\n";
const SETTINGS: &str =
    "node = \"n1\"\ntrusted_proxies = [\"127.0.0.1\"]\nadmin.key = \"s3cret\"\napi.key = \"k\"\n";

fn start(settings: &str) -> Server {
    Server::start(&format!("{SETTINGS}{settings}{}", raw("/ws", "")))
}

/// The header of a token.
fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn send(server: &Server, method: &str, path: &str, headers: &str, body: &str) -> Response {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    server.request(&request).expect("an answer")
}

fn post(server: &Server, path: &str, headers: &str, body: &str) -> Response {
    send(server, "POST", path, headers, body)
}

fn json(response: &Response) -> Value {
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_str(&response.body).expect("JSON")
}

/// What a successful request answers.
fn get(server: &Server, path: &str, headers: &str) -> Value {
    let response = server.get_with(path, headers);
    assert_eq!(response.status, 200, "{path}: {}", response.body);
    assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    json(&response)
}

/// A login, and its answer.
fn login(server: &Server) -> (String, Value) {
    let response = post(server, "/admin/login", KEY, "");
    assert_eq!(response.status, 200, "{}", response.body);
    let answer = json(&response);
    (
        answer["token"].as_str().expect("a token").to_string(),
        answer,
    )
}

/// The word of an error.
fn code(response: &Response) -> String {
    let answer = json(response);
    let message = answer["error"]["message"].as_str().expect("a sentence");
    assert!(!message.is_empty(), "{answer}");
    answer["error"]["code"]
        .as_str()
        .expect("a word")
        .to_string()
}
