//! The node as a whole: what it does by itself, whom it asks, and its end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use serde_json::{Value, json};

use super::{KEY, bearer, code, get, login, post, send, start};
use crate::{
    backend::Backend,
    support::{Server, eventually, raw},
};

#[test]
fn the_node_tells_what_it_is_and_has() {
    let server = start("");
    let about = get(&server, "/admin/node", KEY);
    assert_eq!(
        (&about["node"], &about["phase"]),
        (&"n1".into(), &"running".into())
    );
    assert_eq!(about["listen"], json!(["127.0.0.1:0"]));
    assert_eq!(about["process"]["id"], server.pid());
    assert!(
        about["process"]["rss_bytes"]
            .as_u64()
            .is_some_and(|rss| rss > 1 << 20)
    );
    assert!(
        about["hooks"].is_object() && about["started"].is_string(),
        "{about}"
    );
    assert!(!about.to_string().contains("s3cret"));
    let status = server.status();
    assert_eq!(
        status["ways"]["raw"],
        json!([{"path": "/ws", "on_message": "ignore", "sessions": 0, "channels": []}])
    );
    assert_eq!(
        status["ways"]["client"]["websocket"],
        "/connection/websocket"
    );
    assert_eq!(
        (&status["api"], &status["page"]["admin"]),
        (&true.into(), &true.into())
    );
    assert_eq!(status["page"]["danmaku"], Value::Null);
    let off = Server::start(
        "[connection]\nenabled = false\n[sse]\nenabled = false\n[longpoll]\nenabled = false\n[send]\nenabled = false\n\
         [diag]\nenabled = false\n[api]\nenabled = false\n",
    );
    let status = off.status();
    for name in ["client", "sse", "poll", "send", "diag"] {
        assert_eq!(status["ways"][name], Value::Null, "{name}");
    }
    assert_eq!(
        (&status["api"], &status["page"]["admin"]),
        (&false.into(), &false.into())
    );
}

/// The console offers what there is. A page that guesses offers an address at which nothing
/// answers.
#[test]
fn the_console_is_told_the_danmaku_channel_and_the_echo_endpoint() {
    let dir = crate::support::TempDir::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command, dir);
    let status = server.status();
    assert_eq!(status["page"]["danmaku"], "danmaku");
    let raw = status["ways"]["raw"].as_array().expect("a list");
    assert_eq!(
        (&raw[1]["path"], &raw[1]["on_message"]),
        (&"/echo".into(), &"echo".into())
    );
    assert_eq!(raw[0]["channels"], json!(["demo"]));
    let mut viewers = [
        crate::client::Session::connected(&server),
        crate::client::Session::connected(&server),
    ];
    viewers[0].subscribe("danmaku");
    viewers[1].ask(json!({"publish": {"channel": "danmaku", "data": {"text": "弹幕"}}}));
    let push = viewers[0].push();
    assert_eq!(push["pub"]["data"]["text"], "弹幕", "{push}");
}

/// An outage that is over is still what one wants to know of.
#[test]
fn pushes_polls_and_hooks_tell_how_they_do_and_what_went_wrong_last() {
    let fails = Arc::new(AtomicBool::new(true));
    let failing = fails.clone();
    let backend = Backend::start(move |_| match failing.load(Relaxed) {
        true => (500, "text/plain", "no".to_string()),
        false => (
            200,
            "application/json",
            json!({"result": {"user": "42"}}).to_string(),
        ),
    });
    let settings = format!(
        "[channels]\nallow.subscribe = [\"anonymous\", \"client\"]\n{}\
         [[raw]]\npath = \"/hooked\"\nconnect_hook = true\n\
         [[push]]\nevery = \"100ms\"\ndata = \"x\"\nchannel = \"a\"\n\
         [[push]]\nevery = \"100ms\"\ndata_file = \"/nothing/there\"\n\
         [[poll]]\nurl = \"http://user:pass@{}/poll?token=t0ps3cret\"\nevery = \"100ms\"\nchannel = \"a\"\n",
        backend.hook("connect"),
        backend.address
    );
    let server = start(&settings);
    let before = get(&server, "/admin/pushes", KEY);
    assert_eq!(before["pushes"][0]["channel"], "a");
    let _listener = server.ws("/ws?channel=a");
    let refused = server.ws("/hooked").expect_close();
    assert_eq!(refused.0, 3004);
    let state = eventually("a push, and a poll that failed", || {
        let state = get(&server, "/admin/pushes", KEY);
        let done = state["pushes"][0]["last_run"].is_string()
            && state["pushes"][1]["last_error"].is_object()
            && state["polls"][0]["failing"] == true;
        done.then_some(state)
    });
    let unreadable = state["pushes"][1]["last_error"]["reason"]
        .as_str()
        .expect("a reason");
    assert!(
        unreadable.contains("/nothing/there cannot be read"),
        "{unreadable}"
    );
    let poll = &state["polls"][0];
    assert_eq!(poll["last_error"]["reason"], "status 500", "{poll}");
    assert!(
        !state.to_string().contains("t0ps3cret") && !state.to_string().contains("pass"),
        "{state}"
    );
    let hooks = get(&server, "/admin/hooks", KEY);
    let hook = &hooks["hooks"][0];
    assert_eq!(
        (&hook["hook"], &hook["calls"]["status"]),
        (&"connect".into(), &1.into())
    );
    assert_eq!(hook["last_error"]["outcome"], "status");
    assert_eq!(hook["last_error"]["reason"], "answered 500");
    assert!(hook["mean_seconds"].as_f64().is_some_and(|mean| mean > 0.0));
    assert_eq!(
        hooks["hooks"].as_array().map(Vec::len),
        Some(1),
        "only those that are set"
    );
    assert_eq!(hooks["events"], Value::Null);
    fails.store(false, Relaxed);
    let state = eventually("the poll works", || {
        let state = get(&server, "/admin/pushes", KEY);
        (state["polls"][0]["failing"] == false).then_some(state)
    });
    assert_eq!(
        state["polls"][0]["last_error"]["reason"], "status 500",
        "it stays"
    );
}

/// Whoever drains the wrong node ends a service. So the name is asked for, and another one does
/// nothing.
#[test]
fn a_drain_needs_the_name_of_the_node_and_goes_as_on_sigterm() {
    let mut server = start("drain.spread = \"0s\"\n");
    let (token, _) = login(&server);
    let token = bearer(&token);
    for (body, word) in [
        (r#"{"node":"n2"}"#, "other_node"),
        ("{}", "bad_request"),
        ("", "bad_request"),
        (r#"{"node":1}"#, "bad_request"),
    ] {
        let answer = post(&server, "/admin/drain", &token, body);
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (400, word),
            "{body}"
        );
        assert!(!answer.body.contains("n1"), "{}", answer.body);
    }
    assert_eq!(
        post(&server, "/admin/drain", "", r#"{"node":"n1"}"#).status,
        401
    );
    assert_eq!(server.get("/ready").status, 200);
    let mut session = server.ws("/ws");
    let answer = post(&server, "/admin/drain", &token, r#"{"node":"n1"}"#);
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(session.expect_close().0, 1012);
    assert_eq!(server.wait(), 0);
    server.log.wait_for("an administrator drains this node");
    server.log.wait_for("drained");
}

/// What an administrator does by the API is done by somebody too, and what it carries is not for
/// the log.
#[test]
fn what_the_administrator_changes_by_the_api_is_told_with_its_address_and_nothing_of_its_data() {
    let server = start("");
    let (token, _) = login(&server);
    let token = format!("{}X-Forwarded-For: 203.0.113.9\r\n", bearer(&token));
    let call = |method: &str, body: &Value, who: &str| {
        let answer = post(&server, &format!("/api/{method}"), who, &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    call(
        "publish",
        &json!({"channel": "news", "data": "h1dden"}),
        &token,
    );
    call("disconnect", &json!({"user": "42"}), &token);
    call("info", &json!({}), &token);
    call(
        "batch",
        &json!({"commands": [
            {"history_remove": {"channel": "c"}},
            {"publish": {"channel": "batched", "data": "h1dden"}},
        ]}),
        &token,
    );
    call(
        "publish",
        &json!({"channel": "backend", "data": 1}),
        "X-API-Key: k\r\n",
    );
    assert!(post(&server, "/api/channels/raw", &token, "h1dden").status < 300);
    for parts in [
        ["method=publish", "channel=news"],
        ["method=disconnect", "user=42"],
        ["method=history_remove", "channel=c"],
        // Publications of a batch left no line, and whatever else stood in one had nobody in it.
        ["method=publish", "channel=batched"],
        ["method=publish", "channel=raw"],
    ] {
        let line = eventually(parts[0], || {
            let text = server.log.text();
            let mut lines = text.lines().filter(|line| line.contains("calls the API"));
            lines
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_string)
        });
        assert!(line.contains("203.0.113.9"), "{line}");
    }
    let log = server.log.text();
    assert!(
        !log.contains("h1dden") && !log.contains("method=info"),
        "{log}"
    );
    assert!(!log.contains("channel=backend"), "{log}");
}

/// What a key of the API takes from a client left no line, and neither did `DELETE
/// /status/sessions`. Whoever was thrown out by mistake could not find out by whom.
#[test]
fn what_is_taken_from_a_client_is_told_with_who_did_it() {
    let server = start("");
    let key = "X-API-Key: k\r\nX-Forwarded-For: 203.0.113.9\r\n";
    let call = |method: &str, body: &Value| {
        let answer = post(&server, &format!("/api/{method}"), key, &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    call("publish", &json!({"channel": "news", "data": "h1dden"}));
    call("block_user", &json!({"user": "43"}));
    call("revoke_token", &json!({"uid": "t1"}));
    call(
        "batch",
        &json!({"commands": [{"disconnect": {"user": "44"}}, {"unsubscribe": {"user": "45", "channel": "c"}}]}),
    );
    let old = "{\"method\":\"disconnect\",\"params\":{\"user\":\"46\"}}";
    assert_eq!(post(&server, "/api", key, old).status, 200);
    for parts in [
        ["method=block_user", "user=43"],
        ["method=revoke_token", "uid=t1"],
        ["method=disconnect", "user=44"],
        ["method=unsubscribe", "channel=c user=45"],
        ["method=disconnect", "user=46"],
    ] {
        let line = eventually(parts[0], || {
            let text = server.log.text();
            let mut lines = text
                .lines()
                .filter(|line| line.contains("the API is called"));
            lines
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_string)
        });
        assert!(
            line.contains("203.0.113.9") && line.contains("key=1"),
            "{line}"
        );
    }
    assert!(!server.log.text().contains("method=publish"));
    let _client = server.ws("/ws");
    server.wait_status("sessions", 1);
    let list = get(&server, "/status/sessions", KEY);
    let id = list["sessions"][0]["id"].as_str().expect("an id");
    let path = format!("/status/sessions/{id}");
    let who = format!("{KEY}X-Forwarded-For: 203.0.113.8\r\n");
    assert_eq!(send(&server, "DELETE", &path, &who, "").status, 204);
    let line = server.log.wait_for("an administrator ended a session");
    for part in ["203.0.113.8", "3503", id] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let server = Server::start(&format!("admin.key = \"s3cret\"\n{}", raw("/ws", "")));
    let answer = post(&server, "/admin/drain", KEY, &"x".repeat(70_000));
    assert_eq!((answer.status, code(&answer).as_str()), (413, "too_large"));
}

/// Programs are made of the document. A route that it does not have, or one that is not there, is
/// found by their users.
#[test]
fn the_document_has_the_routes_that_there_are_and_each_asks_who_it_is() {
    let server = start("");
    let document = super::json(&server.get("/admin/openapi.json"));
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(paths.len(), 12);
    for (path, methods) in paths {
        let at = path.replace("{id}", "00000000-0000-4000-8000-000000000000");
        for method in methods.as_object().expect("methods").keys() {
            let method = method.to_uppercase();
            let answer = super::send(&server, &method, &at, "", "");
            let expected = match path.as_str() {
                "/admin/openapi.json" => 200,
                "/admin/logout" => 204,
                _ => 401,
            };
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.body);
            let other = super::send(&server, "PUT", &at, KEY, "");
            assert_eq!(
                (other.status, code(&other).as_str()),
                (405, "method_not_allowed"),
                "{path}"
            );
            let allow = other.header("allow").expect("what it answers");
            assert!(allow.contains(&method), "{path}: {allow}");
        }
    }
}
