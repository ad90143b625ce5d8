//! Command lines that ask for what cannot be: a sentence and status 2, before anything is opened.

use crate::load;

fn refused(arguments: &[&str], sentence: &str) {
    let (status, _, said) = load(arguments);
    assert_eq!(status, 2, "{arguments:?}: {said}");
    assert!(said.contains(sentence), "{arguments:?}: {said}");
}

const URL: [&str; 2] = ["--url", "ws://127.0.0.1:9/"];

// A run that quietly did less than was asked for would be quoted all the same. So it says what is
// missing and does nothing.
#[test]
fn what_contradicts_itself_is_refused_with_a_sentence() {
    let [url, at] = URL;
    refused(&["publish", url, at], "--publish-url");
    refused(&["storm", url, at], "--publish-url");
    refused(&["fanout", url, at, "--channels", "2"], "{channel}");
    refused(&["fanout", url, at, "--conns", "0"], "--conns 0");
    let two = [url, at, url, at];
    refused(&[&["echo"][..], &two].concat(), "several --url");
    let few = [&["fanout", "--conns", "1"][..], &two].concat();
    refused(&few, "each server needs a client");
    let mixed = ["idle", url, at, url, "http://127.0.0.1:9/"];
    refused(&mixed, "all ws or all http");
    refused(&["fanout", url, at, "--size", "8"], "24 to 8388608");
    refused(
        &["fanout", url, at, "--rate", "1", "--in-flight", "2"],
        "--in-flight",
    );
    refused(&["idle", url, at, "--protocol", "sse"], "http address");
    refused(
        &["fanout", url, "http://127.0.0.1:9/", "--protocol", "sse"],
        "--publish-url",
    );
    refused(&["idle", url, "ftp://127.0.0.1/"], "ws://");
    refused(
        &["idle", url, "ws://192.0.2.1/", "--sources", "2"],
        "127.0.0.x",
    );
}

// Without a place for each connection the run would break somewhere in the middle. The hard limit
// is lowered here for one shell and what it starts.
#[test]
fn more_connections_than_open_files_are_refused_with_a_sentence() {
    let tool = env!("CARGO_BIN_EXE_fanfare-load");
    let script = format!("ulimit -n 100 && exec {tool} idle --url ws://127.0.0.1:9/ --conns 200");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("ulimit -Hn"), "{said}");
}

// Nobody there is no usage error, and no success either.
#[test]
fn a_server_that_is_not_there_is_status_1() {
    let (status, _, said) = load(&["idle", "--url", "ws://127.0.0.1:9/", "--conns", "3"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("could not connect"), "{said}");
}
