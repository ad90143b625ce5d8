//! Raw WebSocket with positions: `?envelope=1` and `?since=` in all its forms.

use super::{OPEN, publish};
use crate::support::{Client, Frame, Server};

fn envelope(client: &mut Client) -> serde_json::Value {
    let frame = client.message();
    assert!(frame.is(1), "{frame:?}");
    serde_json::from_slice(&frame.payload).expect("JSON")
}

/// The epoch of a channel.
fn epoch(server: &Server, channel: &str) -> String {
    let answer = super::poll(server, &format!("channel={channel}"));
    let since = answer["since"].as_str().expect("a position");
    since.split_once('@').expect("an epoch").1.to_string()
}

#[test]
fn an_envelope_tells_channel_place_and_data() {
    let server = Server::start(OPEN);
    let mut ws = server.ws("/ws?channel=a&channel=now:b&envelope=1");
    let epoch = epoch(&server, "a");
    assert_eq!(
        envelope(&mut ws),
        serde_json::json!({"channel": "a", "recovered": true, "since": format!("0@{epoch}")})
    );
    assert_eq!(
        envelope(&mut ws),
        serde_json::json!({"channel": "now:b", "recovered": true})
    );
    publish(&server, "a", "[1, 2]");
    publish(&server, "now:b", "text");
    let place = format!("1@{epoch}");
    assert_eq!(
        envelope(&mut ws),
        serde_json::json!({"channel": "a", "offset": 1, "since": place, "data": [1, 2]})
    );
    assert_eq!(
        envelope(&mut ws),
        serde_json::json!({"channel": "now:b", "data": "text"})
    );
    let octets = "Content-Type: application/octet-stream\r\n";
    super::post(&server, "/send?channel=now:b", octets, "\u{1}\u{2}");
    assert_eq!(
        envelope(&mut ws),
        serde_json::json!({"channel": "now:b", "b64data": "AQI="})
    );
}

#[test]
fn without_an_envelope_what_was_missed_comes_as_it_was_published() {
    let server = Server::start(OPEN);
    for text in ["1", "2", "3"] {
        publish(&server, "a", text);
    }
    let epoch = epoch(&server, "a");
    let mut ws = server.ws(&format!("/ws?channel=a&since=1@{epoch}"));
    ws.expect_text("2");
    ws.expect_text("3");
    publish(&server, "a", "4");
    ws.expect_text("4");
    let mut newest = server.ws("/ws?channel=a&since=2");
    newest.expect_text("3");
    newest.expect_text("4");
    newest.expect_nothing();
}

#[test]
fn each_channel_goes_on_from_its_own_place() {
    let server = Server::start(OPEN);
    for (channel, text) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        publish(&server, channel, text);
    }
    let (a, b) = (epoch(&server, "a"), epoch(&server, "b"));
    // One for each channel, or all in one.
    for query in [
        format!("since=1@{a}&since=0@{b}"),
        format!("since=1@{a},0@{b}"),
        format!("since=1@{a}%2C0@{b}"),
    ] {
        let mut ws = server.ws(&format!("/ws?channel=a&channel=b&envelope=1&{query}"));
        assert_eq!(envelope(&mut ws)["data"], "a2");
        let told =
            serde_json::json!({"channel": "a", "recovered": true, "since": format!("2@{a}")});
        assert_eq!(envelope(&mut ws), told);
        assert_eq!(envelope(&mut ws)["data"], "b1");
        assert_eq!(envelope(&mut ws)["recovered"], true);
        ws.expect_nothing();
    }
    let mut newest = server.ws("/ws?channel=a&channel=b&since=1");
    newest.expect_text("a2");
    newest.expect_text("b1");
    newest.expect_nothing();
}

#[test]
fn what_cannot_be_had_again_is_told_for_its_channel_alone() {
    let server = Server::start(OPEN);
    publish(&server, "a", "a1");
    publish(&server, "b", "b1");
    let b = epoch(&server, "b");
    let mut ws = server.ws(&format!(
        "/ws?channel=a&channel=b&channel=now:c&envelope=1&since=1@gone,0@{b},-"
    ));
    let told = envelope(&mut ws);
    assert_eq!(
        (&told["channel"], &told["recovered"]),
        (&"a".into(), &false.into())
    );
    assert_eq!(envelope(&mut ws)["data"], "b1");
    assert_eq!(envelope(&mut ws)["recovered"], true);
    assert_eq!(
        envelope(&mut ws),
        serde_json::json!({"channel": "now:c", "recovered": false})
    );
    publish(&server, "a", "a2");
    assert_eq!(envelope(&mut ws)["data"], "a2");
    for query in ["since=x", "since=1@a&since=2@b", "since=-1", "since=1@%00"] {
        let mut ws = server.ws(&format!("/ws?channel=a&{query}"));
        assert_eq!(ws.expect_close().0, 3501, "{query}");
    }
}

#[test]
fn who_may_not_have_a_channel_is_told_after_the_handshake() {
    let server = Server::start(OPEN);
    for channel in ["shut:a", "nosuch:a"] {
        let mut ws = server.ws(&format!("/ws?channel={channel}"));
        let (code, reason) = ws.expect_close();
        assert_eq!(code, 3507);
        assert!(reason.contains(channel), "{reason}");
    }
}

#[test]
fn messages_without_rules_come_as_ever() {
    let server = Server::start(&crate::support::raw("/ws", "on_message = \"relay\""));
    let mut wrapped = server.ws("/ws?channel=a&envelope=1");
    assert_eq!(
        envelope(&mut wrapped),
        serde_json::json!({"channel": "a", "recovered": true})
    );
    let mut plain = server.ws("/ws?channel=a&since=0@x");
    server.wait_status("sessions", 2);
    server.ws("/ws?channel=a").send(&Frame::binary(&[1]));
    assert_eq!(
        envelope(&mut wrapped),
        serde_json::json!({"channel": "a", "b64data": "AQ=="})
    );
    assert_eq!(plain.message(), Frame::binary(&[1]));
}
