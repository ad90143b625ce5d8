//! A disk under the state that is full, read-only, damaged or cannot be synced.
//!
//! Full is real: a small tmpfs in a mount namespace of the test's own. A disk that was written to
//! and becomes read-only, or fails to sync, is imitated by the rig's recorder between the binary
//! and the system (`tests/rig/crash/recorder.c`). Neither is left out where it cannot be had: the
//! test fails and says what is missing.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Response, Server, TempDir, eventually};

const SETTINGS: &str = r#"workers = 2
listen = ["127.0.0.1:0"]
[api]
key = "k"
[client]
anonymous = true
[token]
hmac_secret = "a secret of more than thirty-two bytes"
[channels]
allow.subscribe = ["anonymous"]
history_size = 200
history_ttl = "1h"
recovery = true
[[namespace]]
name = "live"
recovery = false
history_size = 0
"#;

/// A node with the directory of its state, which outlives it.
struct Node {
    server: Server,
}

impl Node {
    fn start(mut command: Command, state: &Path, more: &str) -> Self {
        let dir = TempDir::new();
        let settings = format!("{SETTINGS}[state]\ndir = \"{}\"\n{more}", state.display());
        let config = dir.write("fanfare.toml", &settings);
        command.arg("--config").arg(config);
        Self {
            server: Server::spawn(command, dir),
        }
    }

    fn try_api(&self, method: &str, body: &Value) -> Response {
        let body = body.to_string();
        let request = format!(
            "POST /api/{method} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.server.request(&request).expect("an answer")
    }

    fn api(&self, method: &str, body: &Value) -> Value {
        let response = self.try_api(method, body);
        assert_eq!(response.status, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("JSON")
    }

    /// The offset of what was published, or the error.
    fn publish(&self, channel: &str, data: &str) -> Result<u64, Value> {
        let answer = self.api("publish", &json!({"channel": channel, "data": data}));
        let offset = answer["result"]["offset"].as_u64();
        offset.ok_or_else(|| answer["error"].clone())
    }

    /// Newest offset, epoch, and the texts of the history.
    fn history(&self, channel: &str) -> (u64, String, Vec<String>) {
        self.read(&json!({"channel": channel, "limit": -1}))
    }

    /// The same with the newest two texts, the newest first.
    fn newest(&self, channel: &str) -> (u64, String, Vec<String>) {
        self.read(&json!({"channel": channel, "limit": 2, "reverse": true}))
    }

    fn read(&self, body: &Value) -> (u64, String, Vec<String>) {
        let result = &self.api("history", body)["result"];
        let items = result["publications"].as_array().cloned();
        let items = items.unwrap_or_default();
        let text = |item: &Value| item["data"].as_str().expect("a text").to_string();
        (
            result["offset"].as_u64().unwrap_or(0),
            result["epoch"].as_str().unwrap_or_default().to_string(),
            items.iter().map(text).collect(),
        )
    }

    fn metric(&self, name: &str) -> u64 {
        self.server.metric(name, "X-API-Key: k\r\n")
    }

    /// Whether a user comes in with a token of his.
    fn lets_in(&self, user: &str) -> bool {
        let mut client = self.server.ws("/connection/websocket");
        let connect = json!({"id": 1, "connect": {"token": token(user)}});
        client.text(&connect.to_string());
        client.message().is(1)
    }

    /// What is kept is refused as temporary, and whoever asks is told why.
    fn is_sick(&self) {
        let error = self.publish("sick", "x").expect_err("nothing is kept");
        assert_eq!(
            (&error["code"], &error["temporary"]),
            (&json!(100), &json!(true)),
            "{error}"
        );
        let ready = self.server.get("/ready");
        assert_eq!(ready.status, 503, "{ready:?}");
        assert_eq!(ready.body.trim(), "the state cannot be written to disk");
        assert_eq!(self.metric("fanfare_state_writable"), 0);
        assert!(self.metric("fanfare_state_failed_writes_total") > 0);
        assert_eq!(self.server.status()["state"]["writable"], false);
        // What is not kept needs no disk.
        assert_eq!(
            self.publish("live:x", "x"),
            Err(Value::Null),
            "no offset, no error"
        );
    }

    fn is_well(&self) {
        eventually("it works again by itself", || {
            (self.server.get("/ready").status == 200).then_some(())
        });
        assert_eq!(self.metric("fanfare_state_writable"), 1);
        self.server
            .log
            .wait_for("the state can be written to disk again");
    }
}

fn token(user: &str) -> String {
    let secret = "a secret of more than thirty-two bytes";
    let output = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["token", "--secret", secret, "--user", user])
        .env_remove("FANFARE_CONFIG")
        .output();
    let output = output.expect("it runs").stdout;
    String::from_utf8(output).expect("text").trim().to_string()
}

/// A small disk of its own: a tmpfs that only processes of its mount namespace see. It goes with
/// this.
struct Disk {
    /// Has the namespace, and ends with its standard input.
    holder: Child,
    path: PathBuf,
    _dir: TempDir,
}

impl Disk {
    fn new(size: &str) -> Self {
        let dir = TempDir::new();
        let path = dir.path().join("state");
        fs::create_dir(&path).expect("a directory");
        let script = format!(
            "mount -t tmpfs -o size={size},mode=0700 none '{}' && echo mounted && exec cat",
            path.display()
        );
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let mut holder = command
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("a pipe");
        let _ = BufReader::new(stdout).read_line(&mut said);
        assert_eq!(
            said.trim(),
            "mounted",
            "a tmpfs in a mount namespace is needed here: as root with CAP_SYS_ADMIN, or by user namespaces"
        );
        Self {
            holder,
            path,
            _dir: dir,
        }
    }

    /// A command that sees the disk.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount"]);
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(program);
        command
    }

    fn node(&self, more: &str) -> Node {
        Node::start(
            self.command(env!("CARGO_BIN_EXE_fanfare")),
            &self.path,
            more,
        )
    }

    /// The same file, as this process sees it.
    fn seen(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        let path = path.strip_prefix("/").expect("an absolute path");
        Path::new("/proc")
            .join(self.holder.id().to_string())
            .join("root")
            .join(path)
    }

    /// Fills what is free; whoever is to make room removes the file.
    fn fill(&self) -> PathBuf {
        let filler = self.seen("filler");
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&filler);
        let file = file.as_mut().expect("a file");
        while file.write_all(&[1; 4096]).is_ok() {}
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Publishes large texts until one is refused; how many were taken, and how they begin.
fn publish_until_refused(node: &Node, channel: &str) -> u64 {
    for number in 1..10_000_u64 {
        let text = format!("{number} {}", "x".repeat(200_000));
        match node.publish(channel, &text) {
            Ok(offset) => assert_eq!(offset, number),
            Err(error) => {
                assert_eq!(
                    (&error["code"], &error["temporary"]),
                    (&json!(100), &json!(true)),
                    "{error}"
                );
                return number - 1;
            }
        }
    }
    panic!("the disk is never full");
}

fn numbers(texts: &[String]) -> Vec<u64> {
    let number = |text: &String| text.split(' ').next().and_then(|n| n.parse().ok());
    texts
        .iter()
        .map(|text| number(text).expect("a number"))
        .collect()
}

// A full disk let a publish be acknowledged that no restart would have found, or needed a restart
// to be used again. What is kept is refused until there is room, and then works by itself; nothing
// that was refused comes back, and nothing that was acknowledged is missing.
#[test]
fn on_a_full_disk_what_is_kept_is_refused_until_there_is_room_and_nothing_else_is_lost() {
    let disk = Disk::new("56m");
    let node = disk.node("");
    assert_eq!(node.publish("quiet", "before"), Ok(1));
    let epoch = node.newest("big").1;
    let filler = disk.fill();
    let taken = publish_until_refused(&node, "big");
    node.is_sick();
    let full = "the state cannot be written to disk: No space left on device";
    node.server.log.wait_for(full);
    let (offset, _, texts) = node.newest("big");
    assert_eq!(
        offset, taken,
        "the offset of the refused one was taken back"
    );
    assert_eq!(numbers(&texts), [taken, taken - 1]);

    fs::remove_file(filler).expect("removed");
    node.is_well();
    assert_eq!(node.publish("big", "after"), Ok(taken + 1));
    node.server.signal("KILL");
    let mut node = node;
    eventually("it ends", || node.server.try_wait());
    let node = disk.node("");
    let (offset, kept, texts) = node.newest("big");
    assert_eq!((offset, kept), (taken + 1, epoch));
    assert_eq!(texts[0], "after");
    assert_eq!(numbers(&texts[1..]), [taken]);
    assert_eq!(node.history("quiet").2, ["before"]);
    assert_eq!(node.history("sick").2, Vec::<String>::new());
}

// Whoever wants to make room on a full disk could not, since that has to be written too. Some MiB
// are set aside for it, and with the room that is made everything is taken again.
#[test]
fn making_room_works_on_a_full_disk() {
    let disk = Disk::new("56m");
    let node = disk.node("");
    assert_eq!(node.publish("small", "kept"), Ok(1));
    disk.fill();
    let taken = publish_until_refused(&node, "big");
    node.is_sick();
    let removed = node.api("history_remove", &json!({"channel": "big"}));
    assert!(removed["result"].is_object(), "{removed}");
    node.is_well();
    assert_eq!(node.publish("big", "more"), Ok(taken + 1));
    let mut node = node;
    node.server.signal("KILL");
    eventually("it ends", || node.server.try_wait());
    let node = disk.node("");
    assert_eq!(node.history("big").2, ["more"]);
    assert_eq!(node.history("small").2, ["kept"]);
}

// Who blocks a user on a full disk must not be told that nothing happened, nor that a restart knows
// of it. The block counts at once, the answer is 100, and it is written once there is room.
#[test]
fn a_block_on_a_full_disk_counts_at_once_is_answered_with_100_and_is_written_later() {
    let disk = Disk::new("56m");
    let node = disk.node("");
    assert!(node.lets_in("42"));
    let filler = disk.fill();
    // There is room that was laid out before.
    let refused = (0..5_000).find(|number| {
        let uid = format!("{number:01000}");
        let answer = node.api("revoke_token", &json!({"uid": uid}));
        answer["error"]["code"] == 100
    });
    assert!(refused.is_some(), "the revocations have no bound");
    let answer = node.api("block_user", &json!({"user": "42"}));
    assert_eq!(answer["error"]["code"], 100, "{answer}");
    let why = answer["error"]["message"].as_str().expect("a reason");
    assert!(why.contains("it counts now"), "{why}");
    assert!(!node.lets_in("42"), "it counts at once");
    assert_eq!(node.server.get("/ready").status, 503);
    fs::remove_file(filler).expect("removed");
    node.is_well();
    eventually("all is written anew", || {
        (node.metric("fanfare_state_snapshots_total") > 0).then_some(())
    });
    let mut node = node;
    node.server.signal("KILL");
    eventually("it ends", || node.server.try_wait());
    let node = disk.node("");
    assert!(!node.lets_in("42"), "it was written when there was room");
}

// A directory that cannot be written to lets a node run that keeps nothing. It does not start, and
// says what the system says.
#[test]
fn on_a_read_only_disk_a_node_does_not_start() {
    let disk = Disk::new("56m");
    let dir = TempDir::new();
    let settings = format!("{SETTINGS}[state]\ndir = \"{}\"\n", disk.path.display());
    let config = dir.write("fanfare.toml", &settings);
    let mut remount = disk.command("mount");
    let remounted = remount.args(["-o", "remount,ro"]).arg(&disk.path).status();
    assert!(remounted.expect("mount runs").success());
    let mut command = disk.command(env!("CARGO_BIN_EXE_fanfare"));
    let output = command
        .arg("--config")
        .arg(config)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let path = disk.path.display().to_string();
    let named = said
        .lines()
        .any(|line| line.contains(&path) && line.contains("Read-only"));
    assert!(named, "{said}");
}

/// A disk that becomes sick on a word: the rig's recorder, preloaded into the node.
struct SickDisk {
    dir: TempDir,
    library: PathBuf,
}

impl SickDisk {
    fn new() -> Self {
        let dir = TempDir::new();
        let library = dir.path().join("recorder.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rig/crash/recorder.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .args([source, "-ldl", "-lpthread"])
            .output()
            .expect("a C compiler, which jemalloc needs too");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        Self { dir, library }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn flag(&self, how: &str) -> PathBuf {
        self.dir.path().join(format!("disk.{how}"))
    }

    fn sicken(&self, how: &str) {
        fs::write(self.flag(how), "").expect("a file");
    }

    fn heal(&self, how: &str) {
        fs::remove_file(self.flag(how)).expect("removed");
    }

    fn node(&self, more: &str) -> Node {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command
            .env("LD_PRELOAD", &self.library)
            .env("RIG_RECORD_DIR", self.state())
            .env("RIG_RECORD", self.dir.path().join("journal"))
            .env("RIG_DISK", self.dir.path().join("disk"));
        Node::start(command, &self.state(), more)
    }
}

/// What is acknowledged before, while and after a disk is sick, over a kill.
fn sick_and_well(how: &str, more: &str) {
    let disk = SickDisk::new();
    let mut node = disk.node(more);
    let mut expected = vec!["1".to_string(), "2".to_string()];
    for text in &expected {
        node.publish("news", text).expect("taken");
    }
    let epoch = node.history("news").1;
    disk.sicken(how);
    eventually("it is noticed", || {
        match node.publish("news", "sick") {
            // The sync comes later than the write.
            Ok(_) => expected.push("sick".into()),
            Err(_) => return Some(()),
        }
        None
    });
    node.is_sick();
    let answer = node.api("block_user", &json!({"user": "42"}));
    assert_eq!(answer["error"]["code"], 100, "{answer}");
    assert!(!node.lets_in("42"), "it counts at once");
    disk.heal(how);
    node.is_well();
    // The revocations, since they hold what was refused, and the rest where nobody knows what the
    // disk has.
    let snapshots = if how == "unsynced" { 2 } else { 1 };
    eventually("all is written anew", || {
        (node.metric("fanfare_state_snapshots_total") >= snapshots).then_some(())
    });
    expected.push("well".into());
    let newest = expected.len() as u64;
    assert_eq!(node.publish("news", "well"), Ok(newest));
    assert_eq!(
        node.history("news"),
        (newest, epoch.clone(), expected.clone())
    );
    node.server.signal("KILL");
    eventually("it ends", || node.server.try_wait());
    let node = disk.node(more);
    let (offset, kept, texts) = node.history("news");
    assert_eq!((offset, kept), (newest, epoch), "{how}");
    assert_eq!(texts, expected, "{how}");
    assert!(!node.lets_in("42"), "it was written when the disk was well");
}

// A file system that an error makes read-only refuses what a node has open, too. What is kept is
// refused until it can be written again.
#[test]
fn a_disk_that_becomes_read_only_is_used_again_when_it_is_not() {
    sick_and_well("readonly", "");
}

// A sync that failed and is tried again says that it worked, and the data is gone. All is written
// anew instead, and nothing is acknowledged that no sync has held where that was asked for.
#[test]
fn after_a_sync_that_failed_everything_is_written_anew() {
    sick_and_well("unsynced", "sync = \"100ms\"\n");
    sick_and_well("unsynced", "sync = \"always\"\n");
}

// Whoever deploys a moment after a disk was sick has all of it in memory still: nobody loses his
// place.
#[test]
fn a_node_that_ends_right_after_a_sync_failed_costs_no_epoch() {
    let disk = SickDisk::new();
    let mut node = disk.node("sync = \"100ms\"\n");
    node.publish("news", "1").expect("taken");
    let epoch = node.history("news").1;
    disk.sicken("unsynced");
    let mut newest = 1;
    eventually("it is noticed", || match node.publish("news", "sick") {
        Ok(offset) => {
            newest = offset;
            None
        }
        Err(_) => Some(()),
    });
    eventually("it is told", || {
        (node.metric("fanfare_state_whole") == 0).then_some(())
    });
    assert_eq!(node.server.status()["state"]["whole"], false);
    disk.heal("unsynced");
    node.server.signal("TERM");
    eventually("it ends", || node.server.try_wait());
    let node = disk.node("");
    let (offset, kept, _) = node.history("news");
    assert_eq!((offset, kept), (newest, epoch));
    assert_eq!(node.metric("fanfare_state_whole"), 1);
}

/// Flips a bit of a file where these bytes are.
fn damage(file: &Path, bytes: &[u8]) {
    let mut content = Vec::new();
    fs::File::open(file)
        .and_then(|mut file| file.read_to_end(&mut content))
        .expect("read");
    let found = content
        .windows(bytes.len())
        .position(|window| window == bytes);
    content[found.expect("it is there")] ^= 1;
    fs::write(file, content).expect("written");
}

fn state_command(node: &Node, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .arg("state")
        .args(arguments)
        .arg("--config")
        .arg(node.server.dir.path().join("fanfare.toml"))
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

// A file that cannot be read to its end kept a node from starting, or let it give places anew that
// clients have seen. It starts with what can be read, under new epochs, and the file is set aside.
#[test]
fn damage_before_the_end_costs_what_is_damaged_and_every_epoch() {
    let dir = TempDir::new();
    let state = dir.path().join("state");
    let start = || Node::start(Command::new(env!("CARGO_BIN_EXE_fanfare")), &state, "");
    let mut node = start();
    node.publish("lost", "the damaged one").expect("taken");
    for number in 1..=3 {
        node.publish("news", &number.to_string()).expect("taken");
    }
    let before = [node.history("lost"), node.history("news")];
    node.server.signal("KILL");
    eventually("it ends", || node.server.try_wait());
    let name = "0000000001.log";
    damage(&state.join(name), b"the damaged one");
    let (status, told) = state_command(&node, &["--verify"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("1 files are damaged"), "{told}");

    let node = start();
    node.server.log.wait_for(&format!("{name} is damaged"));
    assert_eq!(node.metric("fanfare_state_damaged_total"), 1);
    let news = node.history("news");
    assert_eq!(
        (news.0, &news.2),
        (3, &before[1].2),
        "what can be read is kept"
    );
    assert_ne!(news.1, before[1].1, "under a new epoch");
    let lost = node.history("lost");
    assert_eq!(lost.2, Vec::<String>::new());
    assert_ne!(lost.1, before[0].1);
    let mut client = node.server.ws("/connection/websocket");
    client.text(&json!({"id": 1, "connect": {}}).to_string());
    client.json_lines();
    let subscribe = json!({"channel": "news", "recover": true, "offset": 3, "epoch": before[1].1});
    client.text(&json!({"id": 2, "subscribe": subscribe}).to_string());
    let reply = client.json_lines().remove(0);
    assert_ne!(reply["subscribe"]["recovered"], true, "{reply}");
    eventually("it is set aside", || {
        state
            .join(format!("{name}.damaged"))
            .is_file()
            .then_some(())
    });
    assert!(!state.join(name).exists());
    assert_eq!(node.publish("news", "4"), Ok(4));
    let mut node = node;
    node.server.signal("KILL");
    eventually("it ends", || node.server.try_wait());
    let node = start();
    assert_eq!(node.history("news").1, news.1, "once");
    assert_eq!(node.metric("fanfare_state_damaged_total"), 0);
}

// A damaged list of revocations that is read as far as it goes lets in who was blocked. The node
// does not start until someone says that it may.
#[test]
fn with_damaged_revocations_a_node_does_not_start_until_it_is_told_to() {
    let dir = TempDir::new();
    let state = dir.path().join("state");
    let start = || Node::start(Command::new(env!("CARGO_BIN_EXE_fanfare")), &state, "");
    let mut node = start();
    node.publish("news", "1").expect("taken");
    for user in ["forty-two", "43"] {
        node.api("block_user", &json!({"user": user}));
    }
    node.server.signal("KILL");
    eventually("it ends", || node.server.try_wait());
    let name = "revocations-0000000001.log";
    damage(&state.join(name), b"forty-two");

    let config = node.server.dir.path().join("fanfare.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    let output = command
        .arg("--config")
        .arg(&config)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [name, "is damaged", "--drop revocations"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (status, told) = state_command(&node, &["--drop", "revocations"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(state.join(format!("{name}.damaged")).is_file());
    let node = start();
    assert!(node.lets_in("forty-two"), "as it was asked for");
    assert_eq!(node.history("news").2, ["1"], "nothing else is lost");
}
