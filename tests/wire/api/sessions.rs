//! Sessions: listed, told, subscribed and ended, one by one and by user.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{call, client, connections, done, members, start, start_with, token};
use crate::support::{eventually, raw};

#[test]
fn sessions_are_listed_by_pages_and_reached_one_by_one() {
    let server = start("");
    let mut first = client(&server, "channel=news", "news");
    let id = connections(&server, &json!({ "channel": "news" })).remove(0);
    let mut second = client(&server, "channel=news&channel=kept:1", "kept:1");
    assert_eq!(connections(&server, &json!({})).len(), 2);
    assert_eq!(
        connections(&server, &json!({ "channel": "kept:1" })).len(),
        1
    );
    assert_eq!(
        connections(&server, &json!({ "address": "::ffff:127.0.0.1" })).len(),
        2
    );
    assert_eq!(
        connections(&server, &json!({ "address": "10.0.0.1" })).len(),
        0
    );
    let page = done(&server, "connections", &json!({ "limit": 1 }));
    assert_eq!(
        page["connections"][&id]["state"]["channels"],
        json!({ "news": {} })
    );
    assert_eq!(page["connections"][&id]["transport"], "websocket");
    let rest = done(
        &server,
        "connections",
        &json!({ "limit": 1, "after": page["next"] }),
    );
    assert!(
        rest["connections"][&id].is_null() && rest["next"].is_null(),
        "{rest}"
    );

    done(
        &server,
        "publish",
        &json!({ "channel": "news", "data": "for others", "exclude": [id] }),
    );
    second.expect_text("\"for others\"");
    done(&server, "send", &json!({ "client": id, "data": "for you" }));
    first.expect_text("\"for you\"");
    done(&server, "send", &json!({ "all": true, "b64data": "aGk=" }));
    first.expect_text("hi");
    second.expect_text("hi");

    done(
        &server,
        "subscribe",
        &json!({ "client": id, "channel": "kept:1" }),
    );
    eventually("it is subscribed", || {
        (members(&server, "kept:1") == 2).then_some(())
    });
    done(
        &server,
        "unsubscribe",
        &json!({ "client": id, "channel": "kept:1" }),
    );
    eventually("it is not", || {
        (members(&server, "kept:1") == 1).then_some(())
    });
    let wish = json!({ "client": id, "disconnect": { "code": 4001, "reason": "bye" } });
    done(&server, "disconnect", &wish);
    assert_eq!(first.expect_close(), (4001, "bye".to_string()));
    second.expect_nothing();

    let node = done(&server, "info", &json!({}))["nodes"][0].take();
    assert_eq!(
        (&node["num_channels"], &node["num_subs"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    assert!(!node["uid"].as_str().expect("a name").is_empty());
}

/// A raw client that the API had taken out of a channel still published there, for its audience was
/// settled by its handshake. Its audience follows its membership: out of its only channel, it
/// speaks to nobody.
#[test]
fn a_raw_client_that_was_taken_out_of_a_channel_speaks_there_no_more() {
    let server = start_with(&raw("/chat", "on_message = \"relay\""));
    let mut listener = client(&server, "channel=open:a&channel=open:b", "open:a");
    let mut speaker = server.ws("/chat?channel=open:a&channel=open:b");
    eventually("it is there", || {
        (members(&server, "open:a") == 2).then_some(())
    });
    let listed = done(&server, "connections", &json!({ "channel": "open:b" }));
    let listed = listed["connections"].as_object().expect("an object");
    let id = listed.iter().find(|(_, it)| it["endpoint"] == "/chat");
    let id = id.expect("the speaker is listed").0;
    done(
        &server,
        "unsubscribe",
        &json!({ "client": id, "channel": "open:a" }),
    );
    eventually("it is out", || {
        (members(&server, "open:a") == 1).then_some(())
    });
    speaker.text("to b alone");
    listener.expect_text("to b alone");
    done(
        &server,
        "unsubscribe",
        &json!({ "client": id, "channel": "open:b" }),
    );
    eventually("it is out", || {
        (members(&server, "open:b") == 1).then_some(())
    });
    speaker.text("to nobody");
    assert_eq!(speaker.expect_close().0, 3507);
    listener.expect_nothing();
}

/// A raw session that the API refreshed, or subscribed with an end, went on for ever: only clients
/// of the protocol had timers. A plain client can be told of neither, so its session ends when the
/// first of them does.
#[test]
fn what_the_api_gives_a_raw_client_for_a_time_ends() {
    let server = start("");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let query = format!("channel=kept:1&token={}", token("42"));
    let mut refreshed = client(&server, &query, "kept:1");
    let id = connections(&server, &json!({ "user": "42" })).remove(0);
    done(
        &server,
        "refresh",
        &json!({ "user": "42", "client": id, "expire_at": now + 1 }),
    );
    assert_eq!(refreshed.expect_close(), (3005, "expired".to_string()));
    let mut subscribed = client(&server, "channel=kept:1", "kept:1");
    let id = connections(&server, &json!({ "channel": "kept:1" })).remove(0);
    let wish = json!({ "client": id, "channel": "kept:2", "expire_at": now + 2 });
    done(&server, "subscribe", &wish);
    assert_eq!(subscribed.expect_close(), (3005, "expired".to_string()));
}

/// A time in milliseconds was taken for never, without a word: the session of a backend that meant
/// two minutes went on for good. It is refused with the sentence that tokens have for it.
#[test]
fn a_time_in_milliseconds_is_refused_by_every_method_that_takes_one() {
    let server = start("");
    let late = 1_795_712_170_999_u64;
    for (method, body) in [
        ("refresh", json!({ "user": "42", "expire_at": late })),
        (
            "subscribe",
            json!({ "user": "42", "channel": "news", "expire_at": late }),
        ),
        ("block_user", json!({ "user": "42", "expire_at": late })),
        ("revoke_token", json!({ "uid": "1", "expire_at": late })),
        (
            "invalidate_user_tokens",
            json!({ "user": "42", "issued_before": late }),
        ),
        (
            "invalidate_user_tokens",
            json!({ "user": "42", "expire_at": late }),
        ),
        ("refresh", json!({ "user": "42", "expire_at": -5 })),
    ] {
        let error = &call(&server, method, &body)["error"];
        assert_eq!(error["code"], 107, "{method} {body}: {error}");
        let message = error["message"].as_str().expect("a sentence");
        let part = if body["expire_at"] == -5 {
            "since 1970"
        } else {
            "milliseconds?"
        };
        assert!(message.contains(part), "{method} {body}: {message}");
    }
}

#[test]
fn users_are_sent_to_and_blocked_with_all_their_sessions() {
    let server = start("");
    let query = format!("channel=kept:1&token={}", token("42"));
    let mut one = client(&server, &query, "kept:1");
    let mut two = client(&server, &query, "kept:1");
    let mut other = client(&server, "channel=kept:1", "kept:1");
    let stats = eventually("presence", || {
        let stats = done(&server, "presence_stats", &json!({ "channel": "kept:1" }));
        (stats["num_clients"] == 3).then_some(stats)
    });
    assert_eq!(stats["num_users"], 2);
    let presence = done(&server, "presence", &json!({ "channel": "kept:1" }));
    let users = presence["presence"]
        .as_object()
        .expect("an object")
        .values();
    assert_eq!(users.filter(|info| info["user"] == "42").count(), 2);
    assert_eq!(connections(&server, &json!({ "user": "42" })).len(), 2);
    done(&server, "send", &json!({ "user": "42", "data": 1 }));
    one.expect_text("1");
    two.expect_text("1");
    let spared = connections(&server, &json!({ "user": "42", "limit": 1 })).remove(0);
    done(
        &server,
        "disconnect",
        &json!({ "user": "42", "whitelist": [spared] }),
    );
    assert_eq!(two.expect_close(), (3503, "force disconnect".to_string()));

    done(&server, "block_user", &json!({ "user": "42" }));
    assert_eq!(one.expect_close().0, 3503);
    let refused = server.ws(&format!("/ws?{query}")).expect_close();
    assert_eq!(refused, (3503, "the user is blocked".to_string()));
    done(&server, "unblock_user", &json!({ "user": "42" }));
    let mut again = client(&server, &query, "kept:1");
    done(&server, "invalidate_user_tokens", &json!({ "user": "42" }));
    assert_eq!(again.expect_close(), (3005, "expired".to_string()));
    // A newer one would do, which 3005 asks for.
    assert_eq!(server.ws(&format!("/ws?{query}")).expect_close().0, 3005);
    other.expect_nothing();
}

/// What the API gave a raw client with a channel was left out: neither `data` nor what it had
/// missed came. `limits.subscriptions` did not hold for it either.
#[test]
fn what_the_api_gives_a_plain_client_with_a_channel_comes_as_messages_of_it() {
    let server = start("limits.subscriptions = 3\n");
    for number in 1..=3 {
        let message = json!({ "channel": "kept:1", "data": number });
        done(&server, "publish", &message);
    }
    let history = done(
        &server,
        "history",
        &json!({ "channel": "kept:1", "limit": 0 }),
    );
    let since = json!({ "offset": 1, "epoch": history["epoch"] });
    for envelope in [false, true] {
        let query = format!("channel=news&envelope={}", u8::from(envelope));
        let mut plain = client(&server, &query, "news");
        let id = connections(&server, &json!({ "channel": "news" })).remove(0);
        let given = json!({
            "client": id, "channel": "kept:1", "data": { "hello": 1 }, "recover_since": since,
        });
        done(&server, "subscribe", &given);
        let mut next = || String::from_utf8(plain.message().payload).expect("text");
        if envelope {
            assert_eq!(next(), "{\"channel\":\"news\",\"recovered\":true}");
            assert_eq!(next(), "{\"channel\":\"kept:1\",\"data\":{\"hello\":1}}");
            assert!(next().contains("\"offset\":2,"));
            assert!(next().contains("\"offset\":3,"));
            let told: serde_json::Value = serde_json::from_str(&next()).expect("JSON");
            assert_eq!(told["recovered"], true, "{told}");
        } else {
            assert_eq!([next(), next(), next()], ["{\"hello\":1}", "2", "3"]);
        }
        // One more is as many as it may have.
        for channel in ["kept:2", "kept:3"] {
            done(
                &server,
                "subscribe",
                &json!({ "client": id, "channel": channel }),
            );
        }
        // The session does it in a turn of its own, behind the answer.
        let told = format!("session {id} has as many channels as it may");
        let line = server.log.wait_for(&told);
        assert!(line.contains("limits.subscriptions, 3"), "{line}");
        assert_eq!(
            (members(&server, "kept:2"), members(&server, "kept:3")),
            (1, 0)
        );
        done(&server, "disconnect", &json!({ "client": id }));
        assert_eq!(plain.expect_close().0, 3503);
        eventually("it is gone", || {
            (members(&server, "news") == 0).then_some(())
        });
    }
}

/// The protocol's own sessions were put into as many channels as the API named, too.
#[test]
fn the_api_puts_nobody_into_more_channels_than_a_session_may_have() {
    let server = start("limits.subscriptions = 2\n");
    let mut client = server.ws("/connection/websocket");
    client.text("{\"id\":1,\"connect\":{}}");
    let reply: serde_json::Value = serde_json::from_slice(&client.message().payload).expect("JSON");
    let id = reply["connect"]["client"].as_str().expect("an id");
    for number in 1..=3 {
        let given = json!({ "client": id, "channel": format!("kept:{number}") });
        done(&server, "subscribe", &given);
    }
    server.log.wait_for("limits.subscriptions, 2");
    assert_eq!(members(&server, "kept:3"), 0);
    eventually("the others", || {
        (members(&server, "kept:2") == 1).then_some(())
    });
}
