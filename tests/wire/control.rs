//! Commands of the API over a hand-over: given to the process that has taken over, and meant for
//! sessions that the one before still has.

use std::{io::Read as _, process::Command};

use serde_json::{Value, json};

use crate::{
    handover::{HEALTH, Last, ask, connect, hand_over, taken_over},
    support::{Client, Server, TempDir, eventually},
};

const SECRET: &str = "a secret of more than thirty-two bytes";

/// A server whose drain takes minutes, with a state or without.
fn start(with_state: bool) -> Server {
    let dir = TempDir::new();
    let state = match with_state {
        true => format!(
            "state.dir = \"{}\"\nstate.handover = \"10m\"\n",
            dir.path().join("state").display()
        ),
        false => String::new(),
    };
    let settings = format!(
        "{state}api.key = \"k\"\ntoken.hmac_secret = \"{SECRET}\"\ndrain.spread = \"300s\"\n\
         [channels]\nallow.subscribe = [\"client\"]\n"
    );
    Server::start_in(dir, &settings, &[])
}

fn api(server: &Server, method: &str, body: &Value) {
    let body = body.to_string();
    let request = format!(
        "POST /api/{method} HTTP/1.1\r\nHost: test\r\nX-API-Key: k\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = server.request(&request).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("result"), "{answer:?}");
}

/// A session of this user in `news`, with its id.
fn session(server: &Server, user: &str) -> (Client, String) {
    let token = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["token", "--secret", SECRET, "--user", user])
        .env_remove("FANFARE_CONFIG")
        .output()
        .expect("it runs");
    let token = String::from_utf8(token.stdout).expect("text");
    let mut client = server.ws("/connection/websocket");
    client.text(&json!({"id": 1, "connect": {"token": token.trim()}}).to_string());
    let id = client.json_lines()[0]["connect"]["client"].clone();
    client.text(&json!({"id": 2, "subscribe": {"channel": "news"}}).to_string());
    let reply = client.json_lines().remove(0);
    assert!(reply["subscribe"].is_object(), "{reply}");
    (client, id.as_str().expect("an id").to_string())
}

/// Those that the spread ends first, so that whoever comes behind them is there for a minute.
fn first_ones(server: &Server) -> Vec<Client> {
    (0..8).map(|_| session(server, "first").0).collect()
}

/// The process that has taken over as the `count`th, once the one before it accepts nobody any
/// more: that one does by itself what it is told first, and refuses it later.
fn serves_alone(server: &Server, count: usize, begin: impl FnOnce()) -> Last {
    let mut idle = connect(server.address);
    assert_eq!(ask(&mut idle, HEALTH).status, 200);
    begin();
    let new = taken_over(&server.log, count);
    // It is ended behind all that was accepted.
    assert_eq!(idle.read(&mut [0]).expect("an end"), 0);
    new
}

/// A user who was blocked went on for as long as the old process still had the session, up to the
/// whole of `drain.spread`: commands reach the new process alone. It passes them on.
#[test]
fn what_the_new_process_is_told_holds_for_the_sessions_of_the_old_one() {
    for with_state in [false, true] {
        let server = start(with_state);
        let _first = first_ones(&server);
        let [blocked, kicked, named, left, expired, spared] =
            ["42", "43", "44", "45", "46", "47"].map(|user| session(&server, user));
        let _new = serves_alone(&server, 1, || server.signal("USR2"));
        api(&server, "block_user", &json!({"user": "42"}));
        let (mut blocked, _) = blocked;
        assert_eq!(blocked.expect_close().0, 3503);
        let close = json!({"code": 4001, "reason": "out"});
        api(
            &server,
            "disconnect",
            &json!({"user": "43", "disconnect": close}),
        );
        let (mut kicked, _) = kicked;
        assert_eq!(kicked.expect_close(), (4001, "out".to_string()));
        let (mut named, id) = named;
        api(&server, "disconnect", &json!({"client": id}));
        assert_eq!(named.expect_close().0, 3503);
        api(
            &server,
            "unsubscribe",
            &json!({"user": "45", "channel": "news"}),
        );
        let (mut left, _) = left;
        let push = left.json_lines().remove(0);
        assert_eq!(push["push"]["unsubscribe"]["code"], 2000, "{push}");
        api(&server, "invalidate_user_tokens", &json!({"user": "46"}));
        let (mut expired, _) = expired;
        assert_eq!(expired.expect_close().0, 3005);
        let (mut spared, _) = spared;
        spared.expect_nothing();
    }
}

/// Of three processes that have sessions each told only the next one. The order goes through the
/// one in the middle, which waits for the first.
#[test]
fn an_order_passes_through_a_process_that_has_handed_over_itself() {
    let server = start(false);
    let _first = first_ones(&server);
    let (mut blocked, _) = session(&server, "42");
    let second = serves_alone(&server, 1, || server.signal("USR2"));
    let _third = serves_alone(&server, 2, || second.signal("USR2"));
    api(&server, "block_user", &json!({"user": "42"}));
    assert_eq!(blocked.expect_close().0, 3503);
}

/// A process that has taken over stops telling the one before when that has ended, and ends itself.
#[test]
fn the_new_process_goes_on_alone_when_the_old_one_has_ended() {
    let mut server = start(false);
    let (client, _) = session(&server, "42");
    let new = hand_over(&server);
    drop(client);
    assert_eq!(server.wait(), 0);
    eventually("orders are taken", || {
        api(&server, "block_user", &json!({"user": "42"}));
        Some(())
    });
    new.signal("TERM");
    new.ends();
}
