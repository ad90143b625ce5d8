//! What the events say of the process that tells them.

use serde_json::Value;

use crate::{
    backend::Backend,
    handover::taken_over,
    support::{Server, eventually, raw},
};

/// All events so far, in the order in which they came.
fn events(backend: &Backend) -> Vec<Value> {
    let batches = backend.asked("/events");
    let events = batches
        .iter()
        .map(|asked| asked.json()["events"].as_array().cloned());
    events.flatten().flatten().collect()
}

/// The event of this type that came as the `count`th.
fn nth(backend: &Backend, kind: &str, count: usize) -> Value {
    eventually(&format!("{kind} {count}"), || {
        let events = events(backend);
        let mut of_kind = events.into_iter().filter(|event| event["type"] == kind);
        of_kind.nth(count - 1)
    })
}

fn backend() -> Backend {
    Backend::start(|_| (200, "application/json", "{}".to_string()))
}

fn settings(backend: &Backend) -> String {
    format!(
        "node = \"web-1\"\n{}{}",
        raw("/ws", ""),
        backend.hook("events")
    )
}

/// A process that is killed tells nobody that its sessions ended, and a backend that counts them
/// keeps them for ever. It is told when another process begins, and can tell whose events are
/// whose.
#[test]
fn after_a_kill_the_backend_is_told_that_another_life_begins() {
    let backend = backend();
    let mut server = Server::start(&settings(&backend));
    let first = server.status()["node_id"].clone();
    let client = server.ws("/ws");
    assert_eq!(nth(&backend, "connected", 1)["node"], first);
    server.signal("KILL");
    eventually("it ends", || server.try_wait());
    drop(client);
    let server = Server::start(&settings(&backend));
    let second = server.status()["node_id"].clone();
    assert_ne!(first, second);
    let _client = server.ws("/ws");
    assert_eq!(nth(&backend, "connected", 2)["node"], second);
    for (count, id) in [(1, &first), (2, &second)] {
        let began = nth(&backend, "node_started", count);
        assert_eq!(&began["node"], id);
        assert_eq!(began["name"], "web-1");
        assert_eq!(began["handover"], false);
        let of_life = events(&backend)
            .into_iter()
            .find(|event| event["node"] == *id);
        assert_eq!(of_life, Some(began), "it is the first of its life");
    }
    let ended = events(&backend)
        .iter()
        .any(|event| event["type"] == "disconnected");
    assert!(!ended, "nobody told of the end of the first session");
}

/// During a hand-over two processes tell events. A backend that took the first one's sessions for
/// gone at the beginning of the second would forget people who are still there.
#[test]
fn a_hand_over_begins_a_life_while_the_one_before_tells_of_its_own_end() {
    let backend = backend();
    let server = Server::start(&settings(&backend));
    let first = server.status()["node_id"].clone();
    let _client = server.ws("/ws");
    nth(&backend, "connected", 1);
    server.signal("USR2");
    let _last = taken_over(&server.log, 1);
    let began = nth(&backend, "node_started", 2);
    assert_eq!(began["handover"], true);
    assert_ne!(began["node"], first);
    let ended = nth(&backend, "disconnected", 1);
    assert_eq!(ended["node"], first);
}
