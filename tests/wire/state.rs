//! What outlives the process: after a tidy end, after SIGKILL, over hand-overs. Sick disks: `disk`.

use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};

use crate::{
    backend::Backend,
    handover::{Last, taken_over},
    support::{Client, Frame, Response, SOON, Server, TempDir, eventually},
};

const SETTINGS: &str = r#"[api]
key = "k"
[state]
dir = "STATE"
[channels]
allow.subscribe = ["anonymous"]
history_size = 100
history_ttl = "1h"
recovery = true
[[namespace]]
name = "live"
recovery = false
history_size = 0
"#;

/// A server on a directory of its own, that can be ended and started again.
struct Node {
    server: Option<Server>,
    state: TempDir,
    settings: String,
}

impl Node {
    fn start(more: &str) -> Self {
        let state = TempDir::new();
        let dir = state.path().join("state");
        let settings = SETTINGS.replace("STATE", &dir.display().to_string()) + more;
        let server = Some(Server::start(&settings));
        Self {
            server,
            state,
            settings,
        }
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// Ends the process by a signal, and starts another.
    fn restart(&mut self, signal: &str) {
        self.end(signal);
        self.server = Some(Server::start(&self.settings));
    }

    fn end(&mut self, signal: &str) {
        let mut server = self.server.take().expect("it runs");
        server.signal(signal);
        eventually("it ends", || server.try_wait());
    }

    fn api(&self, method: &str, body: &Value) -> Value {
        let response = self.try_api(method, body);
        assert_eq!(response.status, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("JSON")
    }

    fn try_api(&self, method: &str, body: &Value) -> Response {
        let body = body.to_string();
        self.server()
            .request(&format!(
                "POST /api/{method} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .expect("an answer")
    }

    fn publish(&self, channel: &str, data: u64) -> Value {
        let body = json!({"channel": channel, "data": data});
        self.api("publish", &body)["result"].clone()
    }

    fn history(&self, channel: &str) -> (u64, String, Vec<u64>) {
        let body = json!({"channel": channel, "limit": -1});
        let result = &self.api("history", &body)["result"];
        let items = result["publications"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let items = items
            .iter()
            .map(|item| item["data"].as_u64().expect("a number"));
        let epoch = result["epoch"].as_str().unwrap_or_default().to_string();
        (
            result["offset"].as_u64().unwrap_or(0),
            epoch,
            items.collect(),
        )
    }

    /// A client that is subscribed.
    fn listens(&self, channel: &str) -> Client {
        let mut client = self.server().ws("/connection/websocket");
        client.text(&json!({"id": 1, "connect": {}}).to_string());
        client.json_lines();
        client.text(&json!({"id": 2, "subscribe": {"channel": channel}}).to_string());
        client.json_lines();
        client
    }

    /// What a client that was at this place is told.
    fn recovers(&self, channel: &str, offset: u64, epoch: &str) -> (bool, Vec<u64>) {
        let mut client = self.server().ws("/connection/websocket");
        client.text(&json!({"id": 1, "connect": {}}).to_string());
        client.json_lines();
        let subscribe =
            json!({"channel": channel, "recover": true, "offset": offset, "epoch": epoch});
        client.text(&json!({"id": 2, "subscribe": subscribe}).to_string());
        let reply = client.json_lines().remove(0);
        assert!(reply["subscribe"].is_object(), "{reply}");
        let result = &reply["subscribe"];
        let missed = result["publications"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let missed = missed
            .iter()
            .map(|item| item["data"].as_u64().expect("a number"));
        (result["recovered"] == true, missed.collect())
    }
}

// A restart told every client `recovered: false`, since streams lived in memory only. They are on
// disk: who comes back after a tidy end or a SIGKILL has what it missed, and nothing else.
#[test]
fn who_comes_back_after_a_restart_recovers() {
    let mut node = Node::start("");
    for signal in ["TERM", "KILL"] {
        let channel = format!("news-{signal}");
        for number in 1..=10 {
            assert_eq!(node.publish(&channel, number)["offset"], number);
        }
        let (offset, epoch, items) = node.history(&channel);
        assert_eq!((offset, items.len()), (10, 10));
        let quiet = node.history(&format!("quiet-{signal}"));
        node.restart(signal);
        assert_eq!(node.history(&channel), (offset, epoch.clone(), items));
        assert_eq!(
            node.recovers(&channel, 7, &epoch),
            (true, vec![8, 9, 10]),
            "{signal}"
        );
        assert_eq!(
            node.recovers(&format!("quiet-{signal}"), 0, &quiet.1),
            (true, vec![])
        );
        assert_eq!(
            node.publish(&channel, 11)["offset"],
            11,
            "no place is given twice"
        );
        assert_eq!(node.recovers(&channel, 10, &epoch), (true, vec![11]));
    }
}

// A key or a version that a restart forgets lets a retry through a second time. Both outlive it,
// and so does what was removed: it never comes back.
#[test]
fn keys_versions_and_removals_outlive_a_kill() {
    let mut node = Node::start("");
    let keyed = json!({"channel": "news", "data": 1, "idempotency_key": "a"});
    let live = json!({"channel": "live:x", "data": 1, "idempotency_key": "a"});
    let versioned = json!({"channel": "state", "data": 1, "version": 5, "version_epoch": "e"});
    for body in [&keyed, &live, &versioned] {
        node.api("publish", body);
    }
    node.publish("gone", 1);
    node.api("history_remove", &json!({"channel": "gone"}));
    node.restart("KILL");
    for body in [&keyed, &live, &versioned] {
        node.api("publish", body);
    }
    assert_eq!(node.history("news").2, [1]);
    assert_eq!(node.history("state").2, [1]);
    let (offset, _, items) = node.history("gone");
    assert_eq!((offset, items), (1, vec![]));
}

// A user who was blocked could come again after a restart. Blocks and revocations are on the disk
// before they are answered, and an unblock is too.
#[test]
fn who_was_blocked_stays_blocked_over_a_kill_and_who_was_let_in_again_stays_in() {
    let mut node =
        Node::start("[token]\nhmac_secret = \"a secret of more than thirty-two bytes\"\n");
    for user in ["42", "43"] {
        node.api("block_user", &json!({"user": user}));
    }
    node.api("unblock_user", &json!({"user": "43"}));
    node.restart("KILL");
    let output = |user: &str| {
        let secret = "a secret of more than thirty-two bytes";
        let output = Command::new(env!("CARGO_BIN_EXE_fanfare"))
            .args(["token", "--secret", secret, "--user", user])
            .env_remove("FANFARE_CONFIG")
            .output()
            .expect("it runs");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_string()
    };
    for (user, is_in) in [("42", false), ("43", true)] {
        let mut client = node.server().ws("/connection/websocket");
        let connect = json!({"id": 1, "connect": {"token": output(user)}});
        client.text(&connect.to_string());
        let frame: Frame = client.message();
        assert_eq!(frame.is(1), is_in, "{user}: {frame:?}");
    }
}

// A `{seq}` that begins anew at a restart gives one number to two messages. It goes on, and so does
// what counts as the last text.
#[test]
fn the_numbers_of_pushes_go_on_and_an_unchanged_text_is_not_said_again() {
    let mut node = Node::start(
        "[[push]]\nevery = \"100ms\"\nchannel = \"live:numbers\"\ndata = '{seq}'\n[[push]]\nevery = \"100ms\"\n\
         channel = \"same\"\ndata = '1'\nonly_changed = true\n",
    );
    let mut last = 0;
    for signal in ["KILL", "TERM", "KILL"] {
        let mut client = node.server().ws("/connection/websocket");
        client.text(&json!({"id": 1, "connect": {}}).to_string());
        client.text(&json!({"id": 2, "subscribe": {"channel": "live:numbers"}}).to_string());
        client.text(&json!({"id": 3, "subscribe": {"channel": "same"}}).to_string());
        let mut heard = 0;
        while heard < 5 {
            for line in client.json_lines() {
                let push = &line["push"];
                if push["channel"] == "live:numbers" {
                    let number = push["pub"]["data"].as_u64().expect("a number");
                    assert!(number > last, "{number} after {last}");
                    (last, heard) = (number, heard + 1);
                }
            }
        }
        eventually("said once", || {
            (node.history("same").2 == [1]).then_some(())
        });
        node.restart(signal);
    }
    // Whoever looks for it in the history finds nothing: it is said again.
    node.api("history_remove", &json!({"channel": "same"}));
    node.restart("KILL");
    let _client = node.listens("same");
    eventually("said again", || {
        (node.history("same").2 == [1]).then_some(())
    });
}

// After a restart a poll asked for everything again and published it to everyone, though nothing
// had changed. It goes on from what it saw, as long as the channel still has that.
#[test]
fn a_poll_goes_on_from_what_it_saw_as_long_as_its_channel_has_it() {
    let backend = Backend::start(|_| (200, "application/json\r\nETag: \"v1\"", "7".to_string()));
    let mut node = Node::start(&format!(
        "[[poll]]\nurl = \"http://{}/rows\"\nevery = \"100ms\"\nchannel = \"rows\"\n",
        backend.address
    ));
    let _client = node.listens("rows");
    let has_it = |node: &Node| (node.history("rows").2 == [7]).then_some(());
    eventually("published", || has_it(&node));
    // What was seen is noted behind that, before it is asked again.
    eventually("noted", || (backend.asked("/rows").len() > 3).then_some(()));
    let etag_of_the_next = |node: &mut Node, signal| {
        node.end(signal);
        let before = backend.asked("/rows").len();
        node.server = Some(Server::start(&node.settings));
        let _client = node.listens("rows");
        let next = eventually("asked twice, so that the first is through", || {
            let asked = backend.asked("/rows");
            (asked.len() > before + 1).then(|| asked[before].clone())
        });
        next.header("if-none-match").map(str::to_string)
    };
    for signal in ["KILL", "TERM"] {
        let etag = etag_of_the_next(&mut node, signal);
        assert_eq!(etag.as_deref(), Some("\"v1\""), "{signal}");
        assert_eq!(node.history("rows").2, [7], "{signal}");
    }
    node.api("history_remove", &json!({"channel": "rows"}));
    assert_eq!(etag_of_the_next(&mut node, "KILL"), None);
    eventually("published again", || has_it(&node));
}

// With an outage told in between, the answer of before it is news again, over a restart too: the
// channel saw the error last.
#[test]
fn after_an_outage_that_was_told_a_poll_says_its_old_answer_again_over_a_restart() {
    let fails = Arc::new(AtomicBool::new(false));
    let backend = Backend::start({
        let fails = fails.clone();
        move |_| match fails.load(Relaxed) {
            true => (500, "text/plain", String::new()),
            false => (200, "application/json", "7".to_string()),
        }
    });
    let mut node = Node::start(&format!(
        "[[poll]]\nurl = \"http://{}/rows\"\nevery = \"100ms\"\nchannel = \"rows\"\npublish_failures = true\n",
        backend.address
    ));
    let client = node.listens("rows");
    let items = |node: &Node| {
        let history = node.api("history", &json!({"channel": "rows", "limit": -1}));
        history["result"]["publications"].as_array().map(Vec::len)
    };
    eventually("published", || (items(&node) == Some(1)).then_some(()));
    fails.store(true, Relaxed);
    eventually("told", || (items(&node) == Some(2)).then_some(()));
    let asked = backend.asked("/rows").len();
    eventually("noted, before it is asked again", || {
        (backend.asked("/rows").len() > asked + 1).then_some(())
    });
    drop(client);
    node.end("KILL");
    fails.store(false, Relaxed);
    node.server = Some(Server::start(&node.settings));
    let _client = node.listens("rows");
    eventually("said again", || (items(&node) == Some(3)).then_some(()));
}

#[test]
fn a_directory_has_one_process_and_says_whose_it_is() {
    let node = Node::start("");
    let config = node.server().dir.path().join("fanfare.toml");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        let output = command
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .output();
        let output = output.expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let pid = node.server().pid().to_string();
    for arguments in [&[][..], &["state"]] {
        let (status, text) = run(arguments);
        assert_eq!(status, Some(1), "{text}");
        assert!(text.contains(&pid), "{text}");
    }
}

// What has no history is not kept, and must not cost a write. The files do not grow by it.
#[test]
fn what_has_no_history_is_not_written() {
    let node = Node::start("");
    let bytes = || {
        let metrics = node.server().get_with("/metrics", "X-API-Key: k\r\n");
        let line = metrics
            .body
            .lines()
            .find(|line| line.starts_with("fanfare_state_bytes "));
        line.expect("the metric").to_string()
    };
    node.publish("news", 1);
    let before = bytes();
    for number in 0..100 {
        node.publish("live:x", number);
    }
    let skipped = json!({"channel": "news", "data": 2, "skip_history": true});
    node.api("publish", &skipped);
    assert_eq!(bytes(), before);
    let one = node.publish("news", 2);
    assert_eq!(one["offset"], 2);
    assert_ne!(bytes(), before, "{SOON:?}");
    assert!(node.state.path().join("state").is_dir());
}

// A directory has one process: a new one that took over could not begin before the old one had
// ended, or gave places anew that the old one still gave. The old one lets go first, and whoever is
// refused meanwhile comes again with the same key: nothing is lost or doubled, and nobody is told a
// new epoch.
#[test]
fn over_hand_overs_the_state_goes_on_with_every_publication_once() {
    let node = Node::start(
        "[drain]\nspread = \"100ms\"\n[[namespace]]\nname = \"long\"\nhistory_size = 1000\n",
    );
    let (mut last, mut number) = (Last(node.server().pid()), 0);
    let mut publish = |times: u64| {
        for _ in 0..times {
            number += 1;
            let key = number.to_string();
            let body = json!({"channel": "long:news", "data": number, "idempotency_key": key});
            let offset = eventually("it is taken", || {
                let answer = node.try_api("publish", &body);
                let answer: Value = serde_json::from_str(&answer.body).ok()?;
                answer["result"]["offset"].as_u64()
            });
            assert_eq!(offset, number);
        }
        number
    };
    publish(10);
    let epoch = node.history("long:news").1;
    for count in 1..=5 {
        last.signal("USR2");
        publish(50);
        // Dropped, it would be killed before its time.
        std::mem::forget(std::mem::replace(
            &mut last,
            taken_over(&node.server().log, count),
        ));
        publish(10);
    }
    let all = publish(1);
    let expected = (all, epoch, (1..=all).collect::<Vec<_>>());
    assert_eq!(node.history("long:news"), expected);
    last.signal("TERM");
    last.ends();
}

// A new process that cannot have the state ended the service: it was let in, and failed over the
// directory when the old one had gone. What can be known is looked at before, and the old one goes
// on: a state of a newer format, damaged revocations, a directory that cannot be one.
#[test]
fn a_new_process_that_cannot_read_the_state_does_not_take_over() {
    let node = Node::start("");
    node.publish("news", 1);
    // What is behind a record shows that its write was finished.
    for user in ["42", "43"] {
        node.api("block_user", &json!({"user": user}));
    }
    let state = node.state.path().join("state");
    let config = node.server().dir.path().join("fanfare.toml");
    let right = fs::read_to_string(&config).expect("the settings");
    let spoiled = |name: &str, spoil: fn(&str, &mut Vec<u8>)| {
        let copy = node.state.path().join(name);
        fs::create_dir(&copy).expect("a directory");
        for entry in fs::read_dir(&state).expect("the state") {
            let entry = entry.expect("a file");
            let file = entry.file_name().into_string().expect("a name");
            let mut bytes = fs::read(entry.path()).expect("its bytes");
            spoil(&file, &mut bytes);
            fs::write(copy.join(file), bytes).expect("written");
        }
        copy
    };
    let newer = spoiled("newer", |name, bytes| {
        if name == "0000000001.log" {
            // Behind the eight bytes that every segment begins with.
            bytes[8] = 9;
        }
    });
    let damaged = spoiled("damaged", |name, bytes| {
        if name == "revocations-0000000001.log" {
            let user = bytes.windows(2).position(|two| two == b"42");
            bytes[user.expect("the user")] = b'9';
        }
    });
    let file = node.state.path().join("file");
    fs::write(&file, "").expect("written");
    for (dir, why) in [
        (&newer, "0000000001.log is of version 9 of the format"),
        (&damaged, "revocations-0000000001.log is damaged"),
        (&file, "state.dir: using"),
    ] {
        let (state, dir) = (state.display().to_string(), dir.display().to_string());
        node.server()
            .dir
            .write("fanfare.toml", &right.replace(&state, &dir));
        node.server().signal("USR2");
        let told = format!("so this one goes on: it says: {why}");
        node.server().log.wait_for(&told);
        assert_eq!(node.server().get("/ready").status, 200);
        let offset = node.publish("news", 2)["offset"].clone();
        assert!(offset.as_u64() > Some(1), "{offset}");
    }
    // A segment that was begun and no more is none of these.
    let begun = spoiled("begun", |_, _| {});
    fs::write(begun.join("revocations-0000000009.log"), "").expect("written");
    let (state, begun) = (state.display().to_string(), begun.display().to_string());
    node.server()
        .dir
        .write("fanfare.toml", &right.replace(&state, &begun));
    node.server().signal("USR2");
    drop(taken_over(&node.server().log, 1));
}
