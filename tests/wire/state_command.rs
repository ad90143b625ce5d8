//! `fanfare state` and the lock of `state.dir`, as an operator meets them.

use std::process::{Command, Output, Stdio};

use crate::support::{Server, TempDir};

/// Runs the binary with a file of settings.
fn fanfare(arguments: &[&str], file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments).args(["--config", file]);
    command
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// Two nodes in one directory would each cut off what the other wrote. The second one must end, and
// say which process is in its way.
#[test]
fn a_directory_has_one_node_and_the_others_are_told_which() {
    let dir = TempDir::new();
    let path = dir.path().join("kept");
    let settings = format!("[state]\ndir = \"{}\"\n", path.display());
    let file = dir.write(
        "again.toml",
        &format!("listen = [\"127.0.0.1:0\"]\n{settings}"),
    );
    let file = file.to_str().expect("a path");

    let missing = fanfare(&["state"], file);
    assert_eq!(missing.status.code(), Some(1), "nothing is there yet");
    assert!(!path.exists(), "looking makes nothing");

    let mut server = Server::start(&settings);
    let holder = format!("process {} has it", server.pid());
    for arguments in [
        &["state"][..],
        &["state", "--drop", "revocations"],
        &["serve"],
    ] {
        let refused = fanfare(arguments, file);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let told = text(&refused.stderr);
        assert!(told.contains(&holder), "{arguments:?}: {told}");
    }
    server.signal("TERM");
    assert_eq!(server.wait(), 0);

    let shown = fanfare(&["state", "--verify"], file);
    let told = text(&shown.stdout);
    assert!(shown.status.success(), "{told} {}", text(&shown.stderr));
    assert!(
        told.lines().any(|line| line.starts_with("channels ")),
        "{told}"
    );
    let dropped = fanfare(&["state", "--drop", "revocations"], file);
    assert!(dropped.status.success(), "{}", text(&dropped.stderr));
}

#[test]
fn without_a_directory_there_is_nothing_to_show() {
    let dir = TempDir::new();
    let file = dir.write("plain.toml", "workers = 1\n");
    let shown = fanfare(&["state"], file.to_str().expect("a path"));
    assert_eq!(shown.status.code(), Some(1));
    assert!(text(&shown.stderr).contains("state.dir is not set"));
}

// Whoever watches a node must see what waits for its disk, and see nothing where none is used.
#[test]
fn the_state_is_in_status_and_metrics_where_there_is_one() {
    let dir = TempDir::new();
    let settings = format!("[state]\ndir = \"{}\"\n", dir.path().join("kept").display());
    let server = Server::start(&settings);
    assert_eq!(server.status()["state"]["writable"], true);
    let metrics = server.get("/metrics").body;
    for name in [
        "fanfare_state_queue",
        "fanfare_state_queue_bytes",
        "fanfare_state_write_wait_seconds",
        "fanfare_state_sync_age_seconds",
        "fanfare_state_bytes",
        "fanfare_state_segments",
        "fanfare_state_writable",
        "fanfare_state_whole",
        "fanfare_state_snapshots_total",
        "fanfare_state_failed_writes_total",
        "fanfare_state_damaged_total",
    ] {
        assert!(
            metrics
                .lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
    let plain = Server::start("");
    assert_eq!(plain.status()["state"], serde_json::Value::Null);
    assert!(!plain.get("/metrics").body.contains("fanfare_state"));
}
