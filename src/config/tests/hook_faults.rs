//! What is wrong with settings of hooks and polls is told with its place and what would be right,
//! and no key is repeated.

use super::faults::{faults, one_fault};

const POLL: &str = "[[poll]]\nurl = \"http://127.0.0.1/\"\nevery = 1\nchannel = \"c\"\n";

#[test]
fn urls_are_http() {
    for url in [
        "ftp://a.example/",
        "a.example/x",
        "http://",
        "",
        "unix:/run/x",
    ] {
        one_fault(
            &format!("[hooks]\nconnect.url = \"{url}\"\n"),
            "2: hooks.connect.url: ",
            "http or https",
        );
        one_fault(
            &format!("[token]\njwks_url = \"{url}\"\n"),
            "2: token.jwks_url: ",
            "http or https",
        );
        one_fault(
            &format!("[[poll]]\nurl = \"{url}\"\nevery = 1\nchannel = \"c\"\n"),
            "2: poll.url: ",
            "http or https",
        );
    }
}

#[test]
fn hooks_are_whole() {
    let cases = [
        ("rpc.timeout = 1", "rpc.timeout", "needs hooks.rpc.url"),
        ("headers = [\"X A\"]", "headers", "name of a header"),
        (
            "headers = [\"Host\"]",
            "headers",
            "belongs to the connection",
        ),
        (
            "headers = [\"X-Fanfare-Signature\"]",
            "headers",
            "set by the call itself",
        ),
        ("concurrency = 0", "concurrency", "at least 1"),
        ("events_queue = 0", "events_queue", "at least 1"),
        ("events_batch = 0", "events_batch", "at least 1"),
        ("connect = \"http://a/\"", "connect", "such as connect.url"),
        ("conect.url = \"http://a/\"", "conect", "unknown setting"),
    ];
    for (line, name, part) in cases {
        one_fault(
            &format!("[hooks]\n{line}\n"),
            &format!("2: hooks.{name}: "),
            part,
        );
    }
    one_fault(
        "[hooks.rpc]\nurl = \"http://127.0.0.1/\"\ntimeout = 0\n",
        "3: hooks.rpc.timeout: ",
        "above 0",
    );
}

#[test]
fn polls_are_whole() {
    one_fault(
        &POLL.replace("= 1", "= \"99ms\""),
        "3: poll.every: ",
        "100ms",
    );
    one_fault(
        &POLL.replace("every = 1\n", ""),
        "1: poll.every: ",
        "must be set",
    );
    one_fault(
        &POLL.replace("channel = \"c\"\n", ""),
        "1: poll.channel: ",
        "must be set",
    );
    one_fault(&POLL.replace("\"c\"", "\"$c\""), "4: poll.channel: ", "$");
    one_fault(
        &format!("{POLL}timeout = 0\n"),
        "5: poll.timeout: ",
        "above 0",
    );
    for headers in [
        "\"X-Key: hush\"",
        "[\"hush\"]",
        "{ \"X Key\" = \"hush\" }",
        "{ X-Key = \"hush\\n\" }",
        "{ X-Key = 5 }",
        "{ Host = \"hush\" }",
    ] {
        let faults = faults(&format!("{POLL}headers = {headers}\n"));
        assert_eq!(faults.len(), 1, "{headers}: {faults:?}");
        assert!(faults[0].starts_with("5: poll.headers: "), "{faults:?}");
        assert!(!faults[0].contains("hush"), "{faults:?}");
    }
    one_fault("[poll]\nurl = \"http://a/\"\n", "1: poll: ", "[[poll]]");
}

#[test]
fn raw_endpoints_that_ask_need_someone_to_ask() {
    let raw = "[[raw]]\npath = \"/ws\"\n";
    let hook = "[hooks]\nmessage.url = \"http://127.0.0.1/\"\n\
                [[raw]]\npath = \"/ws\"\non_message = \"hook\"\n";
    let cases = [
        (
            format!("{raw}on_message = \"hook\""),
            "3: raw.on_message: ",
            "hooks.message.url",
        ),
        (
            format!("{raw}connect_hook = true"),
            "3: raw.connect_hook: ",
            "hooks.connect.url",
        ),
        (
            format!("{raw}on_failure = \"close\""),
            "3: raw.on_failure: ",
            "on_message = \"hook\"",
        ),
        (
            format!("{hook}failure_reply = \"x\""),
            "6: raw.failure_reply: ",
            "on_failure = \"reply\"",
        ),
        (
            format!("{hook}on_failure = \"reply\""),
            "6: raw.on_failure: ",
            "failure_reply = ",
        ),
        (
            format!("{hook}on_failure = \"shout\""),
            "6: raw.on_failure: ",
            "\"close\" or \"reply\"",
        ),
    ];
    for (text, place, part) in cases {
        one_fault(&text, place, part);
    }
}
