//! Who comes, goes and comes back while something waits.

use super::*;
use crate::{
    close::{Close, Unsubscribe},
    shard::{Drain, ServerCommand},
};

/// What waits was published before whoever subscribes meanwhile was there. Without a position it
/// begins behind that; with one it has each publication once.
async fn subscribe_meanwhile(more: &str) {
    let server = start(more);
    let mut before = server.ws("/ws?channel=a").await;
    server.publish("a", "1").await;
    before.expect_text("1").await;
    server.publish("a", "2").await;
    let mut late = server.ws("/ws?channel=a").await;
    let mut protocol = client(&server, "a").await;
    server.wait_sessions(3).await;
    server.publish("a", "3").await;
    before.expect_text("2").await;
    before.expect_text("3").await;
    late.expect_text("3").await;
    assert_eq!(data(&pushed(&mut protocol).await), [3]);
}

#[test]
fn who_subscribes_meanwhile_gets_what_comes_after() {
    run(subscribe_meanwhile(""));
}

#[test]
fn who_subscribes_meanwhile_gets_each_once_where_they_are_kept() {
    run(subscribe_meanwhile(KEPT));
}

/// What a client gets up to the word of an unsubscription, in one frame or two.
async fn until_unsubscribed(client: &mut ProtocolClient) -> String {
    let mut seen = text_of(client).await;
    if !seen.contains("unsubscribe") {
        seen.push_str(&text_of(client).await);
    }
    seen
}

/// A client that unsubscribes or is closed has been promised what was published before. It gets
/// that first, then the answer or the Close, and nothing behind them.
#[test]
fn close_and_unsubscribe_send_what_waits_first() {
    run(async {
        let server = start("");
        let mut leaving = client(&server, "a").await;
        let mut closed = server.ws("/ws?channel=a").await;
        server.publish("a", "1").await;
        text_of(&mut leaving).await;
        closed.expect_text("1").await;
        server.publish("a", "2").await;
        let started = Instant::now();
        leaving
            .send(&json!({"id": 3, "unsubscribe": {"channel": "a"}}))
            .await;
        let seen = until_unsubscribed(&mut leaving).await;
        let (at, end) = (seen.find("\"data\":2"), seen.find("\"unsubscribe\""));
        assert!(at.is_some() && at < end, "{seen}");
        server.test.node.shards.send_all(&Drain {
            spread: Duration::ZERO,
            close: Close::RESTART,
        });
        closed.expect_text("2").await;
        assert_eq!(closed.message().await.code_and_reason().0, 1012);
        assert!(started.elapsed() < STEP, "nothing of it has waited");
    });
}

/// The API ends subscriptions and sessions of clients that were promised what was published before.
/// They get it first, then the news of the end.
#[test]
fn what_the_api_ends_is_sent_what_waits_first() {
    run(async {
        let server = start("");
        let mut unsubscribed = client(&server, "a").await;
        let mut closed = server.ws("/ws?channel=a").await;
        server.publish("a", "1").await;
        text_of(&mut unsubscribed).await;
        closed.expect_text("1").await;
        server.publish("a", "2").await;
        let started = Instant::now();
        let (channel, why) = ("a".into(), Unsubscribe::SERVER);
        let command = ServerCommand::Unsubscribe { channel, why };
        server.command_all(&command).await;
        let seen = until_unsubscribed(&mut unsubscribed).await;
        let (at, end) = (seen.find("\"data\":2"), seen.find("\"unsubscribe\""));
        assert!(at.is_some() && at < end, "{seen}");
        // It has left the channel, and with it the window.
        closed.expect_text("2").await;

        let mut kicked = server.ws("/ws?channel=b").await;
        server.publish("b", "1").await;
        kicked.expect_text("1").await;
        server.publish("b", "2").await;
        let command = ServerCommand::Disconnect(Close::FORCE_DISCONNECT);
        server.command_all(&command).await;
        kicked.expect_text("2").await;
        assert_eq!(kicked.message().await.code_and_reason().0, 3503);
        assert!(started.elapsed() < STEP, "nothing of it has waited");
    });
}

/// A client that comes back while its channel's line waits has a position, and the history has what
/// waits. It gets each publication once, by one way or the other.
#[test]
fn who_comes_back_with_a_position_gets_each_once() {
    run(async {
        let server = start(KEPT);
        let mut before = client(&server, "a").await;
        server.publish("a", "1").await;
        text_of(&mut before).await;
        let wish = json!({ "channel": "a", "recoverable": true });
        let (gone, result) = client_with(&server, wish).await;
        let epoch = result["epoch"].clone();
        assert_eq!(result["offset"], 1, "{result}");
        server.publish("a", "2").await;
        drop(gone);
        let wish = json!({ "channel": "a", "recover": true, "offset": 1, "epoch": epoch });
        let (mut back, result) = client_with(&server, wish).await;
        assert_eq!(result["recovered"], true, "{result}");
        let brought = result["publications"].as_array().map(Vec::len);
        assert_eq!(brought, Some(1), "{result}");
        let epoch = epoch.as_str().expect("an epoch");
        let mut raw = server.ws(&format!("/ws?channel=a&since=1@{epoch}")).await;
        raw.expect_text("2").await;
        server.publish("a", "3").await;
        raw.expect_text("3").await;
        assert_eq!(data(&pushed(&mut back).await), [3]);
        assert_eq!(data(&pushed(&mut before).await), [2, 3]);
        raw.expect_nothing().await;
        // The next window, as ever.
        server.publish("a", "4").await;
        assert_eq!(data(&pushed(&mut back).await), [4]);
    });
}

/// Who comes and goes as fast as others speak costs as many writes. Joins and leaves wait in the
/// line of the messages, and leave with them.
#[test]
fn joins_and_leaves_wait_in_the_same_line() {
    run(async {
        let server = start("join_leave = true\nforce_push_join_leave = true\n");
        let mut watcher = client(&server, "a").await;
        server.publish("a", "1").await;
        let mut seen = pushed(&mut watcher).await;
        // Its own join may have been the first.
        while !data(&seen).contains(&Value::from(1)) {
            seen.extend(pushed(&mut watcher).await);
        }
        let started = Instant::now();
        let mut guest = client(&server, "a").await;
        server.publish("a", "2").await;
        guest.ask(json!({"unsubscribe": {"channel": "a"}})).await;
        assert!(started.elapsed() < STEP);
        // Which of both was first is not said: a join is told once its session is in the presence.
        let mut told = pushed(&mut watcher).await;
        assert!(started.elapsed() > WINDOW / 4, "they wait");
        let is = |push: &Value, kind: &str| !push[kind].is_null();
        for kind in ["join", "pub"] {
            assert!(told.iter().any(|push| is(push, kind)), "{told:?}");
        }
        // A leave is told a moment later, in case its client is back at once: in this frame or the
        // next.
        while !told.iter().any(|push| is(push, "leave")) {
            told.extend(pushed(&mut watcher).await);
        }
        assert!(is(told.last().expect("a leave"), "leave"), "{told:?}");
    });
}
