//! Who is connected, found and ended.

use std::collections::HashSet;

use serde_json::Value;

use super::{KEY, code, get, json, post, start};
use crate::support::{Client, Server};

const OPEN: &str = "[channels]\nallow.subscribe = [\"anonymous\"]\n";

fn ids(answer: &Value) -> Vec<String> {
    let sessions = answer["sessions"].as_array().expect("a list");
    let id = |session: &Value| session["id"].as_str().expect("an id").to_string();
    sessions.iter().map(id).collect()
}

fn list(server: &Server, query: &str) -> Value {
    get(server, &format!("/admin/sessions?{query}"), KEY)
}

/// A session from an address, with a user agent.
fn session(server: &Server, address: &str, agent: &str, channel: &str) -> Client {
    let headers = format!("X-Forwarded-For: {address}\r\nUser-Agent: {agent}\r\n");
    server.ws_with(&format!("/ws?channel={channel}"), &headers)
}

/// Whoever looks for one session among thousands must find it by what it knows of it, and see in
/// what state it is.
#[test]
fn a_session_is_found_by_whatever_is_known_of_it_and_shown_with_its_state() {
    let server = start(OPEN);
    let mut first = session(&server, "203.0.113.7", "Phone <b>1</b>", "a");
    let _second = session(&server, "2001:db8::beef", "Desk", "a&channel=b");
    server.wait_status("sessions", 2);
    first.text("hello");
    server.wait_status("messages_in", 1);
    let all = list(&server, "");
    assert_eq!((&all["matched"], &all["total"]), (&2.into(), &2.into()));
    assert_eq!((&all["offset"], &all["limit"]), (&0.into(), &50.into()));
    let newest_first = ids(&all);
    let (desk, phone) = (&newest_first[0], &newest_first[1]);
    for (query, expected) in [
        ("q=phone", vec![phone]),
        ("q=203.0.113", vec![phone]),
        ("q=DB8::BEEF", vec![desk]),
        ("q=/ws", vec![desk, phone]),
        (&format!("q={}", &desk[..8]), vec![desk]),
        (&format!("client={phone}"), vec![phone]),
        ("client=nobody", vec![]),
        ("address=203.0.113.7", vec![phone]),
        ("address=2001:db8:0:0::beef", vec![desk]),
        ("user_agent=desk", vec![desk]),
        ("endpoint=/ws&transport=websocket", vec![desk, phone]),
        ("endpoint=/other", vec![]),
        ("channel=a", vec![desk, phone]),
        ("channel=b", vec![desk]),
        ("channel=nothing", vec![]),
        ("channel=a&q=phone", vec![phone]),
        ("user=42", vec![]),
        ("order=asc", vec![phone, desk]),
        ("sort=address", vec![desk, phone]),
        ("limit=1", vec![desk]),
        ("limit=1&offset=1", vec![phone]),
        ("offset=2", vec![]),
    ] {
        let found = list(&server, query);
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(ids(&found), expected, "{query}");
        if !query.contains("limit") && !query.contains("offset") {
            assert_eq!(found["matched"], expected.len(), "{query}");
        }
    }
    let one = get(&server, &format!("/admin/sessions/{desk}"), KEY);
    let one = &one["session"];
    assert_eq!(one["channels"], serde_json::json!(["a", "b"]));
    assert_eq!(
        (&one["subscriptions"], &one["phase"]),
        (&2.into(), &"open".into())
    );
    assert_eq!(
        (&one["user"], &one["user_agent"]),
        (&Value::Null, &"Desk".into())
    );
    assert_eq!(
        (&one["queue_messages"], &one["queue_bytes"]),
        (&0.into(), &0.into())
    );
    assert!(
        one["idle_seconds"].as_f64().is_some_and(|idle| idle < 20.0),
        "{one}"
    );
    let phone = get(&server, &format!("/admin/sessions/{phone}"), KEY);
    assert_eq!(phone["session"]["messages_in"], 1);
    // A browser takes it for text only if the answer is no page.
    assert_eq!(phone["session"]["user_agent"], "Phone <b>1</b>");
}

/// What cannot be read, or is too much, is told with its name; a list that were made all the same
/// would be another one than was asked for.
#[test]
fn what_cannot_be_asked_is_told() {
    let server = start(OPEN);
    for (query, part) in [
        ("limit=0", "limit is not between 1 and 500"),
        ("limit=501", "limit is not between 1 and 500"),
        ("offset=9951", "offset and limit"),
        ("offset=-1", "the query"),
        ("sort=colour", "the query"),
        ("order=up", "the query"),
        ("address=home", "the query"),
        ("colour=red", "colour"),
    ] {
        let answer = server.get_with(&format!("/admin/sessions?{query}"), KEY);
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (400, "bad_request"),
            "{query}"
        );
        assert!(answer.body.contains(part), "{query}: {}", answer.body);
    }
    for path in [
        "/admin/sessions/nobody",
        "/admin/sessions/00000000-0000-4000-8000-000000000000",
    ] {
        let answer = server.get_with(path, KEY);
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    for path in [
        "/admin/sessions",
        "/admin/channels",
        "/admin/node",
        "/admin/pushes",
        "/admin/hooks",
    ] {
        assert_eq!(server.get(path).status, 401, "{path}");
        assert_eq!(post(&server, path, KEY, "").status, 405, "{path}");
    }
}

/// A client must be told what the administrator said, and the log who said it.
#[test]
fn a_session_is_ended_with_the_code_and_reason_that_were_given() {
    let server = start(OPEN);
    let mut clients: Vec<Client> = (0..2).map(|_| server.ws("/ws")).collect();
    server.wait_status("sessions", 2);
    let oldest_first = ids(&list(&server, "order=asc"));
    let path = |n: usize| format!("/admin/sessions/{}/disconnect", oldest_first[n]);
    for (body, part) in [
        (r#"{"code":1000}"#, "code is not between 3000 and 4999"),
        (r#"{"code":5000}"#, "code is not between 3000 and 4999"),
        (r#"{"code":"x"}"#, "the body"),
        (r#"{"colour":1}"#, "colour"),
        ("[]", "the body"),
        (
            &format!(r#"{{"reason":"{}"}}"#, "x".repeat(124)),
            "123 bytes",
        ),
    ] {
        let answer = post(&server, &path(0), KEY, body);
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (400, "bad_request"),
            "{body}"
        );
        assert!(answer.body.contains(part), "{body}: {}", answer.body);
    }
    assert_eq!(
        post(&server, &path(0), KEY, r#"{"code":4001,"reason":"再见"}"#).status,
        204
    );
    assert_eq!(clients[0].expect_close(), (4001, "再见".to_string()));
    assert_eq!(post(&server, &path(1), KEY, "").status, 204);
    assert_eq!(clients[1].expect_close().0, 3503);
    server.wait_status("sessions", 0);
    assert_eq!(post(&server, &path(1), KEY, "").status, 404, "it has gone");
    let line = server.log.wait_for("an administrator ended a session");
    for part in ["127.0.0.1", "4001", "再见", &oldest_first[0]] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// Thousands of sessions are looked through a slice at a time; no slice may be lost, doubled or out
/// of order.
#[test]
fn every_session_is_on_one_page_of_the_whole_list() {
    let server = start(OPEN);
    let clients: Vec<Client> = (0..60).map(|_| server.ws("/ws")).collect();
    server.wait_status("sessions", 60);
    let mut seen = Vec::new();
    for offset in (0..60).step_by(7) {
        seen.extend(ids(&list(
            &server,
            &format!("sort=since&order=asc&limit=7&offset={offset}"),
        )));
    }
    let different: HashSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), different.len()), (60, 60));
    drop(clients);
}

/// The subscribers of a channel, how many, and what may be asked of it elsewhere.
#[test]
fn channels_are_listed_by_pattern_with_their_subscribers() {
    let namespace = "[[namespace]]\nname = \"kept\"\nhistory_size = 5\npresence = true\n";
    let server = start(&format!(
        "{OPEN}{namespace}allow.subscribe = [\"anonymous\"]\n"
    ));
    let _clients = [
        server.ws("/ws?channel=b&channel=kept:1"),
        server.ws("/ws?channel=kept:1&channel=kept:2"),
    ];
    server.wait_status("channels", 3);
    let names = |query: &str| -> Vec<String> {
        let answer = get(&server, &format!("/admin/channels?{query}"), KEY);
        let channels = answer["channels"].as_array().expect("a list");
        let name = |channel: &Value| channel["channel"].as_str().expect("a name").to_string();
        channels.iter().map(name).collect()
    };
    let all = get(&server, "/admin/channels", KEY);
    assert_eq!(
        all["channels"][0],
        serde_json::json!({"channel": "kept:1", "subscribers": 2, "namespace": "kept", "history": true, "presence": true})
    );
    assert_eq!((&all["matched"], &all["total"]), (&3.into(), &3.into()));
    assert_eq!(names("sort=name"), ["b", "kept:1", "kept:2"]);
    assert_eq!(names("sort=name&order=desc&limit=1"), ["kept:2"]);
    assert_eq!(names("pattern=kept:*&sort=name"), ["kept:1", "kept:2"]);
    assert_eq!(names("pattern=%7Bb,kept:2%7D&sort=name"), ["b", "kept:2"]);
    assert_eq!(names("pattern=EPT:2"), ["kept:2"]);
    assert!(
        names("pattern=$").is_empty(),
        "the server's own are its own"
    );
    for (query, part) in [
        ("pattern=%5B", "pattern"),
        ("limit=0", "limit"),
        ("q=x", "q"),
    ] {
        let answer = server.get_with(&format!("/admin/channels?{query}"), KEY);
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.contains(part), "{}", answer.body);
    }
    let subscribers = list(&server, "channel=kept:1");
    assert_eq!(subscribers["matched"], 2);
    let plain = get(&server, "/admin/channels?pattern=b", KEY);
    assert_eq!(plain["channels"][0]["namespace"], Value::Null);
    assert_eq!(
        json(&server.get_with("/admin/channels?pattern=b", KEY)),
        plain
    );
}
